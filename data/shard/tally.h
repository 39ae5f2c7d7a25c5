/* Counters by name: a few columns for each of any number of names (languages, models, months). LOCAL. */
#ifndef WR_DATA_SHARD_TALLY_H
#define WR_DATA_SHARD_TALLY_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { TALLY_COLUMNS = 6 };

typedef struct tally_row {
    const char *name; /* the tally's own copy */
    uint64_t counts[TALLY_COLUMNS];
} tally_row;

typedef struct tally tally;
wr_status tally_create(tally **out);
void tally_free(tally *t); /* NULL is fine */
/* Adds `amount` to a column of a name's row (made when new). */
wr_status tally_add(tally *t, const char *name, size_t column, uint64_t amount);
size_t tally_count(const tally *t);
/* The rows, largest column 0 first (equal ones by name), or by name. Valid until the next call. */
const tally_row *tally_by_size(tally *t);
const tally_row *tally_by_name(tally *t);

#endif
