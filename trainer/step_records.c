/* Who trains what follows from the lengths of the step's records, which the index holds, unless records may share what
 * they begin with. Then it follows from their tokens: each rank reads every size-th record, all ranks tell each other
 * what they read (4 bytes a token, little beside a step's gradients), and each makes the same plan of it.
 *
 *     records of the step -> (tokens of all) -> this rank's micro-batches -> its records, those it has not read yet */
#include "trainer/step_records.h"

#include "base/hash.h"
#include "base/mem.h"
#include "trainer/packing/unit_plan.h"

#include <stdlib.h>
#include <string.h>

/* A step with more tokens is planned by lengths alone: every rank would hold all of them. */
#define SHARED_TOKENS_MAX ((uint64_t)1 << 26)

wr_status step_records_create(step_records *s) {
    wr_status status = WR_OK;
    TRY_ALLOC(s->records = mem_calloc(s->batch, sizeof *s->records));
    TRY_ALLOC(s->lengths = mem_calloc(s->batch, sizeof *s->lengths));
    TRY_ALLOC(s->wanted = mem_calloc(s->batch, sizeof *s->wanted));
    TRY_ALLOC(s->places = mem_calloc(s->batch, sizeof *s->places));
    TRY_ALLOC(s->bytes = mem_calloc(s->batch, sizeof *s->bytes));
    TRY_ALLOC(s->told = mem_calloc((size_t)world_size(s->w), sizeof *s->told));
    TRY_ALLOC(s->memory = arena_create());
cleanup:
    return status;
}

void step_records_free(step_records *s) {
    for (int r = 0; s->told && r < world_size(s->w); r++) strbuf_free(&s->told[r]);
    free(s->told);
    free(s->records);
    free(s->lengths);
    free(s->wanted);
    free(s->places);
    free(s->bytes);
    arena_free(s->memory);
}

/* COLLECTIVE. Reads and decodes the records at n positions of the step, s->places, into all. */
static wr_status read_places(step_records *s, size_t n, sequence *all) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < n; i++) s->wanted[i] = s->records[s->places[i]];
    TRY(record_source_fetch(s->source, s->wanted, n, s->bytes));
    for (size_t i = 0; i < n && status >= 0; i++)
        status = sequence_decode(&s->rule, s->bytes[i].bytes, s->bytes[i].n, s->memory, &all[s->places[i]]);
    TRY(world_agree(s->w, status));
cleanup:
    return status;
}

/* --- tokens of the whole step ------------------------------------------------------------------------------------- */

/* What is told of a record, before its tokens. */
typedef struct text_head {
    uint64_t user, n, n_chosen;
} text_head;

/* An append that fails is found by who sends it. */
static void tell_texts(const step_records *s, const sequence *all, strbuf *out) {
    for (size_t at = (size_t)world_rank(s->w); at < s->batch; at += (size_t)world_size(s->w)) {
        const char *user = all[at].user ? all[at].user : "";
        const text_head head = {hash64(user, strlen(user), 0), all[at].n, all[at].n_chosen};
        strbuf_append(out, &head, sizeof head);
        strbuf_append(out, all[at].ids, all[at].n * sizeof *all[at].ids);
    }
}

/* texts[i]: of position i, pointing into what was told. */
static wr_status hear_texts(const step_records *s, unit_text *texts) {
    const size_t ranks = (size_t)world_size(s->w);
    for (size_t r = 0; r < ranks; r++) {
        const strbuf *told = &s->told[r];
        size_t done = 0;
        for (size_t at = r; at < s->batch; at += ranks) {
            text_head head = {0};
            const size_t left = told->len - done;
            if (left >= sizeof head) memcpy(&head, told->data + done, sizeof head);
            if (head.n_chosen >= head.n || head.n > (left - sizeof head) / sizeof(int32_t))
                return wr_fail(WR_E_PEER, "rank %zu did not tell the tokens of record %u", r, s->records[at]);
            const void *ids = told->data + done + sizeof head;
            texts[at] = (unit_text){.ids = ids, .n = head.n, .n_chosen = head.n_chosen, .user = head.user};
            done += sizeof head + head.n * sizeof(int32_t);
        }
    }
    return WR_OK;
}

