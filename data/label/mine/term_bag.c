#include "data/label/mine/term_bag.h"

#include "base/utf8.h"
#include "data/label/match/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 4096 };
_Static_assert(TERM_BAG_LIMIT < SLOTS - SLOTS / 4, "searches must stay short, and end");

/* Open addressing; a slot belongs to the present text when its epoch is the bag's. */
typedef struct slot {
    uint32_t bucket;
    uint16_t epoch, at;
} slot;
struct term_bag {
    term items[TERM_BAG_LIMIT];
    size_t n;
    uint16_t epoch;
    slot slots[SLOTS];
    uint8_t letter[256]; /* the byte made small; 0: not of a word; 1: not ASCII */
};

wr_status term_bag_create(term_bag **out) {
    term_bag *b = mem_calloc(1, sizeof *b);
    if (!b) return wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
    b->epoch = 1;
    for (int c = 0; c < 256; c++) b->letter[c] = c >= 0x80 ? 1 : isalnum(c) ? (uint8_t)tolower(c) : 0;
    *out = b;
    return WR_OK;
}

void term_bag_free(term_bag *b) { free(b); }

void term_bag_clear(term_bag *b) {
    b->n = 0;
    if (++b->epoch == 0) { /* after 2^16 texts */
        memset(b->slots, 0, sizeof b->slots);
        b->epoch = 1;
    }
}

static slot *find(const term_bag *b, uint32_t bucket) {
    size_t i = bucket % SLOTS;
    while (b->slots[i].epoch == b->epoch && b->slots[i].bucket != bucket) i = (i + 1) % SLOTS;
    return (slot *)&b->slots[i];
}

void term_bag_add(term_bag *b, uint32_t bucket, uint32_t count) {
    slot *s = find(b, bucket);
    if (s->epoch == b->epoch) {
        b->items[s->at].count += count;
    } else if (b->n < TERM_BAG_LIMIT) {
        *s = (slot){bucket, b->epoch, (uint16_t)b->n};
        b->items[b->n++] = (term){bucket, count};
    }
}

const term *term_bag_items(const term_bag *b, size_t *n) {
    *n = b->n;
    return b->items;
}

uint32_t term_bag_count(const term_bag *b, uint32_t bucket) {
    const slot *s = find(b, bucket);
    return s->epoch == b->epoch ? b->items[s->at].count : 0;
}

/* A word's hash, eight bytes at a time. */
typedef struct word {
    uint64_t hash, tail;
    size_t n;
} word;

static inline uint64_t mix(uint64_t hash, uint64_t x) {
    hash = (hash ^ x) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

static inline void word_byte(word *w, uint8_t c) {
    w->tail = w->tail << 8 | c;
    if (++w->n % 8 == 0) w->hash = mix(w->hash, w->tail), w->tail = 0;
}

static inline void word_end(term_bag *b, word *w) {
    /* Single letters say nothing; single digits are at least numbers. */
    if (w->n > 1 || (w->n == 1 && isdigit((int)w->tail))) {
        uint64_t h = mix(mix(w->hash, w->tail), w->n);
        term_bag_add(b, (uint32_t)(h >> 44), 1);
    }
    *w = (word){0};
}

static bool is_letter(int32_t c) {
    return c >= 0xC0 && c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c <= 0x303F) && c < 0xFE00;
}

/* A character above ASCII at s[i]: part of the word, a pair with its right neighbour, or the word's end. Returns its
 * bytes. */
static size_t wide(term_bag *b, word *w, const char *s, size_t n) {
    int32_t c, next;
    size_t step = utf8_decode(s, n, &c);
    if (is_cjk(c)) {
        word_end(b, w);
        if (step < n) {
            utf8_decode(s + step, n - step, &next);
            if (is_cjk(next)) term_bag_add(b, (uint32_t)(mix(mix(17, (uint64_t)c), (uint64_t)next) >> 44), 1);
        }
    } else if (is_letter(c)) {
        char text[4];
        if ((c >= 0xC0 && c <= 0xDE) || (c >= 0x410 && c <= 0x42F))
            c += 0x20;
        else if (c >= 0x400 && c <= 0x40F)
            c += 0x50;
        size_t bytes = utf8_encode((uint32_t)c, text);
        for (size_t i = 0; i < bytes; i++) word_byte(w, (uint8_t)text[i]);
    } else {
        word_end(b, w);
    }
    return step;
}

void term_bag_text(term_bag *b, const char *s, size_t n) {
    word w = {0};
    if (n > TERM_TEXT_LIMIT) n = TERM_TEXT_LIMIT;
    for (size_t i = 0; i < n;) {
        uint8_t c = b->letter[(uint8_t)s[i]];
        if (c > 1) {
            word_byte(&w, c);
            i++;
        } else if (c == 0) {
            if (w.n) word_end(b, &w);
            i++;
        } else {
            i += wide(b, &w, s + i, n - i);
        }
    }
    word_end(b, &w);
}
