#include "cli/bench_cases.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/stream.h"
#include "data/shard/dataset.h"
#include "data/practice/practice.h"
#include "data/prepare/prepare.h"
#include "model/kernels/matmul.h"
#include "mpi/reduce.h"
#include "sampler/sampler.h"
#include "trainer/optimizer.h"
#include "reward/score.h"

#include <cblas.h> /* only as the limit that the project's own products are compared with */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* The products of one run feed each other: reset, so that no run meets infinities or denormals. */
static void reset_operands(bench_setup *s) {
    size_t T = s->o.tokens, C = s->lm->config.C, F = s->lm->config.F;
    for (size_t i = 0; i < T * C; i++) s->X[i] = (float)(i % 7) * 0.01f;
    for (size_t i = 0; i < F * C; i++) s->W[i] = (float)(i % 5) * 0.01f;
}

/* Y(T,F) = X(T,C) W(F,C)^T;  dX(T,C) = dY(T,F) W;  dW(F,C) += dY^T X, as a feed-forward layer's forward and
 * backward. */
static wr_status run_products(bench_setup *s) {
    size_t T = s->o.tokens, C = s->lm->config.C, F = s->lm->config.F;
    wr_status status = WR_OK;
    TRY(matmul_xwt(s->products, PRECISION_F32, T, F, C, s->X, C, s->W, s->Y, F, true, false));
    TRY(matmul_dx(s->products, PRECISION_F32, T, F, C, s->Y, F, s->W, s->X, true, false));
    TRY(matmul_dw_add(s->products, PRECISION_F32, T, F, C, s->Y, F, s->X, s->W));
    reset_operands(s);
cleanup:
    return status;
}

