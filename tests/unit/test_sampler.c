/* Sampling: choice of one token against an obvious reference, and whole replies of a small random model. */
#include "base/rng.h"
#include "model/decode.h"
#include "sampler/sampler.h"
#include "sampler/pick.h"
#include "tests/support/sampler_fixture.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- one token ---------------------------------------------------------------------------------------------------- */

/* Reference: probability of every id after temperature, top-k, top-p, by repeated search for the largest. */
static void reference(const float *logits, size_t V, const sampling_options *o, double *p) {
    double total = 0.0, kept = 0.0, sum = 0.0;
    bool *used = calloc(V, sizeof *used);
    size_t *order = malloc(V * sizeof *order);
    for (size_t k = 0; k < V; k++) {
        size_t best = V;
        for (size_t i = 0; i < V; i++)
            if (!used[i] && (best == V || logits[i] > logits[best])) best = i;
        used[best] = true;
        order[k] = best;
    }
    size_t n = o->top_k && o->top_k < V ? o->top_k : V;
    for (size_t k = 0; k < n; k++) total += p[order[k]] = exp((double)logits[order[k]] / o->temperature);
    for (size_t k = 0; k < n && sum < o->top_p * total; k++, kept++) sum += p[order[k]];
    n = o->top_p < 1.0 ? (size_t)kept : n;
    sum = 0.0;
    for (size_t k = 0; k < n; k++) sum += p[order[k]];
    for (size_t k = 0; k < V; k++) p[order[k]] = k < n ? p[order[k]] / sum : 0.0;
    free(used);
    free(order);
}

/* Chi-square of 40,000 draws against the reference; ids of probability 0 never come. Bound: mean + 5 standard
 * deviations. */
static void check_distribution(const sampling_options *o, uint64_t seed, bool ties) {
    enum { V = 40, DRAWS = 40000 };
    float logits[V];
    double p[V] = {0}, chi = 0.0;
    size_t count[V] = {0}, cells = 0;
    pick_scratch s;
    rng world = rng_make(seed, RNG_TEST, 1, 0, 0), r = rng_make(seed, RNG_TEST, 2, 0, 0);
    for (size_t i = 0; i < V; i++) logits[i] = ties ? (float)rng_below(&world, 3) : (float)(2.0 * rng_normal(&world));
    reference(logits, V, o, p);
    assert_int_equal(pick_scratch_alloc(V, &s), WR_OK);
    double max = logits[0], z = 0.0;
    for (size_t i = 0; i < V; i++) max = fmax(max, logits[i]);
    for (size_t i = 0; i < V; i++) z += exp(logits[i] - max);
    for (size_t k = 0; k < DRAWS; k++) {
        int32_t id;
        double logprob;
        assert_int_equal(pick_token(logits, V, o, &r, &s, &id, &logprob), WR_OK);
        assert_true(fabs(logprob - (logits[id] - max - log(z))) < 1e-5);
        count[id]++;
    }
    for (size_t i = 0; i < V; i++) {
        if (p[i] == 0.0) assert_int_equal(count[i], 0);
        double expected = p[i] * DRAWS;
        if (expected < 1.0) continue;
        chi += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
        cells++;
    }
    double freedom = cells > 1 ? (double)cells - 1 : 1;
    if (!(chi < freedom + 5.0 * sqrt(2.0 * freedom) + 5.0))
        fail_msg("seed %d: chi-square %.1f with %zu cells", (int)seed, chi, cells);
    pick_scratch_free(&s);
}

