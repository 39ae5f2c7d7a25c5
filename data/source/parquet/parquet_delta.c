/* DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY and BYTE_STREAM_SPLIT, rewritten as PLAIN. */
#include "data/source/parquet/parquet_encoding.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct delta_reader {
    const uint8_t *at, *end;
    uint64_t block, miniblocks, per_miniblock; /* values of a block; its miniblocks; values of one */
    uint64_t total, given;                     /* values */
    uint64_t last, least;                      /* sums wrap around, as the writer's do */
    const uint8_t *widths;
    uint64_t miniblock; /* index within the block */
    unsigned width;
    uint64_t packed, bit; /* values left in the miniblock; first bit of the next one, from at */
} delta_reader;

static wr_status damaged(void) {
    return wr_fail(WR_E_FORMAT, "damaged page: its delta-encoded values do not fit in it");
}

static bool varint(delta_reader *r, uint64_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        uint8_t b = *r->at++;
        *out |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) return true;
    }
    return false;
}

static uint64_t unzigzag(uint64_t v) { return v >> 1 ^ (0 - (v & 1)); }

static bool delta_start(delta_reader *r, const void *bytes, size_t n, size_t most) {
    uint64_t first;
    *r = (delta_reader){.at = bytes, .end = (const uint8_t *)bytes + n};
    if (!varint(r, &r->block) || !varint(r, &r->miniblocks) || !varint(r, &r->total) || !varint(r, &first))
        return false;
    if (r->total > most || r->block == 0 || r->block > 1 << 20 || r->block % 128 || r->miniblocks == 0 ||
        r->block % r->miniblocks)
        return false;
    r->per_miniblock = r->block / r->miniblocks;
    r->last = unzigzag(first);
    r->miniblock = r->miniblocks;
    return r->per_miniblock % 8 == 0; /* 32 by the specification; so that miniblocks end with a byte */
}

static bool next_miniblock(delta_reader *r) {
    if (r->miniblock == r->miniblocks) {
        uint64_t least;
        if (!varint(r, &least) || (uint64_t)(r->end - r->at) < r->miniblocks) return false;
        r->least = unzigzag(least);
        r->widths = r->at;
        r->at += r->miniblocks;
        r->miniblock = 0;
    }
    r->width = r->widths[r->miniblock++];
    r->packed = r->per_miniblock;
    r->bit = 0;
    return r->width <= 64;
}

/* Bits of a miniblock, which the bytes may not hold whole when it is the last one. */
static bool unpack(delta_reader *r, uint64_t *out) {
    uint64_t from = r->bit / 8, shift = r->bit % 8, word = 0, room = (uint64_t)(r->end - r->at);
    *out = 0;
    if (r->width == 0) return true;
    if ((r->bit + r->width + 7) / 8 > room) return false;
    memcpy(&word, r->at + from, room - from < 8 ? room - from : 8);
    word >>= shift;
    if (shift + r->width > 64) word |= (uint64_t)r->at[from + 8] << (64 - shift);
    *out = r->width == 64 ? word : word & ((UINT64_C(1) << r->width) - 1);
    r->bit += r->width;
    return true;
}

/* Only below `total`. */
static bool delta_next(delta_reader *r, uint64_t *out) {
    if (r->given++ > 0) {
        uint64_t delta;
        if (r->packed == 0 && !next_miniblock(r)) return false;
        if (!unpack(r, &delta)) return false;
        if (--r->packed == 0) r->at += r->bit / 8;
        r->last += r->least + delta;
    }
    *out = r->last;
    return true;
}

/* Behind the last value: the rest of its miniblock is padding, and later miniblocks of the block have no bytes. */
static const uint8_t *delta_end(const delta_reader *r) {
    if (r->packed == 0) return r->at;
    uint64_t bytes = r->per_miniblock * r->width / 8, room = (uint64_t)(r->end - r->at);
    return r->at + (bytes < room ? bytes : room);
}

/* Grows a buffer that is still being filled. */
static wr_status widen(page_pool *p, page_buffer **b, size_t used, size_t need) {
    page_buffer *grown;
    if (*b && need <= (*b)->capacity) return WR_OK;
    wr_status status = page_pool_take(p, need < used + used / 2 ? used + used / 2 : need, &grown);
    if (status < 0) return status;
    if (*b) memcpy(grown->bytes, (*b)->bytes, used);
    page_pool_give(p, *b);
    *b = grown;
    return WR_OK;
}

