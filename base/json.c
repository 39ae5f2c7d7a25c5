/* yajl's callbacks build the DOM in the arena. yajl is given a document that has been checked first for UTF-8 (its own
 * check lets overlong forms and surrogates through) and whose unpaired \uD800-\uDFFF escapes have become \uFFFD (it
 * would read past them). */
#include "base/json.h"

#include "base/utf8.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

typedef struct builder {
    arena *memory;
    json_value *root;
    struct {
        json_value *container, *last;
    } stack[JSON_MAX_DEPTH];
    size_t depth;
    const char *key; /* waiting for its value */
    size_t key_length;
    bool too_deep, exhausted;
    const char *document, *bytes; /* what yajl reads, and what it stands for; NULL: the same */
    size_t n;
} builder;

static json_value *add(builder *b, json_kind kind) {
    json_value *v = arena_alloc(b->memory, sizeof *v);
    if (!v) {
        b->exhausted = true;
        return NULL;
    }
    *v = (json_value){.kind = kind, .key = b->key, .key_length = b->key_length};
    b->key = NULL;
    b->key_length = 0;
    if (b->depth == 0) {
        b->root = v;
        return v;
    }
    json_value *container = b->stack[b->depth - 1].container, *last = b->stack[b->depth - 1].last;
    if (last) {
        last->next = v;
    } else {
        container->first = v;
    }
    b->stack[b->depth - 1].last = v;
    container->length++;
    return v;
}

static const char *keep(builder *b, const void *bytes, size_t n) {
    const char *copy = arena_strndup(b->memory, bytes, n);
    b->exhausted |= copy == NULL;
    return copy;
}

static int on_null(void *context) { return add(context, JSON_NULL) != NULL; }

static int on_boolean(void *context, int value) {
    json_value *v = add(context, JSON_BOOL);
    if (v) {
        v->boolean = value != 0;
    }
    return v != NULL;
}

static int add_text(builder *b, json_kind kind, const void *bytes, size_t n) {
    json_value *v = add(b, kind);
    if (v) {
        v->text = keep(b, bytes, n);
        v->length = n;
    }
    return v && v->text;
}

static int on_number(void *context, const char *text, size_t n) {
    const builder *b = context;
    if (b->document && text >= b->document && text + n <= b->document + b->n) {
        text = b->bytes + (text - b->document); /* NaN again, and not the number put in its place */
    }
    return add_text(context, JSON_NUMBER, text, n);
}

static int on_string(void *context, const unsigned char *text, size_t n) {
    return add_text(context, JSON_STRING, text, n);
}

static int on_key(void *context, const unsigned char *text, size_t n) {
    builder *b = context;
    b->key = keep(b, text, n);
    b->key_length = n;
    return b->key != NULL;
}

static int open_container(builder *b, json_kind kind) {
    if (b->depth == JSON_MAX_DEPTH) {
        b->too_deep = true;
        return 0;
    }
    json_value *v = add(b, kind);
    if (!v) {
        return 0;
    }
    b->stack[b->depth].container = v;
    b->stack[b->depth].last = NULL;
    b->depth++;
    return 1;
}

static int on_start_map(void *context) { return open_container(context, JSON_OBJECT); }

static int on_start_array(void *context) { return open_container(context, JSON_ARRAY); }

static int on_end(void *context) {
    builder *b = context;
    b->depth--;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end,
};

