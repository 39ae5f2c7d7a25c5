/* Batches are cut from the list of records alone, and given out in turn:
 *
 *     batch   0 1 2 3 4 5 6      rank 0: 0 3 6      rank 1: 1 4      rank 2: 2 5
 *
 * Every record's values are thus those of the same batch on any number of ranks, and summing them over ranks adds
 * zeros only: the same figures to the bit. */
#include "base/log.h"
#include "base/mem.h"
#include "evaluate/evaluate.h"

#include <stdlib.h>
#include <string.h>

wr_status evaluate_select(const dataset_index *d, const sequence_rule *rule, const uint8_t *only, size_t limit,
                          uint32_t **records, size_t *n) {
    *n = 0;
    *records = mem_calloc(d->n_records + 1, sizeof **records);
    if (!*records) return wr_fail(WR_E_NOMEM, "out of memory listing %zu records", d->n_records);
    for (size_t i = 0; i < d->n_records && (!limit || *n < limit); i++)
        if ((!only || only[i]) && d->lengths[i] && (rule->kind == SHARD_CHAT || d->lengths[i] <= rule->max_length))
            (*records)[(*n)++] = (uint32_t)i;
    return WR_OK;
}

static wr_status has_target(const sequence_rule *rule, const record_bytes *bytes, size_t n, arena *a, bool *any) {
    wr_status status = WR_OK;
    sequence x;
    arena_reset(a);
    for (size_t i = 0; i < n && !*any; i++) {
        TRY(sequence_decode(rule, bytes[i].bytes, bytes[i].n, a, &x));
        *any = rule->kind == SHARD_REWARD || x.n_targets > 0;
    }
cleanup:
    return status;
}

wr_status evaluate_any(world *w, record_source *s, const sequence_rule *rule, const uint8_t *only, size_t limit,
                       bool *any) {
    enum { AT_ONCE = 32 };
    wr_status status = WR_OK;
    record_bytes bytes[AT_ONCE];
    uint32_t *records = NULL;
    size_t n = 0;
    arena *a = arena_create();
    *any = false;
    status = a ? evaluate_select(record_source_index(s), rule, only, limit, &records, &n)
               : wr_fail(WR_E_NOMEM, "out of memory");
    TRY(world_agree(w, status));
    for (size_t from = 0; from < n && !*any; from += AT_ONCE) {
        const size_t count = n - from < AT_ONCE ? n - from : AT_ONCE;
        TRY(record_source_fetch(s, records + from, count, bytes));
        TRY(world_agree(w, has_target(rule, bytes, count, a, any)));
    }
cleanup:
    free(records);
    arena_free(a);
    return status;
}

/* Batches: consecutive records of at most max_tokens tokens. start: fresh (*n_batches + 1). */
static wr_status cut_batches(const evaluate_job *job, size_t **start, size_t *n_batches) {
    const dataset_index *d = record_source_index(job->source);
    size_t tokens = 0;
    *n_batches = 0;
    *start = mem_calloc(job->n + 1, sizeof **start);
    if (!*start) return wr_fail(WR_E_NOMEM, "out of memory for the batches of %zu records", job->n);
    for (size_t i = 0; i < job->n; i++) {
        size_t length = d->lengths[job->records[i]];
        length = length < job->rule.max_length ? length : job->rule.max_length;
        if (i == 0 || tokens + length > job->max_tokens) {
            (*start)[(*n_batches)++] = i;
            tokens = 0;
        }
        tokens += length;
    }
    (*start)[*n_batches] = job->n;
    return WR_OK;
}

static wr_status one_batch(const evaluate_job *job, packed *p, arena *a, const record_bytes *bytes, size_t n,
                           double *values) {
    wr_status status = WR_OK;
    arena_reset(a);
    sequence *sequences = arena_alloc(a, n * sizeof *sequences);
    TRY_ALLOC(sequences);
    for (size_t i = 0; i < n; i++) TRY(sequence_decode(&job->rule, bytes[i].bytes, bytes[i].n, a, &sequences[i]));
    TRY(packed_fill(p, &job->rule, sequences, n, job->pad_id));
    TRY(job->fn(job->context, p, sequences, n, values));
cleanup:
    return status;
}

wr_status evaluate_records(world *w, const evaluate_job *job, double *values) {
    wr_status status = WR_OK;
    size_t ranks = (size_t)world_size(w), me = (size_t)world_rank(w), n_batches = 0, *start = NULL;
    packed p = {0};
    arena *a = arena_create();
    record_bytes *bytes = mem_calloc(job->n + 1, sizeof *bytes);
    progress *bar = job->show && me == 0 ? progress_create("evaluate", "records", job->n) : NULL;
    memset(values, 0, job->n * job->width * sizeof *values);
    status = a && bytes ? cut_batches(job, &start, &n_batches) : wr_fail(WR_E_NOMEM, "out of memory evaluating");
    TRY(world_agree(w, status));
    /* Round by round, because fetching is collective; batch b goes to rank b mod ranks. */
    for (size_t first = 0; first < n_batches; first += ranks) {
        size_t b = first + me;
        size_t from = b < n_batches ? start[b] : 0, n = b < n_batches ? start[b + 1] - from : 0;
        if (job->stoppable && world_stop_agreed(w))
            TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal while evaluating"));
        if (n) world_task_part(w, "record %zu of %zu", from + 1, job->n);
        TRY(record_source_fetch(job->source, job->records + from, n, bytes));
        status = n ? one_batch(job, &p, a, bytes, n, values + from * job->width) : WR_OK;
        TRY(world_agree(w, status));
        if (bar) progress_update(bar, first + ranks < n_batches ? start[first + ranks] : job->n, NULL);
    }
    /* Every value was written by one rank and is zero on the others: adding zeros is exact. */
    world_sum(w, values, job->n * job->width);
cleanup:
    progress_finish(bar);
    packed_free(&p);
    arena_free(a);
    free(bytes);
    free(start);
    return status;
}
