/* The annotator without a model: word lists for feedback levels (data/label/match/lexicon.h) and refusals
 * (data/label/match/refusal.h). LOCAL. */
#ifndef WR_DATA_LABEL_ANNOTATE_LEXICON_ANNOTATOR_H
#define WR_DATA_LABEL_ANNOTATE_LEXICON_ANNOTATOR_H

#include "data/label/annotate/annotator.h"

/* Rule files that replace the built-in ones, or NULL. */
wr_status annotator_lexicon_create(const char *rules, const char *refusal_rules, annotator **out);

#endif
