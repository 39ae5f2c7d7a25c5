/* One update. With N pairs in the global step, M micro-batches on this rank, and reply tokens t of pair i:
 *
 *   L = 1/N sum_i loss(log pi_w, log pi_l, log rho_w, log rho_l)          (dpo/dpo_loss.h)
 *   log pi_w = sum over t of log pi(t | what is before it)                  and so for l and rho
 *   d L / d log pi(t) = 1/N d loss / d log pi_w                             the same for every t of a reply
 *
 * For each micro-batch: the reference's forward (where the policy has adapters, the policy with them off; nothing is
 * kept), the policy's forward with its activations, the loss of each pair, and the policy's backward pass, which adds
 * to grads.
 * Dividing by N before the sum, and not by what a rank holds, makes the sum over ranks the gradient of L. */
#include "dpo/dpo_train.h"

#include "base/log.h"
#include "dpo/dpo_batch.h"
#include "dpo/dpo_loss.h"
#include "model/weights/lora.h"
#include "trainer/packing/micro_batch_plan.h"

#include <math.h>

static wr_status open_local(dpo_trainer *t, bool shard) {
    wr_status status = WR_OK;
    if (!t->reference && !t->policy->lora) {
        TRY(wr_fail(
            WR_E_MISMATCH,
            "DPO without a reference model needs a policy with adapters: the reference is the policy without them"));
    }
    TRY(updater_create(t->w, t->policy, shard, &t->update));
    TRY(model_workspace_create(t->policy, &t->work));
    if (t->reference) TRY(model_workspace_create(t->reference, &t->reference_work));
cleanup:
    return status;
}

wr_status dpo_trainer_create(world *w, model *policy, const model *reference, bool shard, dpo_trainer *out) {
    wr_status status = WR_OK;
    *out = (dpo_trainer){.w = w, .policy = policy, .reference = reference};
    TRY(world_agree(w, open_local(out, shard)));
cleanup:
    if (status < 0) dpo_trainer_free(out);
    return status;
}

void dpo_trainer_free(dpo_trainer *t) {
    updater_free(&t->update);
    model_workspace_free(t->work);
    model_workspace_free(t->reference_work);
    *t = (dpo_trainer){0};
}

static double sum_of(const float *x, size_t from, size_t to) {
    double sum = 0;
    for (size_t i = from; i < to; i++) sum += x[i];
    return sum;
}

/* Sums over the pairs of a share, and maxima of this rank. */
enum { SUM_PAIRS, SUM_LOSS, SUM_RIGHT, SUM_CHOSEN, SUM_REJECTED, SUM_MARGIN, N_SUMS };
enum { MAX_MARGIN, MAX_GAP, N_MAX };
_Static_assert((int)N_SUMS <= (int)UPDATE_SUMS, "sums of a share");
typedef struct tally {
    double *sums, most[N_MAX];
} tally;

static void see_gap(tally *t, const pair_side *side, double policy_logprob) {
    double gap = fabs(side->logprob - policy_logprob) / (double)side->n;
    /* a record without log-probability has none to compare */
    if (isfinite(gap) && gap > t->most[MAX_GAP]) t->most[MAX_GAP] = gap;
}

static wr_status reference_logprobs(dpo_trainer *t, dpo_batch *b) {
    wr_status status = WR_OK;
    const model *m = t->reference ? t->reference : t->policy;
    model_workspace *work = t->reference ? t->reference_work : t->work;
    const float *hidden;
    bool *adapters = t->reference ? NULL : &t->policy->lora->on, were_on = adapters && *adapters;
    if (adapters) *adapters = false;
    TRY(model_forward(m, &b->packed.batch, work, false, &hidden));
    TRY(lm_logprobs(m, work, hidden, b->N, b->rows, b->targets, b->reference_logprob));
cleanup:
    if (adapters) *adapters = were_on;
    return status;
}

/* Forward of both models, loss, backward into the gradients. scale = 1 / pairs of the global step; last: of its
 * share. */
static wr_status train_micro(dpo_trainer *t, const dpo_train_options *o, const dpo_pair *pairs, dpo_batch *m,
                             double scale, bool check_equal, bool last, tally *seen) {
    wr_status status = WR_OK;
    const float *hidden;
    TRY(reference_logprobs(t, m));
    TRY(model_forward(t->policy, &m->packed.batch, t->work, true, &hidden));
    TRY(lm_logprobs(t->policy, t->work, hidden, m->N, m->rows, m->targets, m->logprob));
    for (size_t i = 0; i < m->n_pairs; i++) {
        const dpo_pair *p = &pairs[m->pair[i]];
        size_t w = m->first[2 * i], l = m->first[2 * i + 1], end = m->first[2 * i + 2];
        dpo_logprobs x = {sum_of(m->logprob, w, l), sum_of(m->logprob, l, end), sum_of(m->reference_logprob, w, l),
                          sum_of(m->reference_logprob, l, end)};
        double margin = dpo_margin(&x), dchosen, drejected;
        double loss = dpo_loss_at(&o->loss, &x, &dchosen, &drejected);
        TRY(wr_context(updater_check_loss(&t->update, loss), "a pair of prompt %u (h = %g)", p->prompt, margin));
        if (check_equal && !(fabs(margin) <= dpo_margin_tolerance(end - w))) {
            TRY(wr_fail(WR_E_FAILED,
                        "policy and reference are the same model, but h = %.3g for a pair of prompt %u (%zu reply "
                        "tokens): the log-probabilities "
                        "of the two do not agree",
                        margin, p->prompt, end - w));
        }
        /* The log-probability of a reply is the sum over its tokens: each has the reply's derivative. */
        for (size_t r = w; r < end; r++) m->dlogprob[r] = (float)(scale * (r < l ? dchosen : drejected));
        seen->sums[SUM_PAIRS] += 1;
        seen->sums[SUM_LOSS] += loss;
        seen->sums[SUM_RIGHT] += margin > 0;
        seen->sums[SUM_CHOSEN] += x.policy_chosen - x.reference_chosen;
        seen->sums[SUM_REJECTED] += x.policy_rejected - x.reference_rejected;
        seen->sums[SUM_MARGIN] += margin;
        if (fabs(margin) > seen->most[MAX_MARGIN]) seen->most[MAX_MARGIN] = fabs(margin);
        see_gap(seen, &p->chosen, x.policy_chosen);
        see_gap(seen, &p->rejected, x.policy_rejected);
    }
    TRY(lm_logprobs_backward(t->policy, t->work, hidden, m->N, m->rows, m->targets, m->dlogprob, m->dhidden,
                             t->update.grads));
    TRY(model_backward_hooked(t->policy, &m->packed.batch, t->work, m->dhidden, t->update.grads,
                              updater_hook(&t->update, last)));
cleanup:
    return status;
}