static wr_status run_openblas(bench_setup *s) {
    int T = (int)s->o.tokens, C = (int)s->lm->config.C, F = (int)s->lm->config.F;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, T, F, C, 1, s->X, C, s->W, C, 0, s->Y, F);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, T, C, F, 1, s->Y, F, s->W, C, 0, s->X, C);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, F, C, T, 1, s->Y, F, s->X, C, 1, s->W, C);
    reset_operands(s);
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
    adamw_step(&s->optimizer, &(adamw_options){1e-5, 0.9, 0.999, 1e-8, 0.01}, 1e-5, 1.0, model_trainables(s->lm),
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

static wr_status run_shards(bench_setup *s) {
    wr_status status = WR_OK;
    dataset_index index = {0};
    dataset_reader *reader = NULL;
    TRY(dataset_index_load(s->data_dir, "reward-train-", &index));
    TRY(dataset_reader_open(s->data_dir, &index, &reader));
    uint64_t total = 0;
    for (size_t i = 0; i < index.n_records; i++) {
        const void *bytes;
        size_t n;
        TRY(dataset_read(reader, (uint32_t)i, &bytes, &n));
        total += n;
    }
    s->shard_bytes = total;
cleanup:
    dataset_reader_close(reader);
    dataset_index_free(&index);
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
    {"shard read", "MB/s", 1e6, NULL, false, false, shard_bytes, run_shards},
    {.name = NULL},
};

/* --- life --------------------------------------------------------------------------------------------------------- */

static wr_status create_compute(bench_setup *s) {
    wr_status status = WR_OK;
    model_config c;
    TRY(model_config_from_spec(s->o.spec, &c));
    c.V = s->o.vocab;
    TRY(model_config_check(&c));
    if (s->o.sequence > c.max_positions || DECODE_PROMPT + DECODE_TOKENS > c.max_positions ||
        s->o.tokens < s->o.sequence)
        TRY(wr_fail(WR_E_USAGE, "max-positions=%zu of --shape is below --sequence %zu, or --tokens is below it",
                    c.max_positions, s->o.sequence));
    if (s->o.sequence < DECODE_PROMPT) TRY(wr_fail(WR_E_USAGE, "--sequence must be at least %d", DECODE_PROMPT));
    TRY(model_create(&c, &s->lm));
    TRY(model_alloc_params(s->lm));
    model_init_params(s->lm, 1);
    for (size_t i = 0; i < s->lm->n_tensors; i++) {
        const tensor_info *t = &s->lm->tensors[i];
        bool embedding = strstr(t->name, "embed_tokens") != NULL;
        if (t->decay && (!embedding || c.tied)) s->matrix_params += t->count; /* a tied embedding is the head */
    }
    c.head = HEAD_SCORE;
    c.n_outputs = N_LABELS;
    snprintf(c.architecture, sizeof c.architecture, "LlamaForSequenceClassification");
    TRY(model_create(&c, &s->reward.m));
    TRY(model_alloc_params(s->reward.m));
    model_init_params(s->reward.m, 1);
    TRY(objective_of_model(&c, "the benchmark's model", &s->reward.objective));
    TRY(model_workspace_create(s->lm, &s->workspace));
    TRY(matmul_create(&s->products));
    TRY(score_scratch_create(&s->reward, &s->scratch));
    TRY(sampler_create(s->lm, &s->sampler));
    TRY(adamw_create(s->lm->n_params, &s->optimizer));

    size_t T = s->o.tokens, C = c.C, F = c.F;
    s->n_sequences = (T + s->o.sequence - 1) / s->o.sequence;
    TRY_ALLOC(s->grads = mem_aligned(s->lm->n_params, sizeof(float)));
    TRY_ALLOC(s->dhidden = mem_aligned(T * C, sizeof(float)));
    TRY_ALLOC(s->logprob = mem_aligned(T, sizeof(float)));
    TRY_ALLOC(s->dlogprob = mem_aligned(T, sizeof(float)));
    TRY_ALLOC(s->offsets = mem_calloc(s->n_sequences + 1, sizeof *s->offsets));
    TRY_ALLOC(s->rows = mem_calloc(T, sizeof *s->rows));
    TRY_ALLOC(s->ids = mem_calloc(T, sizeof *s->ids));
    TRY_ALLOC(s->targets = mem_calloc(T, sizeof *s->targets));
    TRY_ALLOC(s->texts = mem_calloc(s->n_sequences, sizeof *s->texts));
    rng r = rng_make(1, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < T; i++) s->ids[i] = (int32_t)rng_below(&r, c.V);
    for (size_t b = 0, n = 0; b < s->n_sequences; b++) {
        size_t from = b * s->o.sequence, to = from + s->o.sequence < T ? from + s->o.sequence : T;
        s->offsets[b + 1] = to;
        s->texts[b] = (token_ids){s->ids + from, to - from, to - from};
        for (size_t t = from; t + 1 < to; t++, n++) {
            s->rows[n] = t;
            s->targets[n] = s->ids[t + 1];
            s->dlogprob[n] = -1.0f / (float)T;
        }
    }
    TRY_ALLOC(s->X = mem_aligned(T * C, sizeof(float)));
    TRY_ALLOC(s->Y = mem_aligned(T * F, sizeof(float)));
    TRY_ALLOC(s->W = mem_aligned(F * C, sizeof(float)));
    reset_operands(s);
    TRY_ALLOC(s->memory = mem_aligned(BANDWIDTH_FLOATS, sizeof(float)));
    memset(s->memory, 1, (size_t)BANDWIDTH_FLOATS * sizeof(float)); /* real pages, not the kernel's shared zero page */
    TRY_ALLOC(s->reduce = mem_aligned(s->o.reduce_floats, sizeof(float)));
cleanup:
    return status;
}

static void add_contents(bench_setup *s, const json_value *conversation) {
    const json_value *turns = json_get(conversation, "conversation");
    if (!json_is(turns, JSON_ARRAY)) return;
    for (const json_value *m = turns->first; m; m = m->next) {
        const char *text;
        size_t n;
        if (!json_get_string(m, "content", &text, &n) || memchr(text, '\0', n)) continue;
        strbuf_append(&s->text, text, n);
        strbuf_append(&s->text, "", 1);
    }
}

/* Chats of a practice world, in memory as JSON and as text; its shards and tokenizer on disk. */
static wr_status create_data(bench_setup *s) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *tmp = getenv("TMPDIR");
    char world_dir[PATH_CAP], path[PATH_CAP];
    if (snprintf(s->folder, sizeof s->folder, "%s/wildreward-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp") >=
        (int)sizeof s->folder) {
        s->folder[0] = '\0';
        TRY(wr_fail(WR_E_USAGE, "TMPDIR is too long"));
    }
    if (!mkdtemp(s->folder)) {
        status = wr_fail(WR_E_IO, "%s: cannot be created; set TMPDIR to a writable folder", s->folder);
        s->folder[0] = '\0';
        goto cleanup;
    }
    TRY(path_join(world_dir, s->folder, "world"));
    TRY(practice_synth(
        &(practice_options){.users = 60, .conversations = 1500, .seed = 1, .train_prompts = 1, .heldout_prompts = 1},
        world_dir));
    TRY(path_join(path, world_dir, "chats.jsonl.zst"));
    TRY(instream_open(path, &in));
    TRY_ALLOC(s->parse_arena = arena_create());
    const char *line;
    size_t n;
    for (;;) {
        status = instream_line(in, &line, &n);
        if (status == WR_END) break;
        TRY(status);
        const json_value *v;
        TRY(json_parse(s->parse_arena, line, n, &v));
        add_contents(s, v);
        strbuf_append(&s->lines, line, n);
        strbuf_putc(&s->lines, '\n');
        arena_reset(s->parse_arena);
    }
    status = WR_OK;
    TRY(strbuf_status(&s->lines));
    TRY(strbuf_status(&s->text));
    const char *sources[] = {path};
    TRY(path_join(s->data_dir, s->folder, "data"));
    TRY(prepare_run(&(prepare_options){.sources = sources,
                                       .n_sources = 1,
                                       .out_dir = s->data_dir,
                                       .format = "wildchat",
                                       .vocab_size = s->o.vocab < 2048 ? s->o.vocab : 2048,
                                       .test_instances = -1,
                                       .max_length = 4096,
                                       .shard_records = 8192,
                                       .filters = filter_options_default()},
                    NULL));
    TRY(tokenizer_load(s->data_dir, &s->tok));
    TRY(run_shards(s));
cleanup:
    instream_close(in);
    return status;
}

