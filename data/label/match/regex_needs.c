/* Required strings of a regex, as Cox (2012, "Regular Expression Matching with a Trigram Index") takes them: each part
 * has either an exact set of strings it stands for, or a set of which every match holds one. Anything not understood
 * ends the attempt: then nothing is known. */
#include "data/label/match/prefilter.h"

#include "base/utf8.h"

#include <ctype.h>
#include <string.h>

enum {
    EXACT_LIMIT = 96,
    ANY_LIMIT = 400,
    NEEDS = REGEX_NEEDS,
    SECOND_WORTH = 3 * 1024,
    LENGTH_LIMIT = 24,
    DEPTH_LIMIT = 60
};

typedef struct strings {
    literal *items;
    size_t n;
} strings;
typedef struct part {
    bool exact;         /* `set` is all that it matches */
    bool more;          /* exact, and the same may follow any number of times */
    strings set;        /* exact only */
    strings any[NEEDS]; /* every match holds one of each; n == 0: unknown. The first tells most */
    size_t digits,
        ahead; /* ASCII digits that it takes; that must follow its start but may belong to the next part (lookahead) */
} part;
typedef struct parser {
    arena *a;
    const char *s;
    size_t at, n, depth;
    bool lost; /* something not understood */
    wr_status status;
} parser;

static const part unknown;

static part nothing(parser *p) { /* matches the empty string */
    part x = {.exact = true};
    x.set.items = arena_alloc(p->a, sizeof *x.set.items);
    if (!x.set.items)
        p->status = wr_fail(WR_E_NOMEM, "out of memory in %s", __func__), p->lost = true;
    else
        x.set.items[0] = (literal){"", 0}, x.set.n = 1;
    return x;
}

static part one(parser *p, const char *text, size_t n) {
    part x = nothing(p);
    char *copy = arena_strndup(p->a, text, n);
    if (!copy || p->lost)
        p->status = p->status < 0 ? p->status : wr_fail(WR_E_NOMEM, "out of memory in %s", __func__), p->lost = true;
    else
        x.set.items[0] = (literal){copy, n};
    return x;
}

/* What is needed of an exact part, if that says something: no empty string in it. */
static strings useful(const part *x) {
    if (!x->exact) return (strings){0};
    for (size_t i = 0; i < x->set.n; i++) {
        if (x->set.items[i].n == 0) return (strings){0};
    }
    return x->set;
}

/* Words that stand in nearly every text tell nothing. */
static bool is_common(const char *s, size_t n) {
    static const char *const words[] = {
        "is",    "are",  "was",   "were", "it",    "this",   "that", "the", "a",  "an", "you",  "your",
        "i",     "to",   "of",    "in",   "and",   "or",     "not",  "no",  "be", "do", "does", "did",
        "have",  "has",  "can",   "will", "would", "should", "with", "for", "on", "my", "me",   "but",
        "so",    "as",   "at",    "by",   "what",  "how",    "if",   "s",   "re", "t",  "m",    "now",
        "there", "only", "which", "they", "these", "from",   "more", "some"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i][0] == s[0] && strlen(words[i]) == n && memcmp(words[i], s, n) == 0) return true;
    }
    return false;
}

/* How rare a string is, roughly: its letters, where a common word is worth one. */
static size_t rarity(const literal *l) {
    size_t sum = 0;
    for (size_t i = 0; i < l->n;) {
        size_t from = i;
        while (i < l->n && (isalnum((unsigned char)l->text[i]) || (unsigned char)l->text[i] >= 0x80)) i++;
        if (i == from)
            i++; /* a space or a mark */
        else
            sum += is_common(l->text + from, i - from) ? 1 : i - from;
    }
    return sum;
}

/* 0: says nothing. A set is as good as its most common string; of equally good ones the smaller is better. */
static size_t worth(strings s) {
    size_t least = s.n ? 12 : 0;
    for (size_t i = 0; i < s.n; i++) {
        size_t x = rarity(&s.items[i]);
        if (x < least) least = x;
    }
    return s.n ? (least + 1) * 1024 - s.n : 0;
}

/* Puts a set among the best. */
static void consider(strings best[NEEDS], strings x) {
    if (!x.n) return;
    for (size_t k = 0; k < NEEDS; k++) {
        if (worth(x) <= worth(best[k])) continue;
        strings worse = best[k];
        best[k] = x;
        x = worse;
    }
}

static strings joined(parser *p, strings a, strings b, bool product) {
    size_t n = product ? a.n * b.n : a.n + b.n;
    strings out = {arena_alloc(p->a, (n + 1) * sizeof *out.items), 0};
    if (!out.items) goto full;
    if (product) {
        for (size_t i = 0; i < a.n; i++) {
            for (size_t k = 0; k < b.n; k++) {
                size_t length = a.items[i].n + b.items[k].n;
                char *text = arena_alloc(p->a, length + 1);
                if (!text) goto full;
                memcpy(text, a.items[i].text, a.items[i].n);
                memcpy(text + a.items[i].n, b.items[k].text, b.items[k].n);
                out.items[out.n++] = (literal){text, length};
            }
        }
    } else {
        for (size_t i = 0; i < a.n; i++) out.items[out.n++] = a.items[i];
        for (size_t i = 0; i < b.n; i++) out.items[out.n++] = b.items[i];
    }
    return out;
full:
    p->status = wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
    p->lost = true;
    return (strings){0};
}

