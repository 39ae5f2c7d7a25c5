/* BPE training: words are counted, then the most frequent pair of neighbouring symbols is joined, again and again. Pair
 * counts are kept up to date incrementally: joining a pair touches only the words that hold it. Each pair lists the
 * words it may occur in; a heap holds (count, pair) entries, and an entry whose count has gone stale is put back with
 * the true one when it comes up. */
#include "base/file.h"
#include "text/tokenizer/bpe_train.h"
#include "base/string_map.h"
#include "text/tokenizer/pretokenize.h"
#include "text/tokenizer/text_bytes.h"

#include <stdlib.h>
#include <string.h>

/* Longer words (base64, rows of dashes) teach nothing and would make the joins slow; they are left out of the
 * counts. */
#define MAX_WORD 256

typedef struct train_word {
    int32_t *symbols;
    size_t n;
    int64_t count;
} train_word;
typedef struct train_pair {
    uint64_t key; /* left << 32 | right, + 1; 0 = free */
    int64_t count;
    uint32_t *words;
    size_t n_words, words_capacity;
    bool raised;
} train_pair;
typedef struct pair_entry {
    int64_t count;
    int32_t left, right;
} pair_entry;

struct bpe_trainer {
    arena *memory;
    size_t vocab_size;
    bpe_vocab vocab;
    string_map token_ids, word_ids;
    size_t *word_counts, n_words, counts_capacity;
    pretokenizer *words;
    pretokenize_scratch scratch;
    strbuf clean;
};

typedef struct pair_table {
    train_pair *pairs;
    size_t n, capacity;
} pair_table;
typedef struct joiner {
    const bpe_vocab *vocab;
    train_word *words;
    size_t n_words;
    pair_table table;
    pair_entry *heap;
    size_t n_heap, heap_capacity;
    uint64_t *raised; /* keys of the pairs that became more frequent in this join */
    size_t n_raised, raised_capacity;
} joiner;

/* --- words -------------------------------------------------------------------------------------------------------- */

static wr_status add_token(bpe_trainer *t, const char *bytes, size_t n, int32_t *id) {
    wr_status status = WR_OK;
    char *copy = arena_strndup(t->memory, bytes, n);
    TRY_ALLOC(copy);
    int fresh;
    string_entry *slot;
    TRY(string_map_put(&t->token_ids, copy, n, (int32_t)t->vocab.n, &slot, &fresh));
    *id = slot->value;
    if (fresh) {
        bpe_token token = {copy, n};
        VEC_PUSH(t->vocab.tokens, t->vocab.n, t->vocab.capacity, token);
    }
cleanup:
    return status;
}

wr_status bpe_trainer_create(size_t vocab_size, const char *const *special_tokens, bpe_trainer **out) {
    wr_status status = WR_OK;
    const json_value *config;
    bpe_trainer *t = mem_calloc(1, sizeof *t);
    TRY_ALLOC(t);
    TRY_ALLOC(t->memory = arena_create());
    for (; special_tokens && *special_tokens; special_tokens++) {
        size_t before = t->vocab.n;
        int32_t id;
        if (!**special_tokens) TRY(wr_fail(WR_E_USAGE, "a special token is empty"));
        TRY(add_token(t, *special_tokens, strlen(*special_tokens), &id));
        if (t->vocab.n == before) TRY(wr_fail(WR_E_USAGE, "special token \"%s\" is given twice", *special_tokens));
    }
    t->vocab.n_special = t->vocab.n;
    if (vocab_size < t->vocab.n + 256 || vocab_size > INT32_MAX)
        TRY(wr_fail(WR_E_USAGE, "a vocabulary of %zu is too small: %zu special tokens and 256 bytes need more",
                    vocab_size, t->vocab.n));
    t->vocab_size = vocab_size;
    for (int b = 0; b < 256; b++) {
        char byte = (char)b;
        int32_t id;
        TRY(add_token(t, &byte, 1, &id));
    }
    TRY(json_parse(t->memory, bpe_pretokenizer_json, strlen(bpe_pretokenizer_json), &config));
    TRY(pretokenizer_load(config, NULL, &t->words));
    *out = t;
    t = NULL;
cleanup:
    bpe_trainer_free(t);
    return status;
}

void bpe_trainer_free(bpe_trainer *t) {
    if (!t) return;
    arena_free(t->memory);
    free(t->vocab.tokens);
    free(t->vocab.joins);
    string_map_free(&t->token_ids);
    string_map_free(&t->word_ids);
    free(t->word_counts);
    pretokenizer_free(t->words);
    pretokenize_scratch_free(&t->scratch);
    strbuf_free(&t->clean);
    free(t);
}

