/* What happens to a slice on its way through the pipeline of mpi/reducer.c: who sends what to whom at each stage, and
 * what is added. */
#include "mpi/reducer.h"

#include "base/mem.h"

#include <string.h>

enum { TAG_COLLECT = 21, TAG_SUM = 22, TAG_GATHER = 25, TAG_SPREAD = 26 };

static void add_into(float *restrict a, const float *restrict b, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) a[i] += b[i];
}

void tree_sum(float **rows, int lo, int hi, size_t n) {
    if (hi - lo < 2) return;
    const int mid = tree_mid(lo, hi);
    tree_sum(rows, lo, mid, n);
    tree_sum(rows, mid, hi, n);
    if (rows[mid]) add_into(rows[lo], rows[mid], n);
}

static void narrow(const float *restrict x, bf16 *restrict y, int n) {
    for (int i = 0; i < n; i++) y[i] = bf16_from_f32(x[i]);
}

static void widen(const bf16 *restrict x, float *restrict y, int n) {
    for (int i = 0; i < n; i++) y[i] = bf16_to_f32(x[i]);
}

/* --- slices and pieces -------------------------------------------------------------------------------------------- */

/* Piece p of slice k, which is one of t's: where it begins in the slice, and its length (0 when there are fewer floats
 * than ranks). */
static size_t piece_of(const reducer *r, const reduce_task *t, size_t k, int p, int *length) {
    const size_t skipped = (k - t->first) * r->o.slice, left = t->n - skipped,
                 m = left < r->o.slice ? left : r->o.slice;
    const size_t size = (size_t)r->w->size, base = m / size, extra = m % size, i = (size_t)p;
    *length = (int)(base + (i < extra));
    return i * base + (i < extra ? i : extra);
}

static bool for_all(const reducer *r, const reduce_task *t) { return !r->keep || t->at == REDUCE_FOR_ALL; }

/* What rank `to` gets of piece p of slice k: where in the slice, and how much. */
static size_t kept_of(const reducer *r, const reduce_task *t, size_t k, int p, int to, int *length) {
    const size_t at = piece_of(r, t, k, p, length);
    if (for_all(r, t)) return at;
    const size_t base = t->at + (k - t->first) * r->o.slice, begin = base + at, end = begin + (size_t)*length;
    const size_t from = r->keep[2 * to] > begin ? r->keep[2 * to] : begin;
    const size_t until = r->keep[2 * to + 1] < end ? r->keep[2 * to + 1] : end;
    *length = from < until ? (int)(until - from) : 0;
    return *length ? from - base : at;
}

static float *slice_at(const reducer *r, const reduce_task *t, size_t k) {
    return t->buffer ? t->buffer + (k - t->first) * r->o.slice : slot_of(r, k)->spare;
}

/* Whether rank q is the one of its group that collects piece p, and gets its sum from the owner. */
static bool collects(const reducer *r, int q, int p) { return reduce_collector(r->groups[q], p) == q; }

static bool alone(reduce_group g) { return g.end - g.first == 1; }

/* --- messages of a slice: `length` numbers at x, or of y in bf16 -------------------------------------------------- */

static void receive(const reducer *r, reduce_messages *m, float *x, bf16 *y, int length, int from, int tag) {
    if (length) MPI_Irecv(y ? (void *)y : x, length, y ? MPI_UINT16_T : MPI_FLOAT, from, tag, r->comm, &m->all[m->n++]);
}

static void transmit(reducer *r, reduce_messages *m, const float *x, const bf16 *y, int length, int to, int tag) {
    if (!length) return;
    MPI_Isend(y ? (const void *)y : x, length, y ? MPI_UINT16_T : MPI_FLOAT, to, tag, r->comm, &m->all[m->n++]);
    if (r->w->hosts[to] != r->w->hosts[r->w->rank]) r->left_host += (size_t)length * (y ? sizeof *y : sizeof *x);
}

/* Row i of the contributions or sums that come to this rank. */
static float *row_of(const reducer *r, const reduce_slot *s, size_t i) { return s->staging + i * r->stride; }
static bf16 *half_row_of(const reducer *r, const reduce_slot *s, size_t i) {
    return s->in ? s->in + i * r->stride : NULL;
}

/* --- the stages --------------------------------------------------------------------------------------------------- */

/* The values of pieces that others of the group collect go to these. */
void stage_post(reducer *r, const reduce_task *t, size_t k) {
    const int me = r->w->rank;
    const reduce_group g = r->groups[me];
    reduce_slot *s = slot_of(r, k);
    float *slice = slice_at(r, t, k);
    size_t row = 0;
    s->up.n = 0;
    for (int p = 0; p < r->w->size; p++) {
        int length;
        const size_t at = piece_of(r, t, k, p, &length);
        const int collector = reduce_collector(g, p);
        bf16 *rounded = s->out ? s->out + at : NULL;
        if (rounded) narrow(slice + at, rounded, length);
        if (collector != me) {
            transmit(r, &s->up, slice + at, rounded, length, collector, TAG_COLLECT);
            continue;
        }
        if (rounded && (p == me || !alone(g))) widen(rounded, slice + at, length); /* to be added here */
        for (int q = g.first; q < g.end; q++) {
            if (q == me) continue;
            receive(r, &s->up, row_of(r, s, row), half_row_of(r, s, row), length, q, TAG_COLLECT);
            row++;
        }
    }
}