/* The UTF-16 unit of the escape \uXXXX at s, or -1. */
static int escape_unit(const char *s, const char *end) {
    if (end - s < 6 || s[0] != '\\' || s[1] != 'u') {
        return -1;
    }
    int unit = 0;
    for (int i = 2; i < 6; i++) {
        int c = s[i] | 0x20;
        int digit = s[i] >= '0' && s[i] <= '9' ? s[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Replaces unpaired surrogate escapes by \uFFFD, which has the same length, in a copy made only when there is one.
 * Returns the document to parse (bytes, or *copy); NULL when memory ran out. */
static const char *mend_surrogates(const char *bytes, size_t n, char **copy) {
    const char *end = bytes + n;
    for (const char *s = bytes; (s = memchr(s, '\\', (size_t)(end - s))) != NULL && end - s >= 2;) {
        int unit = escape_unit(s, end);
        if (unit < 0) {
            s += 2; /* an escaped backslash must not be taken for the start of an escape */
            continue;
        }
        if ((unit & 0xF800) == 0xD800) {
            int second = (unit & 0x0400) == 0 ? escape_unit(s + 6, end) : -1;
            if (second >= 0 && (second & 0xFC00) == 0xDC00) {
                s += 12;
                continue;
            }
            if (!*copy && !(*copy = mem_strndup(bytes, n))) {
                return NULL;
            }
            memcpy(*copy + (s - bytes) + 2, "FFFD", 4);
        }
        s += 6;
    }
    return *copy ? *copy : bytes;
}

static wr_status parse_failure(const builder *b, yajl_handle parser, size_t n) {
    size_t at = yajl_get_bytes_consumed(parser);
    if (b->exhausted) {
        return wr_fail(WR_E_NOMEM, "out of memory: JSON document of %zu bytes", n);
    }
    if (b->too_deep) {
        return wr_fail(WR_E_FORMAT, "invalid JSON: nested more than %d deep at byte %zu", JSON_MAX_DEPTH, at);
    }
    unsigned char *text = yajl_get_error(parser, 0, NULL, 0);
    if (!text) {
        return wr_fail(WR_E_FORMAT, "invalid JSON at byte %zu", at);
    }
    /* "lexical error: invalid char in json text.\n" */
    char *what = (char *)text;
    size_t length = strcspn(what, "\n");
    while (length > 0 && what[length - 1] == '.') {
        length--;
    }
    wr_fail(WR_E_FORMAT, "invalid JSON at byte %zu: %.*s", at, (int)length, what);
    yajl_free_error(parser, text);
    return WR_E_FORMAT;
}

/* "6NaN" and "NaN5" are no numbers, but what is put in a NaN's place would make them such. */
static bool number_goes_on(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '+' ||
           c == '-';
}

/* Puts numbers of the same length in the place of NaN, Infinity and -Infinity outside of strings, in a copy made only
 * when there is one. */
static const char *mend_nans(const char *bytes, size_t n, char **copy) {
    static const struct word { const char *text, *number; } words[] = {{"NaN", "0e0"}, {"Infinity", "0.000000"}};
    bool inside = false;
    for (size_t i = 0; i < n; i++) {
        if (inside && bytes[i] == '\\') {
            i++;
        } else if (bytes[i] == '"') {
            inside = !inside;
        } else if (!inside && (bytes[i] == 'N' || bytes[i] == 'I')) {
            const struct word *w = &words[bytes[i] == 'I'];
            const size_t length = strlen(w->text);
            const size_t from = i && bytes[i] == 'I' && bytes[i - 1] == '-' ? i - 1 : i;
            if (n - i < length || memcmp(bytes + i, w->text, length) != 0 ||
                (from && number_goes_on(bytes[from - 1])) || (i + length < n && number_goes_on(bytes[i + length]))) {
                continue;
            }
            if (!*copy && !(*copy = mem_strndup(bytes, n))) {
                return NULL;
            }
            memcpy(*copy + i, w->number, length);
            i += length - 1;
        }
    }
    return *copy ? *copy : bytes;
}

static wr_status parse_document(builder *b, const char *document, size_t n) {
    wr_status status = WR_OK;
    yajl_handle parser = NULL;
    TRY_ALLOC(parser = yajl_alloc(&callbacks, NULL, b));
    yajl_config(parser, yajl_dont_validate_strings, 1); /* done before, and better */
    if (yajl_parse(parser, (const unsigned char *)document, n) != yajl_status_ok) {
        TRY(parse_failure(b, parser, n));
    }
    /* Behind a complete document yajl forgives a token that the text cuts off, as an open string. No token goes on
     * behind a line's end. */
    if (b->root && b->depth == 0 && yajl_parse(parser, (const unsigned char *)"\n", 1) != yajl_status_ok) {
        TRY(wr_fail(WR_E_FORMAT, "invalid JSON: more text behind the document"));
    }
    if (yajl_complete_parse(parser) != yajl_status_ok) {
        TRY(parse_failure(b, parser, n));
    }
cleanup:
    if (parser) {
        yajl_free(parser);
    }
    return status;
}

wr_status json_parse(arena *a, const char *bytes, size_t n, const json_value **out) {
    *out = NULL;
    size_t valid = utf8_valid_prefix(bytes, n);
    if (valid < n) {
        return wr_fail(WR_E_FORMAT, "invalid UTF-8 at byte %zu", valid);
    }
    size_t blank = 0;
    while (blank < n && (bytes[blank] == ' ' || bytes[blank] == '\t' || bytes[blank] == '\r' || bytes[blank] == '\n')) {
        blank++;
    }
    if (blank == n) {
        return wr_fail(WR_E_FORMAT, "invalid JSON: nothing but white space");
    }
    wr_status status = WR_OK;
    char *copy = NULL, *second = NULL;
    builder b = {.memory = a};
    const char *document = mend_surrogates(bytes, n, &copy), *mended;
    TRY_ALLOC(document);
    status = parse_document(&b, document, n);
    if (status == WR_E_FORMAT && !b.too_deep) {
        TRY_ALLOC(mended = mend_nans(document, n, &second));
        if (second) {
            /* for the NUL: a number that ends with the document would come from a buffer of yajl's own */
            second[n] = '\n';
            b = (builder){.memory = a, .document = mended, .bytes = document, .n = n};
            status = parse_document(&b, mended, n + 1);
        }
    }
    TRY(status);
    *out = b.root;
cleanup:
    free(second);
    free(copy);
    return status;
}

const json_value *json_get(const json_value *v, const char *key) {
    if (!json_is(v, JSON_OBJECT)) {
        return NULL;
    }
    size_t n = strlen(key);
    const json_value *found = NULL;
    for (const json_value *m = v->first; m; m = m->next) {
        if (m->key_length == n && memcmp(m->key, key, n) == 0) {
            found = m;
        }
    }
    return found;
}

const json_value *json_at(const json_value *v, size_t i) {
    if (!json_is(v, JSON_ARRAY)) {
        return NULL;
    }
    const json_value *e = v->first;
    for (; e && i > 0; i--) {
        e = e->next;
    }
    return e;
}

bool json_is(const json_value *v, json_kind kind) { return v && v->kind == kind; }

bool json_get_string(const json_value *object, const char *key, const char **text, size_t *length) {
    const json_value *v = json_get(object, key);
    if (!json_is(v, JSON_STRING)) {
        return false;
    }
    *text = v->text;
    if (length) {
        *length = v->length;
    }
    return true;
}

bool json_is_finite(const json_value *number) {
    if (!json_is(number, JSON_NUMBER)) {
        return false;
    }
    const char c = number->text[number->text[0] == '-'];
    return c != 'N' && c != 'I';
}

bool json_to_double(const json_value *number, double *out) {
    if (!json_is_finite(number)) {
        return false;
    }
    *out = strtod(number->text, NULL);
    return true;
}

bool json_to_int(const json_value *number, int64_t *out) {
    if (!json_is_finite(number)) {
        return false;
    }
    char *end;
    errno = 0;
    long long whole = strtoll(number->text, &end, 10);
    if (*end == '\0') {
        *out = whole;
        return errno == 0;
    }
    /* 3.0 and 1e3 are integers too; above 2^53 a double cannot tell. */
    double value = strtod(number->text, NULL);
    if (!(fabs(value) <= 0x1p53) || value != trunc(value)) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

bool json_get_int(const json_value *object, const char *key, int64_t *out) {
    return json_to_int(json_get(object, key), out);
}

bool json_get_double(const json_value *object, const char *key, double *out) {
    return json_to_double(json_get(object, key), out);
}

bool json_get_bool(const json_value *object, const char *key, bool *out) {
    const json_value *v = json_get(object, key);
    if (!json_is(v, JSON_BOOL)) {
        return false;
    }
    *out = v->boolean;
    return true;
}
