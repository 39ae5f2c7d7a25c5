/* The obvious way to read a row: a DOM (base/json.h), members by name, everything copied. What
 * data/source/conversation_parse.c must agree with. */
#ifndef WR_TESTS_SUPPORT_CONVERSATION_DOM_H
#define WR_TESTS_SUPPORT_CONVERSATION_DOM_H

#include "data/source/fields.h"

wr_status conversation_dom(arena *a, const char *line, size_t n, const field_map *map, bool user_key_header,
                           conversation *out, row_fault *fault);
/* NULL when both are the same, else the name of the first part that differs. */
const char *conversation_difference(const conversation *a, const conversation *b);
/* Reads the row both ways, with and without header; packs, unpacks and compares that, too. NULL when all agree, else
 * what differs. */
const char *conversation_disagreement(arena *a, const char *line, size_t n, const field_map *map);

#endif
