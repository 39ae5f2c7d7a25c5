/* The files of data/rules/, as the Makefile turns them into C arrays. */
#ifndef WR_DATA_LABEL_MATCH_RULES_BUILTIN_H
#define WR_DATA_LABEL_MATCH_RULES_BUILTIN_H

#include <stddef.h>

extern const unsigned char rules_lexicon[], rules_refusals[], rules_filters[];
extern const size_t rules_lexicon_size, rules_refusals_size, rules_filters_size;

#endif