static size_t longest(strings s) {
    size_t most = 0;
    for (size_t i = 0; i < s.n; i++) most = s.items[i].n > most ? s.items[i].n : most;
    return most;
}

static part either(parser *p, part a, part b) {
    part x = {.digits = a.digits < b.digits ? a.digits : b.digits, .ahead = a.ahead < b.ahead ? a.ahead : b.ahead};
    if (a.exact && b.exact && !a.more && !b.more && a.set.n + b.set.n <= ANY_LIMIT) {
        x.exact = true;
        x.set = joined(p, a.set, b.set, false);
    } else {
        if (a.exact) a.any[0] = useful(&a);
        if (b.exact) b.any[0] = useful(&b);
        for (size_t k = 0; k < NEEDS; k++) {
            if (a.any[k].n && b.any[k].n && a.any[k].n + b.any[k].n <= ANY_LIMIT)
                x.any[k] = joined(p, a.any[k], b.any[k], false);
        }
    }
    return x;
}

/* One character of the regex that stands for itself (and for its other case). Characters whose cases are not folded
 * here are unknown. */
static part character(parser *p) {
    unsigned char text[4];
    int32_t c;
    size_t n = utf8_decode(p->s + p->at, p->n - p->at, &c);
    memcpy(text, p->s + p->at, n);
    p->at += n;
    if (c >= 0 && c < 0x80)
        text[0] = (unsigned char)tolower(c);
    else if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x400 && c <= 0x42F))
        n = utf8_encode((uint32_t)c + (c >= 0x400 && c < 0x410 ? 0x50 : 0x20), (char *)text);
    else if (!((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x430 && c <= 0x45F) || (c >= 0x2010 && c <= 0x205F) ||
               (c >= 0x2600 && c <= 0x27BF) || (c >= 0x3000 && c <= 0x9FFF) || (c >= 0x1F300 && c <= 0x1FAFF)))
        return unknown;
    part x = one(p, (char *)text, n);
    x.digits = n == 1 && isdigit(text[0]);
    return x;
}

static part escape(parser *p) {
    char c = p->at + 1 < p->n ? p->s[p->at + 1] : '\0';
    p->at += 2;
    switch (c) {
    case 'd':
        return (part){.digits = 1};
    case 'b':
    case 'B':
    case 'G':
    case 'A':
    case 'z':
    case 'Z':
        return nothing(p);
    case 'n':
        return one(p, "\n", 1);
    case 't':
        return one(p, "\t", 1);
    case 'w':
    case 'W':
    case 's':
    case 'S':
    case 'D':
    case 'h':
    case 'R':
        return unknown;
    case 'p':
    case 'P':
    case 'x':
        if (p->at < p->n && p->s[p->at] == '{') {
            while (p->at < p->n && p->s[p->at] != '}') p->at++;
            p->at++;
        } else if (c == 'x') {
            for (int i = 0; i < 2 && p->at < p->n && isxdigit((unsigned char)p->s[p->at]); i++) p->at++;
        } else {
            p->at++;
        }
        return unknown;
    default:
        if (ispunct((unsigned char)c) || c == ' ') return one(p, &c, 1);
        p->lost = true;
        return unknown;
    }
}

/* [abc] of a few ASCII characters is a set; everything else in brackets is unknown, but for digits. */
static part bracket(parser *p) {
    size_t from = ++p->at;
    bool plain = true, digits = true;
    if (p->at < p->n && p->s[p->at] == '^') plain = digits = false, p->at++;
    for (bool first = true; p->at < p->n && (first || p->s[p->at] != ']'); first = false) {
        unsigned char c = (unsigned char)p->s[p->at];
        if (c == '\\') plain = false, p->at++;
        if (c == '[' && p->at + 1 < p->n &&
            (p->s[p->at + 1] == ':' || p->s[p->at + 1] == '.' || p->s[p->at + 1] == '='))
            p->lost = true;
        plain = plain && c < 0x80 && c != '-';
        digits = digits && (isdigit(c) || (c == '-' && !first && p->at + 1 < p->n && p->s[p->at + 1] != ']'));
        p->at++;
    }
    size_t to = p->at++;
    if (digits) return (part){.digits = 1};
    if (!plain || to - from > 6 || to > p->n) return unknown;
    part x = {.exact = true};
    for (size_t i = from; i < to && !p->lost; i++) {
        char c = (char)tolower((unsigned char)p->s[i]);
        part y = one(p, &c, 1);
        x.set = joined(p, x.set, y.set, false);
    }
    return x;
}

