/* Thrift's compact protocol, reading only, as Parquet uses it for footers and page headers
 * (github.com/apache/thrift, doc/specs/thrift-compact-protocol.md). A reader never passes `end`; after the first
 * malformed byte every call gives zeros and `bad` stays set, so that it is checked once at the end. LOCAL. */
#ifndef WR_DATA_SOURCE_PARQUET_PARQUET_THRIFT_H
#define WR_DATA_SOURCE_PARQUET_PARQUET_THRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum thrift_type {
    THRIFT_STOP,
    THRIFT_TRUE,
    THRIFT_FALSE,
    THRIFT_I8,
    THRIFT_I16,
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_DOUBLE,
    THRIFT_BINARY,
    THRIFT_LIST,
    THRIFT_SET,
    THRIFT_MAP,
    THRIFT_STRUCT,
} thrift_type;

typedef struct thrift {
    const uint8_t *at, *end;
    bool bad;
    bool cut; /* bad because the bytes ended: with more of them it may be good */
} thrift;

typedef struct thrift_field {
    int id; /* start a struct with 0 */
    thrift_type type;
} thrift_field;

/* The next field of a struct; false at its end (or when bad). Every field must be read or skipped. */
bool thrift_next(thrift *t, thrift_field *f);
/* Values, by the type that the field has: another type than asked for is bad. */
int64_t thrift_int(thrift *t, thrift_type type); /* I8 (one byte), I16, I32, I64 */
bool thrift_bool(thrift *t, thrift_type type);   /* of a field, whose type is its value */
const char *thrift_binary(thrift *t, thrift_type type, size_t *n);
/* Number of elements, each of which is one byte at least; *element is their type. */
size_t thrift_list(thrift *t, thrift_type type, thrift_type *element);
bool thrift_struct(thrift *t, thrift_type type); /* true when a struct follows */
void thrift_skip(thrift *t, thrift_type type);

#endif
