#include "data/mining.h"

#include "base/hash.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "data/bytes.h"
#include "data/pattern.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1 << 20, SAMPLES = 1500, PAIRS = 6000, TEXT_LIMIT = 4096 };

typedef struct term {
    uint32_t bucket;
    float weight;
} term;
typedef struct terms {
    term *items;
    size_t n, capacity;
} terms;

/* Turns kept for calibration: those whose conversation has the smallest keys, so that the choice does not depend on
 * order. */
typedef struct sample {
    uint64_t key, conversation;
    char *query, *followup, *next;
} sample;

struct mining {
    uint64_t seed;
    uint32_t *documents; /* (BUCKETS) turns that hold the term */
    uint64_t n_documents;
    sample *heap;
    size_t n_samples; /* max-heap by key */
    double threshold[MINING_REACH + 1];
    size_t pairs;
    terms a, b;
    strbuf text;
};

static void sample_free(sample *s) {
    free(s->query);
    free(s->followup);
    free(s->next);
}

void mining_free(mining *m) {
    if (!m) return;
    for (size_t i = 0; i < m->n_samples; i++) sample_free(&m->heap[i]);
    free(m->heap);
    free(m->documents);
    free(m->a.items);
    free(m->b.items);
    strbuf_free(&m->text);
    free(m);
}

wr_status mining_create(uint64_t seed, mining **out) {
    wr_status status = WR_OK;
    mining *m = mem_calloc(1, sizeof *m);
    TRY_ALLOC(m);
    m->seed = seed;
    TRY_ALLOC(m->documents = mem_calloc(BUCKETS, sizeof *m->documents));
    TRY_ALLOC(m->heap = mem_calloc(SAMPLES, sizeof *m->heap));
    *out = m;
    m = NULL;
cleanup:
    mining_free(m);
    return status;
}

static wr_status add_term(terms *t, const char *s, size_t n) {
    wr_status status = WR_OK;
    VEC_PUSH(t->items, t->n, t->capacity, ((term){(uint32_t)(hash64(s, n, 17) % BUCKETS), 1}));
cleanup:
    return status;
}

static int by_bucket(const void *a, const void *b) {
    uint32_t x = ((const term *)a)->bucket, y = ((const term *)b)->bucket;
    return (x > y) - (x < y);
}

/* Term counts of a text, sorted by bucket. Words are lower-cased ASCII or other letters; CJK characters make pairs with
 * their right neighbour. */
static wr_status count_terms(terms *t, const char *s, size_t n) {
    wr_status status = WR_OK;
    char word[64];
    size_t length = 0, i = 0;
    t->n = 0;
    while (i <= n) {
        int32_t c = -1;
        size_t step = i < n ? utf8_decode(s + i, n - i, &c) : 1;
        bool cjk = i < n && is_cjk(c);
        bool letter = i < n && !cjk &&
                      (c >= 0x80 ? c >= 0xC0 && !(c >= 0x2000 && c <= 0x303F) && c < 0xFE00 : c >= 0 && isalnum(c));
        if (letter && length + step < sizeof word) {
            for (size_t k = 0; k < step; k++) word[length++] = (char)(c < 0x80 ? tolower(c) : s[i + k]);
        }
        if (!letter && length) {
            if (length > 1 || isdigit((unsigned char)word[0])) TRY(add_term(t, word, length));
            length = 0;
        }
        if (cjk && i + step < n) {
            int32_t next;
            size_t second = utf8_decode(s + i + step, n - i - step, &next);
            if (is_cjk(next)) TRY(add_term(t, s + i, step + second));
        }
        i += step;
    }
    if (t->n == 0) return WR_OK;
    qsort(t->items, t->n, sizeof *t->items, by_bucket);
    size_t kept = 0;
    for (size_t k = 1; k < t->n; k++) {
        if (t->items[kept].bucket == t->items[k].bucket)
            t->items[kept].weight += 1;
        else
            t->items[++kept] = t->items[k];
    }
    t->n = kept + 1;
cleanup:
    return status;
}

static wr_status join(strbuf *text, const char *a, size_t na, const char *b, size_t nb) {
    strbuf_clear(text);
    strbuf_append(text, a, na < TEXT_LIMIT ? na : TEXT_LIMIT);
    strbuf_putc(text, '\n');
    strbuf_append(text, b, nb < TEXT_LIMIT ? nb : TEXT_LIMIT);
    return strbuf_status(text);
}

