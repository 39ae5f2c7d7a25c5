/* Bags of terms: how often each term stands in a text. Terms are words (ASCII, Latin-1 and Cyrillic letters made small)
 * and pairs of neighbouring Chinese, Japanese or Korean characters, hashed into 2^20 buckets. Adding is O(1) and
 * nothing is cleared or allocated between texts. LOCAL. */
#ifndef WR_DATA_LABEL_MINE_TERM_BAG_H
#define WR_DATA_LABEL_MINE_TERM_BAG_H

#include "base/mem.h"

enum { TERM_BUCKETS = 1 << 20, TERM_TEXT_LIMIT = 2048 /* bytes of a text that are looked at */ };

typedef struct term {
    uint32_t bucket, count;
} term;
typedef struct term_bag term_bag;
wr_status term_bag_create(term_bag **out);
void term_bag_free(term_bag *b); /* NULL is fine */
void term_bag_clear(term_bag *b);
void term_bag_add(term_bag *b, uint32_t bucket, uint32_t count);
void term_bag_text(term_bag *b, const char *s, size_t n); /* adds the terms of the text's first TERM_TEXT_LIMIT bytes */
/* In the order of their first appearance; valid until the bag changes. At most TERM_BAG_LIMIT: later terms are left
 * out. */
enum { TERM_BAG_LIMIT = 2560 };
const term *term_bag_items(const term_bag *b, size_t *n);
uint32_t term_bag_count(const term_bag *b, uint32_t bucket); /* 0: not in it */

#endif
