/* bench_turns [ROUNDS]: the turns of conversations scored in one go, where each is computed from where it leaves the
 * one before (model/prefix_tree.h), over the same texts as so many sequences of their own; in turn, the median of the
 * rounds counts. The ideal ratio is that of the tokens. Six layers of SmolLM2-135M's shape, random, in bf16 where the
 * CPU multiplies it; one thread's CPU time, which what else the machine does changes little. JSON on stdout, a table on
 * stderr. */
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/prefix.h"
#include "model/prefix_tree.h"
#include "reward/score.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONVERSATIONS = 1, ROUNDS_MAX = 99, BUDGET = 8192 };
static const double WANTED = 0.9;

/* A conversation of `turns` texts. Written by a chat template each text goes on where the one before stopped (tail 0);
 * by a template with slots the last query and reply and what follows them, `tail` tokens, are written otherwise once
 * they are history. */
typedef struct kind {
    const char *name;
    size_t turns, step, tail;
} kind;
static const kind kinds[] = {
    {"8 turns of 128 tokens, chat template", 8, 128, 0},
    {"8 turns of 128 tokens, template file", 8, 128, 128},
    {"12 turns of 60 tokens, chat template", 12, 60, 0},
    {"3 turns of 400 tokens, chat template", 3, 400, 0},
};
enum { KINDS = sizeof kinds / sizeof *kinds, TEXTS_MAX = CONVERSATIONS * 12 };

typedef struct bench {
    reward_model reward;
    score_scratch *scratch;
    model_workspace *work;
    prefix_tree separate;
    token_ids texts[TEXTS_MAX];
    double scores[TEXTS_MAX];
} bench;

static wr_status open_model(bench *b) {
    wr_status status = WR_OK;
    const precision p = precision_bf16_products() ? PRECISION_BF16 : PRECISION_F32;
    model_config c;
    TRY(model_config_from_spec("layers=6,hidden=576,heads=9,kv-heads=3,ffn=1536,max-positions=8192,tied=1", &c));
    c.V = 49152;
    model_config_set_head(&c, HEAD_SCORE, 3);
    TRY(model_create(&c, &b->reward.m));
    TRY(model_alloc_params(b->reward.m));
    model_init_params(b->reward.m, 1);
    TRY(model_set_precision(b->reward.m, p));
    b->reward.rule = &ordinal_rule;
    TRY(score_scratch_create(&b->reward, &b->scratch));
    TRY(model_workspace_create(b->reward.m, &b->work));
cleanup:
    return status;
}

static wr_status make_texts(bench *b, const kind *k, size_t *n, size_t *tokens, size_t *own) {
    wr_status status = WR_OK;
    const uint64_t V = b->reward.m->config.V;
    *n = *tokens = *own = 0;
    for (size_t c = 0; c < CONVERSATIONS; c++)
        for (size_t i = 0; i < k->turns; i++) {
            rng history = rng_make(1, RNG_TEST, c, 0, 0), last = rng_make(1, RNG_TEST, c, 1, i);
            token_ids *t = &b->texts[(*n)++];
            const size_t shared = k->tail ? i * k->step : (i + 1) * k->step;
            t->n = 0;
            for (size_t at = 0; at < shared; at++) TRY(token_ids_push(t, (int32_t)rng_below(&history, V)));
            for (size_t at = 0; at < k->tail; at++) TRY(token_ids_push(t, (int32_t)rng_below(&last, V)));
            *tokens += t->n;
            *own += k->tail + (k->tail && i == 0 ? 0 : k->step);
        }
cleanup:
    return status;
}

static wr_status score_separately(bench *b, size_t n, double *seconds) {
    wr_status status = WR_OK;
    const int32_t *ids[TEXTS_MAX];
    size_t lengths[TEXTS_MAX];
    const float *hidden;
    for (size_t i = 0; i < n; i++) ids[i] = b->texts[i].ids, lengths[i] = b->texts[i].n;
    const double begin = clock_thread_cpu();
    for (size_t at = 0; at < n; at += b->separate.n) {
        TRY(prefix_tree_build(n - at, ids + at, lengths + at, (prefix_rule){SIZE_MAX, SIZE_MAX}, BUDGET, &b->separate));
        TRY(model_forward(b->reward.m, &b->separate.batch, b->work, false, &hidden));
    }
    *seconds = clock_thread_cpu() - begin;
cleanup:
    return status;
}

static wr_status score_together(bench *b, size_t n, double *seconds) {
    const double begin = clock_thread_cpu();
    const wr_status status = score_ids(&b->reward, b->scratch, n, b->texts, BUDGET, b->scores, NULL);
    *seconds = clock_thread_cpu() - begin;
    return status;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static wr_status measure(bench *b, const kind *k, size_t rounds, bool last) {
    wr_status status = WR_OK;
    size_t n, tokens, own;
    double ratios[ROUNDS_MAX];
    TRY(make_texts(b, k, &n, &tokens, &own));
    for (size_t r = 0; r <= rounds; r++) {
        double apart, together;
        TRY(score_separately(b, n, &apart));
        TRY(score_together(b, n, &together));
        if (r > 0) ratios[r - 1] = apart / together;
    }
    qsort(ratios, rounds, sizeof *ratios, by_value);
    const double ideal = (double)tokens / (double)own, ratio = ratios[rounds / 2], share = ratio / ideal;
    fprintf(stderr, "%-40s %5.2f x   [%.2f, %.2f]; ideal %.2f; share %.2f, at least %.2f: %s\n", k->name, ratio,
            ratios[0], ratios[rounds - 1], ideal, share, WANTED, share >= WANTED ? "met" : "MISSED");
    printf("{\"what\":\"%s\",\"ratio\":%.4g,\"ideal\":%.4g,\"share\":%.4g}%s", k->name, ratio, ideal, share,
           last ? "" : ",");
cleanup:
    return status;
}

int main(int argc, char **argv) {
    wr_status status = WR_OK;
    const size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
    bench *b = mem_calloc(1, sizeof *b);
    TRY_ALLOC(b);
    omp_set_num_threads(1);
    if (rounds < 1 || rounds > ROUNDS_MAX) TRY(wr_fail(WR_E_USAGE, "usage: bench_turns [ROUNDS]"));
    TRY(open_model(b));
    printf("[");
    for (size_t i = 0; i < KINDS; i++) TRY(measure(b, &kinds[i], rounds, i + 1 == KINDS));
    printf("]\n");
cleanup:
    if (b) {
        score_scratch_free(b->scratch);
        model_workspace_free(b->work);
        prefix_tree_free(&b->separate);
        model_free(b->reward.m);
        for (size_t i = 0; i < TEXTS_MAX; i++) token_ids_free(&b->texts[i]);
        free(b);
    }
    if (status < 0) fprintf(stderr, "bench_turns: %s\n", wr_error());
    return status < 0;
}
