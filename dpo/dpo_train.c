#include "dpo/dpo_train.h"

#include "base/log.h"
#include "base/mem.h"
#include "dpo/dpo_loss.h"
#include "trainer/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

wr_status dpo_trainer_create(world *w, model *policy, const model *reference, dpo_trainer *out) {
    wr_status status = WR_OK;
    *out = (dpo_trainer){.w = w, .policy = policy, .reference = reference};
    out->grads = mem_aligned(policy->n_params, sizeof *out->grads);
    if (!out->grads) status = WR_E_NOMEM;
    if (status >= 0) status = adamw_create(policy->n_params, &out->opt);
    if (status >= 0) status = model_workspace_create(policy, &out->work);
    if (status >= 0) status = model_workspace_create(reference, &out->reference_work);
    TRY(world_agree(w, status));
cleanup:
    if (status < 0) dpo_trainer_free(out);
    return status;
}

void dpo_trainer_free(dpo_trainer *t) {
    free(t->grads);
    adamw_free(&t->opt);
    model_workspace_free(t->work);
    model_workspace_free(t->reference_work);
    *t = (dpo_trainer){0};
}

/* One micro-batch, packed: sequences 2i and 2i+1 are prompt + chosen and prompt + rejected of pair i, each without its last token, which nothing
 * follows. Row r of `rows` is the hidden state that predicts targets[r]; the tokens of sequence s are rows first[s] … first[s+1]. */
typedef struct micro {
    size_t B, T, N;
    int32_t *ids, *targets; /* (T), (N) */
    size_t *offsets, *rows, *first; /* (B+1), (N), (B+1) */
    float *logprob, *reference_logprob, *dlogprob; /* (N) */
    float *dhidden; /* (T, C) */
} micro;

static void micro_free(micro *m) {
    free(m->ids);
    free(m->targets);
    free(m->offsets);
    free(m->rows);
    free(m->first);
    free(m->logprob);
    free(m->reference_logprob);
    free(m->dlogprob);
    free(m->dhidden);
    *m = (micro){0};
}

static const pair_side *side_of(const dpo_pair *p, size_t s) {
    return s % 2 == 0 ? &p->chosen : &p->rejected;
}

static wr_status micro_fill(micro *m, const dpo_pair *pairs, const uint32_t *items, size_t count, size_t C) {
    wr_status status = WR_OK;
    *m = (micro){.B = 2 * count};
    for (size_t s = 0; s < m->B; s++) {
        const dpo_pair *p = &pairs[items[s / 2]];
        m->T += p->n_prompt + side_of(p, s)->n - 1;
        m->N += side_of(p, s)->n;
    }
    m->ids = mem_calloc(m->T, sizeof *m->ids);
    m->targets = mem_calloc(m->N, sizeof *m->targets);
    m->offsets = mem_calloc(m->B + 1, sizeof *m->offsets);
    m->first = mem_calloc(m->B + 1, sizeof *m->first);
    m->rows = mem_calloc(m->N, sizeof *m->rows);
    m->logprob = mem_calloc(m->N, sizeof *m->logprob);
    m->reference_logprob = mem_calloc(m->N, sizeof *m->reference_logprob);
    m->dlogprob = mem_calloc(m->N, sizeof *m->dlogprob);
    m->dhidden = m->T <= SIZE_MAX / C ? mem_aligned(m->T * C, sizeof *m->dhidden) : NULL;
    TRY_ALLOC(m->ids);
    TRY_ALLOC(m->targets);
    TRY_ALLOC(m->offsets);
    TRY_ALLOC(m->first);
    TRY_ALLOC(m->rows);
    TRY_ALLOC(m->logprob);
    TRY_ALLOC(m->reference_logprob);
    TRY_ALLOC(m->dlogprob);
    TRY_ALLOC(m->dhidden);
    size_t at = 0, r = 0;
    for (size_t s = 0; s < m->B; s++) {
        const dpo_pair *p = &pairs[items[s / 2]];
        const pair_side *side = side_of(p, s);
        m->offsets[s] = at;
        m->first[s] = r;
        memcpy(m->ids + at, p->prompt_ids, p->n_prompt * sizeof *m->ids);
        memcpy(m->ids + at + p->n_prompt, side->ids, (side->n - 1) * sizeof *m->ids);
        for (size_t k = 0; k < side->n; k++, r++) {
            m->rows[r] = at + p->n_prompt - 1 + k; /* the last prompt token predicts the first reply token */
            m->targets[r] = side->ids[k];
        }
        at += p->n_prompt + side->n - 1;
    }
    m->offsets[m->B] = at;
    m->first[m->B] = r;
cleanup:
    return status;
}

