/* Pass 1 of prepare --format wildchat: every row of the sources is read once. A good one goes to the spill file in
 * short form; its follow-ups get the lexicon's level, and their terms are counted for the mining of the next pass. */
#include "data/pipeline.h"

#include "base/hash.h"

#include <string.h>

static const char *const level_names[] = {"none",      "1 rejection",           "2 correction",
                                          "3 neutral", "4 positive engagement", "5 explicit satisfaction"};

/* The table's lines in their order, before anything is counted. */
static wr_status begin_table(funnel *f) {
    wr_status status = WR_OK;
    static const char *const rows[] = {"read", "good", "messages", "follow-ups"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) TRY(funnel_count(f, "rows", rows[i], 0));
    for (int i = ROW_GOOD + 1; i < ROW_FAULTS; i++) TRY(funnel_count(f, "rows", row_fault_name((row_fault)i), 0));
    for (int i = 0; i < 6; i++) TRY(funnel_count(f, "level", level_names[i], 0));
    TRY(funnel_count(f, "mining", "neutral -> 4", 0));
    TRY(funnel_count(f, "mining", "neutral -> 5", 0));
    TRY(funnel_count(f, "mining", "mined", 0));
    TRY(funnel_count(f, "refusal", "false refusal -> 1", 0));
    TRY(funnel_count(f, "refusal", "justified refusal -> 5", 0));
    for (int i = FILTER_KEEP + 1; i < FILTERS; i++) TRY(funnel_count(f, "dropped", filter_name((filter)i), 0));
cleanup:
    return status;
}

static wr_status annotate(pipeline *p, const conversation *c) {
    wr_status status = WR_OK;
    uint32_t user;
    TRY(job_user(p->job, c->user, &user));
    TRY(pipeline_turns(p, c));
    TRY(mem_reserve((void **)&p->texts, &p->text_capacity, p->n_at + 1, sizeof *p->texts));
    for (size_t k = 0; k < p->n_at; k++) {
        size_t at = p->at[k];
        turn_text t = pipeline_text(c, at);
        const chat_message *reply = &c->messages[at - 1];
        verdict v;
        TRY(lexicon_judge(p->lexicon, t.query, t.query_length, reply->content, reply->length, t.followup,
                          t.followup_length, &v));
        p->texts[k] = t;
        VEC_PUSH(p->turns, p->n_turns, p->turn_capacity,
                 ((turn_state){.level = (int8_t)v.level, .how = v.level ? HOW_LEXICON : HOW_NONE}));
        TRY(funnel_count(&p->job->funnel, "level", level_names[v.level], 1));
        p->job->user_turns[user]++;
    }
    TRY(mining_observe(p->mining, hash64(c->id, strlen(c->id), 3), p->texts, p->n_at));
    TRY(funnel_count(&p->job->funnel, "rows", "messages", c->n));
    TRY(funnel_count(&p->job->funnel, "rows", "follow-ups", p->n_at));
cleanup:
    return status;
}

static wr_status read_row(void *context, const char *line, size_t n, const char *where) {
    wr_status status = WR_OK;
    pipeline *p = context;
    conversation c;
    row_fault fault;
    bool seen = false;
    size_t k = 0;
    while (k < n && (line[k] == ' ' || line[k] == '\t')) k++;
    if (k == n) return WR_OK; /* an empty line is no row */
    arena_reset(p->arena);
    TRY(funnel_count(&p->job->funnel, "rows", "read", 1));
    TRY(wildchat_parse(p->arena, line, n, p->job->o->user_key_header, &c, &fault));
    if (fault == ROW_GOOD && job_excluded(p->job, c.user)) fault = ROW_EXCLUDED;
    if (fault == ROW_GOOD) {
        TRY(job_seen(p->job, c.id, &seen));
        if (seen) fault = ROW_DUPLICATE;
    }
    if (fault != ROW_GOOD) {
        TRY(job_fault(p->job, row_fault_name(fault), where));
        return WR_OK;
    }
    TRY(funnel_count(&p->job->funnel, "rows", "good", 1));
    strbuf_clear(&p->line);
    conversation_write(&c, &p->line);
    TRY(job_spill(p->job, &p->line));
    TRY(annotate(p, &c));
cleanup:
    return status;
}

wr_status pass_read(pipeline *p) {
    wr_status status = WR_OK;
    prepare_job *job = p->job;
    TRY(begin_table(&job->funnel));
    TRY(job_read_sources(job, read_row, p));
    TRY(job_spill_done(job));
    if (!p->n_turns) {
        funnel_print(&job->funnel);
        TRY(wr_fail(WR_E_FORMAT, "%s: no follow-up in the %llu rows read; is it WildChat JSONL?", job->sources[0],
                    (unsigned long long)funnel_get(&job->funnel, "rows", "read")));
    }
cleanup:
    return status;
}
