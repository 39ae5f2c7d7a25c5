/* A mining as bytes: "WRMC", version, checksum of the rest, seed, turns; terms by ascending bucket as (step, count),
 * samples by ascending key with their terms as (bucket, count); numbers in LEB128 but for the 64-bit ones, which are
 * little-endian. */
#include "data/label/mine/mining_internal.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, HEADER = 4 + 1 + 8, LIST_LIMIT = TERM_BAG_LIMIT };
static const char magic[4] = {'W', 'R', 'M', 'C'};

static void put64(strbuf *b, uint64_t x) {
    char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (char)(x >> (8 * i));
    strbuf_append(b, bytes, 8);
}

static void put(strbuf *b, uint64_t x) {
    char bytes[10];
    size_t n = 0;
    for (; x >= 0x80; x >>= 7) bytes[n++] = (char)(x | 0x80);
    bytes[n++] = (char)x;
    strbuf_append(b, bytes, n);
}

typedef struct writer {
    strbuf *out;
    uint32_t next; /* first bucket that may come */
} writer;
static void put_term(void *context, term x) {
    writer *w = context;
    put(w->out, x.bucket - w->next);
    put(w->out, x.count);
    w->next = x.bucket + 1;
}

wr_status mining_write(const mining *m, strbuf *out) {
    wr_status status = WR_OK;
    writer w = {out, 0};
    size_t start = out->len;
    strbuf_append(out, magic, sizeof magic);
    strbuf_putc(out, VERSION);
    put64(out, 0);
    put64(out, m->seed);
    put(out, m->turns);
    put(out, m->counts.n);
    TRY(term_counts_each(&m->counts, put_term, &w));
    put(out, m->n_samples);
    for (size_t i = 0; i < m->n_samples; i++) {
        const mining_sample *x = m->samples[i];
        put64(out, x->key);
        put64(out, x->conversation);
        put(out, x->turn);
        put(out, x->has_next);
        size_t terms = 0;
        for (int k = 0; k < 3; terms += x->n[k++]) put(out, x->n[k]);
        for (size_t k = 0; k < terms;
             k++) { /* in the order of the text: short of sorting, nothing makes them smaller */
            put(out, x->terms[k].bucket);
            put(out, x->terms[k].count);
        }
    }
    TRY(strbuf_status(out));
    uint64_t sum = hash64(out->data + start + HEADER, out->len - start - HEADER, VERSION);
    for (int i = 0; i < 8; i++) out->data[start + 5 + (size_t)i] = (char)(sum >> (8 * i));
cleanup:
    return status;
}

/* --- reading --- */

typedef struct cursor {
    const uint8_t *at, *end;
    bool bad;
} cursor;

static uint64_t get64(cursor *c) {
    uint64_t x = 0;
    if (c->end - c->at < 8) {
        c->bad = true;
        return 0;
    }
    for (int i = 0; i < 8; i++) x |= (uint64_t)*c->at++ << (8 * i);
    return x;
}

static uint64_t get(cursor *c, uint64_t most) {
    uint64_t x = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (c->at == c->end) break;
        uint8_t b = *c->at++;
        x |= (uint64_t)(b & 0x7F) << shift;
        if (b & 0x80) continue;
        if (x > most) break;
        return x;
    }
    c->bad = true;
    return 0;
}

static term get_term(cursor *c, uint32_t *next) {
    term x = {.bucket = (uint32_t)get(c, TERM_BUCKETS) + *next};
    x.count = (uint32_t)get(c, UINT32_MAX);
    if (x.bucket >= TERM_BUCKETS || !x.count) c->bad = true;
    *next = x.bucket + 1;
    return x;
}

/* Terms are read twice: the first time only to see that they are good. */
static wr_status get_terms(cursor *c, term_counts *into) {
    wr_status status = WR_OK;
    uint32_t next = 0;
    size_t n = get(c, TERM_BUCKETS);
    for (size_t i = 0; i < n && !c->bad; i++) {
        term x = get_term(c, &next);
        if (into && !c->bad) TRY(term_counts_add(into, x.bucket, x.count));
    }
cleanup:
    return status;
}

static wr_status get_sample(cursor *c, mining_sample **out) {
    wr_status status = WR_OK;
    mining_sample head = {0}, *s = NULL;
    size_t terms = 0;
    head.key = get64(c);
    head.conversation = get64(c);
    head.turn = (uint32_t)get(c, UINT32_MAX);
    head.has_next = get(c, 1);
    for (int k = 0; k < 3; k++) terms += head.n[k] = (uint32_t)get(c, LIST_LIMIT);
    if (c->bad || terms > (size_t)(c->end - c->at) / 2) {
        c->bad = true;
        return WR_OK;
    }
    TRY_ALLOC(s = mining_sample_new(terms));
    *s = head;
    for (size_t k = 0; k < terms && !c->bad; k++) {
        s->terms[k].bucket = (uint32_t)get(c, TERM_BUCKETS - 1);
        s->terms[k].count = (uint32_t)get(c, UINT32_MAX);
        c->bad = c->bad || !s->terms[k].count;
    }
    *out = s;
cleanup:
    return status;
}

static wr_status get_samples(cursor *c, mining *into) {
    wr_status status = WR_OK;
    size_t n = get(c, MINING_SAMPLES);
    for (size_t i = 0; i < n && !c->bad; i++) {
        mining_sample *s = NULL;
        TRY(get_sample(c, &s));
        if (into && s && mining_wants(into, s->key))
            mining_keep(into, s);
        else
            free(s);
    }
cleanup:
    return status;
}

static wr_status read_all(cursor c, mining *into, bool *good) {
    wr_status status = WR_OK;
    get64(&c);
    uint64_t turns = get(&c, UINT64_MAX);
    TRY(get_terms(&c, into ? &into->counts : NULL));
    TRY(get_samples(&c, into));
    *good = !c.bad && c.at == c.end;
    if (into) into->turns += turns;
cleanup:
    return status;
}

wr_status mining_merge(mining *m, const void *bytes, size_t n) {
    wr_status status = WR_OK;
    const uint8_t *s = bytes;
    bool good = n >= HEADER + 8 && memcmp(s, magic, sizeof magic) == 0 && s[4] == VERSION;
    cursor c = {s + 5, s + n, false};
    if (good) good = get64(&c) == hash64(s + HEADER, n - HEADER, VERSION);
    if (good) TRY(read_all(c, NULL, &good));
    if (!good) TRY(wr_fail(WR_E_FORMAT, "the term counts of a part of the data are damaged (%zu bytes)", n));
    cursor seed = c;
    if (get64(&seed) != m->seed)
        TRY(wr_fail(WR_E_MISMATCH, "term counts of two runs with different --seed cannot be put together"));
    TRY(read_all(c, m, &good));
cleanup:
    return status;
}