static double sum_of(const float *x, size_t from, size_t to) {
    double sum = 0;
    for (size_t i = from; i < to; i++) sum += x[i];
    return sum;
}

/* Sums over this rank's pairs, and maxima. */
enum { SUM_PAIRS, SUM_LOSS, SUM_RIGHT, SUM_CHOSEN, SUM_REJECTED, SUM_H, N_SUMS };
enum { MAX_H, MAX_GAP, N_MAX };
typedef struct tally { double sums[N_SUMS], most[N_MAX]; } tally;

static void see_gap(tally *t, const pair_side *side, double policy_logprob) {
    double gap = fabs(side->logprob - policy_logprob) / (double)side->n;
    if (isfinite(gap) && gap > t->most[MAX_GAP]) t->most[MAX_GAP] = gap; /* a record without log-probability has none to compare */
}

/* Forward of both models, loss, backward into t->grads. scale = 1 / pairs of the global step. */
static wr_status train_micro(dpo_trainer *t, const dpo_train_options *o, const dpo_pair *pairs, const uint32_t *items, size_t count, double scale,
                             bool check_equal, tally *seen) {
    wr_status status = WR_OK;
    micro m = {0};
    const float *hidden;
    TRY(micro_fill(&m, pairs, items, count, t->policy->config.C));
    const token_batch batch = {m.B, m.offsets, m.ids};
    TRY(model_forward(t->reference, &batch, t->reference_work, false, &hidden));
    TRY(lm_logprobs(t->reference, t->reference_work, hidden, m.N, m.rows, m.targets, m.reference_logprob));
    TRY(model_forward(t->policy, &batch, t->work, true, &hidden));
    TRY(lm_logprobs(t->policy, t->work, hidden, m.N, m.rows, m.targets, m.logprob));
    for (size_t i = 0; i < count; i++) {
        const dpo_pair *p = &pairs[items[i]];
        size_t w = m.first[2 * i], l = m.first[2 * i + 1], end = m.first[2 * i + 2];
        dpo_logprobs x = {sum_of(m.logprob, w, l), sum_of(m.logprob, l, end), sum_of(m.reference_logprob, w, l),
                          sum_of(m.reference_logprob, l, end)};
        double h = dpo_margin(&x), dh;
        double loss = dpo_sigmoid_loss(o->beta, o->label_smoothing, h, &dh);
        if (!isfinite(loss)) TRY(wr_fail(WR_E_NUMERIC, "the loss of a pair of prompt %u is not finite (h = %g)", p->prompt, h));
        if (check_equal && !(fabs(h) <= dpo_margin_tolerance(end - w))) {
            TRY(wr_fail(WR_E_FAILED, "policy and reference are the same model, but h = %.3g for a pair of prompt %u (%zu reply tokens): the log-probabilities "
                        "of the two do not agree", h, p->prompt, end - w));
        }
        /* logprob of every reply token enters h with weight 1 (chosen) or -1 (rejected) */
        for (size_t r = w; r < end; r++) m.dlogprob[r] = (float)(r < l ? scale * dh : -scale * dh);
        seen->sums[SUM_PAIRS] += 1;
        seen->sums[SUM_LOSS] += loss;
        seen->sums[SUM_RIGHT] += h > 0;
        seen->sums[SUM_CHOSEN] += x.policy_chosen - x.reference_chosen;
        seen->sums[SUM_REJECTED] += x.policy_rejected - x.reference_rejected;
        seen->sums[SUM_H] += h;
        if (fabs(h) > seen->most[MAX_H]) seen->most[MAX_H] = fabs(h);
        see_gap(seen, &p->chosen, x.policy_chosen);
        see_gap(seen, &p->rejected, x.policy_rejected);
    }
    TRY(lm_logprobs_backward(t->policy, t->work, hidden, m.N, m.rows, m.targets, m.dlogprob, m.dhidden, t->grads));
    TRY(model_backward(t->policy, &batch, t->work, m.dhidden, t->grads));
cleanup:
    micro_free(&m);
    return status;
}