wr_status delta_numbers_to_plain(page_pool *p, const void *bytes, size_t n, size_t most, size_t width,
                                 page_buffer **out, size_t *length) {
    wr_status status = WR_OK;
    delta_reader r;
    size_t used = 0;
    *out = NULL;
    if (!delta_start(&r, bytes, n, most)) TRY(damaged());
    TRY(widen(p, out, 0, 1));
    while (r.given < r.total) {
        uint64_t v = 0;
        if (!delta_next(&r, &v)) TRY(damaged());
        TRY(widen(p, out, used, used + 8));
        memcpy((*out)->bytes + used, &v, width); /* little-endian */
        used += width;
    }
    *length = used;
cleanup:
    if (status < 0) {
        page_pool_give(p, *out);
        *out = NULL;
    }
    return status;
}

/* A run of `total` lengths, as 32-bit numbers in a buffer. */
static wr_status read_lengths(page_pool *p, const uint8_t **at, const uint8_t *end, size_t most, page_buffer **out,
                              size_t *total) {
    wr_status status = WR_OK;
    delta_reader r;
    size_t used = 0;
    *out = NULL;
    if (!delta_start(&r, *at, (size_t)(end - *at), most)) TRY(damaged());
    TRY(widen(p, out, 0, 1));
    while (r.given < r.total) {
        uint64_t v = 0;
        if (!delta_next(&r, &v) || v > INT32_MAX) TRY(damaged());
        TRY(widen(p, out, used, used + 4));
        uint32_t length = (uint32_t)v;
        memcpy((*out)->bytes + used, &length, 4);
        used += 4;
    }
    *at = delta_end(&r);
    *total = used / 4;
cleanup:
    if (status < 0) {
        page_pool_give(p, *out);
        *out = NULL;
    }
    return status;
}

wr_status delta_texts_to_plain(page_pool *p, const void *bytes, size_t n, size_t most, bool prefixes, page_buffer **out,
                               size_t *length) {
    wr_status status = WR_OK;
    const uint8_t *at = bytes, *end = at + n;
    page_buffer *heads = NULL, *tails = NULL;
    size_t n_heads = 0, n_tails = 0, used = 0, last = 0, last_length = 0;
    *out = NULL;
    if (prefixes) TRY(read_lengths(p, &at, end, most, &heads, &n_heads));
    TRY(read_lengths(p, &at, end, most, &tails, &n_tails));
    if (prefixes && n_heads != n_tails) TRY(damaged());
    TRY(widen(p, out, 0, 1));
    for (size_t i = 0; i < n_tails; i++) {
        uint32_t head = 0, tail;
        memcpy(&tail, tails->bytes + 4 * i, 4);
        if (prefixes) memcpy(&head, heads->bytes + 4 * i, 4);
        if (head > last_length || tail > (size_t)(end - at)) TRY(damaged());
        size_t whole = (size_t)head + tail;
        if (whole > INT32_MAX) TRY(damaged());
        TRY(widen(p, out, used, used + 4 + whole));
        char *to = (*out)->bytes + used;
        memcpy(to, &(uint32_t){(uint32_t)whole}, 4);
        memcpy(to + 4, (*out)->bytes + last, head);
        memcpy(to + 4 + head, at, tail);
        at += tail;
        last = used + 4;
        last_length = whole;
        used += 4 + whole;
    }
    *length = used;
cleanup:
    page_pool_give(p, heads);
    page_pool_give(p, tails);
    if (status < 0) {
        page_pool_give(p, *out);
        *out = NULL;
    }
    return status;
}

wr_status stream_split_to_plain(page_pool *p, const void *bytes, size_t n, size_t width, page_buffer **out,
                                size_t *length) {
    const char *in = bytes;
    size_t count = n / width;
    if (n % width) return wr_fail(WR_E_FORMAT, "damaged page: its split streams have different lengths");
    wr_status status = page_pool_take(p, n + 1, out);
    if (status < 0) return status;
    for (size_t k = 0; k < width; k++)
        for (size_t i = 0; i < count; i++) (*out)->bytes[i * width + k] = in[k * count + i];
    *length = n;
    return WR_OK;
}
