/* Prefill and decoding with a KV cache: new tokens of several sequences, a prompt's many or a reply's one, go through
 * the decoder together. The layer code is the one model_forward uses. A segment may continue a frozen prefix segment (n
 * replies share one prompt's cache). LOCAL. */
#ifndef WR_MODEL_DECODE_H
#define WR_MODEL_DECODE_H

#include "model/model.h"

/* Keys and values of `length` tokens, in the model's precision. Layout of k and v: (L, G, capacity, D), keys after
 * RoPE. The memory is the caller's (sampler/kv_cache.h); model_decode only writes at length… and advances length. */
typedef struct kv_segment {
    size_t length, capacity;
    void *k, *v;
    /* tokens before this segment; NULL or frozen (one level). Position of the first own token = prefix length */
    const struct kv_segment *prefix;
    /* LONGROPE: the sequence has, or will have, more tokens than decode_original_length, and its keys are those of such
     * a one; set before its first token, of segment and prefix alike. A sequence that grows beyond is decoded anew */
    bool far;
} kv_segment;

/* Sequences of more tokens have other keys, from their first token on (kv_segment.far); SIZE_MAX: none have. */
size_t decode_original_length(const model *m);

/* Bytes for k (and as many for v). */
size_t kv_segment_size(const model_config *c, precision p, size_t capacity);

typedef struct decode_item {
    kv_segment *segment;
    const int32_t *ids; /* n new tokens, n >= 1, checked against V and the capacity */
    size_t n;
} decode_item;

typedef struct decode_scratch decode_scratch; /* grows as needed; one per thread */
wr_status decode_scratch_create(const model *m, decode_scratch **out);
void decode_scratch_free(decode_scratch *s);
/* In bf16: packs the weights for small batches of new tokens. To be called after the weights have changed; does nothing
 * in f32. */
wr_status decode_pack(const model *m, decode_scratch *s);

/* hidden_last: (n_items, C), final-normed hidden state of each item's last new token. */
wr_status model_decode(const model *m, decode_scratch *s, size_t n_items, const decode_item *items, float *hidden_last);
/* Raw logits (n, V) of n hidden rows (n, C). */
wr_status decode_logits(const model *m, decode_scratch *s, size_t n, const float *hidden_rows, float *logits);

#endif
