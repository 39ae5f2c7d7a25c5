/* Records as prepare makes them of conversations, for tests of what they share. LOCAL. */
#ifndef WR_TESTS_SUPPORT_TURN_RECORDS_H
#define WR_TESTS_SUPPORT_TURN_RECORDS_H

#include "trainer/packing/sequence.h"

enum { TURNS_PREAMBLE = 40, TURNS_VOCABULARY = 90, TURNS_PAD = 90 };

/* Record i is turn `turn[i]` of conversation `of[i]`: a preamble that all have, a history that grows by 33 to 60 tokens
 * a turn, and some tokens of its own. The last turn but one of each conversation is there twice, the last one again
 * without its own tokens, as a text that ends inside another; the first turn again with padding behind it. Each
 * conversation is of a user of its own, but for `one_user`. The order is mixed. */
typedef struct turn_records {
    size_t n;
    sequence *sequences; /* (n); labels 1 … 4 */
    size_t *of, *turn;   /* (n) */
    char **users, **ids; /* (n); ids: "c7:3" */
} turn_records;
turn_records turn_records_make(uint64_t seed, size_t conversations, size_t turns, bool one_user);
void turn_records_free(turn_records *t);

#endif
