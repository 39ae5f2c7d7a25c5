#include "tests/support/gradient_problem.h"

#include "base/logistic.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/lora.h"
#include "reward/objective.h"
#include "tests/support/ref_double.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED 7u
#define TOLERANCE 1e-3
#define BETA 0.1
static model_config tiny(const shape *s) {
    model_config c = {.C = s->C,
                      .H = s->H,
                      .G = s->G,
                      .D = s->D ? s->D : s->C / s->H,
                      .F = s->F,
                      .V = V,
                      .L = s->L,
                      .max_positions = 512,
                      .rope_theta = 10000,
                      .rope = s->rope,
                      .rope_factor = 4,
                      .rope_low_freq_factor = 1,
                      .rope_high_freq_factor = 4,
                      .rope_original_positions = 32,
                      .qkv_bias = s->bias,
                      .qk_norm = s->norms,
                      .norm_place = s->place,
                      .norm_eps = 1e-5,
                      .tied = s->tied,
                      .head = s->kind == LOSS_ORDINAL ? HEAD_SCORE : HEAD_LM,
                      .n_outputs = s->kind == LOSS_ORDINAL ? LABELS : 0,
                      .init_std = 0.3,
                      .bos_id = -1,
                      .eos_id = -1,
                      .pad_id = -1,
                      .rope_share = s->share,
                      .fused = s->fused};
    c.window = s->window;
    c.rope_local_theta = s->local_theta;
    c.norm_from_one = s->from_one, c.scaled_embedding = s->scaled, c.gate = s->gate;
    c.query_scale = s->query_scale, c.attention_cap = s->attention_cap, c.final_cap = s->final_cap;
    for (size_t l = 0; l < c.L && c.window; l += 2)
        c.layers[l] = (layer_kind){.windowed = true, .rope = c.rope_local_theta > 0};
    for (size_t l = 0; l < c.L && s->unturned; l += 2) c.layers[l].rope = LAYER_ROPE_NONE;
    if (s->rope == ROPE_LONGROPE) {
        c.rope_original_positions = 8, c.rope_attention_factor = 1.19;
        for (size_t i = 0; i < model_config_rotary(&c) / 2; i++)
            c.rope_short[i] = 1 + 0.1 * (double)i, c.rope_long[i] = 2 + 0.7 * (double)i;
    }
    return c;
}

static double *to_double(size_t n, const float *x) {
    double *y = mem_calloc(n + 1, sizeof *y);
    for (size_t i = 0; i < n; i++) y[i] = x[i];
    return y;
}

static void add_row(problem *p, size_t row, size_t target_at, float weight) {
    p->rows[p->n] = row;
    p->targets[p->n] = p->ids[target_at];
    p->weight[p->n++] = weight;
}

