/* Byte pair encoding (Sennrich et al. 2016): of all neighbouring pairs of a word that have a rule, the one of the
 * lowest rank is joined, the leftmost of equals, until none is left:
 *     h u g s      ranks: (u,g) 0, (h,ug) 1, (g,s) 2
 *     h ug s       (u,g) first; (g,s) is gone with it
 *     hug s
 * Short words keep an array of the pairs' ranks and look for its least. Long ones keep the pairs in a heap and the
 * symbols in a doubly linked list: joining swallows the right symbol and queues the two new pairs. What a merge has
 * made untrue stays in the heap and is dropped when it comes up. */
#include "text/tokenizer/bpe_merge.h"

#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

enum { FILTER_LOG2 = 21, FILTER_SHIFT = 64 - FILTER_LOG2 }; /* 256 KiB */

void merge_rules_free(merge_rules *m) {
    free(m->rules);
    free(m->filter);
    *m = (merge_rules){0};
}

void merge_scratch_free(merge_scratch *s) {
    free(s->ids);
    free(s->symbols);
    free(s->heap);
    *s = (merge_scratch){0};
}

static uint64_t mix(uint64_t key) {
    return key * UINT64_C(0x9E3779B97F4A7C15); /* Fibonacci hashing of the two ids; the high bits are the mixed ones */
}

static merge_rule *probe(merge_rule *rules, size_t capacity, uint64_t key, uint64_t hash) {
    size_t mask = capacity - 1, i = (size_t)(hash >> 20) & mask;
    while (rules[i].key && rules[i].key != key) i = (i + 1) & mask;
    return &rules[i];
}

static uint64_t pair_key(int32_t left, int32_t right) { return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1; }

wr_status merge_rules_put(merge_rules *m, int32_t left, int32_t right, uint32_t rank, int32_t joined) {
    if (2 * (m->count + 1) > m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 1024;
        merge_rule *bigger = mem_calloc(capacity, sizeof *bigger);
        if (!bigger) return WR_E_NOMEM;
        for (size_t i = 0; i < m->capacity; i++)
            if (m->rules[i].key) *probe(bigger, capacity, m->rules[i].key, mix(m->rules[i].key)) = m->rules[i];
        free(m->rules);
        m->rules = bigger;
        m->capacity = capacity;
    }
    uint64_t key = pair_key(left, right);
    merge_rule *r = probe(m->rules, m->capacity, key, mix(key));
    if (!r->key) m->count++;
    *r = (merge_rule){key, rank, joined};
    return WR_OK;
}

wr_status merge_rules_finish(merge_rules *m) {
    wr_status status = WR_OK;
    TRY_ALLOC(m->filter = mem_calloc((size_t)1 << (FILTER_LOG2 - 6), sizeof *m->filter));
    for (size_t i = 0; i < m->capacity; i++) {
        uint64_t bit = mix(m->rules[i].key) >> FILTER_SHIFT;
        if (m->rules[i].key) m->filter[bit >> 6] |= UINT64_C(1) << (bit & 63);
    }
cleanup:
    return status;
}

static const merge_rule *find(const merge_rules *m, int32_t left, int32_t right) {
    uint64_t key = pair_key(left, right), hash = mix(key), bit = hash >> FILTER_SHIFT;
    if (!(m->filter[bit >> 6] >> (bit & 63) & 1)) return NULL;
    const merge_rule *r = probe(m->rules, m->capacity, key, hash);
    return r->key ? r : NULL;
}

static bool before(merge_candidate a, merge_candidate b) {
    return a.rank != b.rank ? a.rank < b.rank : a.position < b.position;
}

