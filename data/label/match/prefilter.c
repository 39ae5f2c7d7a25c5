#include "data/label/match/prefilter.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Hundreds of regular expressions, of which a text matches a few: each has strings of which every match holds one
 * (regex_needs.c), and is run where such a string occurs alone. To find all strings of all rules in one pass, a text is
 * read in windows of three bytes, six bits of each (alike for both letter cases); a bitmap of 2^18 windows says which
 * are of interest. Each string is found by its rarest window and then compared whole.
 *
 *   text     … t h e y   a s k …        windows: "the" "hey" "ey " …     bit set? -> strings with this window
 *   needs    rule 7: {"asks", "ask me"}      found -> rule 7 is run */
enum {
    WINDOW = 3,
    CODE_BITS = 6,
    CODES = 1 << CODE_BITS,
    PROBE_TEXT = 12,
    RUN = 512,
    KEYS = CODES * CODES * CODES,
    NO_MARK = 0xFFFF
};
_Static_assert(PREFILTER_RULES *REGEX_NEEDS < NO_MARK, "a mark is a rule and a list in 16 bits");

typedef struct entry { /* one string, with those who ask for it */
    const literal *text;
    uint32_t key;
    uint16_t at, n;               /* end of its window in the text: 1 … n; its length */
    uint8_t begins, ends;         /* codes of its first and last byte */
    uint32_t first_mark, n_marks; /* in marks */
} entry;
/* the same with all that most looks at a text need in one place: what lies elsewhere has left the cache when the next
 * text comes */
typedef struct probe {
    uint16_t at, n, n_marks;
    uint8_t begins, ends;
    uint32_t first_mark;
    uint8_t text[PROBE_TEXT]; /* its first bytes */
} probe;
typedef struct wish {
    const literal *text;
    uint16_t mark; /* rule * REGEX_NEEDS + list */
} wish;

struct prefilter {
    arena *memory;
    regex_needs needs[PREFILTER_RULES];
    size_t n;
    rule_mask unknown[REGEX_NEEDS];   /* rules that need nothing of that list */
    size_t words;                     /* of the masks in use */
    uint16_t digits[PREFILTER_RULES]; /* rules that need some */
    size_t n_digits;
    uint8_t code[256];
    uint64_t bitmap[KEYS / 64];
    uint32_t before[KEYS / 64]; /* keys of interest before those of a word of the bitmap */
    /* (keys of interest + 1) the entries of each; while strings are added: (KEYS + 1) how many entries a key has */
    uint32_t *first;
    entry *entries; /* by key */
    probe *probes;  /* (n_entries) */
    size_t n_entries, entry_capacity;
    entry *single; /* strings of one byte */
    size_t n_single, single_capacity;
    wish *wishes;    /* sorted by text */
    uint16_t *marks; /* (n_wishes) of them */
    size_t n_wishes, wish_capacity;
};

void prefilter_free(prefilter *p) {
    if (!p) return;
    arena_free(p->memory);
    free(p->first);
    free(p->entries);
    free(p->probes);
    free(p->single);
    free(p->wishes);
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
    if (p->n == PREFILTER_RULES)
        TRY(wr_fail(WR_E_USAGE, "more than %d regexes; put those that mean the same into one line", PREFILTER_RULES));
    regex_needs *x = &p->needs[p->n];
    TRY(regex_find_needs(p->memory, regex, x));
    for (size_t k = 0; k < REGEX_NEEDS; k++) {
        if (x->n_any[k] == 0) p->unknown[k].bits[p->n / 64] |= 1ull << (p->n % 64);
    }
    if (x->digits) p->digits[p->n_digits++] = (uint16_t)p->n;
    p->n++;
cleanup:
    return status;
}

/* A byte's code. Second bytes of letters give their lower half, which is the same for both cases in Latin-1 and
 * Cyrillic; D0 and D1, between which Cyrillic cases change, are one. */
