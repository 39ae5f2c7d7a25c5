/* A step of turns of conversations, packed as trees, against the same records one after another: outputs, and gradients
 * of every tensor. Depths up to eight, texts that end inside another, duplicates, padding; windows, longrope, Gemma's
 * layers, adapters, activations computed again, small budgets, bf16; every objective's loss and gradient. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/lora.h"
#include "reward/objective.h"
#include "tests/support/tiny_model.h"
#include "tests/support/turn_records.h"
#include "trainer/packing/unit_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 3, OUTPUTS = 4, CLASSES = 4, CONVERSATIONS = 3, TURNS = 7 };
/* Of a tensor's gradient: |difference| / |gradient|. f32 sums in another order differ by 1e-7 to 1e-6 here. */
static const double TOLERANCE = 2e-5, TOLERANCE16 = 0.05;

typedef struct variant {
    const char *spec, *lora;
    size_t window, budget;
    bool longrope, recompute, all, pairs;
    precision p;
    const objective *objective; /* NULL: a loss that is linear in the outputs */
} variant;

typedef struct result {
    double *outputs; /* (texts, OUTPUTS) by position in the step; zeros behind an objective's */
    double loss;     /* of an objective */
    float *grads;
    size_t tokens, deepest;
} result;

static model *make_model(const variant *v) {
    model_config c = tiny_config(v->spec, TURNS_VOCABULARY + 1);
    c.init_std = 0.15, c.pad_id = TURNS_PAD;
    model_config_set_head(&c, HEAD_SCORE, v->objective ? objective_rows(v->objective, CLASSES) : OUTPUTS);
    if (v->objective) c.own = objective_own(v->objective, CLASSES);
    c.window = v->window ? v->window : c.window;
    for (size_t l = 0; l < c.L && v->window; l += 2) c.layers[l].windowed = true;
    if (v->longrope) {
        c.rope = ROPE_LONGROPE, c.rope_original_positions = 200, c.rope_attention_factor = 1.19;
        for (size_t i = 0; i < model_config_rotary(&c) / 2; i++)
            c.rope_short[i] = 1 + 0.1 * (double)i, c.rope_long[i] = 2 + 0.7 * (double)i;
    }
    model *m = tiny_model(c, SEED);
    rng r = rng_make(SEED, RNG_TEST, 5, 0, 0);
    if (v->lora) {
        assert_ok(lora_attach(m, &(lora_options){.rank = 2, .alpha = 3, .targets = v->lora, .seed = SEED}));
        for (size_t i = 0; i < m->lora->n; i++) m->lora->values[i] = (float)(0.2 * rng_normal(&r));
    }
    assert_ok(model_set_precision(m, v->p));
    return m;
}

