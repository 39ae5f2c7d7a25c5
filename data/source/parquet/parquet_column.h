/* One column chunk as a sequence of entries (repetition level, definition level, value), batch by batch: one page, one
 * dictionary and a batch are in memory. LOCAL. */
#ifndef WR_DATA_SOURCE_PARQUET_PARQUET_COLUMN_H
#define WR_DATA_SOURCE_PARQUET_PARQUET_COLUMN_H

#include "data/source/parquet/parquet_encoding.h"
#include "data/source/parquet/parquet_footer.h"

typedef struct parquet_value {
    union {
        const char *text; /* BYTE_ARRAY: a NUL follows its `length` bytes; in a page, see page_pool_release */
        /* BOOLEAN, INT32, INT64; FLOAT and DOUBLE where they are whole; INT96: seconds since 1970 */
        int64_t number;
        double real; /* FLOAT and DOUBLE that are not valid */
    };
    uint32_t length; /* INT96: nanoseconds of the second */
    bool valid;      /* text: UTF-8; number: whole and within int64_t */
} parquet_value;

enum { COLUMN_BATCH = 512 };
typedef struct column_reader {
    const parquet_node *leaf;
    const parquet_chunk *chunk;
    page_pool *pool;
    page_codec *codec;
    chunk_stream stream;
    uint64_t left; /* entries of the chunk in pages to come */
    page_buffer *page, *dictionary_page;
    page_buffer *levels; /* of the page, where its values had to be rewritten */
    parquet_value *dictionary;
    size_t n_dictionary;
    bool has_dictionary;
    bool discard; /* no value is kept: a page left need not be retired */

    /* what is left of the page */
    uint32_t page_left;
    hybrid_reader def, rep, runs; /* runs: dictionary indices or booleans */
    enum { VALUES_PLAIN, VALUES_BITS, VALUES_RUNS, VALUES_INDICES } form;
    char *at, *end; /* VALUES_PLAIN, VALUES_BITS */
    uint64_t bit;
    bool have_length; /* the length of the next text, read before a NUL took its place */
    uint32_t next_length;

    /* the batch */
    size_t n, i, v;
    uint8_t defs[COLUMN_BATCH], reps[COLUMN_BATCH];
    parquet_value values[COLUMN_BATCH];
} column_reader;

/* The chunk must outlive the reader; pool and codec may be shared. Reads nothing yet. */
void column_open(column_reader *c, const parquet_node *leaf, const parquet_chunk *chunk, int fd, uint64_t limit,
                 page_pool *pool, page_codec *codec);
void column_close(column_reader *c); /* keeps its memory for the next column_open */
void column_free(column_reader *c);
/* The next batch, once c->i == c->n. WR_END at the end of the chunk. */
wr_status column_fill(column_reader *c);

/* Makes entry c->i available. */
static inline wr_status column_at(column_reader *c) { return c->i < c->n ? WR_OK : column_fill(c); }
/* Are there entries that have not been taken? */
static inline bool column_left(const column_reader *c) { return c->left || c->page_left || c->i < c->n; }
/* Leaves that entry; its value, or NULL. Valid until the next column_at. */
static inline const parquet_value *column_take(column_reader *c) {
    return c->defs[c->i++] == c->leaf->max_def ? &c->values[c->v++] : NULL;
}

enum { PARQUET_TIMESTAMP = 40 };
/* A timestamp (INT64 with a unit, INT96, or INT64 or DOUBLE as a bare number) as RFC 3339 in UTC; of the fraction as
 * many digits as the unit has, none where it is 0. Returns text, or "" for a year that has not 4 digits. */
const char *parquet_timestamp(const parquet_node *leaf, const parquet_value *v, char text[PARQUET_TIMESTAMP]);

/* For the column's own use (parquet_values.c). Bytes of a plain value; 0 where it has a length of its own, or is a
 * bit. */
size_t column_value_width(parquet_type t);
/* Starts on the values of a page or dictionary, which lie in buffer->bytes + from … to; *buffer is another one where
 * they had to be rewritten. */
wr_status column_start_values(column_reader *c, int encoding, size_t count, page_buffer **buffer, size_t from,
                              size_t to);
/* false: there are no n more, or damaged ones */
bool column_read_values(column_reader *c, parquet_value *out, size_t n);

#endif