static wr_status heap_push(merge_scratch *s, merge_candidate c) {
    wr_status status = WR_OK;
    VEC_PUSH(s->heap, s->n_heap, s->heap_capacity, c);
    size_t i = s->n_heap - 1;
    for (; i > 0 && before(c, s->heap[(i - 1) / 2]); i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = c;
cleanup:
    return status;
}

static merge_candidate heap_pop(merge_scratch *s) {
    merge_candidate top = s->heap[0], last = s->heap[--s->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= s->n_heap) break;
        if (child + 1 < s->n_heap && before(s->heap[child + 1], s->heap[child])) child++;
        if (!before(s->heap[child], last)) break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    if (s->n_heap) s->heap[i] = last;
    return top;
}

static wr_status consider(const merge_rules *m, merge_scratch *s, int32_t left) {
    int32_t right = s->symbols[left].next;
    const merge_rule *r = right < 0 ? NULL : find(m, s->symbols[left].id, s->symbols[right].id);
    return r ? heap_push(s, (merge_candidate){r->rank, left, r->joined}) : WR_OK;
}

/* Words are mostly a few symbols: a search for the lowest rank in an array is then faster than a heap. */
enum { SMALL = 64 };

static wr_status merge_small(const merge_rules *m, const int32_t *symbols, size_t n, token_ids *out) {
    wr_status status = WR_OK;
    int32_t ids[SMALL], joined[SMALL];
    uint32_t rank[SMALL]; /* of the pair (i, i + 1); UINT32_MAX: no rule */
    memcpy(ids, symbols, n * sizeof *ids);
    for (size_t i = 0; i + 1 < n; i++) {
        const merge_rule *r = find(m, ids[i], ids[i + 1]);
        rank[i] = r ? r->rank : UINT32_MAX;
        joined[i] = r ? r->joined : 0;
    }
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == UINT32_MAX) break;
        ids[best] = joined[best];
        n--;
        for (size_t i = best + 1; i < n; i++) ids[i] = ids[i + 1];
        for (size_t i = best + 1; i + 1 < n; i++) {
            rank[i] = rank[i + 1];
            joined[i] = joined[i + 1];
        }
        for (size_t i = best ? best - 1 : 0; i <= best && i + 1 < n; i++) {
            const merge_rule *r = find(m, ids[i], ids[i + 1]);
            rank[i] = r ? r->rank : UINT32_MAX;
            joined[i] = r ? r->joined : 0;
        }
    }
    TRY(mem_reserve((void **)&out->ids, &out->capacity, out->n + n, sizeof *out->ids));
    memcpy(out->ids + out->n, ids, n * sizeof *ids);
    out->n += n;
cleanup:
    return status;
}

static wr_status merge_large(const merge_rules *m, merge_scratch *s, token_ids *out) {
    wr_status status = WR_OK;
    int32_t n = (int32_t)s->n;
    TRY(mem_reserve((void **)&s->symbols, &s->symbols_capacity, s->n, sizeof *s->symbols));
    s->n_heap = 0;
    for (int32_t i = 0; i < n; i++) s->symbols[i] = (merge_symbol){s->ids[i], i - 1, i + 1 < n ? i + 1 : -1};
    for (int32_t i = 0; i + 1 < n; i++) TRY(consider(m, s, i));
    while (s->n_heap) {
        merge_candidate top = heap_pop(s);
        merge_symbol *left = &s->symbols[top.position];
        if (left->id < 0 || left->next < 0) continue;
        merge_symbol *right = &s->symbols[left->next];
        /* The pair may have changed since it was queued. Hugging Face asks only that it still joins to the same id. */
        const merge_rule *r = find(m, left->id, right->id);
        if (!r || r->joined != top.joined) continue;
        left->id = top.joined;
        right->id = -1;
        left->next = right->next;
        if (left->next >= 0) s->symbols[left->next].prev = top.position;
        if (left->prev >= 0) TRY(consider(m, s, left->prev));
        TRY(consider(m, s, top.position));
    }
    for (int32_t i = 0; i < n; i++)
        if (s->symbols[i].id >= 0) TRY(token_ids_push(out, s->symbols[i].id));
cleanup:
    return status;
}

wr_status merge_word(const merge_rules *m, merge_scratch *s, token_ids *out) {
    if (s->n == 0) return WR_OK;
    return s->n <= SMALL && !m->ambiguous ? merge_small(m, s->ids, s->n, out) : merge_large(m, s, out);
}