/* This rank's share of the step. */
static wr_status train_share(dpo_trainer *t, const dpo_train_options *o, const dpo_pair *pairs, size_t n_pairs, bool check_equal, tally *seen) {
    wr_status status = WR_OK;
    rank_plan plan = {0};
    uint32_t *lengths = mem_calloc(n_pairs, sizeof *lengths);
    TRY_ALLOC(lengths);
    for (size_t i = 0; i < n_pairs; i++) lengths[i] = (uint32_t)(2 * (pairs[i].n_prompt - 1) + pairs[i].chosen.n + pairs[i].rejected.n);
    TRY(plan_rank(lengths, n_pairs, world_size(t->w), world_rank(t->w), o->micro_tokens, &plan));
    memset(t->grads, 0, t->policy->n_params * sizeof *t->grads);
    for (size_t k = 0; k < plan.n_micro; k++) {
        TRY(train_micro(t, o, pairs, plan.items + plan.micro[k].first, plan.micro[k].count, 1.0 / (double)n_pairs, check_equal, seen));
    }
cleanup:
    rank_plan_free(&plan);
    free(lengths);
    return status;
}

wr_status dpo_update(dpo_trainer *t, const dpo_train_options *o, const dpo_pair *pairs, size_t n_pairs, double lr, bool check_equal,
                     dpo_update_stats *stats) {
    wr_status status = WR_OK;
    tally seen = {{0}, {0}};
    *stats = (dpo_update_stats){0};
    if (n_pairs == 0) return WR_OK; /* the same on every rank */
    TRY(world_agree(t->w, train_share(t, o, pairs, n_pairs, check_equal, &seen)));
    double before = clock_seconds();
    TRY(reduce_sum(t->w, t->grads, t->policy->n_params, o->reduce_slice));
    stats->reduce_time_s = clock_seconds() - before;
    world_sum(t->w, seen.sums, N_SUMS);
    world_max(t->w, seen.most, N_MAX);
    double n = seen.sums[SUM_PAIRS];
    if (n != (double)n_pairs) TRY(wr_fail(WR_E_FAILED, "%g of %zu pairs were trained", n, n_pairs));
    stats->loss = seen.sums[SUM_LOSS] / n;
    stats->accuracy = seen.sums[SUM_RIGHT] / n;
    stats->chosen_logratio = seen.sums[SUM_CHOSEN] / n;
    stats->rejected_logratio = seen.sums[SUM_REJECTED] / n;
    stats->h_mean = seen.sums[SUM_H] / n;
    stats->kl = (seen.sums[SUM_CHOSEN] + seen.sums[SUM_REJECTED]) / (2 * n);
    stats->h_max_abs = seen.most[MAX_H];
    stats->sampler_gap = seen.most[MAX_GAP];
    /* The sum has the same bits on every rank, so every rank comes to the same answer here. */
    stats->grad_norm = global_norm(t->grads, t->policy->n_params);
    if (!isfinite(stats->grad_norm)) TRY(wr_fail(WR_E_NUMERIC, "the gradient is not finite; lower --lr, or look at the latest metrics"));
    double clip = o->grad_clip > 0 && stats->grad_norm > o->grad_clip ? o->grad_clip / (stats->grad_norm + 1e-6) : 1;
    adamw_step(&t->opt, &o->adam, lr, clip, t->policy, t->policy->params, t->grads);
    stats->updated = true;
cleanup:
    return status;
}
