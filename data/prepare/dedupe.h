/* Which conversations are kept once. In source order: of conversations with one conversation_hash the earliest; of
 * conversations with the same messages (roles, texts, and what else the chat template may show: calls, reasoning,
 * tools) the earliest; and one whose messages are the beginning of another's, a fork, goes for the longer one. Messages
 * are compared by 64-bit hashes of every beginning: among 5 million conversations a false match has a chance of about 1
 * in 100,000. Memory: about 25 bytes a conversation (the two tables are there one after the other), and a bit.
 * LOCAL. */
#ifndef WR_DATA_PREPARE_DEDUPE_H
#define WR_DATA_PREPARE_DEDUPE_H

#include "base/status.h"
#include "base/strbuf.h"
#include "data/source/conversation.h"

/* What is kept of a conversation: appended to a unit's table by dedupe_key, read by dedupe_read. */
typedef struct dedupe_item {
    uint64_t id[2];
    uint32_t n;            /* messages */
    const uint64_t *heads; /* (n) hash of the first 1, 2, … n messages */
} dedupe_item;
wr_status dedupe_key(const conversation *c, strbuf *out);
typedef struct bytes_reader bytes_reader;
wr_status dedupe_item_read(bytes_reader *r, arena *a, dedupe_item *out);

typedef struct dedupe dedupe;
wr_status dedupe_create(size_t conversations, dedupe **out);
void dedupe_free(dedupe *d); /* NULL is fine */
/* Three rounds over the same items in the same (source) order: all ids, then all wholes, then all heads. i: number of
 * the item, from 0. */
wr_status dedupe_ids(dedupe *d, size_t i, const dedupe_item *x);
wr_status dedupe_wholes(dedupe *d, size_t i, const dedupe_item *x);
void dedupe_heads(dedupe *d, size_t i, const dedupe_item *x);
/* After the rounds: ROW_GOOD (kept), ROW_DUPLICATE or ROW_FORK. */
row_fault dedupe_fate(const dedupe *d, size_t i);

#endif
