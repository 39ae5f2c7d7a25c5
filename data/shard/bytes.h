/* Little-endian numbers and strings, one after another: the side tables of prepare's working files. Writing appends to
 * a strbuf; reading checks bounds, and after the first read past the end `bad` stays set and everything read is 0 or
 * "". LOCAL. */
#ifndef WR_DATA_SHARD_BYTES_H
#define WR_DATA_SHARD_BYTES_H

#include "base/strbuf.h"
#include <stdint.h>
#include <string.h>

static inline void bytes_put(strbuf *b, uint64_t v, int n) {
    unsigned char p[8];
    for (int i = 0; i < n; i++) p[i] = (unsigned char)(v >> (8 * i));
    strbuf_append(b, p, (size_t)n);
}
static inline void bytes_put_u8(strbuf *b, uint8_t v) { bytes_put(b, v, 1); }
static inline void bytes_put_u32(strbuf *b, uint32_t v) { bytes_put(b, v, 4); }
static inline void bytes_put_u64(strbuf *b, uint64_t v) { bytes_put(b, v, 8); }
static inline void bytes_put_double(strbuf *b, double v) {
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    bytes_put_u64(b, u);
}
/* Length, bytes, NUL: what is read back is a C string in place. */
static inline void bytes_put_string(strbuf *b, const char *s, size_t n) {
    bytes_put_u32(b, (uint32_t)n);
    strbuf_append(b, s, n);
    strbuf_putc(b, '\0');
}

typedef struct bytes_reader {
    const unsigned char *at, *end;
    bool bad;
} bytes_reader;

static inline bytes_reader bytes_reader_make(const void *p, size_t n) {
    return (bytes_reader){.at = p, .end = n ? (const unsigned char *)p + n : p};
}
static inline const void *bytes_take(bytes_reader *r, size_t n) {
    if ((size_t)(r->end - r->at) < n) {
        r->bad = true;
        return NULL;
    }
    const void *p = r->at;
    r->at += n;
    return p;
}
static inline uint64_t bytes_get(bytes_reader *r, int n) {
    const unsigned char *p = bytes_take(r, (size_t)n);
    uint64_t v = 0;
    for (int i = 0; p && i < n; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}
static inline uint8_t bytes_get_u8(bytes_reader *r) { return (uint8_t)bytes_get(r, 1); }
static inline uint32_t bytes_get_u32(bytes_reader *r) { return (uint32_t)bytes_get(r, 4); }
static inline uint64_t bytes_get_u64(bytes_reader *r) { return bytes_get(r, 8); }
static inline double bytes_get_double(bytes_reader *r) {
    uint64_t u = bytes_get_u64(r);
    double v;
    memcpy(&v, &u, sizeof v);
    return v;
}
static inline const char *bytes_get_string(bytes_reader *r, size_t *n) {
    uint32_t length = bytes_get_u32(r);
    const char *s = bytes_take(r, (size_t)length + 1);
    if (s && s[length] != '\0') r->bad = true, s = NULL;
    if (n) *n = s ? length : 0;
    return s ? s : "";
}
/* A count of things that take at least `each` bytes: never more than can follow. */
static inline size_t bytes_get_count(bytes_reader *r, size_t each) {
    uint64_t n = bytes_get_u64(r);
    if (n > (uint64_t)(r->end - r->at) / each) {
        r->bad = true;
        return 0;
    }
    return (size_t)n;
}

#endif
