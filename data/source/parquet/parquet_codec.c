/* Decompression of pages: snappy, gzip, zstd. */
#include "data/source/parquet/parquet_page.h"

#include "base/mem.h"
#include "data/source/parquet/parquet_footer.h"
#include "data/source/parquet/parquet_snappy.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

bool page_size_possible(int codec, size_t n, size_t m) {
    switch (codec) {
    case CODEC_NONE:
        return n == m;
    case CODEC_SNAPPY:
        return m / 64 <= n; /* 2 bytes or more copy 64 */
    case CODEC_GZIP:
        return m / 1100 <= n; /* deflate: 258 bytes for 2 bits */
    case CODEC_ZSTD:
        return m / 131072 <= n; /* a block of 128 KiB in 4 bytes */
    default:
        return true;
    }
}

static wr_status not_so_long(const char *codec, size_t m) {
    return wr_fail(WR_E_FORMAT, "damaged page: its %s data are not the %zu bytes of its header", codec, m);
}

static wr_status gzip_decompress(page_codec *c, const char *in, size_t n, char *out, size_t m) {
    z_stream *z = c->gzip;
    if (!z) {
        if (!(z = mem_calloc(1, sizeof *z))) return WR_E_NOMEM;
        if (inflateInit2(z, 15 + 32) != Z_OK) { /* 32: zlib's or gzip's header */
            free(z);
            return wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
        }
        c->gzip = z;
    }
    z->next_in = (Bytef *)(uintptr_t)in, z->avail_in = (uInt)n;
    z->next_out = (Bytef *)out, z->avail_out = (uInt)m;
    do { /* several members may follow each other */
        if (inflateReset(z) != Z_OK) return wr_fail(WR_E_FAILED, "zlib does not start again");
        int r = inflate(z, Z_FINISH);
        if (r == Z_MEM_ERROR) return wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
        if (r != Z_STREAM_END) return not_so_long("gzip", m);
    } while (z->avail_in > 0 && z->avail_out > 0);
    return z->avail_out == 0 && z->avail_in == 0 ? WR_OK : not_so_long("gzip", m);
}

wr_status page_decompress(page_codec *c, int codec, const char *in, size_t n, char *out, size_t m) {
    static const char *const names[] = {
        [CODEC_LZO] = "LZO", [CODEC_BROTLI] = "Brotli", [CODEC_LZ4] = "LZ4", [CODEC_LZ4_RAW] = "LZ4_RAW"};
    switch (codec) {
    case CODEC_NONE:
        if (n != m) return not_so_long("uncompressed", m);
        memcpy(out, in, n);
        return WR_OK;
    case CODEC_SNAPPY:
        return snappy_decode(in, n, out, m) ? WR_OK : not_so_long("snappy", m);
    case CODEC_GZIP:
        return gzip_decompress(c, in, n, out, m);
    case CODEC_ZSTD:
        if (!c->zstd && !(c->zstd = ZSTD_createDCtx())) return wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
        return ZSTD_decompressDCtx(c->zstd, out, m, in, n) == m ? WR_OK : not_so_long("zstd", m);
    case CODEC_LZO:
    case CODEC_BROTLI:
    case CODEC_LZ4:
    case CODEC_LZ4_RAW:
        return wr_fail(WR_E_FORMAT, "compression %s is not supported: write the file with snappy, zstd, gzip or none",
                       names[codec]);
    default:
        return wr_fail(WR_E_FORMAT, "compression number %d is unknown: write the file with snappy, zstd, gzip or none",
                       codec);
    }
}

void page_codec_free(page_codec *c) {
    ZSTD_freeDCtx(c->zstd);
    if (c->gzip) inflateEnd(c->gzip);
    free(c->gzip);
    *c = (page_codec){0};
}
