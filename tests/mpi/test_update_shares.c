/* The sum of a step's gradients: with a fixed number of shares the same bits on any number of ranks, those of one tree;
 * begun during the backward pass the bits of one behind it; and no rank left waiting where another's gradient is not
 * finite. */
#include "base/rng.h"
#include "trainer/update.h"
#include "tests/support/tiny_model.h"

static world *the_world;
#include "mpi_check.h"

#include <math.h>

enum { SEED = 21, WIDTH = 16, VOCABULARY = 50, TOKENS = 30, PARTS = 8 };

static model *small_model(void) { return tiny_model(tiny_config("layers=3,hidden=16,heads=4,ffn=24", VOCABULARY), 3); }

/* What share `share` adds. */
static void add_leaf(float *to, size_t n, size_t share) {
    rng r = rng_make(SEED, RNG_TEST, share, 0, 0);
    for (size_t i = 0; i < n; i++) to[i] += (float)(rng_normal(&r) * exp2((double)rng_below(&r, 20)));
}

/* The tree over leaves lo … hi, as it is defined. */
static void tree_of(float *out, size_t n, size_t lo, size_t hi) {
    memset(out, 0, n * sizeof *out);
    if (hi - lo == 1) {
        add_leaf(out, n, lo);
        return;
    }
    float *right = malloc(n * sizeof *right);
    tree_of(out, n, lo, lo + (hi - lo) / 2);
    tree_of(right, n, lo + (hi - lo) / 2, hi);
    for (size_t i = 0; i < n; i++) out[i] += right[i];
    free(right);
}

static void test_any_ranks(void **state) {
    (void)state;
    model *m = small_model();
    const size_t n = model_trainables(m).n;
    float *expect = malloc(n * sizeof *expect);
    double figure = 0;
    updater u;
    for (size_t share = 0; share < PARTS; share++) figure += 1.0 / (double)(share + 3);
    tree_of(expect, n, 0, PARTS);
    CHECK(updater_create(the_world, m, false, &u) == WR_OK);
    for (int round = 0; round < 4; round++) {
        const update_options o = {.same_bits = true,
                                  .parts = PARTS,
                                  .reduce = {.background = round % 2, .slice = round < 2 ? 0 : 777, .depth = 3}};
        double norm, total[UPDATE_SUMS];
        CHECK(update_options_check(&o, the_world) == WR_OK);
        CHECK(updater_begin(&u, &o) == WR_OK);
        for (size_t share = u.mine.first; share < u.mine.first + u.mine.count; share++) {
            updater_share(&u);
            add_leaf(u.grads, n, share);
            updater_sums(&u, share)[1] = 1.0 / (double)(share + 3);
        }
        CHECK(updater_reduce(&u, WR_OK, &norm) == WR_OK);
        CHECK(memcmp(u.grads, expect, n * sizeof *expect) == 0);
        CHECK(norm == global_norm(expect, n));
        updater_total(&u, total);
        CHECK(total[1] == figure && total[0] == 0);
    }
    updater_free(&u);
    free(expect);
    model_free(m);
}

static void test_parts(void **state) {
    (void)state;
    const size_t ranks = (size_t)world_size(the_world);
    update_options o = {.same_bits = true, .parts = 6};
    CHECK(update_options_check(&o, the_world) == WR_E_USAGE);
    o.parts = 2;
    CHECK(update_options_check(&o, the_world) == (ranks > 2 ? WR_E_USAGE : WR_OK));
    o.same_bits = false;
    CHECK(update_options_check(&o, the_world) == WR_OK);
}

/* Forward and backward of one micro-batch into the updater's gradients. spoil: a NaN in what layer 1 has so far. */
static wr_status micro_batch_of(updater *u, model_workspace *w, uint64_t which, bool last, bool spoil) {
    const size_t offsets[] = {0, TOKENS};
    int32_t ids[TOKENS], targets[TOKENS];
    size_t rows[TOKENS];
    float dhidden[TOKENS * WIDTH] = {0}, out[TOKENS], scale[TOKENS];
    const float *hidden = NULL;
    rng r = rng_make(SEED, RNG_TEST, which, 1, 0);
    for (size_t t = 0; t < TOKENS; t++) {
        ids[t] = (int32_t)rng_below(&r, VOCABULARY);
        targets[t] = (int32_t)rng_below(&r, VOCABULARY);
        rows[t] = t;
        scale[t] = 0.5f;
    }
    const token_batch b = {.B = 1, .offsets = offsets, .ids = ids};
    CHECK(model_forward(u->m, &b, w, true, &hidden) == WR_OK);
    CHECK(lm_logprobs(u->m, w, hidden, TOKENS, rows, targets, out) == WR_OK);
    CHECK(lm_logprobs_backward(u->m, w, hidden, TOKENS, rows, targets, scale, dhidden, u->grads) == WR_OK);
    if (spoil) u->grads[model_part(u->m, 1).begin + 2] = NAN;
    return model_backward_hooked(u->m, &b, w, dhidden, u->grads, updater_hook(u, last));
}

