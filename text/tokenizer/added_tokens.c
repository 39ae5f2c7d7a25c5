#include "text/tokenizer/added_tokens.h"

#include "text/tokenizer/text_bytes.h"
#include "text/tokenizer/unicode_class.h"
#include <stdlib.h>
#include <string.h>

wr_status added_set_push(added_set *s, added_token t) {
    wr_status status = WR_OK;
    VEC_PUSH(s->tokens, s->n, s->capacity, t);
cleanup:
    return status;
}

static int compare_bytes(const char *a, size_t n_a, const char *b, size_t n_b) {
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static int compare(const void *pa, const void *pb) {
    const added_token *a = pa, *b = pb;
    int order = compare_bytes(a->text, a->n, b->text, b->n);
    /* of equal ones the smallest id is found first, from behind */
    return order ? order : (a->id < b->id) - (a->id > b->id);
}

static bool begins_with(const added_token *whole, const added_token *part) {
    return part->n <= whole->n && memcmp(part->text, whole->text, part->n) == 0;
}

void added_set_finish(added_set *s) {
    if (s->n) qsort(s->tokens, s->n, sizeof *s->tokens, compare);
    size_t k = 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t candidate = i; /* the token before, or one of its beginnings */
        while (candidate && !begins_with(&s->tokens[i], &s->tokens[candidate - 1]))
            candidate = s->tokens[candidate - 1].shorter;
        s->tokens[i].shorter = candidate;
    }
    for (size_t b = 0; b < 257; b++) {
        while (k < s->n && (uint8_t)s->tokens[k].text[0] < b) k++;
        s->first[b] = b == 256 ? s->n : k;
    }
}

void added_set_free(added_set *s) {
    free(s->tokens);
    *s = (added_set){0};
}

static const added_token *token_at(const added_set *s, const char *text, size_t n) {
    uint8_t b = (uint8_t)text[0];
    size_t low = s->first[b], high = s->first[b + 1];
    if (low == high) return NULL;
    while (low < high) { /* to the first token behind the text */
        size_t middle = low + (high - low) / 2;
        if (compare_bytes(s->tokens[middle].text, s->tokens[middle].n, text, n) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low; low = s->tokens[low - 1].shorter) {
        const added_token *t = &s->tokens[low - 1];
        if (t->n <= n && memcmp(t->text, text, t->n) == 0) return t;
    }
    return NULL;
}

static bool word_before(const char *text, size_t at) {
    size_t i = at;
    if (i == 0) return false;
    do i--;
    while (i > 0 && ((uint8_t)text[i] & 0xC0) == 0x80);
    uint32_t code;
    utf8_read(text + i, at - i, &code);
    return unicode_is_word(code);
}

static bool word_after(const char *text, size_t n, size_t at) {
    uint32_t code;
    if (at >= n) return false;
    utf8_read(text + at, n - at, &code);
    return unicode_is_word(code);
}

static size_t spaces_before(const char *text, size_t at, size_t floor) {
    while (at > floor) {
        size_t i = at - 1;
        while (i > floor && ((uint8_t)text[i] & 0xC0) == 0x80) i--;
        uint32_t code;
        utf8_read(text + i, at - i, &code);
        if (!unicode_is_space(code)) break;
        at = i;
    }
    return at;
}

static size_t spaces_after(const char *text, size_t n, size_t at) {
    while (at < n) {
        uint32_t code;
        int length = utf8_read(text + at, n - at, &code);
        if (length < 0 || !unicode_is_space(code)) break;
        at += (size_t)length;
    }
    return at;
}

bool added_next(added_scan *s, added_span *out) {
    if (s->has_waiting) {
        s->has_waiting = false;
        *out = s->waiting;
        return true;
    }
    while (s->set->n && s->at < s->n) {
        const added_token *t = token_at(s->set, s->text + s->at, s->n - s->at);
        if (!t) {
            s->at++;
            continue;
        }
        size_t from = s->at, to = from + t->n;
        s->at = to; /* matches do not overlap, whether they count or not */
        if (t->single_word && (word_before(s->text, from) || word_after(s->text, s->n, to))) continue;
        if (t->lstrip && from > s->done) from = spaces_before(s->text, from, s->done);
        if (t->rstrip) to = spaces_after(s->text, s->n, to);
        size_t begin = s->done;
        s->done = to;
        *out = (added_span){from, to, t->id};
        if (from > begin) {
            s->waiting = *out;
            s->has_waiting = true;
            *out = (added_span){begin, from, -1};
        }
        return true;
    }
    if (s->done >= s->n) return false;
    *out = (added_span){s->done, s->n, -1};
    s->done = s->n;
    s->at = s->n;
    return true;
}
