/* Sampling across a model's original length (longrope): each token has the probability that the model gives it after
 * the tokens before it as one sequence, which from some token on is turned otherwise from its first one. */
#include "base/mem.h"
#include "sampler/session.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ORIGINAL = 12, PROMPTS = 4, REPLIES = 3, MOST = 16 };

static model *make(void) {
    model_config c = tiny_config("type=phi3,layers=2,hidden=32,heads=4,kv-heads=2,max-positions=64,tied=0", 40);
    c.init_std = 0.3;
    c.rope = ROPE_LONGROPE;
    c.rope_original_positions = ORIGINAL;
    for (size_t i = 0; i < c.D / 2; i++) c.rope_short[i] = 1 + 0.3 * (double)i, c.rope_long[i] = 3 + (double)i;
    return tiny_model(c, 5);
}

/* log p(next | ids), the n ids being a sequence of their own. */
static double logprob_after(const model *m, model_workspace *w, size_t n, const int32_t *ids, int32_t next) {
    const size_t offsets[] = {0, n}, row = n - 1;
    const token_batch b = {.B = 1, .offsets = offsets, .ids = ids};
    const float *hidden;
    float logprob;
    assert_ok(model_forward(m, &b, w, false, &hidden));
    assert_ok(lm_logprobs(m, w, hidden, 1, &row, &next, &logprob));
    return (double)logprob;
}

static void test_outgrown(void **state) {
    (void)state;
    static const size_t lengths[PROMPTS] = {5, 20, 12, 3}, most[PROMPTS] = {MOST, 6, 4, 9};
    model *m = make();
    model_workspace *w;
    sampler *s;
    session *x;
    answered a;
    size_t taken = 0;
    int32_t ids[PROMPTS][20];
    assert_ok(model_workspace_create(m, &w));
    assert_ok(sampler_create(m, &s));
    assert_ok(session_create(s, &x));
    for (size_t i = 0; i < PROMPTS; i++) {
        size_t ticket;
        for (size_t t = 0; t < lengths[i]; t++) ids[i][t] = (int32_t)((7 * t + 3 * i) % 40);
        const sample_prompt p = {ids[i], lengths[i], i, NULL};
        const sampling_options o = {.n = REPLIES, .max_tokens = most[i], .temperature = 1, .top_p = 1, .seed = 3};
        assert_ok(session_submit(x, &p, &o, &ticket));
    }
    while (session_busy(x)) {
        assert_ok(session_step(x));
        for (; session_take(x, &a); taken++) {
            const size_t n = lengths[a.ticket];
            for (size_t j = 0; j < a.n; j++) {
                int32_t all[20 + MOST];
                double want = 0;
                assert_int_equal(a.replies[j].n, most[a.ticket]);
                memcpy(all, ids[a.ticket], n * sizeof *all);
                memcpy(all + n, a.replies[j].ids, a.replies[j].n * sizeof *all);
                for (size_t t = n; t < n + a.replies[j].n; t++) want += logprob_after(m, w, t, all, all[t]);
                if (!(fabs(a.replies[j].logprob - want) <= 1e-4 * fabs(want)))
                    fail_msg("prompt %zu, reply %zu: %.9g, not %.9g", a.ticket, j, a.replies[j].logprob, want);
            }
            answered_free(&a);
        }
    }
    assert_int_equal(taken, PROMPTS);
    session_free(x);
    sampler_free(s);
    model_workspace_free(w);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_outgrown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
