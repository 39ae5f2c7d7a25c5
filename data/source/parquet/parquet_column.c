#include "data/source/parquet/parquet_column.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void column_open(column_reader *c, const parquet_node *leaf, const parquet_chunk *chunk, int fd, uint64_t limit,
                 page_pool *pool, page_codec *codec) {
    c->leaf = leaf;
    c->chunk = chunk;
    c->pool = pool;
    c->codec = codec;
    c->left = chunk->values;
    c->page_left = 0;
    c->n = c->i = c->v = 0;
    c->has_dictionary = c->discard = false;
    chunk_stream_start(&c->stream, fd, chunk->start, chunk->compressed, limit);
}

void column_close(column_reader *c) {
    page_pool_give(c->pool, c->page);
    page_pool_give(c->pool, c->levels);
    page_pool_give(c->pool, c->dictionary_page);
    c->page = c->levels = c->dictionary_page = NULL;
    free(c->dictionary);
    c->dictionary = NULL;
    c->n_dictionary = 0;
}

void column_free(column_reader *c) {
    if (c->pool) column_close(c);
    chunk_stream_free(&c->stream);
}

static wr_status damaged(const char *what) { return wr_fail(WR_E_FORMAT, "damaged page: %s", what); }

static wr_status load_dictionary(column_reader *c, const page_header *h, page_buffer **buffer) {
    wr_status status = WR_OK;
    parquet_type type = c->leaf->type;
    size_t least = type == PARQUET_BYTE_ARRAY ? 4 : column_value_width(type), n = h->values;
    if (c->has_dictionary || c->page) TRY(damaged("a dictionary behind other pages"));
    if (h->encoding != ENCODING_PLAIN && h->encoding != ENCODING_PLAIN_DICTIONARY)
        TRY(wr_fail(WR_E_FORMAT,
                    "dictionary in encoding number %d is not supported: write the file with a plain dictionary",
                    h->encoding));
    if (least == 0 || n > h->uncompressed / least) TRY(damaged("the dictionary has fewer values than it says"));
    c->dictionary_page = *buffer;
    *buffer = NULL;
    TRY_ALLOC(c->dictionary = mem_calloc(n + 1, sizeof *c->dictionary));
    TRY(column_start_values(c, ENCODING_PLAIN, n, &c->dictionary_page, 0, h->uncompressed));
    if (!column_read_values(c, c->dictionary, n)) TRY(damaged("the dictionary has fewer values than it says"));
    c->n_dictionary = n;
    c->has_dictionary = true;
cleanup:
    return status;
}

static unsigned level_bits(unsigned max) { return max ? 32 - (unsigned)__builtin_clz(max) : 0; }

/* Levels of version 1: behind 4 bytes of length, within the compressed part. */
static wr_status levels_v1(const page_buffer *b, size_t *from, size_t to, int encoding, unsigned max,
                           hybrid_reader *out) {
    uint32_t n;
    *out = hybrid_reader_make(NULL, 0, 0);
    if (max == 0) return WR_OK;
    if (encoding != ENCODING_RLE)
        return wr_fail(WR_E_FORMAT, "levels in encoding number %d are not supported: write the file anew", encoding);
    if (to - *from < 4) return damaged("no levels");
    memcpy(&n, b->bytes + *from, 4);
    *from += 4;
    if (n > to - *from) return damaged("levels reach beyond it");
    *out = hybrid_reader_make(b->bytes + *from, n, level_bits(max));
    *from += n;
    return WR_OK;
}

static void leave_page(column_reader *c) {
    (c->discard ? page_pool_give : page_pool_retire)(c->pool, c->page);
    page_pool_give(c->pool, c->levels);
    c->page = c->levels = NULL;
}

static wr_status start_page(column_reader *c, const page_header *h, page_buffer **buffer) {
    wr_status status = WR_OK;
    size_t from = 0, to = h->uncompressed;
    if (h->values > c->left) TRY(damaged("more values than the chunk has"));
    if (h->type == PAGE_DATA_V2) {
        c->rep = hybrid_reader_make((*buffer)->bytes, h->rep_bytes, level_bits(c->leaf->max_rep));
        c->def = hybrid_reader_make((*buffer)->bytes + h->rep_bytes, h->def_bytes, level_bits(c->leaf->max_def));
        from = (size_t)h->rep_bytes + h->def_bytes;
    } else {
        TRY(levels_v1(*buffer, &from, to, h->rep_encoding, c->leaf->max_rep, &c->rep));
        TRY(levels_v1(*buffer, &from, to, h->def_encoding, c->leaf->max_def, &c->def));
    }
    page_buffer *levels = *buffer;
    bool rewritten = h->encoding >= ENCODING_DELTA_BINARY_PACKED && h->encoding != ENCODING_RLE_DICTIONARY;
    if (rewritten && from > 0) {
        /* The levels are still needed, so the values move to a buffer of their own before they are rewritten. */
        page_buffer *values;
        TRY(page_pool_take(c->pool, to - from + 1, &values));
        memcpy(values->bytes, levels->bytes + from, to - from);
        *buffer = NULL;
        leave_page(c);
        c->page = values;
        c->levels = levels;
        TRY(column_start_values(c, h->encoding, h->values, &c->page, 0, to - from));
    } else {
        leave_page(c);
        c->page = *buffer;
        *buffer = NULL;
        TRY(column_start_values(c, h->encoding, h->values, &c->page, from, to));
    }
    c->left -= h->values;
    c->page_left = h->values;
cleanup:
    return status;
}

