/* What sources_read gives, as two texts to compare. */
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

#endif
