/* Framing of messages (see wire.h). Layout, little-endian:
 *   'W' 'R' | u8 version | u8 flags (bit 0: zstd) | u32 body bytes before compression | body */
#include "mpi/wire.h"

#include "base/mem.h"
#include "mpi/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { HEADER_BYTES = 8, FLAG_ZSTD = 1, ZSTD_LEVEL = 1 };

char *strbuf_room(strbuf *out, size_t n) {
    static const char zeros[4096];
    size_t at = out->len;
    for (size_t left = n; left > 0 && !out->failed;) {
        size_t piece = left < sizeof zeros ? left : sizeof zeros;
        strbuf_append(out, zeros, piece);
        left -= piece;
    }
    return out->failed ? NULL : out->data + at;
}

wr_status wire_encode(const void *body, size_t n, strbuf *out) {
    if (n > WIRE_MAX_BODY)
        return wr_fail(WR_E_FORMAT, "message of %zu bytes is larger than the limit of %u", n, WIRE_MAX_BODY);
    unsigned char header[HEADER_BYTES] = {'W',
                                          'R',
                                          WIRE_VERSION,
                                          0,
                                          (unsigned char)n,
                                          (unsigned char)(n >> 8),
                                          (unsigned char)(n >> 16),
                                          (unsigned char)(n >> 24)};
    size_t start = out->len;
    if (n > WIRE_COMPRESS_ABOVE) {
        size_t bound = ZSTD_compressBound(n);
        char *room = strbuf_room(out, HEADER_BYTES + bound);
        if (!room) return strbuf_status(out);
        size_t packed = ZSTD_compress(room + HEADER_BYTES, bound, body, n, ZSTD_LEVEL);
        if (!ZSTD_isError(packed) && packed < n) {
            header[3] = FLAG_ZSTD;
            memcpy(room, header, HEADER_BYTES);
            out->len = start + HEADER_BYTES + packed;
            out->data[out->len] = '\0';
            return WR_OK;
        }
        out->len = start; /* does not shrink: stored as it is */
    }
    strbuf_append(out, header, HEADER_BYTES);
    strbuf_append(out, body, n);
    return strbuf_status(out);
}

/* Length fields of a msgpack head byte: how many big-endian bytes follow that count payload bytes or items. */
static uint64_t big_endian(const unsigned char *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | p[i];
    return v;
}

wr_status wire_measure(const void *bytes, size_t n, size_t *used) {
    const unsigned char *p = bytes, *end = p + n;
    uint64_t open[WIRE_MAX_DEPTH]; /* values still missing at each level */
    size_t depth = 0;
    open[0] = 1;
    for (;;) {
        while (open[depth] == 0) {
            if (depth == 0) {
                *used = n - (size_t)(end - p);
                return WR_OK;
            }
            depth--;
        }
        open[depth]--;
        if (p == end) return wr_fail(WR_E_FORMAT, "msgpack value of %zu bytes is cut short", n);
        unsigned char h = *p++;
        size_t width = 0;   /* bytes of the length field */
        uint64_t skip = 0;  /* payload bytes */
        uint64_t items = 0; /* values inside */
        if (h <= 0x7f || h >= 0xe0 || h == 0xc0 || h == 0xc2 || h == 0xc3)
            skip = 0;
        else if (h <= 0x8f)
            items = 2u * (h & 15u);
        else if (h <= 0x9f)
            items = h & 15u;
        else if (h <= 0xbf)
            skip = h & 31u;
        else if (h >= 0xc4 && h <= 0xc6)
            width = (size_t)1 << (h - 0xc4); /* bin */
        else if (h == 0xca || h == 0xcb)
            skip = h == 0xca ? 4 : 8; /* float */
        else if (h >= 0xcc && h <= 0xd3)
            skip = (uint64_t)1 << ((h - 0xcc) & 3); /* integers */
        else if (h >= 0xd9 && h <= 0xdb)
            width = (size_t)1 << (h - 0xd9); /* str */
        else if (h >= 0xdc && h <= 0xdf)
            width = h & 1 ? 4 : 2; /* array, map */
        else
            return wr_fail(WR_E_FORMAT, "msgpack type 0x%02x is not used here", h); /* ext, never used */
        if (width) {
            if ((size_t)(end - p) < width) return wr_fail(WR_E_FORMAT, "msgpack value of %zu bytes is cut short", n);
            uint64_t length = big_endian(p, width);
            p += width;
            if (h == 0xdc || h == 0xdd)
                items = length;
            else if (h == 0xde || h == 0xdf)
                items = 2 * length;
            else
                skip = length;
        }
        /* Every value inside takes at least one byte. */
        if (skip > (uint64_t)(end - p) || items > (uint64_t)(end - p)) {
            return wr_fail(WR_E_FORMAT, "msgpack value of %zu bytes claims more than it holds", n);
        }
        p += skip;
        if (items) {
            if (++depth == WIRE_MAX_DEPTH)
                return wr_fail(WR_E_FORMAT, "msgpack value is nested deeper than %d", WIRE_MAX_DEPTH);
            open[depth] = items;
        }
    }
}

