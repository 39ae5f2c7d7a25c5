#include "tests/support/sampler_fixture.h"

#include "base/rng.h"
#include "tests/support/tiny_model.h"

model *tiny_policy(void) {
    model_config c = tiny_config("layers=2,hidden=32,heads=4,kv-heads=2,ffn=48,max-positions=64,tied=1", TINY_V);
    c.init_std = 0.4; /* far from uniform, so that greedy replies differ */
    return tiny_model(c, 5);
}

void tiny_prompts(sample_prompt prompts[TINY_PROMPTS]) {
    static int32_t ids[TINY_PROMPTS][24];
    rng r = rng_make(3, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < TINY_PROMPTS; i++) {
        size_t n = 1 + rng_below(&r, 24);
        for (size_t k = 0; k < n; k++) ids[i][k] = (int32_t)rng_below(&r, TINY_V);
        prompts[i] = (sample_prompt){.ids = ids[i], .n = n, .key = 100 + i};
    }
}

void assert_same_reply(const sample_reply *a, const sample_reply *b) {
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->ids, b->ids, a->n * sizeof *a->ids);
    assert_true(a->logprob == b->logprob);
    assert_int_equal(a->finish, b->finish);
}
