/* The footer of a Parquet file (github.com/apache/parquet-format, parquet.thrift: FileMetaData): the tree of columns
 * and where the chunks of the wanted ones lie. LOCAL. */
#ifndef WR_DATA_SOURCE_PARQUET_PARQUET_FOOTER_H
#define WR_DATA_SOURCE_PARQUET_PARQUET_FOOTER_H

#include "base/mem.h"
#include <stdbool.h>

typedef enum parquet_type {
    PARQUET_GROUP = -1,
    PARQUET_BOOLEAN,
    PARQUET_INT32,
    PARQUET_INT64,
    PARQUET_INT96,
    PARQUET_FLOAT,
    PARQUET_DOUBLE,
    PARQUET_BYTE_ARRAY,
    PARQUET_FIXED,
} parquet_type;
const char *parquet_type_name(parquet_type t);

typedef enum parquet_codec {
    CODEC_NONE,
    CODEC_SNAPPY,
    CODEC_GZIP,
    CODEC_LZO,
    CODEC_BROTLI,
    CODEC_LZ4,
    CODEC_ZSTD,
    CODEC_LZ4_RAW,
} parquet_codec;

typedef enum parquet_unit { UNIT_NONE, UNIT_MILLIS, UNIT_MICROS, UNIT_NANOS } parquet_unit;

typedef struct parquet_node {
    const char *name;
    parquet_type type;
    enum { PARQUET_REQUIRED, PARQUET_OPTIONAL, PARQUET_REPEATED } repetition;
    parquet_unit unit; /* of a timestamp */
    bool is_unsigned;  /* of an integer */
    bool nothing;      /* a column of nulls without a type */
    bool list, map;    /* annotations of a group */
    const char *other; /* what the stored value stands for, where it is not itself what is meant: "DECIMAL"; NULL */
    unsigned max_def, max_rep;
    size_t leaf; /* number among the leaves, which is that among the chunks of a row group */
    struct parquet_node *parent, *first, *next;
    size_t children;
} parquet_node;

typedef struct parquet_chunk {
    uint64_t start, compressed, uncompressed; /* bytes */
    uint64_t values;                          /* nulls and empty lists included */
    int codec;
    bool foreign, encrypted; /* in another file; under a key */
} parquet_chunk;

typedef struct parquet_group {
    uint64_t rows;
    parquet_chunk *chunks; /* of the wanted leaves, in the order of parquet_footer_groups' `wanted` */
} parquet_group;

typedef struct parquet_footer {
    arena *memory; /* owned */
    parquet_node *root;
    parquet_node **by_number; /* (leaves) owned */
    size_t leaves, leaf_capacity;
    uint64_t rows;  /* as the file states them, for all groups */
    uint64_t limit; /* where the footer starts: no chunk reaches beyond */
    parquet_group *groups;
    size_t n_groups;
    char *bytes; /* owned, until the groups are read */
    const uint8_t *group_list, *end;
} parquet_footer;

/* Reads the tree. `path` is for messages, which name a Git LFS pointer in the file's place too. Release with
 * parquet_footer_free, after a failure too. */
wr_status parquet_footer_read(int fd, const char *path, parquet_footer *out);
/* Reads the row groups: of the leaves wanted (n of them) only. A footer has no checksum; but its parts state some
 * things twice (names and types of the columns, numbers of rows), and are damaged where these differ. */
wr_status parquet_footer_groups(parquet_footer *f, const char *path, const parquet_node *const *wanted, size_t n);
void parquet_footer_free(parquet_footer *f);

/* The child of that name, or NULL; node may be NULL. */
parquet_node *parquet_child(const parquet_node *node, const char *name);
/* "a.b.c" in a buffer of cap bytes, cut where it does not fit. */
void parquet_path(const parquet_node *node, char *out, size_t cap);

#endif
