/* Prompts of a prepared folder: what the training instances of the reward model were replies to. */
#include "rollout/rollout.h"

#include "base/hash.h"
#include "data/shard/dataset.h"

#include <stdlib.h>
#include <string.h>

/* Set of 64-bit hashes, open addressing; 0 marks a free place. */
typedef struct hash_set {
    uint64_t *slots;
    size_t mask;
} hash_set;

static bool set_add(hash_set *s, uint64_t h) {
    if (h == 0) h = 1;
    for (size_t i = h & s->mask;; i = (i + 1) & s->mask) {
        if (s->slots[i] == h) return false;
        if (s->slots[i] == 0) {
            s->slots[i] = h;
            return true;
        }
    }
}

static uint64_t prompt_hash(const prompt *p) {
    uint64_t h = p->n_messages;
    for (size_t i = 0; i < p->n_messages; i++) {
        h = hash64(p->messages[i].role, strlen(p->messages[i].role), h);
        h = hash64(p->messages[i].content, p->messages[i].length, h);
    }
    return h;
}

wr_status prompts_read_dir(const char *dir, size_t limit, wr_status (*take)(void *context, const prompt *p),
                           void *context) {
    wr_status status = WR_OK;
    dataset_index index = {0};
    dataset_reader *reader = NULL;
    hash_set seen = {0};
    size_t taken = 0, places = 16;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(dataset_index_load(dir, "reward-train-", &index));
    TRY(dataset_reader_open(dir, &index, &reader));
    while (places < 2 * index.n_records) places *= 2;
    seen = (hash_set){mem_calloc(places, sizeof(uint64_t)), places - 1};
    TRY_ALLOC(seen.slots);
    for (size_t i = 0; i < index.n_records && (limit == 0 || taken < limit); i++) {
        const void *bytes;
        size_t n;
        instance x;
        prompt p = {0};
        arena_reset(a);
        TRY(dataset_read(reader, (uint32_t)i, &bytes, &n));
        TRY(instance_decode(bytes, n, a, &x));
        if (x.text && !x.query_length) continue; /* ready made, of messages that are not known */
        p.n_messages = x.n_history + 1;
        p.messages = arena_alloc(a, p.n_messages * sizeof *p.messages);
        TRY_ALLOC(p.messages);
        if (x.n_history) memcpy(p.messages, x.history, x.n_history * sizeof *p.messages);
        p.messages[x.n_history] = (chat_message){"user", x.query, x.query_length, NULL};
        if (!set_add(&seen, prompt_hash(&p))) continue;
        TRY(take(context, &p));
        taken++;
    }
    if (index.n_records && !taken)
        TRY(wr_fail(WR_E_FORMAT, "%s: its records are ready-made texts without messages, which are no prompts", dir));
cleanup:
    free(seen.slots);
    dataset_reader_close(reader);
    dataset_index_free(&index);
    arena_free(a);
    return status;
}
