/* What the benchmark's cases work on: cli/bench_setup.c makes it, cli/bench_cases.c measures with it. LOCAL. */
#ifndef WR_CLI_BENCH_SETUP_H
#define WR_CLI_BENCH_SETUP_H

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/bench_cases.h"
#include "model/kernels/matmul.h"
#include "reward/score.h"
#include "sampler/sampler.h"
#include "trainer/optimizer.h"

enum { DECODE_PROMPT = 64, DECODE_TOKENS = 32, DECODE_BATCH = 32, BANDWIDTH_FLOATS = 64 << 20, N_LABELS = 3 };

struct bench_setup {
    world *w;
    bench_options o;
    /* compute */
    model *lm;
    reward_model reward; /* same shape with a score head; no tokenizer, no template */
    model_workspace *workspace;
    matmul *products;
    score_scratch *scratch;
    sampler *sampler;
    adamw optimizer;
    float *grads, *dhidden, *logprob, *dlogprob;
    size_t n_sequences, *offsets, *rows;
    int32_t *ids, *targets;
    token_ids *texts;    /* the same sequences, for scoring */
    float *X, *Y, *W;    /* GEMM operands, (T, F), (T, F), (F, C) */
    float *memory;       /* BANDWIDTH_FLOATS */
    volatile float sink; /* keeps sums that nobody reads */
    float *reduce;
    size_t matrix_params; /* without the embedding, with the head */
    /* data, on rank 0 */
    char folder[PATH_CAP], data_dir[PATH_CAP]; /* temporary folder; the shards inside it */
    strbuf lines;                              /* chats as JSON, one a line */
    arena *parse_arena;
    tokenizer *tok;
    token_ids encoded;
    strbuf text; /* message contents, one after another */
    uint64_t shard_bytes;
};

/* The products of one run feed each other: reset, so that no run meets infinities or denormals. */
void bench_reset_operands(bench_setup *s);
/* Every record once; sets shard_bytes. */
wr_status bench_read_shards(bench_setup *s);

#endif
