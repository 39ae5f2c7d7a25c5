/* A stream is a sequence of elements: literals (bytes to take over) and copies (of earlier output). Which comes next is
 * as good as random, so a branch on it would be mispredicted every few bytes. The fast loop therefore treats both
 * alike, as `length` bytes from some source, 32 at a time with bytes to spare, and branches only on what is rare: an
 * element of over 32 bytes, a source that overlaps its target, the long forms, the ends of the buffers. */
#include "data/source/parquet/parquet_snappy.h"

#include <stdint.h>
#include <string.h>

enum { LITERAL, COPY_1, COPY_2, COPY_4, WIDE = 16, LONGEST = 64 };

static inline uint32_t load32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v; /* little-endian */
}

static inline void copy16(uint8_t *to, const uint8_t *from) {
    unsigned char piece[WIDE]; /* loaded whole before it is stored: they may overlap */
    memcpy(piece, from, WIDE);
    memcpy(to, piece, WIDE);
}

static bool read_length(const uint8_t **in, const uint8_t *end, size_t *out) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 35 && *in < end; shift += 7) {
        uint8_t b = *(*in)++;
        v |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) {
            *out = (size_t)v;
            return true;
        }
    }
    return false;
}

/* One element of any form, byte by byte; false where it does not fit. */
static bool one_element(const uint8_t **in, const uint8_t *end, uint8_t *start, uint8_t **out, const uint8_t *out_end) {
    unsigned tag = *(*in)++;
    size_t length = (tag >> 2) + 1, offset = 0, room = (size_t)(end - *in);
    uint8_t *to = *out;
    unsigned extra = (tag & 3) == LITERAL  ? (length > 60 ? (unsigned)length - 60 : 0)
                     : (tag & 3) == COPY_4 ? 4
                                           : tag & 3;
    if (extra > room) return false;
    for (unsigned i = 0; i < extra; i++) offset |= (size_t)(*in)[i] << 8 * i;
    *in += extra;
    if ((tag & 3) == LITERAL) {
        if (extra) length = offset + 1;
        if (length > (size_t)(end - *in) || length > (size_t)(out_end - to)) return false;
        memcpy(to, *in, length);
        *in += length;
    } else {
        if ((tag & 3) == COPY_1) {
            length = (tag >> 2 & 7) + 4;
            offset |= (size_t)(tag >> 5) << 8;
        }
        if (offset == 0 || offset > (size_t)(to - start) || length > (size_t)(out_end - to)) return false;
        const uint8_t *from = to - offset;
        for (size_t i = 0; i < length; i++) to[i] = from[i]; /* may repeat what it writes */
    }
    *out = to + length;
    return true;
}

/* What the fast loop needs of a tag: length; the part of an offset that follows the tag (mask) and the part that is in
 * it; and the least offset that copying 16 bytes at a time serves. Literals have offset 0 and pass; what is rare does
 * not. */
typedef struct tag_entry {
    uint16_t mask, offset;
    uint8_t length, least;
} tag_entry;
#define NEAR(t) (((t)&3) == COPY_1)
#define FAR(t) (((t)&3) == COPY_2)
#define RARE(t) (((t)&3) == COPY_4 || (((t)&3) == LITERAL && (t) >> 2 >= 60))
#define LENGTH(t) (NEAR(t) ? ((t) >> 2 & 7) + 4 : ((t) >> 2) + 1)
#define MASK(t) (NEAR(t) ? 0xFF : FAR(t) ? 0xFFFF : 0)
#define LEAST(t) (RARE(t) ? 1 : ((t)&3) == LITERAL ? 0 : LENGTH(t) < WIDE ? LENGTH(t) : WIDE)
#define TAG(t)                                                                                                         \
    { MASK(t), NEAR(t) ? (t) >> 5 << 8 : 0, LENGTH(t), LEAST(t) }
#define TAGS_4(t) TAG(t), TAG((t) + 1), TAG((t) + 2), TAG((t) + 3)
#define TAGS_16(t) TAGS_4(t), TAGS_4((t) + 4), TAGS_4((t) + 8), TAGS_4((t) + 12)
#define TAGS_64(t) TAGS_16(t), TAGS_16((t) + 16), TAGS_16((t) + 32), TAGS_16((t) + 48)
static const tag_entry tags[256] = {TAGS_64(0), TAGS_64(64), TAGS_64(128), TAGS_64(192)};

bool snappy_decode(const void *in, size_t n, void *out, size_t m) {
    const uint8_t *at = in, *end = at + n;
    uint8_t *start = out, *to = start, *out_end = start + m;
    size_t stated;
    if (!read_length(&at, end, &stated) || stated != m) return false;
    while (at < end) {
        /* A short element and the tag behind it are within the input, and anything it writes is within the slack. */
        while (end - at > LONGEST + 4 && out_end - to >= LONGEST) {
            size_t first = *at, kind = first & 3, literal = 0 - (size_t)(kind == LITERAL);
            tag_entry tag = tags[first];
            size_t offset = (load32(at + 1) & tag.mask) + tag.offset;
            if (__builtin_expect(offset < tag.least, 0)) break;
            if (__builtin_expect(offset > (size_t)(to - start), 0)) break;
            /* Not a choice of the compiler's, who would make it a branch. */
            uintptr_t back = (uintptr_t)to - offset, ahead = (uintptr_t)at + 1;
            const uint8_t *from = (const uint8_t *)(back + ((ahead - back) & literal));
            copy16(to, from);
            copy16(to + 16, from + 16);
            if (__builtin_expect(tag.length > 2 * WIDE, 0)) {
                copy16(to + 32, from + 32);
                copy16(to + 48, from + 48);
            }
            to += tag.length;
            /* Where the next tag is must not wait for the table: all else waits for it. */
            at += kind + 1 + (((first >> 2) + 1) & literal);
        }
        if (at < end && !one_element(&at, end, start, &to, out_end)) return false;
    }
    return to == out_end;
}