wr_status bpe_trainer_add(bpe_trainer *t, const char *text, size_t n) {
    wr_status status = WR_OK;
    const piece_list *words;
    if (n == 0) return WR_OK;
    strbuf_clear(&t->clean);
    utf8_clean(&t->clean, text, n);
    TRY(strbuf_status(&t->clean));
    TRY(pretokenize(t->words, &t->scratch, strbuf_str(&t->clean), t->clean.len, &words));
    for (size_t i = 0; i < words->n; i++) {
        piece w = words->items[i];
        if (w.n < 2 || w.n > MAX_WORD) continue; /* a single byte has no pair */
        const string_entry *known = string_map_find(&t->word_ids, w.text, w.n);
        if (known) {
            t->word_counts[known->value]++;
            continue;
        }
        if (t->n_words == INT32_MAX) TRY(wr_fail(WR_E_NOMEM, "too many different words to train a tokenizer on"));
        char *copy = arena_strndup(t->memory, w.text, w.n);
        TRY_ALLOC(copy);
        TRY(string_map_put(&t->word_ids, copy, w.n, (int32_t)t->n_words, NULL, NULL));
        VEC_PUSH(t->word_counts, t->n_words, t->counts_capacity, 1);
    }
cleanup:
    return status;
}

/* --- pairs -------------------------------------------------------------------------------------------------------- */

static uint64_t pair_key(int32_t left, int32_t right) { return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1; }

static train_pair *probe(const pair_table *t, uint64_t key) {
    size_t mask = t->capacity - 1, i = (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & mask;
    while (t->pairs[i].key && t->pairs[i].key != key) i = (i + 1) & mask;
    return &t->pairs[i];
}

static wr_status pair_at(pair_table *t, uint64_t key, train_pair **out) {
    if (2 * (t->n + 1) > t->capacity) {
        pair_table bigger = {.n = t->n, .capacity = t->capacity ? 2 * t->capacity : 4096};
        bigger.pairs = mem_calloc(bigger.capacity, sizeof *bigger.pairs);
        if (!bigger.pairs) return WR_E_NOMEM;
        for (size_t i = 0; i < t->capacity; i++)
            if (t->pairs[i].key) *probe(&bigger, t->pairs[i].key) = t->pairs[i];
        free(t->pairs);
        *t = bigger;
    }
    *out = probe(t, key);
    if (!(*out)->key) {
        (*out)->key = key;
        t->n++;
    }
    return WR_OK;
}

static wr_status pair_raise(joiner *j, int32_t left, int32_t right, uint32_t word) {
    wr_status status = WR_OK;
    train_pair *p;
    TRY(pair_at(&j->table, pair_key(left, right), &p));
    p->count += j->words[word].count;
    if (!p->n_words || p->words[p->n_words - 1] != word) {
        VEC_PUSH(p->words, p->n_words, p->words_capacity, word);
    }
    if (!p->raised) {
        p->raised = true;
        VEC_PUSH(j->raised, j->n_raised, j->raised_capacity, p->key);
    }
cleanup:
    return status;
}

static void pair_lower(joiner *j, int32_t left, int32_t right, uint32_t word) {
    train_pair *p = probe(&j->table, pair_key(left, right));
    if (p->key) p->count -= j->words[word].count;
}

/* --- heap of candidates: most frequent first, ties by the bytes of left, then right ------------------------------- */

static int compare_tokens(bpe_token a, bpe_token b) {
    int order = memcmp(a.bytes, b.bytes, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static bool before(const joiner *j, pair_entry a, pair_entry b) {
    if (a.count != b.count) return a.count > b.count;
    int order = compare_tokens(j->vocab->tokens[a.left], j->vocab->tokens[b.left]);
    if (!order) order = compare_tokens(j->vocab->tokens[a.right], j->vocab->tokens[b.right]);
    return order < 0;
}

static wr_status heap_push(joiner *j, pair_entry e) {
    wr_status status = WR_OK;
    VEC_PUSH(j->heap, j->n_heap, j->heap_capacity, e);
    size_t i = j->n_heap - 1;
    for (; i > 0 && before(j, e, j->heap[(i - 1) / 2]); i = (i - 1) / 2) j->heap[i] = j->heap[(i - 1) / 2];
    j->heap[i] = e;
cleanup:
    return status;
}

static pair_entry heap_pop(joiner *j) {
    pair_entry top = j->heap[0], last = j->heap[--j->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < j->n_heap; i = child) {
        if (child + 1 < j->n_heap && before(j, j->heap[child + 1], j->heap[child])) child++;
        if (!before(j, j->heap[child], last)) break;
        j->heap[i] = j->heap[child];
    }
    if (j->n_heap) j->heap[i] = last;
    return top;
}

static wr_status push_raised(joiner *j) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < j->n_raised; i++) {
        train_pair *p = probe(&j->table, j->raised[i]);
        p->raised = false;
        uint64_t key = p->key - 1;
        if (p->count >= 2) TRY(heap_push(j, (pair_entry){p->count, (int32_t)(key >> 32), (int32_t)(uint32_t)key}));
    }
    j->n_raised = 0;
cleanup:
    return status;
}

/* The most frequent pair, or WR_END when none occurs twice. */
static wr_status best_pair(joiner *j, pair_entry *out) {
    wr_status status = WR_OK;
    while (j->n_heap) {
        pair_entry top = heap_pop(j);
        int64_t count = probe(&j->table, pair_key(top.left, top.right))->count;
        if (count == top.count) {
            *out = top;
            return WR_OK;
        }
        if (count < top.count && count >= 2) TRY(heap_push(j, (pair_entry){count, top.left, top.right}));
    }
    return WR_END;
cleanup:
    return status;
}

/* --- joining ------------------------------------------------------------------------------------------------------ */

static wr_status join_in_word(joiner *j, uint32_t index, int32_t left, int32_t right, int32_t joined) {
    wr_status status = WR_OK;
    train_word *w = &j->words[index];
    size_t kept = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (i + 1 == w->n || w->symbols[i] != left || w->symbols[i + 1] != right) {
            w->symbols[kept++] = w->symbols[i];
            continue;
        }
        if (kept) {
            pair_lower(j, w->symbols[kept - 1], left, index);
            TRY(pair_raise(j, w->symbols[kept - 1], joined, index));
        }
        if (i + 2 < w->n) {
            pair_lower(j, right, w->symbols[i + 2], index);
            TRY(pair_raise(j, joined, w->symbols[i + 2], index));
        }
        w->symbols[kept++] = joined;
        i++;
    }
    w->n = kept;
cleanup:
    return status;
}