/* The page behind the header at the stream's window, decompressed. */
static wr_status unpack_page(column_reader *c, const page_header *h, page_buffer **out) {
    wr_status status = WR_OK;
    chunk_stream *s = &c->stream;
    size_t n = h->compressed, levels = 0;
    TRY(chunk_stream_need(s, &n));
    if (n < h->compressed) TRY(damaged("it reaches beyond the data of the file"));
    const char *in = s->window + s->from;
    if (h->has_crc && (uint32_t)crc32_z(0, (const Bytef *)in, h->compressed) != h->crc)
        TRY(damaged("its checksum does not fit; fetch the file again"));
    if (h->type == PAGE_DATA_V2) levels = (size_t)h->rep_bytes + h->def_bytes;
    if (levels > h->compressed || levels > h->uncompressed) TRY(damaged("levels reach beyond it"));
    int codec = h->is_compressed ? c->chunk->codec : CODEC_NONE;
    size_t stored = h->compressed - levels, size = h->uncompressed - levels;
    if (!page_size_possible(codec, stored, size)) TRY(damaged("its sizes do not fit together"));
    TRY(page_pool_take(c->pool, h->uncompressed, out));
    if (levels) memcpy((*out)->bytes, in, levels);
    if (size || stored) TRY(page_decompress(c->codec, codec, in + levels, stored, (*out)->bytes + levels, size));
    s->from += h->compressed;
cleanup:
    return status;
}

static wr_status next_header(column_reader *c, page_header *h) {
    wr_status status = WR_OK;
    size_t used = 0;
    if (chunk_stream_beyond(&c->stream, c->has_dictionary)) TRY(damaged("the chunk ends before it"));
    for (size_t ask = 64;; ask *= 4) { /* statistics of long texts make long headers */
        size_t n = ask;
        TRY(chunk_stream_need(&c->stream, &n));
        size_t have = c->stream.filled - c->stream.from;
        if (have == 0) TRY(damaged("the data end before it"));
        status = page_header_parse(c->stream.window + c->stream.from, have, h, &used);
        if (status != WR_END) break;
        if (n < ask) TRY(damaged("the data end within its header"));
        if (ask < have) ask = have;
    }
    TRY(status);
    c->stream.from += used;
cleanup:
    return status;
}

static wr_status next_page(column_reader *c) {
    wr_status status = WR_OK;
    page_header h;
    page_buffer *buffer = NULL;
    while (c->page_left == 0) {
        if (c->left == 0) return WR_END;
        TRY(next_header(c, &h));
        if (h.type == PAGE_INDEX) {
            size_t n = h.compressed; /* nothing in it is needed */
            TRY(chunk_stream_need(&c->stream, &n));
            if (n < h.compressed) TRY(damaged("it reaches beyond the data of the file"));
            c->stream.from += n;
            continue;
        }
        TRY(unpack_page(c, &h, &buffer));
        if (h.type == PAGE_DICTIONARY)
            TRY(load_dictionary(c, &h, &buffer));
        else
            TRY(start_page(c, &h, &buffer));
        page_pool_give(c->pool, buffer);
        buffer = NULL;
    }
cleanup:
    page_pool_give(c->pool, buffer);
    return status;
}

wr_status column_fill(column_reader *c) {
    wr_status status = WR_OK;
    unsigned max = c->leaf->max_def;
    c->n = c->i = c->v = 0;
    if (c->page_left == 0) {
        status = next_page(c);
        if (status != WR_OK) return status;
    }
    size_t n = c->page_left < COLUMN_BATCH ? c->page_left : COLUMN_BATCH, present = 0;
    if (!hybrid_read_bytes(&c->rep, c->reps, n) || !hybrid_read_bytes(&c->def, c->defs, n))
        TRY(damaged("fewer levels than values"));
    unsigned over = 0;
    for (size_t i = 0; i < n; i++) {
        present += c->defs[i] == max;
        over |= (c->defs[i] > max) | (c->reps[i] > c->leaf->max_rep);
    }
    if (over) TRY(damaged("levels above their maximum"));
    if (!column_read_values(c, c->values, present))
        TRY(damaged("fewer values than it says, or ones that reach beyond it"));
    c->page_left -= (uint32_t)n;
    c->n = n;
cleanup:
    return status;
}
