/* Feedback level of a follow-up from its words: weighted patterns, English, Chinese and some of other languages, from a
 * rule file (data/label/match/rules.h; data/rules/lexicon.txt is built in and says what its keys mean).
 *
 * What counts is what people say *about the reply*. It mostly stands at the start of a message, in a short sentence of
 * its own; pasted text, code and quotations are left out before looking, and a pattern far from the start weighs less.
 * A word of praise behind a negation is a complaint. When both signs are found the complaint wins unless the praise is
 * clearly stronger ("thanks, but it still fails"). LOCAL; a lexicon belongs to one thread. */
#ifndef WR_DATA_LABEL_MATCH_LEXICON_H
#define WR_DATA_LABEL_MATCH_LEXICON_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lexicon lexicon;
/* file: a rule file that replaces the built-in one, or NULL. Its examples are checked: WR_E_USAGE, with file, line and
 * rule, when a text marked + is not found by its rule, one marked - is, or a regex is bad. */
wr_status lexicon_create(const char *file, lexicon **out);
void lexicon_free(lexicon *l); /* NULL is fine */
/* Of the rules and of this program's way of judging by them: equal fingerprints, equal verdicts. */
uint64_t lexicon_fingerprint(const lexicon *l);
/* Checks the examples of the rules; lexicon_create does so for files of the user, tests for the built-in one.
 * *examples: how many there were. */
wr_status lexicon_check(lexicon *l, size_t *examples);
/* Whether regexes that cannot match are left out by data/label/match/prefilter.h (the default). Verdicts are the same;
 * off is slow, and the oracle of tests. */
void lexicon_use_prefilter(lexicon *l, bool on);

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