static wr_status join_pair(joiner *j, pair_entry e, int32_t joined) {
    wr_status status = WR_OK;
    /* The list is taken off the pair first: joining changes the table under it. */
    train_pair *p = probe(&j->table, pair_key(e.left, e.right));
    uint32_t *words = p->words;
    size_t n = p->n_words;
    p->words = NULL;
    p->n_words = p->words_capacity = 0;
    for (size_t i = 0; i < n; i++) TRY(join_in_word(j, words[i], e.left, e.right, joined));
    probe(&j->table, pair_key(e.left, e.right))->count = 0;
    TRY(push_raised(j));
cleanup:
    free(words);
    return status;
}

static wr_status load_words(const bpe_trainer *t, joiner *j) {
    wr_status status = WR_OK;
    TRY_ALLOC(j->words = mem_calloc(t->n_words + 1, sizeof *j->words));
    j->n_words = t->n_words;
    for (size_t i = 0; i < t->word_ids.capacity; i++) {
        const string_entry *e = &t->word_ids.entries[i];
        if (!e->key) continue;
        train_word *w = &j->words[e->value];
        w->count = (int64_t)t->word_counts[e->value];
        w->n = e->length;
        TRY_ALLOC(w->symbols = arena_alloc(t->memory, e->length * sizeof *w->symbols));
        for (size_t k = 0; k < e->length; k++) w->symbols[k] = (int32_t)t->vocab.n_special + (uint8_t)e->key[k];
    }
    for (size_t i = 0; i < j->n_words; i++)
        for (size_t k = 0; k + 1 < j->words[i].n; k++)
            TRY(pair_raise(j, j->words[i].symbols[k], j->words[i].symbols[k + 1], (uint32_t)i));
    TRY(push_raised(j));
cleanup:
    return status;
}

wr_status bpe_trainer_finish(bpe_trainer *t, const char *dir) {
    wr_status status = WR_OK;
    joiner j = {.vocab = &t->vocab};
    strbuf text = {0};
    TRY(load_words(t, &j));
    while (t->vocab.n < t->vocab_size) {
        pair_entry e;
        wr_status found = best_pair(&j, &e);
        TRY(found);
        if (found == WR_END) break;
        bpe_token a = t->vocab.tokens[e.left], b = t->vocab.tokens[e.right];
        strbuf_clear(&text);
        strbuf_append(&text, a.bytes, a.n);
        strbuf_append(&text, b.bytes, b.n);
        TRY(strbuf_status(&text));
        int32_t joined;
        TRY(add_token(t, strbuf_str(&text), text.len, &joined));
        if ((size_t)joined < t->vocab.n_special) { /* text that spells a special token must not become it */
            probe(&j.table, pair_key(e.left, e.right))->count = 0;
            continue;
        }
        bpe_join join = {e.left, e.right};
        VEC_PUSH(t->vocab.joins, t->vocab.n_joins, t->vocab.joins_capacity, join);
        TRY(join_pair(&j, e, joined));
    }
    TRY(bpe_write(&t->vocab, dir));
cleanup:
    for (size_t i = 0; i < j.table.capacity; i++) free(j.table.pairs[i].words);
    free(j.table.pairs);
    free(j.words);
    free(j.heap);
    free(j.raised);
    strbuf_free(&text);
    return status;
}
