#include "data/source/parquet/parquet_encoding.h"

#include <string.h>

hybrid_reader hybrid_reader_make(const void *bytes, size_t n, unsigned width) {
    return (hybrid_reader){.at = bytes, .end = n ? (const uint8_t *)bytes + n : bytes, .width = width};
}

/* Header of the next run: an odd one announces header / 2 groups of 8 packed values, an even one header / 2 times one
 * value. */
static bool next_run(hybrid_reader *r) {
    uint64_t head = 0;
    unsigned shift = 0;
    do {
        if (r->at == r->end || shift > 35) return false;
        head |= (uint64_t)(*r->at & 0x7F) << shift;
        shift += 7;
    } while (*r->at++ & 0x80);
    if (head & 1) {
        uint64_t room = (uint64_t)(r->end - r->at) * 8 / r->width;
        /* The last group of a page may be cut where the values end. */
        r->packed = (head >> 1) * 8 < room ? (head >> 1) * 8 : room;
        r->bit = 0;
        return r->packed > 0;
    }
    size_t bytes = (r->width + 7) / 8;
    if ((size_t)(r->end - r->at) < bytes) return false;
    r->value = 0;
    for (size_t i = 0; i < bytes; i++) r->value |= (uint32_t)r->at[i] << 8 * i;
    r->at += bytes;
    r->run = head >> 1;
    return r->width == 32 || r->value >> r->width == 0;
}

/* Value i of the packed group. width <= 32 and a start of 0…7 bits: it lies within 8 bytes. */
static inline uint32_t unpack(const hybrid_reader *r, uint64_t i) {
    uint64_t bit = r->bit + i * r->width, word = 0;
    const uint8_t *from = r->at + bit / 8;
    size_t room = (size_t)(r->end - from);
    if (room >= 8)
        memcpy(&word, from, 8);
    else
        memcpy(&word, from, room);
    return (uint32_t)(word >> bit % 8 & ((UINT64_C(1) << r->width) - 1));
}

static void leave(hybrid_reader *r, uint64_t n) {
    r->packed -= n;
    uint64_t bit = r->bit + n * r->width;
    r->at += bit / 8;
    r->bit = (unsigned)(bit % 8);
    if (r->packed == 0 && r->bit) {
        r->at += r->at < r->end; /* a cut group ends within a byte */
        r->bit = 0;
    }
}

/* The same for both widths of output. */
#define READ_HYBRID(zeros, fill)                                                                                       \
    if (r->width == 0) {                                                                                               \
        memset(out, 0, n * sizeof *out);                                                                               \
        return true;                                                                                                   \
    }                                                                                                                  \
    while (n > 0) {                                                                                                    \
        if (r->run == 0 && r->packed == 0 && !next_run(r)) return false;                                               \
        uint64_t left = r->run ? r->run : r->packed;                                                                   \
        size_t take = left < n ? (size_t)left : n;                                                                     \
        if (r->run) {                                                                                                  \
            fill;                                                                                                      \
            r->run -= take;                                                                                            \
        } else if (r->packed) {                                                                                        \
            for (size_t i = 0; i < take; i++) out[i] = (zeros)unpack(r, i);                                            \
            leave(r, take);                                                                                            \
        }                                                                                                              \
        out += take;                                                                                                   \
        n -= take;                                                                                                     \
    }                                                                                                                  \
    return true

bool hybrid_read(hybrid_reader *r, uint32_t *out, size_t n) {
    READ_HYBRID(uint32_t, for (size_t i = 0; i < take; i++) out[i] = r->value);
}

bool hybrid_read_bytes(hybrid_reader *r, uint8_t *out, size_t n) {
    READ_HYBRID(uint8_t, memset(out, (int)r->value, take));
}

bool bits_read(const uint8_t *bytes, size_t n_bytes, uint64_t *at, uint8_t *out, size_t n) {
    if (*at + n > (uint64_t)n_bytes * 8) return false;
    for (size_t i = 0; i < n; i++, ++*at) out[i] = bytes[*at / 8] >> *at % 8 & 1;
    return true;
}
