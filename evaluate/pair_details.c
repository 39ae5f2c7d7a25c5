/* A score that means the same at every prompt orders records of different prompts as well as replies to one. So pairs
 * are split: all = same prompt + across prompts = same user + across users. */
#include "evaluate/pair_details.h"

#include "base/mem.h"
#include "evaluate/statistics/bootstrap.h"
#include "evaluate/statistics/order.h"
#include "evaluate/statistics/rank_figures.h"

#include <math.h>
#include <stdlib.h>

static double accuracy(pair_count c) { return c.pairs > 0 ? c.right / c.pairs : NAN; }

static void write_count(json_writer *j, pair_count c) {
    json_member_count(j, "pairs", (uint64_t)c.pairs);
    json_member_double(j, "accuracy", accuracy(c));
}

static void write_part(json_writer *j, const char *name, pair_count c) {
    json_member_object(j, name);
    write_count(j, c);
    json_end_object(j);
}

static pair_count sum_of(const pair_count *of_group, size_t n, const uint32_t *weight) {
    pair_count c = {0};
    for (size_t g = 0; g < n; g++) {
        const double w = weight ? weight[g] : 1;
        c.pairs += w * of_group[g].pairs;
        c.right += w * of_group[g].right;
    }
    return c;
}

/* Groups that have a pair; a sample of them is one of their sums. */
typedef struct pair_groups {
    pair_count *of_group;
    size_t n;
} pair_groups;

static void take(void *context, const uint32_t *weight, double *value) {
    const pair_groups *g = context;
    *value = accuracy(sum_of(g->of_group, g->n, weight));
}

/* Pairs of one prompt: a prompt's are one cluster, and prompts are what is resampled. */
static wr_status write_prompts(json_writer *j, pair_groups *g, const detail_options *o) {
    wr_status status = WR_OK;
    figure_interval interval;
    size_t with_pairs = 0;
    for (size_t i = 0; i < g->n; i++)
        if (g->of_group[i].pairs > 0) g->of_group[with_pairs++] = g->of_group[i];
    g->n = with_pairs;
    TRY(bootstrap_intervals(g->n, 1, o->resamples, o->seed, 1, take, g, &interval));
    json_member_object(j, "same_prompt");
    json_member_count(j, "prompts", g->n);
    write_count(j, sum_of(g->of_group, g->n, NULL));
    json_member_double(j, "accuracy_low", interval.low);
    json_member_double(j, "accuracy_high", interval.high);
    json_end_object(j);
cleanup:
    return status;
}

static wr_status write_consistency(json_writer *j, const predictions *p, const uint32_t *order, pair_count all,
                                   const detail_options *o) {
    wr_status status = WR_OK;
    pair_groups prompts = {mem_calloc(p->n_prompts + 1, sizeof *prompts.of_group), p->n_prompts};
    pair_count *users = mem_calloc(p->n_users + 1, sizeof *users);
    TRY_ALLOC(prompts.of_group);
    TRY_ALLOC(users);
    TRY(pairs_within(p, order, p->prompt, p->n_prompts, prompts.of_group));
    TRY(pairs_within(p, order, p->user, p->n_users, users));
    const pair_count same = sum_of(prompts.of_group, p->n_prompts, NULL), own = sum_of(users, p->n_users, NULL);
    json_member_object(j, "consistency");
    TRY(write_prompts(j, &prompts, o));
    write_part(j, "across_prompts", (pair_count){all.pairs - same.pairs, all.right - same.right});
    write_part(j, "same_user", own);
    write_part(j, "across_users", (pair_count){all.pairs - own.pairs, all.right - own.right});
    json_end_object(j);
cleanup:
    free(prompts.of_group);
    free(users);
    return status;
}

wr_status length_alone_write(json_writer *j, const predictions *p) {
    wr_status status = WR_OK;
    predictions q = *p;
    pair_count all, *prompts = mem_calloc(p->n_prompts + 1, sizeof *prompts);
    uint32_t *order = mem_calloc(p->n + 1, sizeof *order), *together = mem_calloc(p->n + 1, sizeof *together);
    TRY_ALLOC(prompts);
    TRY_ALLOC(order);
    TRY_ALLOC(together);
    q.score = p->length;
    TRY(order_by(q.score, q.n, order));
    TRY(pairs_within(&q, order, together, 1, &all));
    TRY(pairs_within(&q, order, p->prompt, p->n_prompts, prompts));
    json_member_object(j, "length_alone");
    json_member_double(j, "pairwise_accuracy", accuracy(all));
    json_member_double(j, "same_prompt", accuracy(sum_of(prompts, p->n_prompts, NULL)));
    json_end_object(j);
cleanup:
    free(prompts);
    free(order);
    free(together);
    return status;
}

wr_status pairs_write(json_writer *j, const predictions *p, const uint32_t *order, const detail_options *o) {
    wr_status status = WR_OK;
    pair_count curve[CURVE_STEPS + 1];
    TRY(confidence_curve(p, order, curve));
    if (p->on_scale) {
        json_member_array(j, "confidence_curve");
        for (int step = 0; step <= CURVE_STEPS; step++) {
            json_begin_object(j);
            json_member_double(j, "difference", (double)step / CURVE_STEPS);
            json_member_double(j, "coverage", curve[0].pairs > 0 ? curve[step].pairs / curve[0].pairs : NAN);
            write_count(j, curve[step]);
            json_end_object(j);
        }
        json_end_array(j);
    } else
        json_member_null(j, "confidence_curve");
    TRY(write_consistency(j, p, order, curve[0], o));
cleanup:
    return status;
}
