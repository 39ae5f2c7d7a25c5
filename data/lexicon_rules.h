/* The table of patterns of data/lexicon.c. */
#ifndef WR_DATA_LEXICON_RULES_H
#define WR_DATA_LEXICON_RULES_H

#include <stddef.h>

typedef enum rule_place {
    PLACE_OPENING,  /* the message, or its first sentence behind a filler word (ok, oh, hmm, but …), starts with it */
    PLACE_EARLY,    /* anywhere in the first 160 bytes; half the weight up to 400 */
    PLACE_ANYWHERE, /* the first 600 bytes; half the weight up to 2000 */
    PLACE_WHOLE     /* nothing else in the message but punctuation */
} rule_place;

typedef struct lexicon_rule {
    const char *name;
    int level;          /* 1, 2, 4, 5 */
    double weight;      /* 0 … 1; found when weight times the place's factor reaches 0.5 */
    rule_place place;
    const char *regex;  /* without anchors; \b at its ends is the pattern's own business (Chinese has no word boundaries) */
} lexicon_rule;

extern const lexicon_rule lexicon_rules[];
extern const size_t lexicon_rule_count;

#endif