wr_status wire_check(const void *bytes, size_t n) {
    size_t used = 0;
    wr_status status = wire_measure(bytes, n, &used);
    if (status < 0) return status;
    return used == n ? WR_OK : wr_fail(WR_E_FORMAT, "msgpack value ends %zu bytes before its record", n - used);
}

wr_status wire_decode(const void *bytes, size_t n, strbuf *body, msgpack_unpacked *out) {
    const unsigned char *b = bytes;
    msgpack_unpacked_init(out);
    strbuf_clear(body);
    if (n < HEADER_BYTES || b[0] != 'W' || b[1] != 'R')
        return wr_fail(WR_E_FORMAT, "message of %zu bytes has no WR header", n);
    if (b[2] != WIRE_VERSION)
        return wr_fail(WR_E_FORMAT, "message has version %u, this program speaks %u", b[2], WIRE_VERSION);
    if (b[3] & ~FLAG_ZSTD) return wr_fail(WR_E_FORMAT, "message has unknown flags 0x%02x", b[3]);
    size_t raw = (size_t)b[4] | (size_t)b[5] << 8 | (size_t)b[6] << 16 | (size_t)b[7] << 24;
    if (raw > WIRE_MAX_BODY)
        return wr_fail(WR_E_FORMAT, "message claims %zu bytes, the limit is %u", raw, WIRE_MAX_BODY);
    if (b[3] & FLAG_ZSTD) {
        /* The frame states its size; both must agree before memory is taken for it. */
        unsigned long long stated = ZSTD_getFrameContentSize(b + HEADER_BYTES, n - HEADER_BYTES);
        if (stated != raw) return wr_fail(WR_E_FORMAT, "compressed message of %zu bytes is damaged (sizes differ)", n);
        char *room = strbuf_room(body, raw);
        if (!room) return wr_fail(WR_E_NOMEM, "out of memory for a message of %zu bytes", raw);
        size_t got = ZSTD_decompress(room, raw, b + HEADER_BYTES, n - HEADER_BYTES);
        if (ZSTD_isError(got) || got != raw) {
            return wr_fail(WR_E_FORMAT, "compressed message of %zu bytes is damaged (%s)", n,
                           ZSTD_isError(got) ? ZSTD_getErrorName(got) : "short");
        }
    } else {
        if (n - HEADER_BYTES != raw)
            return wr_fail(WR_E_FORMAT, "message has %zu body bytes, its header says %zu", n - HEADER_BYTES, raw);
        strbuf_append(body, b + HEADER_BYTES, raw);
        if (body->failed) return wr_fail(WR_E_NOMEM, "out of memory for a message of %zu bytes", raw);
    }
    wr_status checked = wire_check(body->data, raw);
    if (checked < 0) return checked;
    size_t used = 0;
    msgpack_unpack_return r = raw ? msgpack_unpack_next(out, body->data, raw, &used) : MSGPACK_UNPACK_CONTINUE;
    if (r == MSGPACK_UNPACK_NOMEM_ERROR) return wr_fail(WR_E_NOMEM, "out of memory for a message of %zu bytes", raw);
    if (r != MSGPACK_UNPACK_SUCCESS || used != raw) {
        return wr_fail(WR_E_FORMAT, "message of %zu bytes is not one msgpack value", raw);
    }
    return WR_OK;
}

static int write_strbuf(void *data, const char *bytes, size_t n) {
    strbuf *out = data;
    strbuf_append(out, bytes, n);
    return out->failed ? -1 : 0;
}