void problem_make(problem *p, const shape *s) {
    const model_config c = tiny(s);
    rng r = rng_make(SEED, RNG_TEST, c.C, s->kind, 0);
    *p = (problem){.kind = s->kind, .reference = 0.7, .recompute = s->recompute};
    assert_int_equal(model_create(&c, &p->m), WR_OK);
    assert_int_equal(model_alloc_params(p->m), WR_OK);
    model_init_params(p->m, SEED);
    for (size_t i = 0; i < p->m->n_tensors; i++) {
        const tensor_info *t = &p->m->tensors[i];
        for (size_t k = t->offset; k < t->offset + t->count; k++) {
            if (t->n_dims == 1)
                p->m->params[k] += (float)(0.3 * rng_normal(&r)); /* norms off 1, biases off 0 */
            else if (c.C > 16)
                p->m->params[k] *= 0.5f;
        }
    }
    if (s->lora) {
        const lora_options o = {.rank = 2, .alpha = 3, .targets = s->lora, .seed = SEED};
        assert_ok(lora_attach(p->m, &o));
        for (size_t i = 0; i < p->m->lora->n; i++) p->m->lora->values[i] = (float)(0.2 * rng_normal(&r)); /* B off 0 */
        p->adapters = to_double(p->m->lora->n, p->m->lora->values);
    }
    model_round_weights(p->m);
    p->params = to_double(p->m->n_params, p->m->params);
    p->train = model_trainables(p->m);
    for (size_t b = 0; b < s->B; b++) p->offsets[b + 1] = p->offsets[b] + s->lengths[b];
    p->T = p->offsets[s->B];
    p->ids = mem_calloc(p->T, sizeof *p->ids);
    p->rows = mem_calloc(2 * p->T, sizeof *p->rows);
    p->targets = mem_calloc(2 * p->T, sizeof *p->targets);
    p->weight = mem_calloc(2 * p->T, sizeof *p->weight);
    for (size_t t = 0; t < p->T; t++) p->ids[t] = (int32_t)rng_below(&r, V);
    for (size_t b = 0; b < s->B; b++) {
        const float side = b % 2 ? -1.0f : 1.0f;
        if (s->kind == LOSS_ORDINAL) {
            p->labels[b] = 1 + (int)(b % (LABELS + 1));
            p->rows[p->n++] = p->offsets[b + 1] - 1;
            continue;
        }
        /* A row of the parent's end predicts the first token of each of its children. */
        if (s->parent && s->parent[b] >= 0) add_row(p, p->offsets[s->parent[b] + 1] - 1, p->offsets[b], side);
        for (size_t t = p->offsets[b]; t + 1 < p->offsets[b + 1]; t++)
            add_row(p, t, t + 1, s->kind == LOSS_DPO ? side : (float)rng_normal(&r));
    }
    p->batch = (token_batch){.B = s->B, .offsets = p->offsets, .ids = p->ids, .parent = s->parent};
}

void problem_free(problem *p) {
    model_free(p->m);
    free(p->params), free(p->adapters), free(p->ids), free(p->rows), free(p->targets), free(p->weight);
}

static double loss_double(const problem *p) {
    const refd_model r = {p->m, p->params, p->adapters};
    double *hidden = mem_calloc(p->T * p->m->config.C, sizeof *hidden), total = 0;
    refd_forward(&r, &p->batch, hidden);
    if (p->kind == LOSS_ORDINAL) {
        total = refd_ordinal(&r, hidden, p->n, p->rows, p->labels);
    } else {
        for (size_t i = 0; i < p->n; i++)
            total += (double)p->weight[i] * refd_logprob_at(&r, hidden, p->rows[i], p->targets[i]);
        if (p->kind == LOSS_DPO) total = refd_dpo(BETA, total - p->reference);
    }
    free(hidden);
    return total;
}

double loss_f32(const problem *p, float *grads) {
    const size_t C = p->m->config.C;
    model_workspace *w = NULL;
    const float *hidden = NULL;
    float *dhidden = mem_calloc(p->T * C, sizeof *dhidden), *out = mem_calloc(4 * p->T, sizeof *out),
          *dout = out + 2 * p->T;
    double loss = 0;
    assert_int_equal(model_workspace_create(p->m, &w), WR_OK);
    model_workspace_recompute(w, p->recompute);
    assert_ok(model_forward(p->m, &p->batch, w, grads != NULL, &hidden));
    if (p->kind == LOSS_ORDINAL) {
        float logits[LABELS * SEGMENTS_MAX], dlogits[LABELS * SEGMENTS_MAX];
        assert_int_equal(score_logits(p->m, hidden, p->n, p->rows, logits), WR_OK);
        const objective_use u = objective_with_defaults(&ordinal_objective, LABELS + 1);
        loss = u.kind->loss(&u, p->n, logits, p->labels, 1.0f, dlogits);
        if (grads) assert_int_equal(score_backward(p->m, hidden, p->n, p->rows, dlogits, dhidden, grads), WR_OK);
    } else {
        assert_int_equal(lm_logprobs(p->m, w, hidden, p->n, p->rows, p->targets, out), WR_OK);
        double sum = 0, slope = 1;
        for (size_t i = 0; i < p->n; i++) sum += (double)p->weight[i] * (double)out[i];
        loss = sum;
        if (p->kind == LOSS_DPO) {
            /* loss = softplus(-beta h): dloss/dh = -beta sigmoid(-beta h) */
            const double h = sum - p->reference;
            loss = refd_dpo(BETA, h);
            slope = -BETA / (1 + exp(BETA * h));
        }
        for (size_t i = 0; i < p->n; i++) dout[i] = (float)(slope * (double)p->weight[i]);
        if (grads)
            assert_int_equal(lm_logprobs_backward(p->m, w, hidden, p->n, p->rows, p->targets, dout, dhidden, grads),
                             WR_OK);
    }
    if (grads) assert_ok(model_backward(p->m, &p->batch, w, dhidden, grads));
    model_workspace_free(w);
    free(dhidden), free(out);
    return loss;
}