static size_t depth_of(const token_batch *b) {
    size_t deepest = 1;
    for (size_t s = 0; s < b->B; s++) {
        size_t depth = 1;
        for (int32_t at = b->parent ? b->parent[s] : -1; at >= 0; at = b->parent[at]) depth++;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* The gradient of the outputs: the objective's, or a factor of its own for each. */
static void backward_of(const variant *v, const packed *p, const uint32_t *items, size_t texts, const float *logits,
                        float *dlogits, result *out) {
    float margins[64];
    if (!v->objective) {
        for (size_t i = 0; i < p->N; i++) {
            rng r = rng_make(SEED, RNG_TEST, 9, items[i / texts] * texts + i % texts, 0);
            for (size_t k = 0; k < OUTPUTS; k++) dlogits[i * OUTPUTS + k] = (float)rng_normal(&r);
        }
        return;
    }
    objective_use u = objective_with_defaults(v->objective, CLASSES);
    assert_true(p->N <= 2 * 64);
    for (size_t i = 0; i < p->N / 2; i++) margins[i] = 0.1f * (float)items[i]; /* a pair has its own wherever it lies */
    if (v->objective->pairs) u.margins = margins, u.settings[0] = 0.01;
    out->loss += u.kind->loss(&u, p->N, logits, p->targets, 1, dlogits);
}

/* Outputs and gradients of a micro-batch. */
static void run_micro(const variant *v, const model *m, model_workspace *w, const packed *p, const uint32_t *items,
                      size_t texts, result *out) {
    const size_t T = p->batch.offsets[p->batch.B], C = m->config.C, N = config_logits(&m->config);
    const float *hidden = NULL;
    float *logits = mem_calloc(2 * p->N * N, sizeof *logits), *dlogits = logits + p->N * N;
    float *dhidden = mem_calloc(T * C, sizeof *dhidden);
    assert_ok(model_forward(m, &p->batch, w, true, &hidden));
    assert_ok(score_logits(m, hidden, p->N, p->rows, logits));
    for (size_t i = 0; i < p->N * N; i++) {
        const size_t text = items[i / N / texts] * texts + i / N % texts;
        out->outputs[text * OUTPUTS + i % N] = (double)logits[i];
    }
    backward_of(v, p, items, texts, logits, dlogits, out);
    assert_ok(score_backward(m, hidden, p->N, p->rows, dlogits, dhidden, out->grads));
    assert_ok(model_backward(m, &p->batch, w, dhidden, out->grads));
    out->tokens += T;
    const size_t depth = depth_of(&p->batch);
    out->deepest = depth > out->deepest ? depth : out->deepest;
    free(logits), free(dhidden);
}

static result run(const model *m, const turn_records *t, const variant *v, bool shared) {
    const sequence_rule rule = {.kind = SHARD_REWARD, .max_length = 4096, .classes = CLASSES};
    result out = {.outputs = mem_calloc(2 * t->n * OUTPUTS, sizeof *out.outputs),
                  .grads = mem_calloc(model_trainables(m).n, sizeof *out.grads)};
    unit_text *texts = mem_calloc(t->n, sizeof *texts);
    sequence *sequences = mem_calloc(t->n, sizeof *sequences);
    prefix_rule share = prefix_rule_of(m);
    unit_plan units;
    rank_plan plan;
    packed p = {0};
    model_workspace *w;
    if (!shared) share.min_shared = SIZE_MAX;
    for (size_t i = 0; i < t->n; i++)
        texts[i] = (unit_text){
            .ids = t->sequences[i].ids, .n = t->sequences[i].n, .n_chosen = t->sequences[i].n_chosen, .user = t->of[i]};
    assert_ok(model_workspace_create(m, &w));
    model_workspace_recompute(w, v->recompute);
    assert_ok(unit_plan_make(texts, t->n, share, v->budget, 1, &units));
    assert_ok(unit_plan_shares(&units, 1, (share_range){0, 1}, v->budget, &plan));
    for (size_t k = 0; k < plan.n_micro; k++) {
        const size_t first = plan.micro[k].first, n = plan.micro[k].count;
        for (size_t i = 0; i < n; i++) {
            sequences[i] = t->sequences[plan.items[first + i]];
            if (v->all) plan.unit[first + i] = 0;
        }
        assert_ok(packed_fill_shared(&p, &rule, sequences, n, m->config.pad_id, plan.unit + first, share));
        run_micro(v, m, w, &p, plan.items + first, v->pairs ? 2 : 1, &out);
    }
    packed_free(&p), rank_plan_free(&plan), unit_plan_free(&units), model_workspace_free(w);
    free(texts), free(sequences);
    return out;
}

/* Neighbours of a conversation become pairs of one record each. */
static void pair_up(turn_records *t) {
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        size_t k = i + 1;
        while (k < t->n && t->of[k] != t->of[i]) k++;
        if (k == t->n) continue;
        const sequence a = t->sequences[i], b = t->sequences[k];
        int32_t *ids = mem_calloc(a.n + b.n, sizeof *ids);
        memcpy(ids, a.ids, a.n * sizeof *ids);
        memcpy(ids + a.n, b.ids, b.n * sizeof *ids);
        free((void *)(uintptr_t)a.ids);
        t->sequences[i].ids = ids, t->sequences[i].n = a.n + b.n, t->sequences[i].n_chosen = a.n;
        t->of[k] = SIZE_MAX - k; /* has its partner */
    }
    for (size_t i = 0; i < t->n; i++) { /* those without one last */
        if (!t->sequences[i].n_chosen) continue;
        const sequence s = t->sequences[i];
        t->sequences[i] = t->sequences[n], t->sequences[n] = s;
        n++;
    }
    for (size_t i = n; i < t->n; i++) free((void *)(uintptr_t)t->sequences[i].ids);
    for (size_t i = n; i < t->n; i++) free(t->users[i]), free(t->ids[i]);
    t->n = n;
}

static void check(const char *name, const variant v) {
    turn_records t = turn_records_make(SEED, CONVERSATIONS, TURNS, false);
    if (v.pairs) pair_up(&t);
    model *m = make_model(&v);
    const trainables x = model_trainables(m);
    result apart = run(m, &t, &v, false), together = run(m, &t, &v, true);
    const double allowed = v.p == PRECISION_BF16 ? TOLERANCE16 : TOLERANCE;
    double worst = 0, output = 0;
    for (size_t i = 0; i < 2 * t.n * OUTPUTS; i++) output = fmax(output, fabs(apart.outputs[i] - together.outputs[i]));
    for (size_t i = 0; i < x.n_tensors; i++) {
        double difference = 0, norm = 0;
        for (size_t k = x.tensors[i].offset; k < x.tensors[i].offset + x.tensors[i].count; k++) {
            const double a = (double)apart.grads[k], b = (double)together.grads[k];
            difference += (a - b) * (a - b), norm += a * a;
        }
        assert_true(norm > 0);
        if (!(sqrt(difference / norm) <= allowed))
            fail_msg("%s: %s: %g", name, x.tensors[i].name, sqrt(difference / norm));
        worst = fmax(worst, sqrt(difference / norm));
    }
    printf("# %-12s %zu of %zu tokens, depth %zu: outputs within %.2g, gradients %.2g\n", name, together.tokens,
           apart.tokens, together.deepest, output, worst);
    assert_true(output <= (v.p == PRECISION_BF16 ? 0.05 : 2e-5));
    assert_true(fabs(apart.loss - together.loss) <= 1e-5 * fabs(apart.loss));
    assert_true((double)apart.tokens > (v.longrope || v.pairs || v.budget < 600 ? 1.2 : 2.0) * (double)together.tokens);
    assert_true(apart.deepest == 1 && together.deepest >= (v.pairs ? 2 : 3));
    free(apart.outputs), free(apart.grads), free(together.outputs), free(together.grads);
    model_free(m);
    turn_records_free(&t);
}

#define LLAMA "layers=2,hidden=32,heads=4,kv-heads=2,ffn=48,max-positions=1024,tied=1"
#define SMALL "layers=2,hidden=24,heads=2,kv-heads=1,ffn=40,max-positions=1024,tied=1"
enum { BUDGET = 2000 };

static void test_plain(void **state) {
    (void)state;
    check("llama", (variant){.spec = LLAMA, .budget = BUDGET});
    check("all", (variant){.spec = LLAMA, .budget = BUDGET, .all = true});
    check("budget", (variant){.spec = LLAMA, .budget = 450});
    check("recompute", (variant){.spec = LLAMA, .budget = BUDGET, .recompute = true});
    check("qwen3", (variant){.spec = SMALL ",type=qwen3", .budget = BUDGET});
}

static void test_windows(void **state) {
    (void)state;
    check("window 24", (variant){.spec = LLAMA, .budget = BUDGET, .window = 24});
    check("window 100", (variant){.spec = LLAMA, .budget = BUDGET, .window = 100, .recompute = true});
    check("gemma2", (variant){.spec = SMALL ",type=gemma2", .budget = BUDGET, .window = 70});
}

static void test_longrope(void **state) {
    (void)state;
    check("longrope", (variant){.spec = LLAMA, .budget = BUDGET, .longrope = true});
}

static void test_pairs(void **state) {
    (void)state;
    check("pairs", (variant){.spec = LLAMA, .budget = BUDGET, .pairs = true});
    check("pairs, all", (variant){.spec = LLAMA, .budget = BUDGET, .pairs = true, .all = true});
    check("pairs, window", (variant){.spec = LLAMA, .budget = 700, .pairs = true, .window = 30, .recompute = true});
}

static void test_lora(void **state) {
    (void)state;
    check("adapters", (variant){.spec = LLAMA, .budget = BUDGET, .lora = "all-linear"});
    check("adapters 2",
          (variant){.spec = LLAMA, .budget = 450, .lora = "q_proj,v_proj", .window = 50, .recompute = true});
}

static void test_bf16(void **state) {
    (void)state;
    check("bf16", (variant){.spec = LLAMA, .budget = BUDGET, .p = PRECISION_BF16});
    check("bf16 window", (variant){.spec = LLAMA, .budget = BUDGET, .p = PRECISION_BF16, .window = 60});
}

static void test_objectives(void **state) {
    (void)state;
#define ROW(name) &name##_objective,
    static const objective *const all[] = {OBJECTIVES(ROW)};
    for (size_t o = 0; o < sizeof all / sizeof *all; o++)
        check(all[o]->name,
              (variant){.spec = SMALL, .budget = 700, .pairs = all[o]->pairs, .all = o % 2, .objective = all[o]});
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain),     cmocka_unit_test(test_windows),
                                       cmocka_unit_test(test_longrope),  cmocka_unit_test(test_lora),
                                       cmocka_unit_test(test_bf16),      cmocka_unit_test(test_pairs),
                                       cmocka_unit_test(test_objectives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
