/* The speed comes from strings: most bytes of a chat are text. They are looked at 16 at a time, and behind the first 16
 * bytes of a string 64 at a time, as bit masks; where escapes are and which quote ends the string then follows without
 * a branch for each, and the few checks that are left (what is escaped, longer UTF-8 sequences) are made where the
 * masks have bits. */
#include "base/json_scan.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

typedef signed char lanes __attribute__((vector_size(16)));

/* Bit i: lane i is set (all its bits). */
#ifdef __SSE2__
#include <emmintrin.h>
static inline uint64_t mask_of(lanes hit) { return (uint64_t)(unsigned)_mm_movemask_epi8((__m128i)hit); }
#else
/* Bit i of byte i is kept; the product adds all bytes up in the top one. */
static inline uint64_t mask_of(lanes hit) {
    uint64_t half[2];
    memcpy(half, &hit, sizeof half);
    return (half[0] & 0x8040201008040201u) * 0x0101010101010101u >> 56 |
           (half[1] & 0x8040201008040201u) * 0x0101010101010101u >> 56 << 8;
}
#endif

static inline lanes load(const char *s) {
    lanes x;
    memcpy(&x, s, sizeof x);
    return x;
}

static inline const char *blank(const char *at, const char *end) { return json_scan_blank(at, end); }

/* A run of longer sequences. Three bytes (most of CJK, typographic quotes) are checked as one word; the rest is left to
 * utf8_decode. */
static inline const char *multibyte(const char *at, const char *end) {
    while (at < end && (unsigned char)*at >= 0x80) {
        uint32_t word;
        if (end - at >= 4 && (memcpy(&word, at, 4), (word & 0xC0C0F0) == 0x8080E0)) {
            /* the top five bits of the code: 0 is overlong, 27 a surrogate */
            uint32_t high = (word & 0x0F) << 1 | (word >> 13 & 1);
            if (high == 0 || high == 27) return NULL;
            at += 3;
            continue;
        }
        int32_t code;
        size_t n = utf8_decode(at, (size_t)(end - at), &code);
        if (code < 0) return NULL;
        at += n;
    }
    return at;
}

static inline int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The UTF-16 unit of four hex digits, or -1. */
static inline int unit_of(const char *s, const char *end) {
    if (end - s < 4) return -1;
    int a = hex(s[0]), b = hex(s[1]), c = hex(s[2]), d = hex(s[3]);
    return (a | b | c | d) < 0 ? -1 : a << 12 | b << 8 | c << 4 | d;
}

/* What the letter behind a backslash stands for; 0: no escape of one letter. A table, for which letter comes next
 * cannot be foretold. */
static const char letters[256] = {
    ['n'] = '\n', ['t'] = '\t', ['r'] = '\r', ['b'] = '\b', ['f'] = '\f', ['"'] = '"', ['\\'] = '\\', ['/'] = '/'};

/* at: a backslash. */
static inline const char *escape(const char *at, const char *end) {
    if (end - at < 2) return NULL;
    if (letters[(unsigned char)at[1]]) return at + 2;
    return at[1] == 'u' && unit_of(at + 2, end) >= 0 ? at + 6 : NULL;
}

/* Escaped bytes of 64, by where the backslashes are: a run of them escapes every other one, and what is behind it when
 * its length is odd. *carry: the byte before the block (then: before the next one) escapes the first. After Langdale &
 * Lemire, "Parsing gigabytes of JSON per second" (2019), 3.1.1. */
static inline uint64_t escaped_bytes(uint64_t backslash, uint64_t *carry) {
    const uint64_t even = 0x5555555555555555u;
    uint64_t ends;
    backslash &= ~*carry;
    uint64_t follows = backslash << 1 | *carry;
    uint64_t odd_starts = backslash & ~even & ~follows;
    *carry = __builtin_add_overflow(odd_starts, backslash, &ends);
    return (even ^ ends << 1) & follows;
}

static inline bool good_escapes(const char *at, const char *end, uint64_t escaped) {
    for (; escaped; escaped &= escaped - 1) {
        if (!escape(at + __builtin_ctzll(escaped) - 1, end)) return false;
    }
    return true;
}

typedef struct string_state {
    uint64_t carry, escapes, high;
} string_state;

/* 64 bytes at `at`. Returns the number of bytes before the closing quote, 64 when it is not among them, -1 when they
 * are invalid. */
