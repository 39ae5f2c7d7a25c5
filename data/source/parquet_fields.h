/* The columns of a field map within a Parquet schema, found by their paths. LOCAL. */
#ifndef WR_DATA_SOURCE_PARQUET_FIELDS_H
#define WR_DATA_SOURCE_PARQUET_FIELDS_H

#include "data/source/fields.h"
#include "data/source/parquet/parquet_footer.h"

enum { NO_SLOT = -1 };
typedef enum parquet_wanted {
    WANT_ID,
    WANT_MODEL,
    WANT_TIMESTAMP,
    WANT_LANGUAGE,
    WANT_TOXIC,
    WANT_REDACTED,
    WANT_IP,
    WANT_CONTENT, /* from here on: of each message */
    WANT_ROLE,
    WANT_TURN,
    WANT_MESSAGE_IP,
    WANTED_FIXED
} parquet_wanted;

typedef struct parquet_fields {
    /* A slot is a leaf that may be read: its place in `leaves` and in a group's chunks. */
    const parquet_node **leaves;
    size_t n;
    int slots[WANTED_FIXED]; /* NO_SLOT: the file has no such column */
    /* Entries of the message columns by definition level: below list_def no list, below entry_def an empty one, below
     * element_def a null in place of a message. */
    unsigned list_def, entry_def, element_def;
    /* Members of the row's header, or of a message's where rows have no column of that name. */
    const parquet_node *header;       /* NULL: none, or not a struct */
    const parquet_node *header_unfit; /* a member that cannot be part of a user's key */
    const parquet_node **members;
    int *member_slots; /* NO_SLOT: null in every row */
    size_t n_members;
} parquet_fields;

/* WR_E_FORMAT names the column that is missing or of an unfit type; id, messages, role and content must be there.
 * Memory is the arena's. */
wr_status parquet_fields_find(const parquet_footer *f, const char *path, const field_map *map, arena *a,
                              parquet_fields *out);

#endif
