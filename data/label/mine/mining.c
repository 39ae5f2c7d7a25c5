#include "data/label/mine/mining.h"

#include "base/rng.h"
#include "data/label/mine/mining_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A turn is a vector of terms t with count c_t > 0, of N turns of which n_t have the term:
 *
 *   w_t = (1 + log c_t) log((1 + N) / (1 + n_t))          similarity = <w, v> / (|w| |v|)
 *
 * How similar is similar? Pairs of turns of different conversations show what chance gives; the threshold is their
 * 95 % quantile. Turns next to each other share a message (the follow-up of one is the query of the next), which lifts
 * any cosine, so pairs for distance 1 are made to share one in the same way:
 *
 *   distance 1    [query x + follow-up y]  beside  [follow-up y + next follow-up y]
 *   distance 2    [query x + follow-up x]  beside  [query y + follow-up y]
 *
 * The turns that pairs are drawn of are those with the smallest keys, a hash of (seed, conversation, place): any rank
 * can keep the smallest it sees, and merging keeps the smallest of all, whoever saw what. */
enum { PAIRS = 6000 };

mining_sample *mining_sample_new(size_t terms) {
    size_t bytes = sizeof(mining_sample) + terms * sizeof(term);
    mining_sample *s = malloc(bytes);
    if (s) memset(s, 0, sizeof *s);
    return s;
}

void mining_free(mining *m) {
    if (!m) return;
    for (size_t i = 0; i < m->n_samples; i++) free(m->samples[i]);
    term_counts_free(&m->counts);
    term_bag_free(m->a);
    term_bag_free(m->b);
    free(m->idf);
    free(m->terms);
    free(m->bounds);
    free(m);
}

wr_status mining_create(uint64_t seed, mining **out) {
    wr_status status = WR_OK;
    mining *m = mem_calloc(1, sizeof *m);
    TRY_ALLOC(m);
    m->seed = seed;
    TRY(term_bag_create(&m->a));
    TRY(term_bag_create(&m->b));
    *out = m;
    m = NULL;
cleanup:
    mining_free(m);
    return status;
}

uint64_t mining_turns(const mining *m) { return m->turns; }

/* --- observing --- */

/* Order of samples: by key; keys are 64 random bits, but equal ones must not make the order of observation count. */
static bool before(const mining_sample *a, const mining_sample *b) {
    if (a->key != b->key) return a->key < b->key;
    if (a->conversation != b->conversation) return a->conversation < b->conversation;
    return a->turn < b->turn;
}

bool mining_wants(const mining *m, uint64_t key) {
    return m->n_samples < MINING_SAMPLES || key <= m->samples[m->n_samples - 1]->key;
}

void mining_keep(mining *m, mining_sample *s) {
    size_t at = m->n_samples;
    while (at && before(s, m->samples[at - 1])) at--;
    if (m->n_samples == MINING_SAMPLES) {
        if (at == MINING_SAMPLES) {
            free(s);
            return;
        }
        free(m->samples[--m->n_samples]);
    }
    memmove(&m->samples[at + 1], &m->samples[at], (m->n_samples - at) * sizeof *m->samples);
    m->samples[at] = s;
    m->n_samples++;
}

/* Terms of a message -> m->terms; its bounds -> slot i. */
static wr_status take_message(mining *m, size_t i, const char *s, size_t n) {
    wr_status status = WR_OK;
    size_t count;
    term_bag_clear(m->a);
    term_bag_text(m->a, s, n);
    const term *items = term_bag_items(m->a, &count);
    TRY(mem_reserve((void **)&m->terms, &m->term_capacity, m->n_terms + count + 1, sizeof *m->terms));
    if (count) memcpy(m->terms + m->n_terms, items, count * sizeof *items);
    m->bounds[2 * i] = m->n_terms;
    m->bounds[2 * i + 1] = count;
    m->n_terms += count;
cleanup:
    return status;
}

static void add_list(term_bag *b, const term *items, size_t n) {
    for (size_t i = 0; i < n; i++) term_bag_add(b, items[i].bucket, items[i].count);
}

static wr_status count_terms(mining *m, size_t message, bool not_in_bag) {
    wr_status status = WR_OK;
    const term *items = m->terms + m->bounds[2 * message];
    for (size_t i = 0; i < m->bounds[2 * message + 1]; i++) {
        if (!not_in_bag || !term_bag_count(m->a, items[i].bucket)) TRY(term_counts_add(&m->counts, items[i].bucket, 1));
    }
cleanup:
    return status;
}

/* The messages of turn k are 2 k (query) and 2 k + 1 (follow-up). */
static wr_status keep_turn(mining *m, uint64_t conversation, size_t k, size_t n) {
    rng r = rng_make(m->seed, RNG_SPLIT, 2, conversation, k);
    uint64_t key = rng_u64(&r);
    size_t messages[3] = {2 * k, 2 * k + 1, 2 * k + 3}, used = k + 1 < n ? 3 : 2, terms = 0;
    if (!mining_wants(m, key)) return WR_OK;
    for (size_t i = 0; i < used; i++) terms += m->bounds[2 * messages[i] + 1];
    mining_sample *s = mining_sample_new(terms);
    if (!s) return wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
    *s = (mining_sample){.key = key, .conversation = conversation, .turn = (uint32_t)k, .has_next = used == 3};
    term *to = s->terms;
    for (size_t i = 0; i < used; i++) {
        size_t count = m->bounds[2 * messages[i] + 1];
        if (count) memcpy(to, m->terms + m->bounds[2 * messages[i]], count * sizeof *to);
        s->n[i] = (uint32_t)count;
        to += count;
    }
    mining_keep(m, s);
    return WR_OK;
}