static inline int block_of_string(const char *at, const char *end, string_state *s) {
    lanes a = load(at), b = load(at + 16), c = load(at + 32), d = load(at + 48);
    uint64_t quotes = mask_of(a == '"') | mask_of(b == '"') << 16 | mask_of(c == '"') << 32 | mask_of(d == '"') << 48;
    uint64_t backslash =
        mask_of(a == '\\') | mask_of(b == '\\') << 16 | mask_of(c == '\\') << 32 | mask_of(d == '\\') << 48;
    uint64_t unusual = mask_of(a < 0x20) | mask_of(b < 0x20) << 16 | mask_of(c < 0x20) << 32 | mask_of(d < 0x20) << 48;
    uint64_t escaped = 0;
    if (backslash | s->carry) {
        escaped = escaped_bytes(backslash, &s->carry);
        quotes &= ~escaped;
    }
    uint64_t before = quotes ? (quotes & -quotes) - 1 : ~(uint64_t)0;
    s->escapes |= backslash & before;
    if (!good_escapes(at, end, escaped & before)) return -1;
    if (unusual & before) { /* a control character, or part of a longer sequence */
        uint64_t high = mask_of(a < 0) | mask_of(b < 0) << 16 | mask_of(c < 0) << 32 | mask_of(d < 0) << 48;
        if (unusual & before & ~high) return -1;
        s->high |= high & before;
    }
    return quotes ? __builtin_ctzll(quotes) : 64;
}

static inline bool valid_utf8(const char *at, const char *end) {
    while (at < end) {
        while (end - at >= 16) {
            uint64_t high = mask_of(load(at) < 0);
            at += high ? __builtin_ctzll(high) : 16;
            if (high) break;
        }
        if (at < end && *at >= 0)
            at++;
        else if (at < end && !(at = multibyte(at, end)))
            return false;
    }
    return true;
}

static inline const char *string(const char *at, const char *end, json_span *out) {
    const char *text = ++at;
    string_state s = {0};
    if (end - at >= 16) { /* most keys and short values end here */
        lanes x = load(at);
        uint64_t special = mask_of((x == '"') | (x == '\\') | (x < 0x20));
        at += special ? __builtin_ctzll(special) : 16;
    }
    if (at == end || *at != '"') {
        int n = 64;
        while (n == 64 && end - at >= 64) {
            if ((n = block_of_string(at, end, &s)) < 0) return NULL;
            at += n;
        }
        if (n == 64) {     /* fewer than 64 bytes are left */
            at -= s.carry; /* the backslash that ends the block is read again with what it escapes */
            for (; at < end && *at != '"';) {
                unsigned char c = (unsigned char)*at;
                if (c < 0x20) return NULL;
                s.high |= c & 0x80;
                if (c != '\\') {
                    at++;
                } else {
                    s.escapes = 1;
                    if (!(at = escape(at, end))) return NULL;
                }
            }
            if (at == end) return NULL;
        }
    }
    *out = (json_span){.kind = JSON_STRING, .escaped = s.escapes != 0, .text = text, .length = (size_t)(at - text)};
    return s.high && !valid_utf8(text, at) ? NULL : at + 1;
}

const char *json_scan_string(const char *at, const char *end, json_span *out) { return string(at, end, out); }

const char *json_scan_quote(const char *at, const char *end) {
    while (end - at >= 16) {
        lanes x = load(at);
        uint64_t hit = mask_of((x == '"') | (x == '\\'));
        if (hit) return at + __builtin_ctzll(hit);
        at += 16;
    }
    while (at < end && *at != '"' && *at != '\\') at++;
    return at;
}

static const char *digits(const char *at, const char *end) {
    const char *first = at;
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at == first ? NULL : at;
}

static const char *number(const char *at, const char *end) {
    if (*at == '-') at++;
    if (at < end && *at == '0')
        at++;
    else if (!(at = digits(at, end)))
        return NULL;
    if (at < end && *at == '.' && !(at = digits(at + 1, end))) return NULL;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        at = digits(at, end);
    }
    return at;
}

static inline const char *literal(const char *at, const char *end, const char *word, size_t n) {
    return (size_t)(end - at) >= n && memcmp(at, word, n) == 0 ? at + n : NULL;
}

static const char *skip(const char *at, const char *end, unsigned depth);

static const char *array(const char *at, const char *end, unsigned depth) {
    if (depth >= JSON_MAX_DEPTH) return NULL;
    at = blank(at + 1, end);
    if (at < end && *at == ']') return at + 1;
    for (;;) {
        if (!(at = skip(at, end, depth + 1))) return NULL;
        at = blank(at, end);
        if (at == end) return NULL;
        if (*at == ']') return at + 1;
        if (*at != ',') return NULL;
        at = blank(at + 1, end);
    }
}

