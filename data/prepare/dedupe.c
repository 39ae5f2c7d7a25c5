#include "data/prepare/dedupe.h"

#include "data/shard/bytes.h"

#include <stdlib.h>
#include <xxhash.h>

/* A conversation of n messages has n hashes, one of each beginning: h_1, h_2, … h_n, each made of the one before. So
 * "the same" and "the beginning of" are look-ups of equal numbers:
 *
 *   A: u a            h1 h2                       A is a fork: a longer one passes through its whole (h2, 2)
 *   B: u a u a        h1 h2 h3 h4                 kept
 *   C: u a u a        h1 h2 h3 h4                 a duplicate: B has (h4, 4) already
 *
 * Round 1 keeps the ids it has seen; round 2 enters every whole (h_n, n), the first one wins; round 3 asks for every
 * beginning (h_k, k < n) and marks whose whole it is. Tables have 1.5 slots an item and are searched onwards from
 * floor(hash x slots / 2^64). */
typedef struct id_slot {
    uint64_t id[2]; /* {0, 0}: free */
} id_slot;
typedef struct whole_slot {
    uint64_t hash;      /* 0: free */
    uint32_t n, number; /* messages; item */
} whole_slot;

struct dedupe {
    size_t items, slots; /* slots: 1.5 x items at least */
    id_slot *ids;        /* (slots) during the first round */
    whole_slot *wholes;  /* (slots) afterwards */
    uint8_t *fates;      /* (items) two bits each */
};

/* What a template shows beside role and text: its JSON, in source order. */
static wr_status mix(const json_value *shown, strbuf *text, XXH64_hash_t *h) {
    if (!shown) return WR_OK;
    strbuf_clear(text);
    json_writer w = json_writer_make(text);
    json_copy(&w, shown);
    const wr_status status = strbuf_status(text);
    if (status >= 0) *h = XXH3_64bits_withSeed(text->data, text->len, *h);
    return status;
}