/* A step of two micro-batches a rank, but for the last of several ranks, which has none. */
static wr_status step_of(updater *u, const update_options *o, bool spoil, double *norm) {
    const size_t me = (size_t)world_rank(the_world), ranks = (size_t)world_size(the_world);
    model_workspace *w = NULL;
    wr_status mine = WR_OK;
    CHECK(model_workspace_create(u->m, &w) == WR_OK);
    CHECK(updater_begin(u, o) == WR_OK && u->mine.first == me && u->mine.count == 1);
    updater_share(u);
    for (size_t k = 0; k < 2 && (ranks == 1 || me + 1 < ranks) && mine >= 0; k++)
        mine = micro_batch_of(u, w, 2 * me + k, k == 1, spoil && k == 1 && me == 0);
    model_workspace_free(w);
    return updater_reduce(u, mine, norm);
}

static void test_overlap(void **state) {
    (void)state;
    model *m = small_model();
    const size_t n = model_trainables(m).n;
    float *first = malloc(n * sizeof *first);
    updater u;
    double norm, norm_before = 0, busy, waited;
    CHECK(updater_create(the_world, m, false, &u) == WR_OK);
    for (int round = 0; round < 6; round++) {
        const update_options o = {
            .reduce = {.background = round % 2, .slice = round < 2 ? 0 : 300, .depth = (size_t)round}};
        CHECK(step_of(&u, &o, false, &norm) == WR_OK);
        updater_times(&u, &busy, &waited);
        CHECK(world_size(the_world) == 1 ? busy == 0 : busy > 0 && waited >= 0);
        if (round == 0) memcpy(first, u.grads, n * sizeof *first), norm_before = norm;
        CHECK(norm > 0 && norm == norm_before && memcmp(first, u.grads, n * sizeof *first) == 0);
    }
    updater_free(&u);
    free(first);
    model_free(m);
}

/* The embedding's rows that some rank's tokens touch, summed alone, have the bits of the whole table's sum; with shared
 * moments each rank has its range of it. */
static void test_rows(void **state) {
    (void)state;
    model *m = small_model();
    const size_t n = model_trainables(m).n, me = (size_t)world_rank(the_world), width = m->config.C;
    float *whole = malloc(n * sizeof *whole);
    updater u;
    double norm, norm_before = 0;
    for (int way = 0; way < 6; way++) {
        const update_options o = {.reduce = {.background = way % 2, .slice = 100}};
        CHECK(updater_create(the_world, m, way >= 4, &u) == WR_OK);
        for (int again = 0; again < 2; again++) {
            CHECK(updater_begin(&u, &o) == WR_OK);
            updater_share(&u);
            rng r = rng_make(SEED, RNG_TEST, 7, me, 0);
            for (size_t i = VOCABULARY * width; i < n; i++) u.grads[i] = (float)rng_normal(&r);
            for (size_t k = 0; k < 9; k++) {
                const int32_t id = (int32_t)(rng_below(&r, 5) + 7 * me);
                for (size_t i = 0; i < width; i++)
                    u.grads[(size_t)id * width + i] -= i % 3 ? (float)rng_normal(&r) : 0.0f;
                if (way >= 2) updater_touch(&u, &id, 1);
            }
            if (way >= 2) CHECK(updater_rows(&u) == WR_OK);
            CHECK(world_size(the_world) == 1 || (u.rows.count > 0) == (way >= 2));
            CHECK(updater_reduce(&u, WR_OK, &norm) == WR_OK);
            if (way == 0) memcpy(whole, u.grads, n * sizeof *whole), norm_before = norm;
            const size_t from = u.keep ? u.keep[2 * me] : 0, to = u.keep ? u.keep[2 * me + 1] : n;
            CHECK(norm == norm_before && memcmp(whole + from, u.grads + from, (to - from) * sizeof *whole) == 0);
            for (size_t i = 0; i < n; i++) CHECK((i >= from && i < to) || u.grads[i] == 0);
        }
        updater_free(&u);
    }
    free(whole);
    model_free(m);
}

static void test_not_finite(void **state) {
    (void)state;
    model *m = small_model();
    const size_t n = model_trainables(m).n;
    float *sound = malloc(n * sizeof *sound);
    updater u;
    double norm;
    CHECK(updater_create(the_world, m, false, &u) == WR_OK);
    for (int overlap = 0; overlap < 2; overlap++) {
        const update_options o = {.reduce = {.background = overlap, .slice = 200}};
        CHECK(step_of(&u, &o, false, &norm) == WR_OK);
        memcpy(sound, u.grads, n * sizeof *sound);
        const wr_status status = step_of(&u, &o, true, &norm);
        CHECK(status == (world_rank(the_world) == 0 ? WR_E_NUMERIC : WR_E_PEER));
        CHECK(strstr(wr_error(), "the gradient of model.layers.0.") && strstr(wr_error(), "nan at element"));
        CHECK(step_of(&u, &o, false, &norm) == WR_OK);
        CHECK(memcmp(sound, u.grads, n * sizeof *sound) == 0);
    }
    updater_free(&u);
    free(sound);
    model_free(m);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_ranks), cmocka_unit_test(test_parts),
                                       cmocka_unit_test(test_overlap), cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_not_finite)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