static wr_status plan_told(const step_records *s, rank_plan *out) {
    wr_status status = WR_OK;
    unit_plan shared = {0};
    unit_text *texts = mem_calloc(s->batch, sizeof *texts);
    TRY_ALLOC(texts);
    TRY(hear_texts(s, texts));
    TRY(unit_plan_make(texts, s->batch, s->prefixes, s->max_tokens, s->shares, &shared));
    TRY(unit_plan_shares(&shared, s->shares, s->mine, s->max_tokens, out));
    if (s->all_prefixes) memset(out->unit, 0, out->n_items * sizeof *out->unit);
cleanup:
    unit_plan_free(&shared);
    free(texts);
    return status;
}

/* COLLECTIVE. Reads this rank's part of the step into all, and plans by the tokens of all. */
static wr_status plan_by_tokens(step_records *s, sequence *all, rank_plan *out) {
    wr_status status = WR_OK;
    const size_t ranks = (size_t)world_size(s->w);
    size_t n = 0;
    strbuf mine = {0};
    for (size_t at = (size_t)world_rank(s->w); at < s->batch; at += ranks) s->places[n++] = (uint32_t)at;
    TRY(read_places(s, n, all));
    tell_texts(s, all, &mine);
    TRY(world_allgather(s->w, &mine, s->told));
    TRY(world_agree(s->w, plan_told(s, out)));
cleanup:
    strbuf_free(&mine);
    return status;
}

/* --- a step ------------------------------------------------------------------------------------------------------- */

/* The records of the step and their lengths. all, mine (batch): none is read yet. */
static wr_status list_records(step_records *s, int64_t step, bool *by_tokens, sequence **all, sequence **mine) {
    wr_status status = WR_OK;
    const dataset_index *d = record_source_index(s->source);
    uint64_t tokens = 0;
    TRY(step_order_take(s->order, (uint64_t)(step - 1) * s->batch, s->batch, s->records));
    for (size_t i = 0; i < s->batch; i++) {
        const uint32_t length = d->lengths[s->records[i]];
        s->lengths[i] = length < s->rule.max_length ? length : (uint32_t)s->rule.max_length;
        tokens += s->lengths[i];
    }
    *by_tokens = s->prefixes.min_shared != SIZE_MAX && tokens <= SHARED_TOKENS_MAX;
    arena_reset(s->memory);
    TRY_ALLOC(*all = arena_alloc(s->memory, s->batch * sizeof **all));
    TRY_ALLOC(*mine = arena_alloc(s->memory, s->batch * sizeof **mine));
    memset(*all, 0, s->batch * sizeof **all);
cleanup:
    return status;
}

wr_status step_records_take(step_records *s, int64_t step, rank_plan *plan, sequence **sequences) {
    wr_status status = WR_OK;
    bool by_tokens = false;
    sequence *all = NULL;
    size_t n = 0;
    *plan = (rank_plan){0};
    status = list_records(s, step, &by_tokens, &all, sequences);
    if (status >= 0 && !by_tokens) status = plan_shares(s->lengths, s->batch, s->shares, s->mine, s->max_tokens, plan);
    TRY(world_agree(s->w, status));
    if (by_tokens) TRY(plan_by_tokens(s, all, plan));
    for (size_t i = 0; i < plan->n_items; i++)
        if (!all[plan->items[i]].ids) s->places[n++] = plan->items[i];
    TRY(read_places(s, n, all));
    for (size_t i = 0; i < plan->n_items; i++) (*sequences)[i] = all[plan->items[i]];
cleanup:
    return status;
}
