/* score_ids: in f32 a text has the same bits alone, among texts that begin alike, and in batches of any size. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/prefix.h"
#include "reward/score.h"
#include "tests/support/asserts.h"
#include "tests/support/tiny_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 8, MOST = 60, VOCABULARY = 50, LABELS = 4, PAD = 0 };

static model *make(size_t C, size_t H, size_t G, size_t D, bool norms) {
    model_config c = {.C = C,
                      .H = H,
                      .G = G,
                      .D = D,
                      .F = 2 * C + 8,
                      .V = VOCABULARY,
                      .L = 3,
                      .max_positions = 2048,
                      .rope_theta = 10000,
                      .norm_eps = 1e-5,
                      .qk_norm = norms,
                      .qkv_bias = !norms,
                      .head = HEAD_SCORE,
                      .n_outputs = LABELS,
                      .init_std = 0.2,
                      .bos_id = -1,
                      .eos_id = -1,
                      .pad_id = PAD};
    return tiny_model(c, SEED);
}

/* Groups of 1 … 8 texts after one prompt of up to 200 tokens; among them the prompt alone, the same text twice, and
 * padding at the end. */
static void make_texts(rng *r, size_t n, token_ids *texts) {
    int32_t prompt[200];
    size_t n_prompt = 0, left = 0;
    for (size_t i = 0; i < n; i++) {
        token_ids *t = &texts[i];
        t->n = 0;
        if (left == 0) {
            left = 1 + (size_t)rng_below(r, 8);
            n_prompt = 1 + (size_t)rng_below(r, 200);
            for (size_t k = 0; k < n_prompt; k++) prompt[k] = (int32_t)rng_below(r, VOCABULARY);
        }
        left--;
        size_t kind = (size_t)rng_below(r, 10), own = kind == 0 ? 0 : 1 + (size_t)rng_below(r, 120);
        for (size_t k = 0; k < n_prompt; k++) assert_int_equal(token_ids_push(t, prompt[k]), WR_OK);
        for (size_t k = 0; k < own; k++) assert_int_equal(token_ids_push(t, (int32_t)rng_below(r, VOCABULARY)), WR_OK);
        for (size_t k = 0; kind == 1 && k < 5; k++) assert_int_equal(token_ids_push(t, PAD), WR_OK);
        if (kind == 2 && i > 0) {
            t->n = 0;
            for (size_t k = 0; k < texts[i - 1].n; k++) assert_int_equal(token_ids_push(t, texts[i - 1].ids[k]), WR_OK);
        }
    }
}

/* Turns of conversations: most texts go on where the one before stopped, or leave it there; some go back further. */
static void make_turns(rng *r, size_t n, token_ids *texts) {
    for (size_t i = 0; i < n; i++) {
        token_ids *t = &texts[i];
        const token_ids *before = i % 9 ? &texts[i - 1] : NULL;
        size_t same = before ? before->n - (size_t)rng_below(r, before->n < 30 ? before->n : 30) : 0;
        if (before && rng_below(r, 5) == 0) same = (size_t)rng_below(r, same);
        t->n = 0;
        for (size_t k = 0; k < same; k++) assert_int_equal(token_ids_push(t, before->ids[k]), WR_OK);
        for (size_t k = 1 + (size_t)rng_below(r, 90); k > 0; k--)
            assert_int_equal(token_ids_push(t, (int32_t)rng_below(r, VOCABULARY)), WR_OK);
    }
}

static size_t shared_tokens(size_t n, const token_ids *texts) {
    const int32_t *ids[MOST];
    size_t lengths[MOST], group[MOST], all = 0;
    prefix_batch p = {0};
    for (size_t i = 0; i < n; i++) {
        ids[i] = texts[i].ids;
        lengths[i] = texts[i].n;
        all += lengths[i];
    }
    assert_int_equal(prefix_groups(n, ids, lengths, (prefix_rule){PREFIX_MIN_SHARED, SIZE_MAX}, group), WR_OK);
    assert_int_equal(prefix_batch_build(n, ids, lengths, group, (prefix_rule){PREFIX_MIN_SHARED, SIZE_MAX}, &p), WR_OK);
    all -= p.batch.offsets[p.batch.B];
    prefix_batch_free(&p);
    return all;
}