static void test_distribution(void **state) {
    (void)state;
    static const sampling_options cases[] = {
        {.temperature = 1.0, .top_p = 1.0},
        {.temperature = 0.5, .top_p = 1.0},
        {.temperature = 2.0, .top_p = 1.0, .top_k = 7},
        {.temperature = 1.0, .top_p = 0.9},
        {.temperature = 1.0, .top_p = 0.5, .top_k = 10},
        {.temperature = 1.0, .top_p = 1.0, .top_k = 1},
        {.temperature = 1.5, .top_p = 0.99, .top_k = 100},
        {.temperature = 1.0, .top_p = 1e-6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int ties = 0; ties < 2; ties++) check_distribution(&cases[i], 20 + i, ties);
}

static void test_greedy(void **state) {
    (void)state;
    float logits[] = {0.0f, 3.0f, 1.0f, 3.0f, -INFINITY};
    sampling_options o = {.temperature = 0.0, .top_p = 1.0};
    pick_scratch s;
    int32_t id;
    double logprob;
    assert_int_equal(pick_scratch_alloc(5, &s), WR_OK);
    assert_int_equal(pick_token(logits, 5, &o, NULL, &s, &id, &logprob), WR_OK);
    assert_int_equal(id, 1); /* lowest id among equals */
    o.temperature = 1e-9;    /* almost greedy must not overflow */
    rng r = rng_make(1, RNG_TEST, 0, 0, 0);
    assert_int_equal(pick_token(logits, 5, &o, &r, &s, &id, &logprob), WR_OK);
    assert_true(id == 1 || id == 3);
    logits[2] = NAN;
    assert_int_equal(pick_token(logits, 5, &o, &r, &s, &id, &logprob), WR_E_NUMERIC);
    for (int i = 0; i < 5; i++) logits[i] = -INFINITY;
    assert_int_equal(pick_token(logits, 5, &o, &r, &s, &id, &logprob), WR_E_NUMERIC);
    pick_scratch_free(&s);
}

/* --- whole replies ------------------------------------------------------------------------------------------------ */

enum { N = 3 };

static void test_grouping(void **state) {
    (void)state;
    static const stop_tokens stops = {.ids = {7, 11}, .n = 2};
    model *m = tiny_policy();
    sampler *s;
    sample_prompt prompts[TINY_PROMPTS];
    tiny_prompts(prompts);
    for (size_t i = 0; i < TINY_PROMPTS; i++) prompts[i].stops = i % 3 ? &stops : NULL; /* each prompt has its own */
    assert_int_equal(sampler_create(m, &s), WR_OK);
    for (int greedy = 0; greedy < 2; greedy++) {
        sampling_options o = {
            .n = N, .max_tokens = 20, .temperature = greedy ? 0.0 : 1.0, .top_p = 0.95, .seed = 9, .step = 4};
        sample_reply all[TINY_PROMPTS * N], one[N * TINY_PROMPTS];
        size_t stopped = 0;
        assert_int_equal(sampler_generate(s, TINY_PROMPTS, prompts, &o, NULL, NULL, all), WR_OK);
        for (size_t i = 0; i < TINY_PROMPTS; i++) { /* alone */
            assert_int_equal(sampler_generate(s, 1, &prompts[i], &o, NULL, NULL, one), WR_OK);
            for (size_t j = 0; j < N; j++) assert_same_reply(&one[j], &all[i * N + j]);
            sample_replies_free(one, N);
        }
        sample_prompt turned[TINY_PROMPTS]; /* in another order, fewer replies */
        for (size_t i = 0; i < TINY_PROMPTS; i++) turned[i] = prompts[(i + 4) % TINY_PROMPTS];
        o.n = 2;
        assert_int_equal(sampler_generate(s, TINY_PROMPTS, turned, &o, NULL, NULL, one), WR_OK);
        for (size_t i = 0; i < TINY_PROMPTS; i++)
            for (size_t j = 0; j < 2; j++) assert_same_reply(&one[i * 2 + j], &all[(i + 4) % TINY_PROMPTS * N + j]);
        sample_replies_free(one, TINY_PROMPTS * 2);
        for (size_t i = 0; i < TINY_PROMPTS * N; i++) {
            const sample_reply *r = &all[i];
            bool stopping = prompts[i / N].stops, ended = stopping && (r->ids[r->n - 1] == 7 || r->ids[r->n - 1] == 11);
            assert_int_equal(r->finish, ended ? FINISH_STOP : FINISH_LENGTH);
            assert_true(ended || r->n == 20);
            for (size_t k = 0; stopping && k + 1 < r->n; k++) assert_true(r->ids[k] != 7 && r->ids[k] != 11);
            stopped += ended;
            if (greedy) assert_same_reply(r, &all[i / N * N]);
        }
        if (!greedy) assert_true(stopped > 0 && stopped < TINY_PROMPTS * N);
        sample_replies_free(all, TINY_PROMPTS * N);
    }
    sampler_free(s);
    model_free(m);
}

/* The reply's log-probability, and greedy choice, against the full forward over prompt and reply. */
static void test_logprob(void **state) {
    (void)state;
    model *m = tiny_policy();
    sampler *s;
    model_workspace *w;
    decode_scratch *heads = NULL;
    assert_int_equal(decode_scratch_create(m, &heads), WR_OK);
    sample_prompt prompts[TINY_PROMPTS];
    sample_reply replies[TINY_PROMPTS];
    tiny_prompts(prompts);
    assert_int_equal(sampler_create(m, &s), WR_OK);
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    for (int greedy = 0; greedy < 2; greedy++) {
        sampling_options o = {
            .n = 1, .max_tokens = 30, .temperature = greedy ? 0.0 : 1.3, .top_k = greedy ? 0 : 5, .top_p = 1.0};
        assert_int_equal(sampler_generate(s, TINY_PROMPTS, prompts, &o, NULL, NULL, replies), WR_OK);
        for (size_t i = 0; i < TINY_PROMPTS; i++) {
            int32_t ids[64];
            size_t P = prompts[i].n, n = replies[i].n, rows[64];
            float logprob[64], logits[TINY_V];
            const float *hidden;
            double sum = 0.0;
            memcpy(ids, prompts[i].ids, P * sizeof *ids);
            memcpy(ids + P, replies[i].ids, n * sizeof *ids);
            for (size_t k = 0; k < n; k++) rows[k] = P + k - 1;
            token_batch b = {.B = 1, .offsets = (const size_t[]){0, P + n}, .ids = ids};
            assert_int_equal(model_forward(m, &b, w, false, &hidden), WR_OK);
            assert_int_equal(lm_logprobs(m, w, hidden, n, rows, ids + P, logprob), WR_OK);
            for (size_t k = 0; k < n; k++) sum += logprob[k];
            if (!(fabs(sum - replies[i].logprob) < 1e-4))
                fail_msg("reply %zu: %.7f against %.7f", i, replies[i].logprob, sum);
            for (size_t k = 0; greedy && k < n; k++) {
                assert_int_equal(decode_logits(m, heads, 1, hidden + rows[k] * m->config.C, logits), WR_OK);
                for (size_t v = 0; v < TINY_V; v++) assert_true(logits[v] <= logits[ids[P + k]] + 1e-4f);
            }
        }
        sample_replies_free(replies, TINY_PROMPTS);
    }
    decode_scratch_free(heads);
    model_workspace_free(w);
    sampler_free(s);
    model_free(m);
}

static bool stop_at_third(void *context) { return ++*(int *)context == 3; }

static void test_edges(void **state) {
    (void)state;
    model *m = tiny_policy();
    sampler *s;
    int32_t ids[64] = {1};
    int polls = 0;
    sample_reply r[2];
    sampling_options o = {.n = 1, .max_tokens = 1000, .temperature = 1.0, .top_p = 1.0};
    assert_int_equal(sampler_create(m, &s), WR_OK);
    assert_int_equal(sampler_generate(s, 0, NULL, &o, NULL, NULL, r), WR_OK);
    /* positions end the reply */
    assert_int_equal(sampler_generate(s, 1, &(sample_prompt){ids, 60, 1, NULL}, &o, NULL, NULL, r), WR_OK);
    assert_int_equal(r[0].n, 4);
    assert_int_equal(r[0].finish, FINISH_LENGTH);
    sample_replies_free(r, 1);
    assert_int_equal(sampler_generate(s, 1, &(sample_prompt){ids, 63, 1, NULL}, &o, NULL, NULL, r), WR_OK);
    assert_int_equal(r[0].n, 1);
    sample_replies_free(r, 1);
    assert_int_equal(sampler_generate(s, 1, &(sample_prompt){ids, 64, 1, NULL}, &o, NULL, NULL, r), WR_E_FORMAT);
    assert_int_equal(sampler_generate(s, 1, &(sample_prompt){ids, 0, 1, NULL}, &o, NULL, NULL, r), WR_E_FORMAT);
    assert_int_equal(sampler_generate(s, 1, &(sample_prompt){ids, 5, 1, NULL}, &o, stop_at_third, &polls, r),
                     WR_E_INTERRUPTED);
    assert_int_equal(polls, 3);
    assert_null(r[0].ids);
    o.top_p = 0.0;
    assert_int_equal(sampler_generate(s, 1, &(sample_prompt){ids, 5, 1, NULL}, &o, NULL, NULL, r), WR_E_USAGE);
    o.top_p = 1.0;
    m->params[0] = NAN; /* a broken embedding row: NaN logits */
    for (size_t i = 0; i < m->n_params; i += 7) m->params[i] = NAN;
    assert_int_equal(sampler_generate(s, 1, &(sample_prompt){ids, 5, 1, NULL}, &o, NULL, NULL, r), WR_E_NUMERIC);
    sampler_free(s);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_distribution), cmocka_unit_test(test_greedy),
                                       cmocka_unit_test(test_grouping), cmocka_unit_test(test_logprob),
                                       cmocka_unit_test(test_edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
