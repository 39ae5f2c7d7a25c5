/* JSON walked in one pass without building anything: what reads rows faster than a DOM can be built. It accepts exactly
 * what json_parse (base/json.h) accepts: the whole grammar, and NaN, Infinity and -Infinity as Python writes them,
 * escapes, UTF-8 (no overlong forms, no surrogates), at most JSON_MAX_DEPTH levels, and its white space. Every function
 * takes the position and the end of the text and never reads at or behind `end`. LOCAL; no state. */
#ifndef WR_BASE_JSON_SCAN_H
#define WR_BASE_JSON_SCAN_H

#include "base/json.h"

/* A value where it stands in the text. Strings: the bytes between the quotes, still escaped. Others: the whole
 * value. */
typedef struct json_span {
    json_kind kind;
    bool escaped; /* JSON_STRING: holds a backslash */
    bool boolean; /* JSON_BOOL */
    const char *text;
    size_t length;
} json_span;

/* First byte that is no white space, or end. */
static inline const char *json_scan_blank(const char *at, const char *end) {
    while (at < end && (*at == ' ' || (*at >= '\t' && *at <= '\r'))) at++;
    return at;
}
/* at: an opening quote. Returns the position behind the closing one; NULL when this is no valid string. */
const char *json_scan_string(const char *at, const char *end, json_span *out);
/* at: the first byte of any value. Returns the position behind it, NULL when it is invalid. depth: containers open
 * around it. */
const char *json_scan_value(const char *at, const char *end, unsigned depth, json_span *out);

/* The first quote or backslash, or end. */
const char *json_scan_quote(const char *at, const char *end);
/* The bytes that a valid string stands for; `to` has room for `length` bytes, of which some behind the result may be
 * overwritten. An unpaired surrogate becomes U+FFFD. Returns their number, at most `length`. */
size_t json_unescape(const char *text, size_t length, char *to);
/* The number as an integer by the rules of json_to_int: 3.0 and 1e3 are integers too. False when it is none, or no
 * number. */
bool json_span_int(const json_span *number, int64_t *out);

#endif
