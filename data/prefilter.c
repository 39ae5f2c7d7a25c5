#include "data/prefilter.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PREFILTER_RULES * REGEX_NEEDS < 0xFFFF, "a mark is a rule and a list in 16 bits");
enum { LITERAL_LIMIT = 8, STATES = 0x7FFF, HIT = 0x8000, NO_MARK = 0xFFFF };

struct prefilter {
    arena *memory;
    regex_needs needs[PREFILTER_RULES];
    size_t n, n_literals;
    uint8_t class[256]; /* of a byte; 0: in no literal. D0 and D1 (Cyrillic) share one */
    size_t n_classes;
    uint16_t *next; /* (n_states, n_classes) target, with HIT where one of its literals ends */
    uint32_t *found; /* (n_states) first of its marks; 0: none */
    uint16_t *marks; /* rule * REGEX_NEEDS + list, NO_MARK behind the last */
    size_t n_states, n_marks, mark_capacity;
    rule_mask unknown[REGEX_NEEDS]; /* rules that need nothing of that list */
    size_t words; /* of the masks in use */
    bool digits;
};

void prefilter_free(prefilter *p) {
    if (!p) return;
    arena_free(p->memory);
    free(p->next);
    free(p->found);
    free(p->marks);
    free(p);
}

wr_status prefilter_create(prefilter **out) {
    wr_status status = WR_OK;
    prefilter *p = mem_calloc(1, sizeof *p);
    TRY_ALLOC(p);
    TRY_ALLOC(p->memory = arena_create());
    *out = p;
    p = NULL;
cleanup:
    prefilter_free(p);
    return status;
}

wr_status prefilter_add(prefilter *p, const char *regex) {
    wr_status status = WR_OK;
    if (p->n == PREFILTER_RULES) TRY(wr_fail(WR_E_USAGE, "more than %d rules; put regexes that mean the same into one rule", PREFILTER_RULES));
    regex_needs *x = &p->needs[p->n];
    TRY(regex_find_needs(p->memory, regex, x));
    for (size_t k = 0; k < REGEX_NEEDS; k++) {
        if (x->n_any[k] == 0) p->unknown[k].bits[p->n / 64] |= 1ull << (p->n % 64);
        p->n_literals += x->n_any[k];
    }
    if (x->digits) p->digits = true;
    p->n++;
cleanup:
    return status;
}

size_t prefilter_always(const prefilter *p) {
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) n += p->needs[i].n_any[0] == 0 && p->needs[i].digits == 0;
    return n;
}

static void number_classes(prefilter *p) {
    p->n_classes = 1;
    for (size_t r = 0; r < p->n * REGEX_NEEDS; r++) {
        const regex_needs *x = &p->needs[r / REGEX_NEEDS];
        for (size_t k = 0; k < x->n_any[r % REGEX_NEEDS]; k++) {
            const literal *l = &x->any[r % REGEX_NEEDS][k];
            for (size_t i = 0; i < l->n && i < LITERAL_LIMIT; i++) {
                uint8_t b = (uint8_t)l->text[i];
                if (b == 0xD1) b = 0xD0;
                if (!p->class[b]) p->class[b] = (uint8_t)p->n_classes++;
            }
        }
    }
    p->class[0xD1] = p->class[0xD0];
    for (int c = 'a'; c <= 'z'; c++) p->class[toupper(c)] = p->class[c];
}

/* Marks of a state while it is being built: a chain. */
typedef struct link {
    uint32_t next;
    uint16_t mark;
} link;
typedef struct builder {
    link *links; /* 0: none */
    size_t n, capacity;
    uint32_t *first; /* (states) */
} builder;

static wr_status add_mark(builder *b, size_t state, uint16_t mark) {
    wr_status status = WR_OK;
    for (uint32_t i = b->first[state]; i; i = b->links[i].next) {
        if (b->links[i].mark == mark) return WR_OK;
    }
    VEC_PUSH(b->links, b->n, b->capacity, ((link){b->first[state], mark}));
    b->first[state] = (uint32_t)(b->n - 1);
cleanup:
    return status;
}

static wr_status insert(prefilter *p, builder *b, uint16_t mark, const literal *l, size_t most) {
    size_t state = 0;
    for (size_t i = 0; i < l->n && i < LITERAL_LIMIT; i++) {
        uint16_t *to = &p->next[state * p->n_classes + p->class[(uint8_t)l->text[i]]];
        if (!*to) {
            if (p->n_states == most) return wr_fail(WR_E_USAGE, "the rules hold too many words; leave some out");
            *to = (uint16_t)p->n_states++;
        }
        state = *to;
    }
    return add_mark(b, state, mark);
}

/* Breadth first: a state's failure link is the state of its longest proper suffix. Marks are handed on along the links, missing edges filled in. */
static wr_status link_states(prefilter *p, builder *b) {
    wr_status status = WR_OK;
    size_t head = 0, tail = 0, k = p->n_classes;
    uint16_t *queue = mem_calloc(p->n_states + 1, sizeof *queue), *fail = mem_calloc(p->n_states + 1, sizeof *fail);
    TRY_ALLOC(queue);
    TRY_ALLOC(fail);
    for (size_t c = 0; c < k; c++) {
        if (p->next[c]) queue[tail++] = p->next[c];
    }
    while (head < tail) {
        size_t s = queue[head++];
        for (uint32_t i = b->first[fail[s]]; i; i = b->links[i].next) TRY(add_mark(b, s, b->links[i].mark));
        for (size_t c = 0; c < k; c++) {
            uint16_t *to = &p->next[s * k + c], other = p->next[fail[s] * k + c];
            if (*to) fail[*to] = other, queue[tail++] = *to;
            else *to = other;
        }
    }
cleanup:
    free(queue);
    free(fail);
    return status;
}

