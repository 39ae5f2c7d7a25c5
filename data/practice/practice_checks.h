/* The checks of the task kinds, below practice_check. Only data/practice/practice_check*.c include this. LOCAL. */
#ifndef WR_DATA_PRACTICE_PRACTICE_CHECKS_H
#define WR_DATA_PRACTICE_PRACTICE_CHECKS_H

#include "data/practice/practice_text.h"
#include "data/practice/practice_world.h"

/* A reply as the kinds' checks see it. */
typedef struct answer {
    span raw;    /* as given */
    span all;    /* lower case */
    span body;   /* behind the last colon, or all */
    span items;  /* the first sentence of body where there is a colon, else all */
    bool framed; /* there was a colon: items holds nothing but the answer */
} answer;

/* Quality by content alone; 0 for a refusal of a harmless task. */
double practice_answer_quality(const practice_task *t, const answer *x);
bool practice_refused(span text);
/* The longest run of single letters with `dash` between them (or, dash = false, one or two characters that are no
 * letters). */
size_t practice_letter_run(span text, bool dash, char *out, size_t capacity);

#endif
