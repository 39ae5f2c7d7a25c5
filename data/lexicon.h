/* Feedback level of a follow-up from its words: weighted patterns, English and Chinese.
 *
 * What counts is what people say *about the reply*. It mostly stands at the start of a message, in a short sentence of
 * its own; pasted text, code and quotations are left out before looking, and a pattern far from the start weighs less.
 * A word of praise behind a negation is a complaint. When both signs are found the complaint wins unless the praise is
 * clearly stronger ("thanks, but it still fails"). LOCAL; a lexicon belongs to one thread. */
#ifndef WR_DATA_LEXICON_H
#define WR_DATA_LEXICON_H

#include "base/status.h"
#include <stddef.h>

typedef struct lexicon lexicon;
wr_status lexicon_create(lexicon **out);
void lexicon_free(lexicon *l); /* NULL is fine */

typedef struct verdict {
    int level; /* 1 rejection, 2 correction, 3 neutral, 4 positive engagement, 5 explicit satisfaction; 0: nothing to
                  judge */
    double negative, positive; /* strength of the strongest sign of each kind, 0 … 1 */
    const char *rule;          /* name of the deciding rule; "" when neutral */
} verdict;

/* query: the user's message before the reply (may be empty); followup: the message judged. */
wr_status lexicon_judge(lexicon *l, const char *query, size_t query_length, const char *reply, size_t reply_length,
                        const char *followup, size_t followup_length, verdict *out);

#endif