static const char *object(const char *at, const char *end, unsigned depth) {
    json_span key;
    if (depth >= JSON_MAX_DEPTH) return NULL;
    at = blank(at + 1, end);
    if (at < end && *at == '}') return at + 1;
    for (;;) {
        if (at == end || *at != '"' || !(at = string(at, end, &key))) return NULL;
        at = blank(at, end);
        if (at == end || *at != ':') return NULL;
        if (!(at = skip(blank(at + 1, end), end, depth + 1))) return NULL;
        at = blank(at, end);
        if (at == end) return NULL;
        if (*at == '}') return at + 1;
        if (*at != ',') return NULL;
        at = blank(at + 1, end);
    }
}

static const char *skip(const char *at, const char *end, unsigned depth) {
    json_span ignored;
    if (at == end) return NULL;
    switch (*at) {
    case '"':
        return string(at, end, &ignored);
    case '{':
        return object(at, end, depth);
    case '[':
        return array(at, end, depth);
    case 't':
        return literal(at, end, "true", 4);
    case 'f':
        return literal(at, end, "false", 5);
    case 'n':
        return literal(at, end, "null", 4);
    case 'N':
        return literal(at, end, "NaN", 3);
    case 'I':
        return literal(at, end, "Infinity", 8);
    default:
        if (*at == '-' && at + 1 < end && at[1] == 'I') return literal(at, end, "-Infinity", 9);
        return *at == '-' || (*at >= '0' && *at <= '9') ? number(at, end) : NULL;
    }
}

const char *json_scan_value(const char *at, const char *end, unsigned depth, json_span *out) {
    if (at == end) return NULL;
    if (*at == '"') return string(at, end, out);
    json_kind kind = *at == '{'                 ? JSON_OBJECT
                     : *at == '['               ? JSON_ARRAY
                     : *at == 'n'               ? JSON_NULL
                     : *at == 't' || *at == 'f' ? JSON_BOOL
                                                : JSON_NUMBER;
    const char *behind = skip(at, end, depth);
    if (behind) *out = (json_span){.kind = kind, .boolean = *at == 't', .text = at, .length = (size_t)(behind - at)};
    return behind;
}

/* s: "\u…" of a valid string that ends at `end`. Writes 1 to 4 bytes; *used = bytes of the escapes they stand for. */
static size_t unescape_unit(const char *s, const char *end, char *to, size_t *used) {
    int unit = unit_of(s + 2, end);
    *used = 6;
    if ((unit & 0xF800) == 0xD800) {
        int second = (unit & 0x0400) == 0 && end - s >= 12 && s[6] == '\\' && s[7] == 'u' ? unit_of(s + 8, end) : -1;
        if (second >= 0 && (second & 0xFC00) == 0xDC00) {
            *used = 12;
            return utf8_encode(0x10000 + (((uint32_t)unit & 0x3FF) << 10 | ((uint32_t)second & 0x3FF)), to);
        }
        unit = 0xFFFD;
    }
    return utf8_encode((uint32_t)unit, to);
}

size_t json_unescape(const char *text, size_t length, char *to) {
    const char *s = text, *end = text + length;
    char *d = to;
    while (s < end) {
        /* 32 bytes are copied, as many of them kept as come before a backslash. What is written is never longer than
         * what was read. */
        while (end - s >= 32) {
            lanes x = load(s), y = load(s + 16);
            memcpy(d, &x, sizeof x);
            memcpy(d + 16, &y, sizeof y);
            uint64_t hit = mask_of(x == '\\') | mask_of(y == '\\') << 16;
            size_t n = hit ? (size_t)__builtin_ctzll(hit) : 32;
            s += n;
            d += n;
            if (hit) break;
        }
        if (s == end) break;
        if (*s != '\\') {
            *d++ = *s++;
            continue;
        }
        size_t used = 2;
        char letter = letters[(unsigned char)s[1]];
        if (letter)
            *d++ = letter;
        else
            d += unescape_unit(s, end, d, &used);
        s += used;
    }
    return (size_t)(d - to);
}

bool json_span_int(const json_span *v, int64_t *out) {
    if (v->kind != JSON_NUMBER) return false;
    size_t i = v->text[0] == '-', n = v->length;
    int64_t value = 0;
    if (n - i <= 18) { /* no overflow */
        for (; i < n && v->text[i] >= '0' && v->text[i] <= '9'; i++) value = value * 10 + (v->text[i] - '0');
        if (i == n) {
            *out = v->text[0] == '-' ? -value : value;
            return true;
        }
    }
    char *text = mem_strndup(v->text, n); /* the number may end where the memory does */
    bool whole = text && json_to_int(&(json_value){.kind = JSON_NUMBER, .text = text, .length = n}, out);
    free(text);
    return whole;
}