static void heap_swap(sample *a, sample *b) {
    sample t = *a;
    *a = *b;
    *b = t;
}

static void heap_down(sample *h, size_t n, size_t i) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) return;
        if (child + 1 < n && h[child + 1].key > h[child].key) child++;
        if (h[i].key >= h[child].key) return;
        heap_swap(&h[i], &h[child]);
        i = child;
    }
}

/* Takes s (whose texts move) if it is among the smallest. */
static void put_sample(mining *m, sample *s) {
    if (m->n_samples == SAMPLES) {
        if (s->key >= m->heap[0].key) {
            sample_free(s);
            return;
        }
        sample_free(&m->heap[0]);
        m->heap[0] = *s;
        heap_down(m->heap, m->n_samples, 0);
    } else {
        size_t i = m->n_samples++;
        m->heap[i] = *s;
        for (; i && m->heap[(i - 1) / 2].key < m->heap[i].key; i = (i - 1) / 2)
            heap_swap(&m->heap[i], &m->heap[(i - 1) / 2]);
    }
}

static wr_status keep_sample(mining *m, uint64_t conversation, size_t turn, const turn_text *t, const char *next,
                             size_t next_length) {
    wr_status status = WR_OK;
    rng r = rng_make(m->seed, RNG_SPLIT, 2, conversation, turn);
    sample s = {.key = rng_u64(&r), .conversation = conversation};
    if (m->n_samples == SAMPLES && s.key >= m->heap[0].key) return WR_OK;
    size_t q = t->query_length < TEXT_LIMIT ? t->query_length : TEXT_LIMIT,
           f = t->followup_length < TEXT_LIMIT ? t->followup_length : TEXT_LIMIT;
    TRY_ALLOC(s.query = mem_strndup(t->query, q));
    TRY_ALLOC(s.followup = mem_strndup(t->followup, f));
    if (next) TRY_ALLOC(s.next = mem_strndup(next, next_length < TEXT_LIMIT ? next_length : TEXT_LIMIT));
    put_sample(m, &s);
    s = (sample){0};
cleanup:
    sample_free(&s);
    return status;
}

wr_status mining_observe(mining *m, uint64_t conversation, size_t turn, const turn_text *t, const char *next_followup,
                         size_t next_length) {
    wr_status status = WR_OK;
    TRY(join(&m->text, t->query, t->query_length, t->followup, t->followup_length));
    TRY(count_terms(&m->a, m->text.data, m->text.len));
    for (size_t i = 0; i < m->a.n; i++) m->documents[m->a.items[i].bucket]++;
    m->n_documents++;
    TRY(keep_sample(m, conversation, turn, t, next_followup, next_length));
cleanup:
    return status;
}

/* (1 + log count) log((1 + N) / (1 + documents)), scaled to length 1. */
static void weigh(const mining *m, terms *t) {
    double square = 0;
    for (size_t i = 0; i < t->n; i++) {
        double idf = log((1.0 + (double)m->n_documents) / (1.0 + m->documents[t->items[i].bucket]));
        double w = (1 + log((double)t->items[i].weight)) * idf;
        t->items[i].weight = (float)w;
        square += w * w;
    }
    float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    for (size_t i = 0; i < t->n; i++) t->items[i].weight *= scale;
}

wr_status mining_similarity(mining *m, const turn_text *a, const turn_text *b, double *out) {
    wr_status status = WR_OK;
    double dot = 0;
    TRY(join(&m->text, a->query, a->query_length, a->followup, a->followup_length));
    TRY(count_terms(&m->a, m->text.data, m->text.len));
    TRY(join(&m->text, b->query, b->query_length, b->followup, b->followup_length));
    TRY(count_terms(&m->b, m->text.data, m->text.len));
    weigh(m, &m->a);
    weigh(m, &m->b);
    for (size_t i = 0, j = 0; i < m->a.n && j < m->b.n;) {
        uint32_t x = m->a.items[i].bucket, y = m->b.items[j].bucket;
        if (x == y) dot += (double)m->a.items[i].weight * m->b.items[j].weight;
        i += x <= y;
        j += y <= x;
    }
    *out = dot;
cleanup:
    return status;
}

