/* Pages of a column chunk: their headers (parquet.thrift: PageHeader), the bytes behind them as stored, and these
 * decompressed into buffers that a row can hold on to. LOCAL. */
#ifndef WR_DATA_SOURCE_PARQUET_PARQUET_PAGE_H
#define WR_DATA_SOURCE_PARQUET_PARQUET_PAGE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Buffers of pages. A page that its column has left stays as it is until page_pool_release, since the row being put
 * together may point into it; then its memory serves the next page. All buffers together are bounded, whatever sizes a
 * file claims. */
enum { PAGE_MEMORY_LIMIT = 1 << 30, PAGE_SLACK = 64 /* bytes behind a page that may be read and written */ };
typedef struct page_buffer {
    struct page_buffer *next;
    size_t capacity; /* without PAGE_SLACK */
    char bytes[];
} page_buffer;
typedef struct page_pool {
    page_buffer *free, *retired;
    size_t held; /* bytes of all buffers, those in use included */
    size_t n_free;
} page_pool;
wr_status page_pool_take(page_pool *p, size_t bytes, page_buffer **out);
void page_pool_retire(page_pool *p, page_buffer *b); /* NULL is fine */
void page_pool_give(page_pool *p, page_buffer *b);   /* nobody points into it; NULL is fine */
void page_pool_release(page_pool *p);                /* nobody points into the retired ones any more */
void page_pool_free(page_pool *p);

typedef enum page_type { PAGE_DATA, PAGE_INDEX, PAGE_DICTIONARY, PAGE_DATA_V2 } page_type;
typedef enum parquet_encoding {
    ENCODING_PLAIN = 0,
    ENCODING_PLAIN_DICTIONARY = 2,
    ENCODING_RLE = 3,
    ENCODING_BIT_PACKED = 4,
    ENCODING_DELTA_BINARY_PACKED = 5,
    ENCODING_DELTA_LENGTH_BYTE_ARRAY = 6,
    ENCODING_DELTA_BYTE_ARRAY = 7,
    ENCODING_RLE_DICTIONARY = 8,
    ENCODING_BYTE_STREAM_SPLIT = 9,
} parquet_encoding;

typedef struct page_header {
    int type;
    uint32_t uncompressed, compressed; /* bytes */
    uint32_t values;                   /* nulls included */
    int encoding, def_encoding, rep_encoding;
    uint32_t def_bytes, rep_bytes; /* v2: levels in front, not compressed */
    bool is_compressed, has_crc;
    uint32_t crc;
} page_header;
/* WR_END: n bytes are not all of the header. *used: its length. */
wr_status page_header_parse(const void *bytes, size_t n, page_header *out, size_t *used);

/* The bytes of a chunk, read in pieces. */
typedef struct chunk_stream {
    int fd;
    uint64_t at, planned, limit; /* file offsets: next byte to read; end of the chunk as stated; end of all data */
    char *window;                /* owned */
    size_t from, filled, capacity;
} chunk_stream;
void chunk_stream_start(chunk_stream *s, int fd, uint64_t start, uint64_t compressed, uint64_t limit);
/* Makes *n or more bytes available at s->window + s->from; fewer only where the data end (then *n is lowered). */
wr_status chunk_stream_need(chunk_stream *s, size_t *n);
/* Is the next byte so far behind the end of the chunk as stated that it can be none of its pages? Some writers left the
 * dictionary's header out of the size. */
bool chunk_stream_beyond(const chunk_stream *s, bool dictionary);
void chunk_stream_free(chunk_stream *s);

/* Decompression states, made when first needed. */
typedef struct page_codec {
    void *zstd, *gzip;
} page_codec;
/* Exactly m bytes into out. WR_E_FORMAT where the codec is unknown or the data are not m bytes. */
wr_status page_decompress(page_codec *c, int codec, const char *in, size_t n, char *out, size_t m);
/* False where no n bytes of that codec can become m. */
bool page_size_possible(int codec, size_t n, size_t m);
void page_codec_free(page_codec *c);

#endif
