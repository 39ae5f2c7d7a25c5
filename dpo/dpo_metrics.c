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

static void number(json_writer *w, const char *key, double v) {
    json_key(w, key);
    json_double(w, v); /* NaN: null */
}

static void count(json_writer *w, const char *key, size_t v) {
    json_key(w, key);
    json_int(w, (int64_t)v);
}

void dpo_metrics_line(int64_t step, double lr, const reply_stats *r, const pair_counts *c, const dpo_update_stats *u,
                      const step_times *t, strbuf *out) {
    json_writer w = json_writer_make(out);
    double none = u->updated ? 0 : NAN; /* no pair: no number, rather than a zero that looks like one */
    json_begin_object(&w);
    json_key(&w, "step");
    json_int(&w, step);
    number(&w, "loss", u->loss + none);
    number(&w, "lr", lr);
    number(&w, "grad_norm", u->grad_norm + none);
    number(&w, "reward_mean", r->reward_mean);
    number(&w, "reward_std", r->reward_std);
    number(&w, "reward_margin", r->reward_margin);
    number(&w, "accuracy", u->accuracy + none);
    number(&w, "chosen_logratio", u->chosen_logratio + none);
    number(&w, "rejected_logratio", u->rejected_logratio + none);
    number(&w, "h_mean", u->margin_mean + none);
    number(&w, "h_max_abs", u->margin_max_abs + none);
    number(&w, "kl", u->kl + none);
    number(&w, "sampler_gap", u->sampler_gap + none);
    number(&w, "reply_tokens", r->reply_tokens);
    number(&w, "stop_share", r->stop_share);
    number(&w, "reward_length_corr", r->reward_length_corr);
    if (isfinite(r->true_quality)) number(&w, "true_quality", r->true_quality);
    count(&w, "replies", r->replies);
    count(&w, "pairs", c->made);
    count(&w, "ties", c->ties);
    count(&w, "low_margin", c->low_margin);
    count(&w, "too_few", c->too_few);
    count(&w, "missing_rewards", c->missing_rewards);
    count(&w, "skipped_prompts", c->skipped_prompts);
    number(&w, "sample_time_s", t->sample_s);
    number(&w, "train_time_s", t->train_s);
    number(&w, "reduce_time_s", u->reduce_time_s);
    number(&w, "step_time_s", t->step_s);
    number(&w, "coordinator_cpu_s", t->coordinator_cpu_s);
    json_end_object(&w);
}

void reply_line(int64_t step, const rollout_group *g, size_t sample, strbuf *out) {
    const rollout_reply *r = &g->replies[sample];
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    json_key(&w, "step");
    json_int(&w, step);
    json_key(&w, "draw");
    json_int(&w, (int64_t)g->draw);
    json_key(&w, "prompt");
    json_int(&w, g->prompt);
    json_key(&w, "sample");
    json_int(&w, (int64_t)sample);
    json_key(&w, "text");
    json_string_n(&w, r->text, r->text_length);
    json_key(&w, "ids");
    json_begin_array(&w);
    for (size_t i = 0; i < r->n; i++) json_int(&w, r->ids[i]);
    json_end_array(&w);
    number(&w, "reward", r->reward);
    if (isfinite(r->quality)) number(&w, "true_quality", r->quality);
    number(&w, "logprob", r->logprob);
    json_key(&w, "finish");
    json_string(&w, r->stopped ? "stop" : "length");
    json_end_object(&w);
}