static void fill_codes(uint8_t code[256]) {
    static const char marks[] = " ',.?!:/";
    static const uint8_t leads[] = {0xC3, 0xD0, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xF0};
    enum {
        DIGIT = 26,
        MARKS,
        OTHER = MARKS + sizeof marks - 1,
        SECOND,
        LEADS = SECOND + 16,
        OTHER_LEAD = LEADS + sizeof leads
    };
    _Static_assert((int)OTHER_LEAD < (int)CODES, "codes have six bits");
    for (int b = 0; b < 256; b++) {
        const char *mark = b ? memchr(marks, b, sizeof marks - 1) : NULL;
        const uint8_t *lead = memchr(leads, b == 0xD1 ? 0xD0 : b, sizeof leads);
        if (b >= 0xC0)
            code[b] = (uint8_t)(lead ? LEADS + (lead - leads) : OTHER_LEAD);
        else if (b >= 0x80)
            code[b] = (uint8_t)(SECOND + b % 16);
        else if (isalpha(b))
            code[b] = (uint8_t)(tolower(b) - 'a');
        else
            code[b] = (uint8_t)(isdigit(b) ? DIGIT : mark ? MARKS + (mark - marks) : OTHER);
    }
}

static uint32_t key_of(const prefilter *p, const uint8_t *s) {
    return (uint32_t)(p->code[s[0]] << 2 * CODE_BITS | p->code[s[1]] << CODE_BITS | p->code[s[2]]);
}

/* How often a byte stands in English text, per mille. */
static double byte_share(uint8_t b) {
    static const char letters[] = " etaoinsrhlducmfwgpybvk.,";
    static const uint8_t share[] = {180, 102, 75, 65, 62, 57, 57, 53, 50, 50, 33, 33, 23,
                                    22,  20,  20, 17, 16, 15, 14, 13, 8,  6,  9,  9};
    const char *at = memchr(letters, b, sizeof letters - 1);
    return at ? share[at - letters] : b < 0x80 ? 2 : 8;
}

static wr_status add_entry(prefilter *p, entry x) {
    wr_status status = WR_OK;
    VEC_PUSH(p->entries, p->n_entries, p->entry_capacity, x);
    p->first[x.key + 1]++; /* counts first */
cleanup:
    return status;
}

/* How often a window is met, in parts of 10^9: by its letters, but for the most frequent windows of English. */
static double window_share(const uint8_t *s) {
    static const char frequent[] = " th the he  in ing ng  an and nd  to to ion tio ati you ou  yo hat tha for or her "
                                   "ere ent is  is in  at  on  er  es re  co of  of his all ill hav ave can wha "
                                   "lik whi ith wit not es ed  be  do do it t i  it  we  ha have thi s a e a this  a s "
                                   "t  so  me  no but  mak ake  wr rit ite con pro com ";
    double share = byte_share(s[0]) * byte_share(s[1]) * byte_share(s[2]);
    return memmem(frequent, sizeof frequent - 1, s, WINDOW) ? 20 * share : share;
}

/* The window that costs least: seldom in texts, and not yet shared by many strings. */
static bool choose_window(const prefilter *p, entry *x) {
    const uint8_t *s = (const uint8_t *)x->text->text;
    double best = 0;
    x->at = 0;
    for (uint32_t i = WINDOW; i <= x->text->n; i++) {
        uint32_t key = key_of(p, s + i - WINDOW);
        double cost = window_share(s + i - WINDOW) * (4 + p->first[key + 1]);
        if (x->at && cost >= best) continue;
        best = cost;
        x->at = (uint16_t)i;
        x->key = key;
    }
    return x->at > 0;
}

static wr_status add_string(prefilter *p, entry x) {
    wr_status status = WR_OK;
    const uint8_t *s = (const uint8_t *)x.text->text;
    if (x.text->n == 1) {
        VEC_PUSH(p->single, p->n_single, p->single_capacity, x);
    } else if (choose_window(p, &x)) {
        TRY(add_entry(p, x));
    } else { /* two bytes, behind any other */
        x.at = 2;
        for (uint32_t any = 0; any < CODES; any++) {
            x.key = any << 2 * CODE_BITS | (uint32_t)p->code[s[0]] << CODE_BITS | p->code[s[1]];
            TRY(add_entry(p, x));
        }
    }
cleanup:
    return status;
}

