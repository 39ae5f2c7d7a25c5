#include "trainer/train_memory.h"

#include "base/mem.h"

#include <omp.h>
#include <stdlib.h>

/* MiB that products pack their operands into, here and in BLAS: measured. */
enum { PRODUCTS = 6, PRODUCTS_THREAD = 2 };

uint64_t train_memory_sum(const train_memory *m) {
    return m->weights + m->gradients + m->optimizer + m->activations + m->buffers + m->copy + m->program;
}

void train_memory_state(size_t trained, const update_options *o, int ranks, train_memory *out) {
    const size_t size = (size_t)ranks, shares = o->same_bits ? o->parts : size;
    const uint64_t each = (uint64_t)trained * sizeof(float);
    size_t levels = 1, moments = 0;
    for (size_t r = 0; r < size; r++) {
        const size_t has = gradient_tree_levels(rank_shares(shares, size, r).count);
        const float_range range = updater_moments(trained, o->zero, size, r);
        if (has > levels) levels = has;
        if (range.end - range.begin > moments) moments = range.end - range.begin;
    }
    out->gradients += each;
    out->optimizer += 2 * (uint64_t)moments * sizeof(float);
    out->buffers += (levels - 1) * each + reducer_bytes(&o->reduce, size);
}

/* A batch of so many tokens in texts of at most `longest`. */
static wr_status need_of_batch(const train_case *c, size_t tokens, bool keep, size_t head_rows, workspace_need *need) {
    wr_status status = WR_OK;
    size_t longest;
    const size_t B = train_load_texts(&c->load, tokens, &longest);
    size_t *offsets = mem_calloc(B + 1, sizeof *offsets);
    TRY_ALLOC(offsets);
    for (size_t i = 1; i <= B; i++) offsets[i] = i * longest < tokens ? i * longest : tokens;
    TRY(model_workspace_need(c->m, &(token_batch){.B = B, .offsets = offsets}, head_rows, keep, c->recompute, need));
cleanup:
    free(offsets);
    return status;
}

wr_status train_memory_of(const train_case *c, train_memory *out) {
    wr_status status = WR_OK;
    const train_load *x = &c->load;
    workspace_need need = {0};
    *out = (train_memory){.weights = model_weights_bytes(c->m)};
    train_memory_state(model_trainables(c->m).n, c->update, c->ranks, out);
    if (c->background) out->copy = model_trainables(c->m).n * sizeof(float) + out->optimizer;
    if (!x->tokens) goto cleanup;
    if (c->ranks > 1 && !c->m->lora && c->m->config.head == HEAD_SCORE) { /* rows of the embedding, to be summed */
        const size_t touched = x->tokens * (size_t)c->ranks, V = c->m->config.V;
        out->buffers += (uint64_t)(touched < V ? touched : V) * c->m->config.C * sizeof(float);
    }
    TRY(need_of_batch(c, x->tokens, true, x->head_rows, &need));
    out->buffers += ((uint64_t)PRODUCTS + (uint64_t)omp_get_max_threads() * PRODUCTS_THREAD) << 20;
    if (x->tested) TRY(need_of_batch(c, x->tested, false, x->head_rows ? x->tested : 0, &need));
    /* and the gradient at the hidden states, which the heads fill (head_scratch) */
    out->activations = workspace_need_bytes(&need) + (x->tokens * c->m->config.C + 2 * x->head_rows) * sizeof(float);
cleanup:
    return status;
}
