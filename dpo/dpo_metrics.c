/* The numbers of a step. With rewards r and lengths l of the replies that have a reward, means m:
 *
 *   reward_std         = sqrt(sum (r - m_r)^2 / (n - 1))
 *   reward_length_corr = sum (r - m_r)(l - m_l) / sqrt(sum (r - m_r)^2 sum (l - m_l)^2)
 *
 * A policy that learns to write long because the reward model likes length shows in the second. What has nothing to
 * average is NaN, and null in the file. */
#include "dpo/online.h"

#include "base/json.h"

#include <math.h>

static double mean_of(double sum, size_t n) { return n ? sum / (double)n : NAN; }

void reply_stats_of(const rollout_group *groups, size_t n_groups, const dpo_pair *pairs, size_t n_pairs,
                    reply_stats *out) {
    size_t scored = 0, checked = 0, stopped = 0;
    double reward = 0, length = 0, scored_length = 0, quality = 0, margin = 0;
    *out = (reply_stats){0};
    for (size_t i = 0; i < n_groups; i++) {
        for (size_t j = 0; j < groups[i].n_replies; j++) {
            const rollout_reply *r = &groups[i].replies[j];
            out->replies++;
            length += (double)r->n;
            stopped += r->stopped;
            if (isfinite(r->reward)) {
                scored++;
                reward += r->reward;
                scored_length += (double)r->n;
            }
            if (isfinite(r->quality)) {
                checked++;
                quality += r->quality;
            }
        }
    }
    out->reward_mean = mean_of(reward, scored);
    out->reply_tokens = mean_of(length, out->replies);
    out->stop_share = mean_of((double)stopped, out->replies);
    out->true_quality = mean_of(quality, checked);
    /* Second pass: centred sums lose nothing to cancellation. */
    double mean_length = mean_of(scored_length, scored), vr = 0, vl = 0, cov = 0;
    for (size_t i = 0; i < n_groups; i++) {
        for (size_t j = 0; j < groups[i].n_replies; j++) {
            const rollout_reply *r = &groups[i].replies[j];
            if (!isfinite(r->reward)) continue;
            double a = r->reward - out->reward_mean, b = (double)r->n - mean_length;
            vr += a * a;
            vl += b * b;
            cov += a * b;
        }
    }
    out->reward_std = scored > 1 ? sqrt(vr / (double)(scored - 1)) : NAN;
    out->reward_length_corr = vr > 0 && vl > 0 ? cov / sqrt(vr * vl) : NAN;
    for (size_t i = 0; i < n_pairs; i++) margin += pairs[i].chosen.reward - pairs[i].rejected.reward;
    out->reward_margin = mean_of(margin, n_pairs);
}

void dpo_metrics_line(int64_t step, double lr, const reply_stats *r, const pair_counts *c, const dpo_update_stats *u,
                      const step_times *t, strbuf *out) {
    json_writer w = json_writer_make(out);
    double none = u->updated ? 0 : NAN; /* no pair: no number, rather than a zero that looks like one */
    json_begin_object(&w);
    json_member_int(&w, "step", step);
    json_member_double(&w, "loss", u->loss + none);
    json_member_double(&w, "lr", lr);
    json_member_double(&w, "grad_norm", u->grad_norm + none);
    json_member_double(&w, "reward_mean", r->reward_mean);
    json_member_double(&w, "reward_std", r->reward_std);
    json_member_double(&w, "reward_margin", r->reward_margin);
    json_member_double(&w, "accuracy", u->accuracy + none);
    json_member_double(&w, "chosen_logratio", u->chosen_logratio + none);
    json_member_double(&w, "rejected_logratio", u->rejected_logratio + none);
    json_member_double(&w, "h_mean", u->margin_mean + none);
    json_member_double(&w, "h_max_abs", u->margin_max_abs + none);
    json_member_double(&w, "kl", u->kl + none);
    json_member_double(&w, "sampler_gap", u->sampler_gap + none);
    json_member_double(&w, "reply_tokens", r->reply_tokens);
    json_member_double(&w, "stop_share", r->stop_share);
    json_member_double(&w, "reward_length_corr", r->reward_length_corr);
    if (isfinite(r->true_quality)) json_member_double(&w, "true_quality", r->true_quality);
    json_member_count(&w, "replies", r->replies);
    json_member_count(&w, "pairs", c->made);
    json_member_count(&w, "ties", c->ties);
    json_member_count(&w, "low_margin", c->low_margin);
    json_member_count(&w, "too_few", c->too_few);
    json_member_count(&w, "missing_rewards", c->missing_rewards);
    json_member_count(&w, "skipped_prompts", c->skipped_prompts);
    json_member_double(&w, "sample_time_s", t->sample_s);
    json_member_double(&w, "train_time_s", t->train_s);
    json_member_double(&w, "reduce_time_s", u->reduce_time_s);
    json_member_double(&w, "reduce_s", u->reduce_s);
    json_member_double(&w, "reduce_wait_s", u->reduce_wait_s);
    json_member_double(&w, "step_time_s", t->step_s);
    json_member_double(&w, "coordinator_cpu_s", t->coordinator_cpu_s);
    json_end_object(&w);
}

void reply_line(int64_t step, const rollout_group *g, size_t sample, strbuf *out) {
    const rollout_reply *r = &g->replies[sample];
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    json_member_int(&w, "step", step);
    json_member_int(&w, "draw", (int64_t)g->draw);
    json_member_int(&w, "prompt", g->prompt);
    json_member_int(&w, "sample", (int64_t)sample);
    json_member_string_n(&w, "text", r->text, r->text_length);
    json_member_array(&w, "ids");
    for (size_t i = 0; i < r->n; i++) json_int(&w, r->ids[i]);
    json_end_array(&w);
    json_member_double(&w, "reward", r->reward);
    if (isfinite(r->quality)) json_member_double(&w, "true_quality", r->quality);
    json_member_double(&w, "logprob", r->logprob);
    json_member_string(&w, "finish", r->stopped ? "stop" : "length");
    json_end_object(&w);
}