void wire_packer(msgpack_packer *pk, strbuf *out) { msgpack_packer_init(pk, out, write_strbuf); }

void wire_pack_strn(msgpack_packer *pk, const char *s, size_t n) {
    msgpack_pack_str(pk, n);
    msgpack_pack_str_body(pk, s, n);
}

void wire_pack_str(msgpack_packer *pk, const char *s) { wire_pack_strn(pk, s, strlen(s)); }

void wire_pack_ids(msgpack_packer *pk, const int32_t *ids, size_t n) {
    enum { ROOM = 1024, LONGEST = 5 };
    char bytes[ROOM + LONGEST];
    size_t used = 0;
    msgpack_pack_array(pk, n);
    /* As msgpack_pack_int32 would, but without a call for each of millions of tokens. */
    for (size_t i = 0; i < n; i++) {
        uint32_t v = (uint32_t)ids[i];
        if (ids[i] < 0) {
            if (used) pk->callback(pk->data, bytes, used);
            used = 0;
            msgpack_pack_int32(pk, ids[i]);
            continue;
        }
        if (v < 0x80) {
            bytes[used++] = (char)v;
        } else {
            int width = v < 0x100 ? 1 : v < 0x10000 ? 2 : 4;
            bytes[used++] = (char)(width == 1 ? 0xcc : width == 2 ? 0xcd : 0xce);
            for (int k = width - 1; k >= 0; k--) bytes[used++] = (char)(v >> (8 * k));
        }
        if (used >= ROOM) {
            pk->callback(pk->data, bytes, used);
            used = 0;
        }
    }
    if (used) pk->callback(pk->data, bytes, used);
}

const msgpack_object *wire_get(const msgpack_object *map, const char *key) {
    if (!map || map->type != MSGPACK_OBJECT_MAP) return NULL;
    size_t length = strlen(key);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == length &&
            memcmp(kv->key.via.str.ptr, key, length) == 0) {
            return &kv->val;
        }
    }
    return NULL;
}

static bool object_int(const msgpack_object *v, int64_t *out) {
    if (v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *out = v->via.i64;
        return true;
    }
    if (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER && v->via.u64 <= INT64_MAX) {
        *out = (int64_t)v->via.u64;
        return true;
    }
    return false;
}

bool wire_get_int(const msgpack_object *map, const char *key, int64_t *out) {
    const msgpack_object *v = wire_get(map, key);
    return v && object_int(v, out);
}

bool wire_get_double(const msgpack_object *map, const char *key, double *out) {
    const msgpack_object *v = wire_get(map, key);
    int64_t i;
    if (!v) return false;
    if (v->type == MSGPACK_OBJECT_FLOAT32 || v->type == MSGPACK_OBJECT_FLOAT64) {
        *out = v->via.f64;
        return true;
    }
    if (!object_int(v, &i)) return false;
    *out = (double)i;
    return true;
}

bool wire_get_str(const msgpack_object *map, const char *key, const char **s, size_t *n) {
    const msgpack_object *v = wire_get(map, key);
    if (!v || v->type != MSGPACK_OBJECT_STR) return false;
    *s = v->via.str.size ? v->via.str.ptr : "";
    *n = v->via.str.size;
    return true;
}

wr_status wire_get_ids(const msgpack_object *map, const char *key, int32_t **ids, size_t *n) {
    wr_status status = WR_OK;
    int32_t *fresh = NULL;
    const msgpack_object *v = wire_get(map, key);
    if (!v || v->type != MSGPACK_OBJECT_ARRAY) return wr_fail(WR_E_FORMAT, "message has no array \"%s\"", key);
    size_t count = v->via.array.size;
    fresh = mem_calloc(count ? count : 1, sizeof *fresh);
    TRY_ALLOC(fresh);
    for (size_t i = 0; i < count; i++) {
        int64_t x = 0;
        if (!object_int(&v->via.array.ptr[i], &x) || x < INT32_MIN || x > INT32_MAX) {
            TRY(wr_fail(WR_E_FORMAT, "message: element %zu of \"%s\" is not a 32-bit integer", i, key));
        }
        fresh[i] = (int32_t)x;
    }
    *ids = fresh;
    *n = count;
    fresh = NULL;
cleanup:
    free(fresh);
    return status;
}