wr_status bench_setup_create(world *w, const bench_options *o, bench_setup **out) {
    wr_status status = WR_OK;
    bench_setup *s = mem_calloc(1, sizeof *s);
    TRY_ALLOC(s);
    s->w = w;
    s->o = *o;
    TRY(world_agree(w, create_compute(s)));
    TRY(world_agree(w, world_rank(w) == 0 ? create_data(s) : WR_OK));
    *out = s;
    s = NULL;
cleanup:
    bench_setup_free(s);
    return status;
}

void bench_setup_free(bench_setup *s) {
    if (!s) return;
    sampler_free(s->sampler);
    score_scratch_free(s->scratch);
    model_workspace_free(s->workspace);
    matmul_free(s->products);
    adamw_free(&s->optimizer);
    model_free(s->reward.m);
    model_free(s->lm);
    tokenizer_free(s->tok);
    token_ids_free(&s->encoded);
    arena_free(s->parse_arena);
    strbuf_free(&s->lines);
    strbuf_free(&s->text);
    float *buffers[] = {s->grads, s->dhidden, s->logprob, s->dlogprob, s->X, s->Y, s->W, s->memory, s->reduce};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) free(buffers[i]);
    free(s->offsets);
    free(s->rows);
    free(s->ids);
    free(s->targets);
    free(s->texts);
    if (s->folder[0]) dir_remove_tree(s->folder);
    free(s);
}

size_t bench_matrix_params(const bench_setup *s) { return s->matrix_params; }