static int by_key(const void *a, const void *b) {
    uint64_t x = ((const sample *)a)->key, y = ((const sample *)b)->key;
    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

wr_status mining_calibrate(mining *m) {
    wr_status status = WR_OK;
    double *values = mem_calloc(PAIRS, sizeof *values);
    TRY_ALLOC(values);
    qsort(m->heap, m->n_samples, sizeof *m->heap, by_key); /* from here on a sorted list */
    m->pairs = 0;
    for (int distance = 1; distance <= MINING_REACH; distance++) {
        rng r = rng_make(m->seed, RNG_SPLIT, 3, (uint64_t)distance, 0);
        size_t n = 0;
        for (size_t k = 0; k < PAIRS && m->n_samples > 1; k++) {
            const sample *x = &m->heap[rng_below(&r, m->n_samples)], *y = &m->heap[rng_below(&r, m->n_samples)];
            if (x->conversation == y->conversation || (distance == 1 && !y->next)) continue;
            turn_text a = {x->query, strlen(x->query), x->followup, strlen(x->followup)};
            turn_text b = {y->query, strlen(y->query), y->followup, strlen(y->followup)};
            if (distance == 1) { /* [query of x + follow-up of y] beside [follow-up of y + its next follow-up] */
                a.followup = y->followup, a.followup_length = strlen(y->followup);
                b = (turn_text){y->followup, strlen(y->followup), y->next, strlen(y->next)};
            }
            TRY(mining_similarity(m, &a, &b, &values[n++]));
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

wr_status mining_pack(const mining *m, strbuf *out) {
    bytes_put_u64(out, m->n_documents);
    for (size_t i = 0; i < BUCKETS; i++) bytes_put_u32(out, m->documents[i]);
    bytes_put_u64(out, m->pairs);
    for (int d = 1; d <= MINING_REACH; d++) bytes_put_double(out, m->threshold[d]);
    bytes_put_u64(out, m->n_samples);
    for (size_t i = 0; i < m->n_samples; i++) {
        const sample *s = &m->heap[i];
        bytes_put_u64(out, s->key);
        bytes_put_u64(out, s->conversation);
        bytes_put_string(out, s->query, strlen(s->query));
        bytes_put_string(out, s->followup, strlen(s->followup));
        bytes_put_u8(out, s->next != NULL);
        if (s->next) bytes_put_string(out, s->next, strlen(s->next));
    }
    return strbuf_status(out);
}

wr_status mining_merge(mining *m, const void *bytes, size_t n) {
    wr_status status = WR_OK;
    bytes_reader r = bytes_reader_make(bytes, n);
    sample s = {0};
    m->n_documents += bytes_get_u64(&r);
    for (size_t i = 0; i < BUCKETS; i++) m->documents[i] += bytes_get_u32(&r);
    m->pairs = bytes_get_u64(&r);
    for (int d = 1; d <= MINING_REACH; d++) m->threshold[d] = bytes_get_double(&r);
    size_t count = bytes_get_count(&r, 27);
    for (size_t i = 0; i < count && !r.bad; i++) {
        s = (sample){.key = bytes_get_u64(&r)};
        s.conversation = bytes_get_u64(&r);
        TRY_ALLOC(s.query = mem_strdup(bytes_get_string(&r, NULL)));
        TRY_ALLOC(s.followup = mem_strdup(bytes_get_string(&r, NULL)));
        if (bytes_get_u8(&r)) TRY_ALLOC(s.next = mem_strdup(bytes_get_string(&r, NULL)));
        put_sample(m, &s);
        s = (sample){0};
    }
    if (r.bad) TRY(wr_fail(WR_E_FORMAT, "term counts are damaged"));
cleanup:
    sample_free(&s);
    return status;
}

void mining_set_threshold(mining *m, double threshold) {
    for (int d = 1; d <= MINING_REACH; d++) m->threshold[d] = threshold;
}

double mining_threshold(const mining *m, int distance) { return m->threshold[distance]; }
size_t mining_pairs(const mining *m) { return m->pairs; }

wr_status mining_apply(const mining *m, const int8_t *levels, size_t n,
                       wr_status (*similarity)(void *context, size_t i, size_t j, double *out), void *context,
                       int8_t *final) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < n; i++) {
        final[i] = levels[i];
        if (levels[i] != 3) continue;
        for (size_t d = 1; d <= MINING_REACH && i + d < n; d++) {
            if (levels[i + d] < 4) continue; /* annotated levels only: what was mined is not mined from again */
            double s = 0;
            TRY(similarity(context, i, i + d, &s));
            if (s >= m->threshold[d]) {
                final[i] = levels[i + d];
                break;
            }
        }
    }
cleanup:
    return status;
}
