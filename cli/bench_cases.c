#include "cli/bench_setup.h"

#include "model/kernels/blas_library.h" /* only as the limit that the project's own products are compared with */
#include "mpi/reduce.h"

#include <string.h>

/* --- compute ------------------------------------------------------------------------------------------------------ */

/* Useful multiply-adds x 2: 2 N T for products with N parameters, and 2 (QK, PV) x 2 H D x T (t+1)/2 in causal
 * attention. */
static double forward_flops(const bench_setup *s) {
    const model_config *c = &s->lm->config;
    double T = (double)s->o.tokens;
    double attention = 4.0 * (double)(c->L * c->H * c->D) * T * ((double)s->o.sequence + 1) / 2;
    return 2.0 * (double)s->matrix_params * T + attention;
}
static double train_flops(const bench_setup *s) { return 3.0 * forward_flops(s); }
static double score_flops(const bench_setup *s) {
    const model_config *c = &s->lm->config;
    return forward_flops(s) - 2.0 * (double)(c->C * c->V) * (double)s->o.tokens;
}
static double gemm_flops(const bench_setup *s) {
    return 3 * 2.0 * (double)(s->o.tokens * s->lm->config.C * s->lm->config.F);
}
static double bandwidth_bytes(const bench_setup *s) {
    (void)s;
    return (double)BANDWIDTH_FLOATS * sizeof(float);
}
static double decode_one_bytes(const bench_setup *s) {
    return (double)s->matrix_params * sizeof(float) * DECODE_TOKENS;
}
static double decode_batch_flops(const bench_setup *s) {
    return 2.0 * (double)s->matrix_params * DECODE_TOKENS * DECODE_BATCH;
}
static double reduce_bytes(const bench_setup *s) { return (double)s->o.reduce_floats * sizeof(float); }

/* Y(T,F) = X(T,C) W(F,C)^T;  dX(T,C) = dY(T,F) W;  dW(F,C) += dY^T X, as a feed-forward layer's forward and
 * backward. */
static wr_status run_products(bench_setup *s) {
    size_t T = s->o.tokens, C = s->lm->config.C, F = s->lm->config.F;
    wr_status status = WR_OK;
    TRY(matmul_xwt(s->products, PRECISION_F32, T, F, C, s->X, C, s->W, s->Y, F, true, false));
    TRY(matmul_dx(s->products, PRECISION_F32, T, F, C, s->Y, F, s->W, s->X, true, false));
    TRY(matmul_dw_add(s->products, PRECISION_F32, T, F, C, s->Y, F, s->X, s->W));
    bench_reset_operands(s);
cleanup:
    return status;
}

static wr_status run_openblas(bench_setup *s) {
    int T = (int)s->o.tokens, C = (int)s->lm->config.C, F = (int)s->lm->config.F;
    openblas.cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, T, F, C, 1, s->X, C, s->W, C, 0, s->Y, F);
    openblas.cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, T, C, F, 1, s->Y, F, s->W, C, 0, s->X, C);
    openblas.cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, F, C, T, 1, s->Y, F, s->X, C, 1, s->W, C);
    bench_reset_operands(s);
    return WR_OK;
}

static wr_status run_bandwidth(bench_setup *s) {
    enum { LANES = 64 }; /* independent sums, so that the adder's latency does not hide the memory's limit */
    float sum = 0;
    const float *memory = s->memory;
#pragma omp parallel for reduction(+ : sum) schedule(static)
    for (size_t block = 0; block < BANDWIDTH_FLOATS / 4096; block++) {
        float lanes[LANES] = {0};
        for (const float *p = memory + block * 4096, *end = p + 4096; p < end; p += LANES) {
#pragma omp simd
            for (int k = 0; k < LANES; k++) lanes[k] += p[k];
        }
        for (int k = 0; k < LANES; k++) sum += lanes[k];
    }
    s->sink = sum;
    return WR_OK;
}