static void check_neighbours(size_t C, size_t H, size_t G, size_t D, bool norms,
                             void (*make_these)(rng *r, size_t n, token_ids *texts)) {
    static const size_t budgets[] = {1, 150, 700, 1u << 20};
    rng r = rng_make(SEED, RNG_TEST, C, G, D);
    reward_model reward = {.m = make(C, H, G, D, norms), .rule = &ordinal_rule};
    score_scratch *s = NULL;
    token_ids texts[MOST] = {{0}};
    double alone[MOST], scores[MOST];
    float alone_logits[MOST * LABELS], logits[MOST * LABELS];
    assert_int_equal(score_scratch_create(&reward, &s), WR_OK);
    make_these(&r, MOST, texts);
    assert_true(shared_tokens(MOST, texts) > 500);
    for (size_t i = 0; i < MOST; i++)
        assert_int_equal(score_ids(&reward, s, 1, &texts[i], 1, alone + i, alone_logits + i * LABELS), WR_OK);
    for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
        memset(scores, 0, sizeof scores);
        memset(logits, 0, sizeof logits);
        assert_int_equal(score_ids(&reward, s, MOST, texts, budgets[b], scores, logits), WR_OK);
        for (size_t i = 0; i < MOST; i++) {
            if (memcmp(logits + i * LABELS, alone_logits + i * LABELS, LABELS * sizeof *logits) != 0 ||
                scores[i] != alone[i])
                fail_msg("text %zu of %zu tokens, budget %zu: %.9g, alone %.9g", i, texts[i].n, budgets[b], scores[i],
                         alone[i]);
        }
    }
    for (size_t i = 1; i < MOST; i++) /* the numbers depend on the texts at all */
        if (texts[i].n != texts[i - 1].n) assert_true(alone[i] != alone[i - 1]);
    for (size_t i = 0; i < MOST; i++) token_ids_free(&texts[i]);
    score_scratch_free(s);
    model_free(reward.m);
}

static void test_neighbours(void **state) {
    (void)state;
    check_neighbours(64, 4, 2, 16, false, make_texts);
    check_neighbours(48, 3, 1, 32, true, make_texts);
    check_neighbours(40, 4, 4, 10, false, make_texts);
}

static void test_turns(void **state) {
    (void)state;
    check_neighbours(48, 3, 1, 32, true, make_turns);
}

static void test_no_tokens(void **state) {
    (void)state;
    reward_model reward = {.m = make(32, 2, 1, 16, false), .rule = &ordinal_rule};
    score_scratch *s = NULL;
    double score;
    assert_int_equal(score_scratch_create(&reward, &s), WR_OK);
    assert_int_equal(score_ids(&reward, s, 0, NULL, 100, &score, NULL), WR_OK);
    assert_int_equal(score_ids(&reward, s, 1, &(token_ids){0}, 100, &score, NULL), WR_E_FORMAT);
    assert_error_says("text 0");
    score_scratch_free(s);
    model_free(reward.m);
}

static void test_pool_row(void **state) {
    (void)state;
    static const int32_t ids[] = {5, 0, 7, 0, 0};
    assert_int_equal(score_pool_row(ids, 5, 0), 2);
    assert_int_equal(score_pool_row(ids, 5, -1), 4);
    assert_int_equal(score_pool_row(ids + 3, 2, 0), 0); /* nothing but padding: as transformers, whose argmax is 0 */
}

int main(void) {
    printf("# seed %d\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_neighbours), cmocka_unit_test(test_turns),
                                       cmocka_unit_test(test_no_tokens), cmocka_unit_test(test_pool_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
