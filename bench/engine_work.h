/* What `make bench` times of the model engine: steps of a reward model on random weights, and the bare products of the
 * same shapes. */
#ifndef WR_BENCH_ENGINE_WORK_H
#define WR_BENCH_ENGINE_WORK_H

#include "model/model.h"

typedef struct engine engine;

/* shape: "S135" (SmolLM2-135M) or "Q06" (Qwen3-0.6B). B prompts of P tokens, each continued by R replies of T tokens (P
 * = 0: B*R sequences of T tokens). train: with gradients and optimizer state. */
typedef struct engine_options {
    const char *shape;
    precision p;
    size_t B, P, R, T;
    bool train, recompute;
} engine_options;

wr_status engine_create(const engine_options *o, engine **out);
void engine_free(engine *e);

/* Seconds of one: training step (forward, ordinal loss, backward, clipping, AdamW, rounding); scoring of all
 * sequences. `shared`: prompts are computed once. */
wr_status engine_train(engine *e, bool shared, double *seconds);
wr_status engine_score(engine *e, bool shared, double *seconds);
/* Seconds of the attention part of a training step (forward and backward), or of scoring. */
wr_status engine_attention(engine *e, bool backward, double *seconds);
/* Seconds of the products that one layer's step needs, all tokens at once, by the library alone (oneDNN in bf16,
 * OpenBLAS in f32), and their multiply-adds x 2. */
wr_status engine_products(engine *e, bool backward, double *seconds, double *flops);

double engine_block_params(const engine *e); /* N: of the decoder layers */
double engine_params(const engine *e);
double engine_tokens(const engine *e); /* of the separate sequences */
size_t engine_workspace_bytes(const engine *e);

#endif
