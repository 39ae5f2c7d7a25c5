/* Phase label: the fate of every follow-up of a unit. Consensus of the answers, then neutral ones beside engaged ones
 * are mined, refusals override, and the filters say what is dropped. Works on a block of conversations at a time, so
 * that a judge behind a network is asked many things at once. */
#include "base/hash.h"
#include "data/prepare/label_file.h"
#include "data/prepare/pipeline.h"
#include "data/prepare/unit_rows.h"

#include <stdlib.h>

/* A follow-up of the block at hand. */
typedef struct block_turn {
    const conversation *c;
    size_t at;
    turn_state *state;
} block_turn;

typedef struct labeller {
    const prepare_context *c;
    const label_inputs *in;
} labeller;

typedef struct label_state {
    const prepare_context *c;
    const label_inputs *in;
    label_counts counts;
    user_table users;
    char **names;
    size_t name_capacity;
    arena *arena;
    turn_state *turns; /* (n_answers) */
    const uint8_t *answers;
    size_t n_answers, next; /* follow-ups of the unit; of them before the block at hand */
    block_turn *block;
    size_t n_block, block_capacity;
    size_t *at, at_capacity;
    int8_t *levels, *final;
    size_t level_capacity, final_capacity;
    block_turn *conversation; /* at hand: its first turn */
    annotated_turn *asked;
    size_t *asked_of, n_asked, asked_capacity, asked_of_capacity;
} label_state;

static wr_status add_conversation(label_state *s, const conversation *c, bool dropped) {
    wr_status status = WR_OK;
    size_t n, before = s->users.n;
    split_user *user;
    TRY(followups(c, &s->at, &s->at_capacity, &n));
    if (n > s->n_answers - s->next) TRY(wr_fail(WR_E_FORMAT, "working files of prepare do not belong together"));
    if (!dropped) {
        TRY(user_table_get(&s->users, c->user, strlen(c->user), &user));
        user->turns += (uint32_t)n;
        if (s->users.n > before) {
            TRY(mem_reserve((void **)&s->names, &s->name_capacity, s->users.n, sizeof *s->names));
            TRY_ALLOC(s->names[before] = arena_strndup(s->arena, c->user, strlen(c->user)));
        }
    }
    for (size_t k = 0; k < n && !dropped; k++) {
        turn_state *t = &s->turns[s->next + k];
        t->level =
            (int8_t)consensus_of(s->in->agreed, s->answers + (s->next + k) * s->in->agreed->n_annotators, &t->weight);
        t->how = t->level ? HOW_ANNOTATOR : HOW_NONE;
        s->counts.levels[t->level]++;
        VEC_PUSH(s->block, s->n_block, s->block_capacity, ((block_turn){.c = c, .at = s->at[k], .state = t}));
    }
    s->next += n;
cleanup:
    return status;
}

/* --- mining --- */

static size_t turns_of(const label_state *s, size_t first) {
    size_t n = 0;
    while (first + n < s->n_block && s->block[first + n].c == s->block[first].c) n++;
    return n;
}

static wr_status similarity(void *context, size_t i, size_t j, double *out) {
    label_state *s = context;
    const block_turn *x = &s->conversation[i], *y = &s->conversation[j];
    turn_text a = turn_texts(x->c, x->at), b = turn_texts(y->c, y->at);
    return mining_similarity(s->in->mining, &a, &b, out);
}

static wr_status levels_of(label_state *s, size_t first, size_t n) {
    wr_status status = WR_OK;
    s->conversation = &s->block[first];
    TRY(mem_reserve((void **)&s->levels, &s->level_capacity, n, 1));
    TRY(mem_reserve((void **)&s->final, &s->final_capacity, n, 1));
    for (size_t k = 0; k < n; k++) s->levels[k] = s->conversation[k].state->level;
cleanup:
    return status;
}