static wr_status lay_out_marks(prefilter *p, const builder *b) {
    wr_status status = WR_OK;
    TRY_ALLOC(p->found = mem_calloc(p->n_states, sizeof *p->found));
    VEC_PUSH(p->marks, p->n_marks, p->mark_capacity, NO_MARK);
    for (size_t s = 0; s < p->n_states; s++) {
        if (!b->first[s]) continue;
        p->found[s] = (uint32_t)p->n_marks;
        for (uint32_t i = b->first[s]; i; i = b->links[i].next) {
            VEC_PUSH(p->marks, p->n_marks, p->mark_capacity, b->links[i].mark);
        }
        VEC_PUSH(p->marks, p->n_marks, p->mark_capacity, NO_MARK);
    }
    for (size_t i = 0; i < p->n_states * p->n_classes; i++) {
        if (p->found[p->next[i]]) p->next[i] |= HIT;
    }
cleanup:
    return status;
}

wr_status prefilter_build(prefilter *p) {
    wr_status status = WR_OK;
    builder b = {0};
    number_classes(p);
    p->words = p->n / 64 + 1 < PREFILTER_WORDS ? p->n / 64 + 1 : PREFILTER_WORDS;
    size_t most = p->n_literals * LITERAL_LIMIT + 1;
    if (most > STATES) most = STATES;
    TRY_ALLOC(p->next = mem_calloc(most * p->n_classes, sizeof *p->next));
    TRY_ALLOC(b.first = mem_calloc(most, sizeof *b.first));
    VEC_PUSH(b.links, b.n, b.capacity, ((link){0}));
    p->n_states = 1;
    for (size_t r = 0; r < p->n * REGEX_NEEDS; r++) {
        const regex_needs *x = &p->needs[r / REGEX_NEEDS];
        for (size_t i = 0; i < x->n_any[r % REGEX_NEEDS]; i++) TRY(insert(p, &b, (uint16_t)r, &x->any[r % REGEX_NEEDS][i], most));
    }
    TRY(link_states(p, &b));
    TRY(lay_out_marks(p, &b));
cleanup:
    free(b.links);
    free(b.first);
    return status;
}

/* Other characters that a caseless match takes for one of a literal: long s, the Kelvin, Ångström and Ohm signs, capital sharp s and old Cyrillic forms
 * (U+1000 … U+1FFF as a whole). Rare, so that all rules are run then. */
static bool odd_letter(const uint8_t *s, size_t i, size_t n) {
    return s[i] == 0xE1 || (s[i] == 0xC5 && i + 1 < n && s[i + 1] == 0xBF) || (s[i] == 0xE2 && i + 1 < n && s[i + 1] == 0x84);
}

/* Second byte of a two-byte letter, made small. Capital Cyrillic letters lie over D0 and D1, which is why those are one class. */
static uint8_t fold_second(uint8_t lead, uint8_t b) {
    if (lead == 0xC3 && b >= 0x80 && b <= 0x9E && b != 0x97) return b + 0x20;
    if (lead == 0xD0 && b >= 0x80 && b <= 0xAF) return b < 0x90 ? b + 0x10 : b < 0xA0 ? b + 0x20 : b - 0x20;
    return b;
}

static size_t count_digits(const uint8_t *s, size_t n) {
    size_t digits = 0;
    for (size_t i = 0; i < n;) {
        uint8_t block = 0; /* of at most 128 bytes, so that the loop below runs in byte-wide vectors */
        size_t end = n - i < 128 ? n : i + 128;
        for (; i < end; i++) block = (uint8_t)(block + ((uint8_t)(s[i] - '0') < 10));
        digits += block;
    }
    return digits;
}

void prefilter_scan(const prefilter *p, const char *text, size_t n, rule_mask *candidates) {
    const uint8_t *s = (const uint8_t *)text, *class = p->class;
    const uint16_t *next = p->next;
    size_t k = p->n_classes, state = 0, bytes = p->words * sizeof *candidates->bits;
    rule_mask seen[REGEX_NEEDS];
    for (size_t l = 0; l < REGEX_NEEDS; l++) memcpy(seen[l].bits, p->unknown[l].bits, bytes);
    for (size_t i = 0; i < n; i++) {
        uint8_t b = s[i];
        if (b >= 0x80) {
            if (odd_letter(s, i, n)) {
                memset(candidates->bits, 0xFF, bytes);
                return;
            }
            if (i) b = fold_second(s[i - 1], b);
        }
        uint16_t to = next[state * k + class[b]];
        state = to & ~HIT;
        if (!(to & HIT)) continue;
        for (const uint16_t *m = p->marks + p->found[state]; *m != NO_MARK; m++) {
            size_t rule = *m / REGEX_NEEDS;
            seen[*m % REGEX_NEEDS].bits[rule / 64] |= 1ull << (rule % 64);
        }
    }
    for (size_t w = 0; w < p->words; w++) {
        candidates->bits[w] = ~0ull;
        for (size_t l = 0; l < REGEX_NEEDS; l++) candidates->bits[w] &= seen[l].bits[w];
    }
    if (!p->digits) return;
    size_t digits = count_digits(s, n);
    for (size_t r = 0; r < p->n; r++) {
        if (digits < p->needs[r].digits) candidates->bits[r / 64] &= ~(1ull << (r % 64));
    }
}
