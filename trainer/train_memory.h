/* What a rank takes of memory in training, by what it is for: one rule for the check before weights are read
 * (cli/memory_check.h) and for --dry-run. Sizes follow from the model's shape and the options. LOCAL.
 *
 *     a parameter     f32 weight 4 (bf16: + 2) | gradient 4 | moments 8, with --zero 1 8 / ranks | further gradients of
 *                     --same-bits-any-ranks 4 log2(parts / ranks), rounded up
 *     a token         activations of every layer, or with --recompute of one, and each layer's input */
#ifndef WR_TRAINER_TRAIN_MEMORY_H
#define WR_TRAINER_TRAIN_MEMORY_H

#include "trainer/update.h"

typedef struct train_memory {
    uint64_t weights, gradients, optimizer;
    uint64_t activations; /* of the largest micro-batch or evaluation */
    uint64_t buffers;     /* further gradients, slices on their way between ranks, operands packed for products */
    uint64_t copy;        /* of what is saved beside training, where there is room for it: on rank 0 */
    uint64_t program;     /* measured: program, libraries, data at hand; 0: not known */
} train_memory;
uint64_t train_memory_sum(const train_memory *m);

/* Adds gradients, optimizer and buffers of `trained` floats: of the rank that has most. */
void train_memory_state(size_t trained, const update_options *o, int ranks, train_memory *out);

/* What is computed at once; tokens 0: not known, and no activations are counted. */
typedef struct train_load {
    size_t tokens, longest; /* of the largest micro-batch; of a text in it */
    size_t head_rows;       /* language models: tokens to predict of the largest micro-batch; else 0 */
    size_t tested;          /* tokens of the largest batch of an evaluation, 0: there is none */
} train_load;
/* A batch of so many tokens, as it is thought of: texts of *longest tokens, and one of what is left. How many. */
static inline size_t train_load_texts(const train_load *x, size_t tokens, size_t *longest) {
    *longest = x->longest && x->longest < tokens ? x->longest : tokens;
    return (tokens + *longest - 1) / *longest;
}
typedef struct train_case {
    const model *m; /* shape, precision and adapters count */
    const update_options *update;
    int ranks;
    bool recompute, background; /* background: checkpoints are written from a copy */
    train_load load;
} train_case;
/* All but the program. WR_E_NOMEM. */
wr_status train_memory_of(const train_case *c, train_memory *out);

#endif
