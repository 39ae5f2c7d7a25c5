/* What is asked of every record of a side once, some bytes each, the same on every rank however many there are. */
#ifndef WR_DATA_SHARD_RECORD_MARKS_H
#define WR_DATA_SHARD_RECORD_MARKS_H

#include "data/shard/record_source.h"

/* Appends `width` bytes for each of a frame's n records, which are decoded in a. LOCAL. */
typedef wr_status (*record_marks_fn)(void *context, const record_bytes *bytes, size_t n, arena *a, strbuf *out);
/* COLLECTIVE. Reads all records, each rank some. *marks: (n_records, width), aligned for any number, free(). */
wr_status record_marks_make(world *w, record_source *s, size_t width, record_marks_fn frame, void *context,
                            uint8_t **marks);

#endif
