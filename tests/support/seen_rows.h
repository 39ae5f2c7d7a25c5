/* What sources_read gives, as two texts to compare. LOCAL. */
#ifndef WR_TESTS_SUPPORT_SEEN_ROWS_H
#define WR_TESTS_SUPPORT_SEEN_ROWS_H

#include "base/strbuf.h"
#include "data/source/sources.h"

typedef struct seen {
    strbuf ids, places; /* "id " or "fault " a row; where it was */
    size_t rows, stop_at;
} seen;

wr_status note(void *context, const conversation *c, row_fault fault,
               const char *where); /* a source_row_fn, of a seen */
void seen_free(seen *s);

/* A file of the test's folder (temp_folder.h) as the only source. */
sources *open_one(const char *name, size_t block_bytes);
/* All its blocks in order; returns their number. */
size_t read_all(sources *s, size_t file, seen *all, uint64_t *bytes);

/* A row of WildChat with one message of so many characters, among them quotes, commas and brackets. */
void append_row(strbuf *out, const char *id, size_t length);

#endif
