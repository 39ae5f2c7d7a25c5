/* Reading one unit, and what it counts. Of data/prepare/unit_read.c, phase_read.c and phase_dedupe.c.
 * LOCAL. */
#ifndef WR_DATA_PREPARE_READ_COUNTS_H
#define WR_DATA_PREPARE_READ_COUNTS_H

#include "data/prepare/prepare_tools.h"
#include "data/prepare/unit_work.h"
#include "data/shard/bytes.h"

typedef struct read_counts {
    uint64_t rows, bytes, messages, turns, conversations;
    uint64_t faults[ROW_FAULTS];
    strbuf first[ROW_FAULTS]; /* place of the first row of each fault */
} read_counts;

void read_counts_pack(const read_counts *c, strbuf *out);
wr_status read_counts_unpack(bytes_reader *r, read_counts *c); /* replaces *c */
void read_counts_free(read_counts *c);

/* Makes the unit's .read file, or its .end file (and sets *end) when the source file has no such block. *bytes +=
 * uncompressed bytes read. */
wr_status unit_read(const prepare_context *c, const prepare_tools *t, unit_id id, uint64_t *bytes, bool *end);

#endif