static part alternatives(parser *p);

static part group(parser *p) {
    part x;
    bool assertion = false, ahead = false;
    p->at++;
    if (p->at < p->n && p->s[p->at] == '*') p->lost = true;
    if (p->at + 1 < p->n && p->s[p->at] == '?') {
        const char *s = p->s + p->at + 1;
        if (s[0] == ':')
            p->at += 2;
        else if (s[0] == '=' || s[0] == '!')
            assertion = true, ahead = s[0] == '=', p->at += 2;
        else if (s[0] == '<' && (s[1] == '=' || s[1] == '!'))
            assertion = true, p->at += 3;
        else
            p->lost = true;
    }
    if (++p->depth > DEPTH_LIMIT) p->lost = true;
    x = p->lost ? unknown : alternatives(p);
    p->depth--;
    if (p->at >= p->n || p->s[p->at] != ')') p->lost = true;
    p->at++;
    if (!assertion) return x;
    part y = nothing(p);
    if (ahead) y.ahead = x.digits > x.ahead ? x.digits : x.ahead;
    return y;
}

static part repeated(parser *p, part x) {
    while (p->at < p->n && !p->lost) {
        size_t least = 1, most = 2; /* most: 1 or more */
        char c = p->s[p->at];
        if (c == '?')
            least = 0, most = 1, p->at++;
        else if (c == '*')
            least = 0, p->at++;
        else if (c == '+')
            p->at++;
        else if (c == '{' && p->at + 1 < p->n && isdigit((unsigned char)p->s[p->at + 1])) {
            least = 0;
            for (p->at++; p->at < p->n && isdigit((unsigned char)p->s[p->at]); p->at++)
                least = least < 1000 ? least * 10 + (size_t)(p->s[p->at] - '0') : least;
            while (p->at < p->n && p->s[p->at] != '}') p->at++;
            p->at++;
        } else
            break;
        if (p->at < p->n && (p->s[p->at] == '?' || p->s[p->at] == '+')) p->at++; /* lazy, possessive */
        part y = {.digits = x.digits * least};
        if (least == 0 && most == 1 && x.exact) {
            y = either(p, nothing(p), x);
            y.digits = 0;
        } else if (least > 0 && x.exact) {
            y.exact = y.more = true;
            y.set = x.set;
        } else if (least > 0) {
            memcpy(y.any, x.any, sizeof y.any);
        }
        x = y;
    }
    return x;
}

/* Parts in a row: exact ones are multiplied out as long as that stays small; of the runs so made, and of the needs of
 * the other parts, the best counts. */
static part row(parser *p) {
    part run = nothing(p), all = {.exact = true};
    size_t digits = 0, ahead = 0;
    while (p->at < p->n && !p->lost && p->s[p->at] != '|' && p->s[p->at] != ')') {
        part y;
        switch (p->s[p->at]) {
        case '(':
            y = group(p);
            break;
        case '[':
            y = bracket(p);
            break;
        case '\\':
            y = escape(p);
            break;
        case '^':
        case '$':
            p->at++, y = nothing(p);
            break;
        case '.':
            p->at++, y = unknown;
            break;
        default:
            y = character(p);
            break;
        }
        if (p->lost) break;
        y = repeated(p, y);
        if (y.ahead > ahead) ahead = y.ahead; /* without what is before it, to be safe */
        digits += y.digits;
        if (y.exact && run.set.n * y.set.n <= EXACT_LIMIT && longest(run.set) + longest(y.set) <= LENGTH_LIMIT) {
            run.set = joined(p, run.set, y.set, true);
            if (!y.more) continue;
        }
        all.exact = false;
        consider(all.any, useful(&run));
        run = y.exact ? y : nothing(p); /* of "um+" the last thing is an m */
        for (size_t k = 0; !y.exact && k < NEEDS; k++) consider(all.any, y.any[k]);
    }
    if (all.exact)
        all.set = run.set;
    else
        consider(all.any, useful(&run));
    all.digits = digits > ahead ? digits : ahead;
    return all;
}

static part alternatives(parser *p) {
    part x = row(p);
    while (p->at < p->n && !p->lost && p->s[p->at] == '|') {
        p->at++;
        x = either(p, x, row(p));
    }
    return x;
}

wr_status regex_find_needs(arena *a, const char *regex, regex_needs *out) {
    parser p = {.a = a, .s = regex, .n = strlen(regex)};
    *out = (regex_needs){0};
    part x = alternatives(&p);
    if (p.status < 0) return p.status;
    if (p.lost || p.at < p.n) return WR_OK;
    if (x.exact) x.any[0] = useful(&x);
    for (size_t k = 0; k < NEEDS; k++) {
        if (k && worth(x.any[k]) < SECOND_WORTH) continue; /* found everywhere, it would only cost */
        out->any[k] = x.any[k].items;
        out->n_any[k] = x.any[k].n;
    }
    out->digits = x.digits;
    return WR_OK;
}
