/* In how many turns each term stands: a table that starts small and grows to one cell a bucket (8 MiB), so that a part
 * of the data costs what it holds. LOCAL. */
#ifndef WR_DATA_LABEL_MINE_TERM_COUNTS_H
#define WR_DATA_LABEL_MINE_TERM_COUNTS_H

#include "data/label/mine/term_bag.h"

typedef struct term_counts {
    /* (capacity) open addressing by bucket; count 0: free. At full capacity each bucket has its own cell */
    term *cells;
    size_t capacity, n;
} term_counts;
void term_counts_free(term_counts *t);
wr_status term_counts_add(term_counts *t, uint32_t bucket, uint32_t count); /* saturates */
/* Calls each(context, term) in ascending order of buckets. */
wr_status term_counts_each(const term_counts *t, void (*each)(void *context, term x), void *context);

#endif