/* Pairs of one prompt stay together as far as that leaves something for every share. */
static size_t unit_tokens(const dpo_train_options *o, const dpo_pair *pairs, size_t n_pairs, size_t shares) {
    size_t tokens = 0;
    for (size_t i = 0; i < n_pairs; i++) tokens += pairs[i].n_prompt + pairs[i].chosen.n + pairs[i].rejected.n;
    return tokens / shares < o->micro_tokens ? tokens / shares : o->micro_tokens;
}

/* This rank's shares of the step. */
static wr_status train_shares(dpo_trainer *t, const dpo_train_options *o, const dpo_pair *pairs, size_t n_pairs,
                              bool check_equal, tally *seen) {
    wr_status status = WR_OK;
    updater *u = &t->update;
    const share_range mine = u->mine;
    rank_plan plan = {0};
    pair_texts texts = {0};
    dpo_batch batch = {0};
    prefix_rule rule = prefix_rule_of(t->policy);
    if (o->separate) rule.min_shared = SIZE_MAX;
    model_workspace_recompute(t->work, o->recompute);
    model_workspace_fix_tiles(t->work, o->update.same_bits);
    TRY(pair_texts_create(pairs, n_pairs, unit_tokens(o, pairs, n_pairs, u->shares), rule, &texts));
    TRY(plan_shares(texts.tokens, texts.n_units, u->shares, mine, o->micro_tokens, &plan));
    for (size_t share = mine.first, k = 0; share < mine.first + mine.count; share++) {
        updater_share(u);
        seen->sums = updater_sums(u, share);
        for (; k < plan.n_micro && plan.micro[k].share == share; k++) {
            const micro_batch *micro = &plan.micro[k];
            const bool last = k + 1 == plan.n_micro || plan.micro[k + 1].share != share;
            TRY(dpo_batch_create(&texts, pairs, plan.items + micro->first, micro->count, t->policy->config.C, rule,
                                 &batch));
            TRY(train_micro(t, o, pairs, &batch, 1.0 / (double)n_pairs, check_equal, last, seen));
            dpo_batch_free(&batch);
        }
    }
cleanup:
    dpo_batch_free(&batch);
    pair_texts_free(&texts);
    rank_plan_free(&plan);
    return status;
}

wr_status dpo_update(dpo_trainer *t, const dpo_train_options *o, const dpo_pair *pairs, size_t n_pairs, double lr,
                     bool check_equal, dpo_update_stats *stats) {
    wr_status status = WR_OK;
    tally seen = {0};
    double sums[UPDATE_SUMS];
    *stats = (dpo_update_stats){0};
    if (n_pairs == 0) return WR_OK; /* the same on every rank */
    TRY(updater_begin(&t->update, &o->update));
    const wr_status mine = train_shares(t, o, pairs, n_pairs, check_equal, &seen);
    double before = clock_seconds();
    TRY(updater_reduce(&t->update, mine, &stats->grad_norm));
    stats->reduce_time_s = clock_seconds() - before;
    updater_times(&t->update, &stats->reduce_s, &stats->reduce_wait_s);
    updater_total(&t->update, sums);
    world_max(t->w, seen.most, N_MAX);
    double n = sums[SUM_PAIRS];
    if (n != (double)n_pairs) TRY(wr_fail(WR_E_FAILED, "%g of %zu pairs were trained", n, n_pairs));
    stats->loss = sums[SUM_LOSS] / n;
    stats->accuracy = sums[SUM_RIGHT] / n;
    stats->chosen_logratio = sums[SUM_CHOSEN] / n;
    stats->rejected_logratio = sums[SUM_REJECTED] / n;
    stats->margin_mean = sums[SUM_MARGIN] / n;
    stats->kl = (sums[SUM_CHOSEN] + sums[SUM_REJECTED]) / (2 * n);
    stats->margin_max_abs = seen.most[MAX_MARGIN];
    stats->sampler_gap = seen.most[MAX_GAP];
    updater_apply(&t->update, &o->update, stats->grad_norm, lr);
    stats->updated = true;
cleanup:
    return status;
}
