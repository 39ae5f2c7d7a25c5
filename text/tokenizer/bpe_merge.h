/* The merge rules of BPE and the merging of one word. LOCAL; rules are immutable once loaded. */
#ifndef WR_TEXT_TOKENIZER_BPE_MERGE_H
#define WR_TEXT_TOKENIZER_BPE_MERGE_H

#include "text/tokenizer/tokenizer.h"

/* (left, right) -> (rank, joined id); open addressing, key = left << 32 | right, kept + 1 so that 0 means free. */
typedef struct merge_rule {
    uint64_t key;
    uint32_t rank;
    int32_t joined;
} merge_rule;
/* ambiguous: two tokens of the vocabulary share an id, so that different pairs of symbols may join to one id without
 * being the same text. */
typedef struct merge_rules {
    merge_rule *rules;
    size_t count, capacity;
    bool ambiguous;
    /* a bit a rule (and others'): most pairs of a text have no rule and end here, in memory that stays cached */
    uint64_t *filter;
} merge_rules;

void merge_rules_free(merge_rules *m);
/* A pair that is there already takes the new rank, as in Hugging Face's reading of a file that repeats one. */
wr_status merge_rules_put(merge_rules *m, int32_t left, int32_t right, uint32_t rank, int32_t joined);
wr_status merge_rules_finish(merge_rules *m); /* after the last put, before the first merge_word */

typedef struct merge_symbol {
    int32_t id, prev, next;
} merge_symbol; /* id -1: swallowed by its left neighbour */
typedef struct merge_candidate {
    uint32_t rank;
    int32_t position, joined;
} merge_candidate;
/* Scratch of one thread. ids[0 … n) is filled by the caller. */
typedef struct merge_scratch {
    int32_t *ids;
    size_t n, capacity;
    merge_symbol *symbols;
    size_t symbols_capacity;
    merge_candidate *heap;
    size_t n_heap, heap_capacity;
} merge_scratch;
void merge_scratch_free(merge_scratch *s);

/* Merges lowest rank first, leftmost first among equals, and appends the ids that remain. O(n log n) in the word's
 * symbols. */
wr_status merge_word(const merge_rules *m, merge_scratch *s, token_ids *out);

#endif
