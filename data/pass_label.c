/* Pass 2 of prepare --format wildchat: the final level of every follow-up. Neutral ones beside engaged ones are mined,
 * refusals override, then the filters say what is dropped. Counts each user's instances, by which users are split. */
#include "data/pipeline.h"

#include "data/pattern.h"

enum { SHORT_QUERY_WORDS = 12 }; /* a query so short may refer to the one before it */

static wr_status similarity(void *context, size_t i, size_t j, double *out) {
    pipeline *p = context;
    turn_text a = pipeline_text(p->conversation, p->at[i]), b = pipeline_text(p->conversation, p->at[j]);
    return mining_similarity(p->mining, &a, &b, out);
}

static wr_status judge_turn(pipeline *p, const conversation *c, size_t k, turn_state *t) {
    wr_status status = WR_OK;
    funnel *f = &p->job->funnel;
    const chat_message *query = NULL, *reply = &c->messages[p->at[k] - 1];
    conversation_query(c, p->at[k], &query);
    t->final = p->final[k];
    if (t->final != t->level) {
        t->how = HOW_MINED;
        TRY(funnel_count(f, "mining", t->final == 5 ? "neutral -> 5" : "neutral -> 4", 1));
    }
    refusal_kind kind = REFUSAL_NONE;
    if (query && t->level)
        kind = refusal_judge(p->refusal, query->content, query->length, reply->content, reply->length);
    if (kind == REFUSAL_FALSE && p->at[k] >= 4 && text_words(query->content, query->length) <= SHORT_QUERY_WORDS) {
        /* "No, answer my question." asks what the message before it asked. */
        const chat_message *earlier = &c->messages[p->at[k] - 4];
        kind = refusal_judge(p->refusal, earlier->content, earlier->length, reply->content, reply->length);
    }
    if (kind != REFUSAL_NONE) {
        t->final = kind == REFUSAL_FALSE ? 1 : 5;
        t->how = HOW_REFUSAL;
        TRY(funnel_count(f, "refusal", kind == REFUSAL_FALSE ? "false refusal -> 1" : "justified refusal -> 5", 1));
    }
    filter_turn turn = {.level = t->final,
                        .language = c->language,
                        .query = query ? query->content : NULL,
                        .query_length = query ? query->length : 0,
                        .reply = reply->content,
                        .reply_length = reply->length,
                        .history = query ? p->at[k] - 2 : 0};
    t->dropped = (uint8_t)filters_judge(p->filters, &turn).reason;
cleanup:
    return status;
}

static wr_status decide_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    pipeline *p = context;
    conversation c;
    uint32_t user;
    arena_reset(p->arena);
    TRY(conversation_read(p->arena, line, n, &c));
    TRY(job_user(p->job, c.user, &user));
    TRY(pipeline_turns(p, &c));
    TRY(mem_reserve((void **)&p->levels, &p->level_capacity, p->n_at + 1, 1));
    TRY(mem_reserve((void **)&p->final, &p->final_capacity, p->n_at + 1, 1));
    for (size_t k = 0; k < p->n_at; k++) p->levels[k] = p->turns[p->next + k].level;
    TRY(mining_apply(p->mining, p->levels, p->n_at, similarity, p, p->final));
    for (size_t k = 0; k < p->n_at; k++) {
        turn_state *t = &p->turns[p->next + k];
        TRY(judge_turn(p, &c, k, t));
        if (t->dropped == FILTER_KEEP) p->job->users[user].instances++, p->instances++;
    }
    p->next += p->n_at;
cleanup:
    return status;
}

static wr_status put_mining(pipeline *p) {
    wr_status status = WR_OK;
    strbuf *out = &p->job->extra;
    funnel *f = &p->job->funnel;
    char note[160];
    uint64_t mined = funnel_get(f, "mining", "neutral -> 4") + funnel_get(f, "mining", "neutral -> 5"),
             neutral = funnel_get(f, "level", "3 neutral");
    double share = neutral ? (double)mined / (double)neutral : 0;
    snprintf(note, sizeof note, "%.2f %% of the neutral; thresholds %.3f (next turn), %.3f (2 ahead), from %zu pairs",
             100 * share, mining_threshold(p->mining, 1), mining_threshold(p->mining, 2), mining_pairs(p->mining));
    TRY(funnel_count(f, "mining", "mined", mined));
    TRY(funnel_note(f, "mining", "mined", note));
    strbuf_printf(out, "\"mining\":{\"thresholds\":[%.9g,%.9g],\"pairs\":%zu,\"mined\":%llu,\"share_of_neutral\":%.9g}",
                  mining_threshold(p->mining, 1), mining_threshold(p->mining, 2), mining_pairs(p->mining),
                  (unsigned long long)mined, share);
    TRY(strbuf_status(out));
cleanup:
    return status;
}

wr_status pass_label(pipeline *p) {
    wr_status status = WR_OK;
    TRY(mining_calibrate(p->mining));
    TRY(job_each_spilled(p->job, "labels", decide_row, p));
    TRY(put_mining(p));
cleanup:
    return status;
}
