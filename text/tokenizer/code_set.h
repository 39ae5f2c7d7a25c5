/* Sets of code points, as ranges in ascending order that neither overlap nor touch. LOCAL. */
#ifndef WR_TEXT_TOKENIZER_CODE_SET_H
#define WR_TEXT_TOKENIZER_CODE_SET_H

#include "base/status.h"
#include "text/tokenizer/unicode_data.h"
#include <stdbool.h>

enum { CODE_LAST = 0x10FFFF };
typedef struct code_set {
    unicode_range *ranges;
    size_t n, capacity;
} code_set;

void code_set_free(code_set *s);
wr_status code_set_add(code_set *s, uint32_t first, uint32_t last);
wr_status code_set_unite(code_set *s, const code_set *other);
wr_status code_set_intersect(code_set *s, const code_set *other);
wr_status code_set_invert(code_set *s);
bool code_set_has(const code_set *s, uint32_t code);
bool code_set_equal(const code_set *a, const code_set *b);

#endif
