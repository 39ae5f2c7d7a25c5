/* The rows of the embedding that a step touches: where nothing else adds to its gradient (a reward model, whose head is
 * not tied to it), all others are zeros on every rank, and need not be summed. Their order is that of the table, the
 * same on every rank. */
#ifndef WR_TRAINER_ROW_SUM_H
#define WR_TRAINER_ROW_SUM_H

#include "mpi/world.h"

typedef struct row_sum {
    size_t rows, width;     /* of the table */
    unsigned char *touched; /* (rows + 7) / 8; NULL: the table is not summed by rows */
    size_t count;           /* of the rows that any rank touches; 0: not agreed on */
    float *packed;          /* (count, width) */
    size_t room;
} row_sum;

/* LOCAL. WR_E_NOMEM. */
wr_status row_sum_create(size_t rows, size_t width, row_sum *out);
void row_sum_free(row_sum *s); /* of one that is all zero, too */
/* LOCAL. Forgets all rows; notes those of ids that lie in the table. */
void row_sum_restart(row_sum *s);
void row_sum_touch(row_sum *s, const int32_t *ids, size_t n);
/* COLLECTIVE. Rows become those of all ranks; few enough to be worth it (count > 0), or none. WR_E_NOMEM, agreed. */
wr_status row_sum_agree(world *w, row_sum *s);
/* LOCAL. Touched rows of the table to packed, and back: those that lie, whole or in part, in floats begin … end-1 of
 * it. */
void row_sum_pack(row_sum *s, const float *table);
void row_sum_unpack(const row_sum *s, float *table, size_t begin, size_t end);

#endif