static void take_final(label_state *s, size_t n) {
    for (size_t k = 0; k < n; k++) {
        turn_state *t = s->conversation[k].state;
        t->final = s->final[k];
        if (t->final == t->level) continue;
        t->how = HOW_MINED;
        s->counts.mined[t->final == 5]++;
    }
}

/* By somebody else's cosines: all pairs of the block that mining may need are asked at once. */
static wr_status mine_by_cosines(label_state *s) {
    wr_status status = WR_OK;
    annotator *a = s->c->o->similarity;
    turn_text *x = NULL, *y = NULL;
    size_t x_capacity = 0, y_capacity = 0;
    double *cosines = NULL;
    mining_pair *pairs = NULL;
    size_t *ends = NULL; /* (conversations) of their pairs */
    size_t n_pairs = 0, capacity = 0, n_ends = 0, end_capacity = 0, k = 0, n;
    for (size_t first = 0; first < s->n_block; first += n) {
        n = turns_of(s, first);
        TRY(levels_of(s, first, n));
        TRY(mining_pairs_needed(s->levels, n, &pairs, &n_pairs, &capacity));
        VEC_PUSH(ends, n_ends, end_capacity, n_pairs);
        TRY(mem_reserve((void **)&x, &x_capacity, n_pairs + 1, sizeof *x));
        TRY(mem_reserve((void **)&y, &y_capacity, n_pairs + 1, sizeof *y));
        for (; k < n_pairs; k++) {
            const block_turn *t = &s->conversation[pairs[k].turn], *u = &s->conversation[pairs[k].later];
            x[k] = turn_texts(t->c, t->at), y[k] = turn_texts(u->c, u->at);
        }
    }
    TRY_ALLOC(cosines = mem_calloc(n_pairs + 1, sizeof *cosines));
    if (n_pairs) TRY(wr_context(a->cosines(a, x, y, n_pairs, cosines), "similarity %s", a->name));
    size_t from = 0, c = 0;
    for (size_t first = 0; first < s->n_block; first += n, from = ends[c++]) {
        n = turns_of(s, first);
        TRY(levels_of(s, first, n));
        mining_apply_cosines(s->levels, n, pairs + from, cosines + from, ends[c] - from,
                             mining_cosine_threshold(s->c->o), s->final);
        take_final(s, n);
    }
cleanup:
    free(x), free(y), free(cosines), free(pairs), free(ends);
    return status;
}

static wr_status mine_block(label_state *s) {
    wr_status status = WR_OK;
    if (s->c->o->similarity) return mine_by_cosines(s);
    for (size_t first = 0, n; first < s->n_block; first += n) {
        n = turns_of(s, first);
        TRY(levels_of(s, first, n));
        TRY(mining_apply(s->in->mining, s->levels, n, similarity, s, s->final));
        take_final(s, n);
    }
cleanup:
    return status;
}

/* --- refusals --- */

static void apply_refusal(label_state *s, turn_state *t, refusal_kind kind) {
    if (kind == REFUSAL_NONE) return;
    t->refusal = kind == REFUSAL_FALSE ? MARK_FALSE : MARK_JUSTIFIED;
    t->final = kind == REFUSAL_FALSE ? 1 : 5;
    t->how = HOW_REFUSAL;
    s->counts.refusals[kind == REFUSAL_JUSTIFIED]++;
}