static wr_status run_train(bench_setup *s) {
    wr_status status = WR_OK;
    token_batch batch = {s->n_sequences, s->offsets, s->ids, NULL};
    const float *hidden;
    size_t n = s->o.tokens - s->n_sequences, C = s->lm->config.C;
    TRY(model_forward(s->lm, &batch, s->workspace, true, &hidden));
    TRY(lm_logprobs(s->lm, s->workspace, hidden, n, s->rows, s->targets, s->logprob));
    memset(s->dhidden, 0, s->o.tokens * C * sizeof *s->dhidden);
    memset(s->grads, 0, s->lm->n_params * sizeof *s->grads);
    TRY(lm_logprobs_backward(s->lm, s->workspace, hidden, n, s->rows, s->targets, s->dlogprob, s->dhidden, s->grads));
    TRY(model_backward(s->lm, &batch, s->workspace, s->dhidden, s->grads));
    adamw_step(&s->optimizer, &(adamw_options){1e-5, 0.9, 0.999, 1e-8, 0.01, 1}, 1e-5, 1.0, model_trainables(s->lm),
               s->grads);
cleanup:
    return status;
}

static wr_status run_score(bench_setup *s) {
    wr_status status = WR_OK;
    double *scores = mem_calloc(s->n_sequences, sizeof *scores);
    TRY_ALLOC(scores);
    TRY(score_ids(&s->reward, s->scratch, s->n_sequences, s->texts, s->o.tokens, scores, NULL));
cleanup:
    free(scores);
    return status;
}

static wr_status decode(bench_setup *s, size_t replies) {
    sample_reply out[DECODE_BATCH];
    memset(out, 0, sizeof out);
    sample_prompt prompt = {s->ids, DECODE_PROMPT, 0, NULL};
    sampling_options o = {.n = replies, .max_tokens = DECODE_TOKENS, .temperature = 1, .top_p = 1};
    wr_status status = sampler_generate(s->sampler, 1, &prompt, &o, NULL, NULL, out);
    sample_replies_free(out, replies);
    return status;
}
static wr_status run_decode_one(bench_setup *s) { return decode(s, 1); }
static wr_status run_decode_batch(bench_setup *s) { return decode(s, DECODE_BATCH); }
static wr_status run_reduce(bench_setup *s) {
    memset(s->reduce, 0, s->o.reduce_floats * sizeof *s->reduce);
    return reduce_sum(s->w, s->reduce, s->o.reduce_floats, 0);
}

/* --- data --------------------------------------------------------------------------------------------------------- */

static double json_bytes(const bench_setup *s) { return (double)s->lines.len; }
static double text_bytes_of(const bench_setup *s) { return (double)s->text.len; }
static double shard_bytes(const bench_setup *s) { return (double)s->shard_bytes; }

static wr_status run_json(bench_setup *s) {
    wr_status status = WR_OK;
    for (const char *at = s->lines.data, *end = at + s->lines.len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const json_value *v;
        TRY(json_parse(s->parse_arena, at, (size_t)(stop - at), &v));
        arena_reset(s->parse_arena);
        at = stop + 1;
    }
cleanup:
    return status;
}

static wr_status run_tokenize(bench_setup *s) {
    wr_status status = WR_OK;
    for (const char *at = s->text.data, *end = at + s->text.len; at < end;) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        s->encoded.n = 0;
        TRY(tokenizer_encode(s->tok, at, (size_t)(stop - at), 0, &s->encoded));
        at = stop + 1;
    }
cleanup:
    return status;
}

const bench_case bench_cases[] = {
    {"OpenBLAS f32", "GFLOP/s", 1e9, NULL, true, false, gemm_flops, run_openblas},
    {"matmul f32", "GFLOP/s", 1e9, "OpenBLAS f32", true, false, gemm_flops, run_products},
    {"memory read", "GB/s", 1e9, NULL, true, false, bandwidth_bytes, run_bandwidth},
    {"train step", "GFLOP/s", 1e9, "OpenBLAS f32", true, false, train_flops, run_train},
    {"score", "GFLOP/s", 1e9, "OpenBLAS f32", true, false, score_flops, run_score},
    {"decode 1 reply", "GB/s", 1e9, "memory read", true, false, decode_one_bytes, run_decode_one},
    {"decode 32 replies", "GFLOP/s", 1e9, "OpenBLAS f32", true, false, decode_batch_flops, run_decode_batch},
    {"gradient reduce", "MB/s", 1e6, NULL, true, true, reduce_bytes, run_reduce},
    {"json parse", "MB/s", 1e6, NULL, false, false, json_bytes, run_json},
    {"tokenize", "MB/s", 1e6, NULL, false, false, text_bytes_of, run_tokenize},
    {"shard read", "MB/s", 1e6, NULL, false, false, shard_bytes, bench_read_shards},
    {.name = NULL},
};
