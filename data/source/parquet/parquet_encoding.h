/* Encodings of levels and values (github.com/apache/parquet-format, Encodings.md). Every function takes the bytes it
 * may read and never passes them; WR_E_FORMAT says what is wrong. LOCAL. */
#ifndef WR_DATA_SOURCE_PARQUET_PARQUET_ENCODING_H
#define WR_DATA_SOURCE_PARQUET_PARQUET_ENCODING_H

#include "data/source/parquet/parquet_page.h"

/* The hybrid of run lengths and bit packing: levels, dictionary indices, booleans. */
typedef struct hybrid_reader {
    const uint8_t *at, *end;
    unsigned width;  /* bits, 0…32; of width 0 all values are 0 and no byte is read */
    uint32_t value;  /* of the run */
    uint64_t run;    /* values left of a run */
    uint64_t packed; /* values left of a packed group; they start at bit `bit` of at */
    unsigned bit;
} hybrid_reader;
hybrid_reader hybrid_reader_make(const void *bytes, size_t n, unsigned width);
bool hybrid_read(hybrid_reader *r, uint32_t *out, size_t n); /* false: there are no n more values */
bool hybrid_read_bytes(hybrid_reader *r, uint8_t *out, size_t n);

/* Plain booleans: bits of the bytes, from bit *at on. */
bool bits_read(const uint8_t *bytes, size_t n_bytes, uint64_t *at, uint8_t *out, size_t n);

/* Rewrites the values (`most` of them or fewer) of another encoding as PLAIN has them, in a fresh buffer of *length
 * bytes. width: 4 or 8 for numbers, 0 for byte arrays (that is DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY). */
wr_status delta_numbers_to_plain(page_pool *p, const void *bytes, size_t n, size_t most, size_t width,
                                 page_buffer **out, size_t *length);
wr_status delta_texts_to_plain(page_pool *p, const void *bytes, size_t n, size_t most, bool prefixes, page_buffer **out,
                               size_t *length);
wr_status stream_split_to_plain(page_pool *p, const void *bytes, size_t n, size_t width, page_buffer **out,
                                size_t *length);

#endif
