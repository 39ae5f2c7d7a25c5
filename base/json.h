/* JSON: a DOM built in an arena (parser: yajl), and a writer onto a strbuf. Numbers keep their source text, so that a
 * value that is passed through comes out as it went in. Depth is bounded (JSON_MAX_DEPTH), UTF-8 is checked, strings
 * may hold NULs and be 50 MB long. LOCAL; a document may be read by several threads. */
#ifndef WR_BASE_JSON_H
#define WR_BASE_JSON_H

#include "base/mem.h"
#include "base/strbuf.h"
#include <stdbool.h>

#define JSON_MAX_DEPTH 200

typedef enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_kind;

typedef struct json_value {
    json_kind kind;
    bool boolean;     /* JSON_BOOL */
    const char *text; /* JSON_STRING: UTF-8 bytes; JSON_NUMBER: its source text; NUL-terminated */
    size_t length;    /* bytes of text, or number of children */
    const char *key;  /* this value's key inside its object, NULL elsewhere */
    size_t key_length;
    struct json_value *first, *next; /* children of an array/object, in source order; sibling */
} json_value;

/* Parses one complete document; trailing white space is allowed, anything else after it is an error. NaN, Infinity and
 * -Infinity, as Python writes them, are JSON_NUMBERs with that text, which no function below takes for a number
 * (json_is_finite). Memory is the arena's. WR_E_FORMAT with a message that says what and at which byte. */
wr_status json_parse(arena *a, const char *bytes, size_t n, const json_value **out);

/* Member lookup (the last one of duplicates); NULL when v is not an object or has no such key. v may be NULL. */
const json_value *json_get(const json_value *v, const char *key);
/* Element i of an array, or NULL. O(i). Iterate with first/next. */
const json_value *json_at(const json_value *v, size_t i);

bool json_is(const json_value *v, json_kind kind); /* false for NULL */
/* Typed member access. False when absent or of another type (integers: also when fractional or out of range). */
bool json_get_string(const json_value *object, const char *key, const char **text, size_t *length);
bool json_get_int(const json_value *object, const char *key, int64_t *out);
bool json_get_double(const json_value *object, const char *key, double *out);
bool json_get_bool(const json_value *object, const char *key, bool *out);
bool json_is_finite(const json_value *number); /* false for what is no number, and for NaN and infinities */
bool json_to_int(const json_value *number, int64_t *out);
bool json_to_double(const json_value *number, double *out);

/* Writer. Commas and separators are placed by the writer: keep one json_writer per document.
 *   json_writer w = json_writer_make(&buf);  json_begin_object(&w); json_key(&w,"a"); json_int(&w,1);
 *   json_end_object(&w); */
typedef struct json_writer {
    strbuf *out;
    bool need_comma;
    bool after_key;
} json_writer;
json_writer json_writer_make(strbuf *out);
void json_begin_object(json_writer *w);
void json_end_object(json_writer *w);
void json_begin_array(json_writer *w);
void json_end_array(json_writer *w);
void json_key(json_writer *w, const char *key);
void json_key_n(json_writer *w, const char *key, size_t n);
void json_string(json_writer *w, const char *s); /* NULL writes null */
/* valid UTF-8 is kept as it is; invalid bytes become U+FFFD */
void json_string_n(json_writer *w, const char *s, size_t n);
void json_int(json_writer *w, int64_t v);
void json_double(json_writer *w, double v); /* 9 significant digits (%.9g); NaN and infinities write null */
void json_bool(json_writer *w, bool v);
void json_null(json_writer *w);
void json_copy(json_writer *w, const json_value *v);    /* writes v with its original number texts */
void json_raw(json_writer *w, const char *s, size_t n); /* a value that is JSON already */
/* A text that holds JSON where no column has a type for it: its value; a string where it is no JSON. */
void json_of_text(json_writer *w, const char *s, size_t n);

/* Members: key and value in one call. object and array open the value, which json_end_object or json_end_array ends. */
void json_member_string(json_writer *w, const char *key, const char *s); /* NULL writes null */
void json_member_string_n(json_writer *w, const char *key, const char *s, size_t n);
void json_member_int(json_writer *w, const char *key, int64_t v);
void json_member_count(json_writer *w, const char *key, uint64_t n);
void json_member_double(json_writer *w, const char *key, double v);
void json_member_bool(json_writer *w, const char *key, bool v);
void json_member_null(json_writer *w, const char *key);
void json_member_copy(json_writer *w, const char *key, const json_value *v);
void json_member_object(json_writer *w, const char *key);
void json_member_array(json_writer *w, const char *key);

#endif