static double *trained(const problem *p) { return p->adapters ? p->adapters : p->params; }

static double slope_at(problem *p, size_t i) {
    double *x = trained(p);
    const double h = 1e-5, keep = x[i];
    x[i] = keep + h;
    const double up = loss_double(p);
    x[i] = keep - h;
    const double down = loss_double(p);
    x[i] = keep;
    return (up - down) / (2 * h);
}

void check_elements(problem *p) {
    float *grads = mem_calloc(p->train.n, sizeof *grads);
    const double want = loss_double(p), got = loss_f32(p, grads);
    assert_true(fabs(want - got) < 1e-4 * (1 + fabs(want)));
    for (size_t i = 0; i < p->train.n_tensors; i++) {
        const tensor_info *t = &p->train.tensors[i];
        const size_t step = t->count > 32 ? t->count / 32 : 1;
        double difference = 0, norm = 0;
        for (size_t k = t->offset; k < t->offset + t->count; k += step) {
            const double g = slope_at(p, k);
            difference += (g - (double)grads[k]) * (g - (double)grads[k]);
            norm += g * g;
        }
        if (!(norm > 0) || !(sqrt(difference / norm) < TOLERANCE))
            fail_msg("%s: |difference| %g, |gradient| %g", t->name, sqrt(difference), sqrt(norm));
    }
    free(grads);
}

void check_directions(problem *p) {
    float *grads = mem_calloc(p->train.n, sizeof *grads);
    double *x = trained(p), *keep = mem_calloc(p->train.n, sizeof *keep);
    memcpy(keep, x, p->train.n * sizeof *keep);
    loss_f32(p, grads);
    for (size_t i = 0; i < p->train.n_tensors; i++) {
        const tensor_info *t = &p->train.tensors[i];
        double side[2], norm = 0, along = 0;
        for (int s = 0; s < 2; s++) {
            rng r = rng_make(SEED, RNG_TEST, i, 99, 0);
            norm = along = 0;
            for (size_t k = t->offset; k < t->offset + t->count; k++) {
                const double v = rng_normal(&r), g = (double)grads[k];
                x[k] = keep[k] + (s ? -1e-6 : 1e-6) * v;
                norm += g * g;
                along += g * v;
            }
            side[s] = loss_double(p);
        }
        memcpy(x, keep, p->train.n * sizeof *keep);
        const double difference = fabs((side[0] - side[1]) / 2e-6 - along);
        if (!(norm > 0) || !(difference < TOLERANCE * sqrt(norm)))
            fail_msg("%s: directional derivative off by %g, |gradient| %g", t->name, difference, sqrt(norm));
    }
    free(grads), free(keep);
}

void check_shape(shape s, void (*how)(problem *)) {
    for (int recompute = 0; recompute < 2; recompute++) {
        problem p;
        s.recompute = recompute;
        problem_make(&p, &s);
        how(&p);
        problem_free(&p);
    }
}
