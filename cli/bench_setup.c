#include "cli/bench_setup.h"

#include "base/rng.h"
#include "base/stream.h"
#include "data/practice/practice.h"
#include "data/prepare/prepare.h"
#include "data/shard/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_reset_operands(bench_setup *s) {
    size_t T = s->o.tokens, C = s->lm->config.C, F = s->lm->config.F;
    for (size_t i = 0; i < T * C; i++) s->X[i] = (float)(i % 7) * 0.01f;
    for (size_t i = 0; i < F * C; i++) s->W[i] = (float)(i % 5) * 0.01f;
}

wr_status bench_read_shards(bench_setup *s) {
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
    s->reward.rule = &ordinal_rule;
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
    bench_reset_operands(s);
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
    TRY(bench_read_shards(s));
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