/* Adds up what the group has for the pieces that this rank collects, in their places, and sends it to their owners. */
void stage_collect(reducer *r, const reduce_task *t, size_t k) {
    const int me = r->w->rank;
    const reduce_group g = r->groups[me];
    reduce_slot *s = slot_of(r, k);
    size_t row = 0;
    int length;
    s->up.n = 0;
    for (int p = 0; p < r->w->size; p++) {
        if (!collects(r, me, p)) continue;
        const size_t at = piece_of(r, t, k, p, &length);
        float *sum = slice_at(r, t, k) + at;
        for (int q = g.first; q < g.end; q++) {
            r->rows[q] = q == me ? sum : row_of(r, s, row);
            if (q == me) continue;
            if (s->in) widen(half_row_of(r, s, row), r->rows[q], length);
            row++;
        }
        tree_sum(r->rows, g.first, g.end, (size_t)length);
        if (me != g.first && length) memcpy(sum, r->rows[g.first], (size_t)length * sizeof *sum);
        if (p != me) transmit(r, &s->up, sum, s->out && alone(g) ? s->out + at : NULL, length, p, TAG_SUM);
    }
    piece_of(r, t, k, me, &length);
    for (int q = 0; q < r->w->size; q++) {
        bf16 *rounded = alone(r->groups[q]) ? half_row_of(r, s, (size_t)q) : NULL;
        if (q != me && collects(r, q, me)) receive(r, &s->up, row_of(r, s, (size_t)q), rounded, length, q, TAG_SUM);
    }
}

/* Adds up the groups' sums of this rank's piece. */
static void add_groups(const reducer *r, const reduce_slot *s, float *mine, int length) {
    const int size = r->w->size, me = r->w->rank;
    for (int q = 0; q < size; q++) r->rows[q] = NULL;
    r->rows[r->groups[me].first] = mine;
    for (int q = 0; q < size; q++) {
        if (q == me || !collects(r, q, me)) continue;
        float *row = r->rows[r->groups[q].first] = row_of(r, s, (size_t)q);
        if (s->in && alone(r->groups[q])) widen(half_row_of(r, s, (size_t)q), row, length);
    }
    tree_sum(r->rows, 0, size, (size_t)length);
    if (r->rows[0] != mine && length) memcpy(mine, r->rows[0], (size_t)length * sizeof *mine);
}

/* Adds this rank's piece of slice k and sends it to one rank of each group, or to those who keep it; receives the others'
 * pieces in place, or in bf16 beside them. */
void stage_sum(reducer *r, const reduce_task *t, size_t k) {
    const int me = r->w->rank;
    const bool all = for_all(r, t);
    reduce_slot *s = slot_of(r, k);
    int length;
    const size_t own = piece_of(r, t, k, me, &length);
    float *slice = slice_at(r, t, k), *mine = slice + own;
    add_groups(r, s, mine, length);
    if (s->out) narrow(mine, s->out + own, length), widen(s->out + own, mine, length);
    s->down.n = 0;
    for (int p = 0; p < r->w->size; p++) {
        int theirs, ours;
        const size_t at = kept_of(r, t, k, p, me, &theirs), from = kept_of(r, t, k, me, p, &ours);
        if (p == me) continue;
        if (!all || collects(r, me, p))
            receive(r, &s->down, slice + at, half_row_of(r, s, (size_t)p), theirs, p, TAG_GATHER);
        if (!all || collects(r, p, me))
            transmit(r, &s->down, slice + from, s->out ? s->out + from : NULL, ours, p, TAG_GATHER);
    }
}

/* Sums that have come to this rank for its group go on to the others of that, if all are to have them. */
void stage_spread(reducer *r, const reduce_task *t, size_t k) {
    const int me = r->w->rank;
    const reduce_group g = r->groups[me];
    reduce_slot *s = slot_of(r, k);
    s->down.n = 0;
    for (int p = 0; p < r->w->size && for_all(r, t); p++) {
        int length;
        const size_t at = piece_of(r, t, k, p, &length);
        const int collector = reduce_collector(g, p);
        float *x = slice_at(r, t, k) + at;
        bf16 *rounded = s->out && p == me ? s->out + at : half_row_of(r, s, (size_t)p);
        if (collector != me) receive(r, &s->down, x, rounded, length, collector, TAG_SPREAD);
        for (int q = g.first; q < g.end && collector == me; q++)
            if (q != me) transmit(r, &s->down, x, rounded, length, q, TAG_SPREAD);
    }
}

/* What others keep of slice k is given back. */
static void drop_others(const reducer *r, const reduce_task *t, size_t k) {
    if (for_all(r, t) || !t->buffer) return;
    const size_t skipped = (k - t->first) * r->o.slice, left = t->n - skipped,
                 m = left < r->o.slice ? left : r->o.slice;
    const size_t begin = t->at + skipped, end = begin + m, *mine = r->keep + 2 * (size_t)r->w->rank;
    const size_t from = mine[0] < begin ? begin : mine[0] > end ? end : mine[0];
    const size_t until = mine[1] < from ? from : mine[1] > end ? end : mine[1];
    float *slice = t->buffer + skipped;
    mem_drop(slice, (from - begin) * sizeof *slice);
    mem_drop(slice + (until - begin), (end - until) * sizeof *slice);
}

/* The others' pieces have come: where they came in bf16 they take their places. */
void stage_finish(reducer *r, const reduce_task *t, size_t k) {
    const reduce_slot *s = slot_of(r, k);
    for (int p = 0; p < r->w->size && s->in; p++) {
        int length;
        const size_t at = kept_of(r, t, k, p, r->w->rank, &length);
        if (p != r->w->rank) widen(s->in + (size_t)p * r->stride, slice_at(r, t, k) + at, length);
    }
    drop_others(r, t, k);
}