static wr_status judge_refusals(label_state *s) {
    wr_status status = WR_OK;
    annotator *judge = s->in->judge;
    refusal_kind *kinds = NULL;
    s->n_asked = 0;
    for (size_t i = 0; i < s->n_block; i++) {
        block_turn *b = &s->block[i];
        const chat_message *query, *reply = &b->c->messages[b->at - 1];
        if (!b->state->level || !conversation_query(b->c, b->at, &query)) continue;
        if (!refusal_suspected(s->in->refusal, reply->content, reply->length)) continue;
        b->state->refusal = MARK_ANSWERED;
        TRY(mem_reserve((void **)&s->asked, &s->asked_capacity, s->n_asked + 1, sizeof *s->asked));
        TRY(mem_reserve((void **)&s->asked_of, &s->asked_of_capacity, s->n_asked + 1, sizeof *s->asked_of));
        s->asked[s->n_asked] = turn_view(b->c, b->at);
        s->asked_of[s->n_asked++] = i;
    }
    if (!s->n_asked) return WR_OK;
    TRY_ALLOC(kinds = mem_calloc(s->n_asked, sizeof *kinds));
    TRY(wr_context(judge->refusals(judge, s->asked, s->n_asked, kinds), "refusals by %s", judge->name));
    for (size_t i = 0; i < s->n_asked; i++) apply_refusal(s, s->block[s->asked_of[i]].state, kinds[i]);
cleanup:
    free(kinds);
    return status;
}

/* --- filters --- */

static void filter_block(label_state *s) {
    for (size_t i = 0; i < s->n_block; i++) {
        const block_turn *b = &s->block[i];
        turn_state *t = b->state;
        const chat_message *query = NULL, *reply = &b->c->messages[b->at - 1];
        conversation_query(b->c, b->at, &query);
        filter_turn turn = {.level = t->final,
                            .language = b->c->language,
                            .query = query ? query->content : NULL,
                            .query_length = query ? query->length : 0,
                            .reply = reply->content,
                            .reply_length = reply->length,
                            .history = query ? b->at - 2 : 0};
        filter_verdict v = filters_judge(s->in->filters, &turn);
        t->dropped = (uint8_t)v.reason;
        t->match = v.match ? hash64(v.match, v.match_length, 0) : 0;
        if (t->dropped) continue;
        split_user *u = user_table_find(&s->users, b->c->user, strlen(b->c->user));
        if (u) u->instances[split_stratum(turn_label(t->final), CLASSES)]++;
    }
}

static wr_status label_unit(void *context, const unit_task *task) {
    wr_status status = WR_OK;
    const labeller *me = context;
    const size_t n_annotators = me->in->agreed->n_annotators;
    const char *dir = me->c->dir.work;
    spill_reader *r = NULL;
    const spilled *rows;
    size_t n;
    char path[PATH_CAP];
    label_state s = {.c = me->c, .in = me->in};
    TRY_ALLOC(s.arena = arena_create());
    TRY(spill_reader_open(dir, task->id, n_annotators, &r));
    s.answers = spill_reader_answers(r, &s.n_answers);
    TRY_ALLOC(s.turns = mem_calloc(s.n_answers + 1, sizeof *s.turns));
    for (;;) {
        wr_status got = spill_reader_next(r, &rows, &n);
        TRY(got);
        if (got == WR_END) break;
        s.n_block = 0;
        for (size_t i = 0; i < n; i++) {
            if (rows[i].number >= task->n) TRY(wr_fail(WR_E_FORMAT, "working files of prepare do not belong together"));
            TRY(add_conversation(&s, &rows[i].c, unit_dropped(task, rows[i].number)));
        }
        TRY(mine_block(&s));
        TRY(judge_refusals(&s));
        filter_block(&s);
        TRY(prepare_stopped(me->c));
    }
    TRY(unit_path(path, dir, task->id, ".label"));
    TRY(label_file_write(path, &s.counts, &s.users, (const char *const *)s.names, s.turns, s.n_answers,
                         n_annotators > 1));
cleanup:
    spill_reader_close(r);
    user_table_free(&s.users);
    arena_free(s.arena);
    free(s.names), free(s.turns), free(s.block), free(s.at), free(s.levels), free(s.final), free(s.asked),
        free(s.asked_of);
    return status;
}

wr_status phase_label(const prepare_context *c, const unit_list *units, const label_inputs *in) {
    return units_each(c, units, "labels", ".label", label_unit, &(labeller){c, in});
}