static int by_key(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static int compare(const literal *a, const literal *b) {
    size_t n = a->n < b->n ? a->n : b->n;
    int order = memcmp(a->text, b->text, n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}
static int by_text(const void *a, const void *b) {
    const wish *x = a, *y = b;
    int order = compare(x->text, y->text);
    return order ? order : (x->mark > y->mark) - (x->mark < y->mark);
}

static wr_status add_strings(prefilter *p) {
    wr_status status = WR_OK;
    for (size_t r = 0; r < p->n * REGEX_NEEDS; r++) {
        const regex_needs *x = &p->needs[r / REGEX_NEEDS];
        for (size_t i = 0; i < x->n_any[r % REGEX_NEEDS]; i++) {
            VEC_PUSH(p->wishes, p->n_wishes, p->wish_capacity, ((wish){&x->any[r % REGEX_NEEDS][i], (uint16_t)r}));
        }
    }
    if (p->n_wishes) qsort(p->wishes, p->n_wishes, sizeof *p->wishes, by_text);
    TRY_ALLOC(p->marks = mem_calloc(p->n_wishes + 1, sizeof *p->marks));
    for (size_t i = 0; i < p->n_wishes; i++) p->marks[i] = p->wishes[i].mark;
    for (size_t i = 0, end; i < p->n_wishes; i = end) {
        for (end = i + 1; end < p->n_wishes && compare(p->wishes[i].text, p->wishes[end].text) == 0;) end++;
        const literal *l = p->wishes[i].text;
        TRY(add_string(p, (entry){.text = l,
                                  .n = (uint16_t)l->n,
                                  .begins = p->code[(uint8_t)l->text[0]],
                                  .ends = p->code[(uint8_t)l->text[l->n - 1]],
                                  .first_mark = (uint32_t)i,
                                  .n_marks = (uint32_t)(end - i)}));
    }
cleanup:
    return status;
}

wr_status prefilter_build(prefilter *p) {
    wr_status status = WR_OK;
    fill_codes(p->code);
    p->words = p->n / 64 + 1 < PREFILTER_WORDS ? p->n / 64 + 1 : PREFILTER_WORDS;
    TRY_ALLOC(p->first = mem_calloc(KEYS + 1, sizeof *p->first));
    TRY(add_strings(p));
    if (p->n_entries) qsort(p->entries, p->n_entries, sizeof *p->entries, by_key);
    TRY_ALLOC(p->probes = mem_calloc(p->n_entries + 1, sizeof *p->probes));
    size_t keys = 0;
    for (size_t i = 0; i < p->n_entries; i++) {
        const entry *x = &p->entries[i];
        p->bitmap[x->key / 64] |= 1ull << (x->key % 64);
        p->probes[i] = (probe){.at = x->at,
                               .n = x->n,
                               .begins = x->begins,
                               .ends = x->ends,
                               .first_mark = x->first_mark,
                               .n_marks = (uint16_t)x->n_marks};
        memcpy(p->probes[i].text, x->text->text, x->n < PROBE_TEXT ? x->n : PROBE_TEXT);
        if (!i || x->key != x[-1].key) p->first[keys++] = (uint32_t)i;
    }
    p->first[keys] = (uint32_t)p->n_entries;
    for (size_t w = 1; w < KEYS / 64; w++)
        p->before[w] = p->before[w - 1] + (uint32_t)__builtin_popcountll(p->bitmap[w - 1]);
cleanup:
    return status;
}

/* Other characters that a caseless match takes for one of a literal: long s, the Kelvin, Ångström and Ohm signs,
 * capital sharp s and old Cyrillic forms (U+1000 … U+1FFF as a whole). Rare, so that all rules are run then. */
static bool has_odd_letters(const uint8_t *s, size_t n) {
    uint8_t high = 0;
    for (size_t i = 0; i < n; i++) high |= s[i];
    if (high < 0x80) return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == 0xE1 || (i + 1 < n && ((s[i] == 0xC5 && s[i + 1] == 0xBF) || (s[i] == 0xE2 && s[i + 1] == 0x84))))
            return true;
    }
    return false;
}

/* Second byte of a two-byte letter, made small. Capital Cyrillic letters lie over D0 and D1, which is why those are one
 * class. */
static uint8_t fold_second(uint8_t lead, uint8_t b) {
    if (lead == 0xC3 && b >= 0x80 && b <= 0x9E && b != 0x97) return b + 0x20;
    if (lead == 0xD0 && b >= 0x80 && b <= 0xAF) return b < 0x90 ? b + 0x10 : b < 0xA0 ? b + 0x20 : b - 0x20;
    return b;
}