wr_status dedupe_key(const conversation *c, strbuf *out) {
    wr_status status = WR_OK;
    strbuf text = {0};
    XXH128_hash_t id = XXH3_128bits(c->id, strlen(c->id));
    XXH64_hash_t h = 0;
    bytes_put_u64(out, id.low64);
    bytes_put_u64(out, id.high64);
    bytes_put_u32(out, (uint32_t)c->n);
    TRY(mix(c->row, &text, &h));
    for (size_t i = 0; i < c->n; i++) {
        /* The role goes in by its hash, so that role and text cannot trade characters. */
        h = XXH3_64bits_withSeed(c->messages[i].role, strlen(c->messages[i].role), h ^ c->messages[i].length);
        h = XXH3_64bits_withSeed(c->messages[i].content, c->messages[i].length, h);
        TRY(mix(c->messages[i].fields, &text, &h));
        bytes_put_u64(out, h);
    }
    TRY(strbuf_status(out));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status dedupe_item_read(bytes_reader *r, arena *a, dedupe_item *out) {
    wr_status status = WR_OK;
    out->id[0] = bytes_get_u64(r);
    out->id[1] = bytes_get_u64(r);
    out->n = bytes_get_u32(r);
    if (out->n > ROW_MESSAGES_LIMIT) TRY(wr_fail(WR_E_FORMAT, "keys of a conversation are damaged"));
    uint64_t *heads = arena_alloc(a, (out->n + 1) * sizeof *heads);
    TRY_ALLOC(heads);
    for (size_t i = 0; i < out->n; i++) heads[i] = bytes_get_u64(r);
    out->heads = heads;
cleanup:
    return status;
}

wr_status dedupe_create(size_t conversations, dedupe **out) {
    wr_status status = WR_OK;
    *out = NULL;
    dedupe *d = mem_calloc(1, sizeof *d);
    TRY_ALLOC(d);
    if (conversations >= UINT32_MAX)
        TRY(wr_fail(WR_E_USAGE, "over 4,294,967,294 conversations: prepare them in parts"));
    d->items = conversations;
    d->slots = conversations + conversations / 2 + 16;
    TRY_ALLOC(d->fates = mem_calloc(conversations / 4 + 1, 1));
    TRY_ALLOC(d->ids = mem_calloc(d->slots, sizeof *d->ids));
    *out = d;
    d = NULL;
cleanup:
    dedupe_free(d);
    return status;
}

void dedupe_free(dedupe *d) {
    if (!d) return;
    free(d->ids);
    free(d->wholes);
    free(d->fates);
    free(d);
}

row_fault dedupe_fate(const dedupe *d, size_t i) {
    static const row_fault fates[] = {ROW_GOOD, ROW_DUPLICATE, ROW_FORK, ROW_GOOD};
    return fates[d->fates[i / 4] >> (i % 4 * 2) & 3];
}

static void set_fate(dedupe *d, size_t i, row_fault fate) {
    d->fates[i / 4] |= (uint8_t)((fate == ROW_DUPLICATE ? 1 : 2) << (i % 4 * 2));
}

/* A table position of a hash, evenly over any number of slots. */
static size_t place(uint64_t hash, size_t slots) { return (size_t)(((unsigned __int128)hash * slots) >> 64); }

wr_status dedupe_ids(dedupe *d, size_t i, const dedupe_item *x) {
    uint64_t id[2] = {x->id[0], x->id[1]};
    if (i >= d->items) return wr_fail(WR_E_FORMAT, "more conversations than were counted");
    if (!id[0] && !id[1]) id[0] = 1;
    for (size_t k = place(id[0], d->slots);; k = k + 1 == d->slots ? 0 : k + 1) {
        id_slot *s = &d->ids[k];
        if (s->id[0] == id[0] && s->id[1] == id[1]) {
            set_fate(d, i, ROW_DUPLICATE);
            return WR_OK;
        }
        if (!s->id[0] && !s->id[1]) {
            s->id[0] = id[0], s->id[1] = id[1];
            return WR_OK;
        }
    }
}

/* The slot of (hash, n), or the free one where it would be. */
static whole_slot *whole(const dedupe *d, uint64_t hash, uint32_t n) {
    for (size_t k = place(hash, d->slots);; k = k + 1 == d->slots ? 0 : k + 1) {
        whole_slot *s = &d->wholes[k];
        if (s->hash == 0 || (s->hash == hash && s->n == n)) return s;
    }
}

static uint64_t not_zero(uint64_t hash) { return hash ? hash : 1; }

wr_status dedupe_wholes(dedupe *d, size_t i, const dedupe_item *x) {
    wr_status status = WR_OK;
    if (i >= d->items) return wr_fail(WR_E_FORMAT, "more conversations than were counted");
    if (!d->wholes) {
        free(d->ids);
        d->ids = NULL;
        TRY_ALLOC(d->wholes = mem_calloc(d->slots, sizeof *d->wholes));
    }
    if (dedupe_fate(d, i) != ROW_GOOD || x->n == 0) return WR_OK;
    uint64_t hash = not_zero(x->heads[x->n - 1]);
    whole_slot *s = whole(d, hash, x->n);
    if (s->hash)
        set_fate(d, i, ROW_DUPLICATE);
    else
        *s = (whole_slot){hash, x->n, (uint32_t)i};
cleanup:
    return status;
}

void dedupe_heads(dedupe *d, size_t i, const dedupe_item *x) {
    if (!d->wholes || dedupe_fate(d, i) == ROW_DUPLICATE) return;
    for (uint32_t n = 1; n < x->n; n++) {
        const whole_slot *s = whole(d, not_zero(x->heads[n - 1]), n);
        if (s->hash && dedupe_fate(d, s->number) == ROW_GOOD) set_fate(d, s->number, ROW_FORK);
    }
}
