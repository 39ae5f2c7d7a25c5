/* bench_trees [ROUNDS [DATA]]: a step of reward training, forward and backward, where turns of one conversation share
 * their history (trainer/packing/unit_plan.h), over the same records one after another; in turn, the median of the
 * rounds counts. The ideal ratio is that of the tokens. With DATA, a folder that prepare wrote with the tokenizer of
 * vocabulary up to 49152, also its first steps of 32 records in the order of conversations. Two layers of SmolLM2-135M's
 * shape, random, in bf16 where the CPU multiplies it; one thread's CPU time, which what else the machine does changes
 * little. JSON on stdout, a table on stderr. */
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/shard/conversation_runs.h"
#include "trainer/packing/unit_plan.h"
#include "trainer/step_records.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS_MAX = 99, BUDGET = 4096, OUTPUTS = 3, RECORDS_MAX = 32, STEPS = 2, V = 49152 };
static const double WANTED = 0.93;

/* `conversations` of `turns` records; each goes on for `step` tokens and has `tail` of its own, which are written
 * otherwise once they are history. */
typedef struct kind {
    const char *name;
    size_t conversations, turns, step, tail;
} kind;
static const kind kinds[] = {
    {"5 conversations, 6 turns of 128 tokens, template file", 5, 6, 128, 96},
    {"5 conversations, 6 turns of 128 tokens, chat template", 5, 6, 128, 0},
    {"5 conversations, 3 turns of 300 tokens, template file", 5, 3, 300, 250},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef struct bench {
    world *w;
    model *m;
    model_workspace *work;
    packed pack;
    float *grads, *dhidden, *out;
    size_t dhidden_room;
    bool any; /* a result is printed */
} bench;

/* Records in the order in which they are trained, and their micro-batches. */
typedef struct planned {
    rank_plan plan;
    sequence *sequences;
    prefix_rule share;
} planned;

static wr_status open_model(bench *b) {
    wr_status status = WR_OK;
    model_config c;
    TRY(model_config_from_spec("layers=2,hidden=576,heads=9,kv-heads=3,ffn=1536,max-positions=8192,tied=1", &c));
    c.V = V;
    model_config_set_head(&c, HEAD_SCORE, OUTPUTS);
    TRY(model_create(&c, &b->m));
    TRY(model_alloc_params(b->m));
    model_init_params(b->m, 1);
    TRY(model_set_precision(b->m, precision_bf16_products() ? PRECISION_BF16 : PRECISION_F32));
    TRY(model_workspace_create(b->m, &b->work));
    TRY_ALLOC(b->grads = mem_calloc(b->m->n_params, sizeof *b->grads));
    TRY_ALLOC(b->out = mem_calloc(2 * RECORDS_MAX * OUTPUTS, sizeof *b->out));
cleanup:
    return status;
}

/* Forward and backward of all micro-batches, packing included. */
static wr_status run(bench *b, const planned *p, double *seconds, size_t *tokens) {
    wr_status status = WR_OK;
    const sequence_rule rule = {.kind = SHARD_REWARD, .max_length = BUDGET, .classes = 4};
    const size_t C = b->m->config.C;
    float *dout = b->out + RECORDS_MAX * OUTPUTS;
    const double begin = clock_thread_cpu();
    *tokens = 0;
    for (size_t i = 0; i < RECORDS_MAX * OUTPUTS; i++) dout[i] = 0.01f;
    for (size_t k = 0; k < p->plan.n_micro; k++) {
        const size_t first = p->plan.micro[k].first, n = p->plan.micro[k].count;
        const float *hidden;
        TRY(packed_fill_shared(&b->pack, &rule, p->sequences + first, n, -1, p->plan.unit + first, p->share));
        const token_batch *batch = &b->pack.batch;
        const size_t T = batch->offsets[batch->B];
        TRY(mem_reserve((void **)&b->dhidden, &b->dhidden_room, T * C, sizeof *b->dhidden));
        for (size_t i = 0; i < T * C; i++) b->dhidden[i] = 0;
        TRY(model_forward(b->m, batch, b->work, true, &hidden));
        TRY(score_logits(b->m, hidden, n, b->pack.rows, b->out));
        TRY(score_backward(b->m, hidden, n, b->pack.rows, dout, b->dhidden, b->grads));
        TRY(model_backward(b->m, batch, b->work, b->dhidden, b->grads));
        *tokens += T;
    }
    *seconds = clock_thread_cpu() - begin;
cleanup:
    return status;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static wr_status measure(bench *b, const char *name, const planned *apart, const planned *together, size_t rounds) {
    wr_status status = WR_OK;
    size_t all = 0, own = 0;
    double ratios[ROUNDS_MAX];
    for (size_t r = 0; r <= rounds; r++) {
        double slow, fast;
        TRY(run(b, apart, &slow, &all));
        TRY(run(b, together, &fast, &own));
        if (r > 0) ratios[r - 1] = slow / fast;
    }
    qsort(ratios, rounds, sizeof *ratios, by_value);
    const double ideal = (double)all / (double)own, ratio = ratios[rounds / 2], share = ratio / ideal;
    fprintf(stderr, "%-56s %5.2f x   [%.2f, %.2f]; ideal %.2f; share %.2f, at least %.2f: %s\n", name, ratio, ratios[0],
            ratios[rounds - 1], ideal, share, WANTED, share >= WANTED ? "met" : "MISSED");
    printf("%s{\"what\":\"%s\",\"tokens\":%zu,\"ratio\":%.4g,\"ideal\":%.4g,\"share\":%.4g}", b->any ? "," : "", name,
           all, ratio, ideal, share);
    b->any = true;
cleanup:
    return status;
}

static wr_status plan(size_t n, const sequence *s, prefix_rule rule, planned *out) {
    wr_status status = WR_OK;
    unit_plan units = {0};
    unit_text texts[RECORDS_MAX];
    for (size_t i = 0; i < n; i++) texts[i] = (unit_text){.ids = s[i].ids, .n = s[i].n, .user = i};
    out->share = rule;
    TRY(unit_plan_make(texts, n, rule, BUDGET, 1, &units));
    TRY(unit_plan_shares(&units, 1, (share_range){0, 1}, BUDGET, &out->plan));
    TRY_ALLOC(out->sequences = mem_calloc(n, sizeof *out->sequences));
    for (size_t i = 0; i < n; i++) out->sequences[i] = s[out->plan.items[i]];
cleanup:
    unit_plan_free(&units);
    return status;
}

static wr_status measure_records(bench *b, const char *name, size_t n, const sequence *s, size_t rounds) {
    wr_status status = WR_OK;
    planned apart = {0}, together = {0};
    TRY(plan(n, s, (prefix_rule){SIZE_MAX, SIZE_MAX}, &apart));
    TRY(plan(n, s, prefix_rule_of(b->m), &together));
    TRY(measure(b, name, &apart, &together, rounds));
cleanup:
    rank_plan_free(&apart.plan), rank_plan_free(&together.plan);
    free(apart.sequences), free(together.sequences);
    return status;
}

static wr_status measure_kind(bench *b, const kind *k, size_t rounds) {
    wr_status status = WR_OK;
    sequence s[RECORDS_MAX];
    size_t n = 0;
    arena *a = arena_create();
    TRY_ALLOC(a);
    for (size_t c = 0; c < k->conversations; c++)
        for (size_t i = 0; i < k->turns; i++, n++) {
            rng history = rng_make(1, RNG_TEST, c, 0, 0), last = rng_make(1, RNG_TEST, c, 1, i);
            const size_t shared = (i + 1) * k->step;
            int32_t *ids = arena_alloc(a, (shared + k->tail) * sizeof *ids);
            TRY_ALLOC(ids);
            for (size_t t = 0; t < shared; t++) ids[t] = (int32_t)rng_below(&history, V);
            for (size_t t = shared; t < shared + k->tail; t++) ids[t] = (int32_t)rng_below(&last, V);
            s[n] = (sequence){.ids = ids, .n = shared + k->tail, .label = 1};
        }
    TRY(measure_records(b, k->name, n, s, rounds));
cleanup:
    arena_free(a);
    return status;
}

/* The trainer's own steps of a prepared folder. */
static wr_status measure_folder(bench *b, const char *dir, size_t rounds) {
    wr_status status = WR_OK;
    step_order order = {0};
    uint8_t *runs = NULL;
    step_records s = {.w = b->w,
                      .rule = {.kind = SHARD_REWARD, .max_length = BUDGET, .classes = 1 << 20},
                      .batch = RECORDS_MAX,
                      .shares = 1,
                      .mine = {0, 1},
                      .max_tokens = BUDGET,
                      .prefixes = {SIZE_MAX, SIZE_MAX}};
    TRY(record_source_open(b->w, dir, "reward-train-", &s.source));
    TRY(conversation_runs_find(b->w, s.source, &runs));
    TRY(step_order_create(record_source_index(s.source), 0, 1, BUDGET, &order));
    order.continues = runs;
    s.order = &order;
    TRY(step_records_create(&s));
    for (int64_t step = 1; step <= STEPS; step++) {
        rank_plan records;
        sequence *sequences;
        char name[64];
        status = step_records_take(&s, step, &records, &sequences);
        snprintf(name, sizeof name, "step %lld of the chats", (long long)step);
        if (status >= 0) status = measure_records(b, name, records.n_items, sequences, rounds);
        rank_plan_free(&records);
        TRY(status);
    }
cleanup:
    step_records_free(&s), step_order_free(&order), record_source_close(s.source);
    free(runs);
    return status;
}

int main(int argc, char **argv) {
    wr_status status = WR_OK;
    bench b = {0};
    TRY(world_create(&argc, &argv, &b.w));
    omp_set_num_threads(1);
    const size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
    if (rounds < 1 || rounds > ROUNDS_MAX) TRY(wr_fail(WR_E_USAGE, "usage: bench_trees [ROUNDS [DATA]]"));
    TRY(open_model(&b));
    printf("[");
    for (size_t i = 0; i < KINDS; i++) TRY(measure_kind(&b, &kinds[i], rounds));
    if (argc > 2) TRY(measure_folder(&b, argv[2], rounds));
    printf("]\n");
cleanup:
    if (status < 0) fprintf(stderr, "bench_trees: %s\n", wr_error());
    packed_free(&b.pack), model_workspace_free(b.work), model_free(b.m);
    free(b.grads), free(b.dhidden), free(b.out);
    if (b.w) world_free(b.w);
    return status < 0;
}
