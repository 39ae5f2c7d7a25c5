/* Incremental forward with a KV cache: new tokens of several sequences go through the decoder together. The layer code is
 * the one model_forward uses. A segment may continue a frozen prefix segment (n replies share one prompt's cache). LOCAL. */
#ifndef WR_MODEL_EXTEND_H
#define WR_MODEL_EXTEND_H

#include "model/model.h"

/* Keys and values of `length` tokens. Layout of k and v: (L, G, capacity, D), keys after RoPE. The memory is the caller's
 * (sampler/kv_cache.h); model_extend only writes at length… and advances length. */
typedef struct kv_segment {
    size_t length, capacity;
    float *k, *v;
    const struct kv_segment *prefix; /* tokens before this segment; NULL or frozen (one level). Position of the first own token = prefix length */
} kv_segment;

size_t kv_segment_floats(const model_config *c, size_t capacity); /* floats for k (and as many for v) */

typedef struct extend_item {
    kv_segment *segment;
    const int32_t *ids; /* n new tokens, n >= 1, checked against V and the capacity */
    size_t n;
} extend_item;

typedef struct extend_scratch extend_scratch; /* grows as needed; one per thread */
wr_status extend_scratch_create(const model *m, extend_scratch **out);
void extend_scratch_free(extend_scratch *s);

/* hidden_last: (n_items, C), final-normed hidden state of each item's last new token. */
wr_status model_extend(const model *m, extend_scratch *s, size_t n_items, const extend_item *items, float *hidden_last);

#endif
