#include "base/json.h"

#include "base/json_scan.h"
#include "base/utf8.h"
#include <math.h>
#include <string.h>

json_writer json_writer_make(strbuf *out) { return (json_writer){.out = out}; }

static void before_value(json_writer *w) {
    if (w->need_comma && !w->after_key) {
        strbuf_putc(w->out, ',');
    }
    w->after_key = false;
    w->need_comma = true;
}

static void begin(json_writer *w, char bracket) {
    before_value(w);
    strbuf_putc(w->out, bracket);
    w->need_comma = false;
}

static void end(json_writer *w, char bracket) {
    strbuf_putc(w->out, bracket);
    w->need_comma = true;
    w->after_key = false;
}

void json_begin_object(json_writer *w) { begin(w, '{'); }
void json_end_object(json_writer *w) { end(w, '}'); }
void json_begin_array(json_writer *w) { begin(w, '['); }
void json_end_array(json_writer *w) { end(w, ']'); }

/* Bytes at the start of s that stand for themselves: ASCII but quotes, backslashes and control characters. Eight at a
 * time. */
static size_t plain(const char *s, size_t n) {
    const uint64_t ones = 0x0101010101010101u, high = 0x80 * ones;
    size_t i = 0;
    for (uint64_t x; i + 8 <= n; i += 8) {
        memcpy(&x, s + i, 8);
        uint64_t quote = x ^ '"' * ones, slash = x ^ '\\' * ones;
        /* Exact for bytes below 0x80; a byte above sets its own bit and stops the run whatever the others say. */
        if ((x | (x - 0x20 * ones) | (quote - ones) | (slash - ones)) & high) break;
    }
    while (i < n && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] < 0x80 && s[i] != '"' && s[i] != '\\') i++;
    return i;
}

static void quoted(strbuf *out, const char *s, size_t n) {
    strbuf_putc(out, '"');
    size_t from = 0; /* bytes from here on are not written yet */
    for (size_t i = 0; (i += plain(s + i, n - i)) < n;) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x80) {
            int32_t code;
            size_t length = utf8_decode(s + i, n - i, &code);
            if (code < 0) {
                strbuf_append(out, s + from, i - from);
                strbuf_puts(out, "\xEF\xBF\xBD");
                from = i + length;
            }
            i += length;
            continue;
        }
        strbuf_append(out, s + from, i - from);
        const char *special = "\"\\\n\r\t\b\f";
        const char *at = c ? strchr(special, c) : NULL;
        if (at) {
            strbuf_putc(out, '\\');
            strbuf_putc(out, "\"\\nrtbf"[at - special]);
        } else {
            strbuf_printf(out, "\\u%04x", c);
        }
        from = ++i;
    }
    strbuf_append(out, s + from, n - from);
    strbuf_putc(out, '"');
}

void json_key_n(json_writer *w, const char *key, size_t n) {
    if (w->need_comma) {
        strbuf_putc(w->out, ',');
    }
    quoted(w->out, key, n);
    strbuf_putc(w->out, ':');
    w->after_key = true;
}

void json_key(json_writer *w, const char *key) { json_key_n(w, key, strlen(key)); }

void json_string_n(json_writer *w, const char *s, size_t n) {
    before_value(w);
    quoted(w->out, s ? s : "", s ? n : 0);
}

void json_string(json_writer *w, const char *s) {
    if (s) {
        json_string_n(w, s, strlen(s));
    } else {
        json_null(w);
    }
}

void json_int(json_writer *w, int64_t v) {
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    before_value(w);
    do digits[--at] = (char)('0' + left % 10);
    while (left /= 10);
    if (v < 0) digits[--at] = '-';
    strbuf_append(w->out, digits + at, sizeof digits - at);
}

void json_double(json_writer *w, double v) {
    if (!isfinite(v)) {
        json_null(w);
        return;
    }
    before_value(w);
    strbuf_printf(w->out, "%.9g", v);
}

void json_bool(json_writer *w, bool v) {
    before_value(w);
    strbuf_puts(w->out, v ? "true" : "false");
}

void json_null(json_writer *w) {
    before_value(w);
    strbuf_puts(w->out, "null");
}

void json_copy(json_writer *w, const json_value *v) {
    if (!v || v->kind == JSON_NULL) {
        json_null(w);
        return;
    }
    switch (v->kind) {
    case JSON_BOOL:
        json_bool(w, v->boolean);
        break;
    case JSON_NUMBER:
        before_value(w);
        strbuf_append(w->out, v->text, v->length);
        break;
    case JSON_STRING:
        json_string_n(w, v->text, v->length);
        break;
    case JSON_ARRAY:
        json_begin_array(w);
        for (const json_value *e = v->first; e; e = e->next) {
            json_copy(w, e);
        }
        json_end_array(w);
        break;
    case JSON_OBJECT:
        json_begin_object(w);
        for (const json_value *m = v->first; m; m = m->next) {
            json_key_n(w, m->key, m->key_length);
            json_copy(w, m);
        }
        json_end_object(w);
        break;
    case JSON_NULL:
        break;
    }
}

void json_raw(json_writer *w, const char *s, size_t n) {
    before_value(w);
    strbuf_append(w->out, s, n);
}

void json_of_text(json_writer *w, const char *s, size_t n) {
    json_span whole;
    const char *end = s + n, *from = json_scan_blank(s, end),
               *to = from < end ? json_scan_value(from, end, 1, &whole) : NULL;
    if (to && json_scan_blank(to, end) == end)
        json_raw(w, from, (size_t)(to - from));
    else
        json_string_n(w, s, n);
}