/* Is the string at s[from …]? Of it, text holds the bytes first … end - 1. */
static bool stands_here(const uint8_t *text, size_t first, size_t end, const uint8_t *s, size_t from) {
    for (size_t i = first; i < end; i++) {
        uint8_t b = s[from + i], want = text[i - first];
        if (b == want) continue;
        if (b < 0x80 ? (b < 'A' || b > 'Z' || b + 32 != want)
                     : (from + i == 0 || fold_second(s[from + i - 1], b) != want) && !(b == 0xD0 && want == 0xD1))
            return false;
    }
    return true;
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

static void mark_wishes(const prefilter *p, uint32_t first, uint32_t n, rule_mask seen[REGEX_NEEDS]) {
    for (uint32_t k = first; k < first + n; k++) {
        size_t mark = p->marks[k], rule = mark / REGEX_NEEDS;
        seen[mark % REGEX_NEEDS].bits[rule / 64] |= 1ull << (rule % 64);
    }
}

/* The entries of a key of interest whose window ends at s[end - 1]. */
static void mark_found(const prefilter *p, uint32_t key, const uint8_t *s, size_t end, size_t n,
                       rule_mask seen[REGEX_NEEDS]) {
    size_t word = key / 64,
           k = p->before[word] + (size_t)__builtin_popcountll(p->bitmap[word] & ((1ull << (key % 64)) - 1));
    for (uint32_t i = p->first[k]; i < p->first[k + 1]; i++) {
        const probe *x = &p->probes[i];
        size_t from = end - x->at;
        if (end < x->at || from + x->n > n || p->code[s[from]] != x->begins || p->code[s[from + x->n - 1]] != x->ends)
            continue;
        if (!stands_here(x->text, 0, x->n < PROBE_TEXT ? x->n : PROBE_TEXT, s, from)) continue;
        if (x->n > PROBE_TEXT &&
            !stands_here((const uint8_t *)p->entries[i].text->text + PROBE_TEXT, PROBE_TEXT, x->n, s, from))
            continue;
        mark_wishes(p, x->first_mark, x->n_marks, seen);
    }
}

void prefilter_scan(const prefilter *p, const char *text, size_t n, rule_mask *candidates) {
    const uint8_t *s = (const uint8_t *)text;
    size_t bytes = p->words * sizeof *candidates->bits;
    rule_mask seen[REGEX_NEEDS];
    if (has_odd_letters(s, n)) {
        memset(candidates->bits, 0xFF, bytes);
        return;
    }
    for (size_t l = 0; l < REGEX_NEEDS; l++) memcpy(seen[l].bits, p->unknown[l].bits, bytes);
    uint32_t key = p->code[0] * (CODES + 1u); /* as if NULs stood before */
    /* windows are first noted, without a branch that is guessed wrong every time, then looked at */
    for (size_t start = 0; start < n; start += RUN) {
        uint32_t keys[RUN + 1];
        uint16_t ends[RUN + 1];
        size_t found = 0, run = n - start < RUN ? n - start : RUN;
        for (size_t i = 0; i < run; i++) {
            key = (key << CODE_BITS | p->code[s[start + i]]) & (KEYS - 1);
            keys[found] = key;
            ends[found] = (uint16_t)(i + 1);
            found += p->bitmap[key / 64] >> (key % 64) & 1;
        }
        /* The loop above has set the first `found` of both, which the analyzer does not see. */
        // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
        for (size_t i = 0; i < found; i++) mark_found(p, keys[i], s, start + ends[i], n, seen);
    }
    for (size_t i = 0; i < p->n_single; i++) {
        int c = (uint8_t)p->single[i].text->text[0];
        if (n && (memchr(s, c, n) || (isalpha(c) && memchr(s, toupper(c), n))))
            mark_wishes(p, p->single[i].first_mark, p->single[i].n_marks, seen);
    }
    for (size_t w = 0; w < p->words; w++) {
        candidates->bits[w] = ~0ull;
        for (size_t l = 0; l < REGEX_NEEDS; l++) candidates->bits[w] &= seen[l].bits[w];
    }
    if (!p->n_digits) return;
    size_t digits = count_digits(s, n);
    for (size_t i = 0; i < p->n_digits; i++) {
        size_t r = p->digits[i];
        if (digits < p->needs[r].digits) candidates->bits[r / 64] &= ~(1ull << (r % 64));
    }
}