wr_status mining_observe(mining *m, uint64_t conversation, const turn_text *turns, size_t n) {
    wr_status status = WR_OK;
    m->n_terms = 0;
    TRY(mem_reserve((void **)&m->bounds, &m->bound_capacity, 4 * n + 4, sizeof *m->bounds));
    for (size_t k = 0; k < n; k++) {
        const turn_text *t = &turns[k];
        bool known = k && t->query == t[-1].followup && t->query_length == t[-1].followup_length;
        if (known)
            memcpy(m->bounds + 4 * k, m->bounds + 4 * k - 2, 2 * sizeof *m->bounds);
        else
            TRY(take_message(m, 2 * k, t->query, t->query_length));
        TRY(take_message(m, 2 * k + 1, t->followup, t->followup_length));
        /* A term counts once a turn: those of the follow-up (still in the bag), then those of the query that are not
         * among them. */
        TRY(count_terms(m, 2 * k + 1, false));
        TRY(count_terms(m, 2 * k, true));
    }
    for (size_t k = 0; k < n; k++) TRY(keep_turn(m, conversation, k, n));
    m->turns += n;
cleanup:
    return status;
}

/* --- similarity --- */

/* (1 + log count) log((1 + N) / (1 + turns with the term)) */
static double weight(const mining *m, term t) { return (1 + log((double)t.count)) * (double)m->idf[t.bucket]; }

/* Cosine of what is in the two bags. */
static double cosine(const mining *m) {
    double dot = 0, aa = 0, bb = 0;
    size_t na, nb;
    const term *a = term_bag_items(m->a, &na), *b = term_bag_items(m->b, &nb);
    for (size_t i = 0; i < na; i++) {
        double w = weight(m, a[i]);
        aa += w * w;
    }
    for (size_t i = 0; i < nb; i++) {
        double w = weight(m, b[i]);
        uint32_t count = term_bag_count(m->a, b[i].bucket);
        bb += w * w;
        if (count) dot += w * weight(m, (term){b[i].bucket, count});
    }
    return aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : 0;
}

static void read_turn(term_bag *b, const turn_text *t) {
    term_bag_clear(b);
    term_bag_text(b, t->query, t->query_length);
    term_bag_text(b, t->followup, t->followup_length);
}

wr_status mining_similarity(mining *m, const turn_text *a, const turn_text *b, double *out) {
    if (!m->idf) return wr_fail(WR_E_USAGE, "mining_similarity before mining_calibrate");
    read_turn(m->a, a);
    read_turn(m->b, b);
    *out = cosine(m);
    return WR_OK;
}

static void fill_idf(void *context, term x) {
    mining *m = context;
    m->idf[x.bucket] = (float)log((1.0 + (double)m->turns) / (1.0 + x.count));
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { QUERY, FOLLOWUP, NEXT };
static void load(term_bag *b, const mining_sample *x, int message_x, const mining_sample *y, int message_y) {
    const size_t at[2][3] = {{0, x->n[0], (size_t)x->n[0] + x->n[1]}, {0, y->n[0], (size_t)y->n[0] + y->n[1]}};
    term_bag_clear(b);
    add_list(b, x->terms + at[0][message_x], x->n[message_x]);
    add_list(b, y->terms + at[1][message_y], y->n[message_y]);
}

wr_status mining_calibrate(mining *m) {
    wr_status status = WR_OK;
    double *values = mem_calloc(PAIRS, sizeof *values);
    TRY_ALLOC(values);
    if (!m->idf) TRY_ALLOC(m->idf = mem_calloc(TERM_BUCKETS, sizeof *m->idf));
    const float unseen = (float)log(1.0 + (double)m->turns);
    for (size_t i = 0; i < TERM_BUCKETS; i++) m->idf[i] = unseen;
    TRY(term_counts_each(&m->counts, fill_idf, m));
    m->pairs = 0;
    for (int distance = 1; distance <= MINING_REACH; distance++) {
        rng r = rng_make(m->seed, RNG_SPLIT, 3, (uint64_t)distance, 0);
        size_t n = 0;
        for (size_t k = 0; k < PAIRS && m->n_samples > 1; k++) {
            const mining_sample *x = m->samples[rng_below(&r, m->n_samples)],
                                *y = m->samples[rng_below(&r, m->n_samples)];
            if (x->conversation == y->conversation || (distance == 1 && !y->has_next)) continue;
            /* Neighbours share a message: [query of x + follow-up of y] beside [follow-up of y + its next follow-up].
             */
            load(m->a, x, QUERY, distance == 1 ? y : x, FOLLOWUP);
            load(m->b, y, distance == 1 ? FOLLOWUP : QUERY, y, distance == 1 ? NEXT : FOLLOWUP);
            values[n++] = cosine(m);
        }
        qsort(values, n, sizeof *values, by_value);
        double quantile = n ? values[(size_t)((double)(n - 1) * (1 - MINING_EXCEED))] : 1;
        m->threshold[distance] = quantile > MINING_FLOOR ? nextafter(quantile, 2) : MINING_FLOOR;
        m->pairs += n;
    }
cleanup:
    free(values);
    return status;
}

double mining_threshold(const mining *m, int distance) { return m->threshold[distance]; }
size_t mining_pairs(const mining *m) { return m->pairs; }
