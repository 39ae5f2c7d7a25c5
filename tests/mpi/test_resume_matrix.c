/* Checkpoints of any number of ranks, gone on with by any other: written beside the step that follows, with moments on
 * every rank or in ranges, and with a step cut into parts the bits of a run without a break. */
#include "tests/mpi/mpi_check.h"

#include "base/rng.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "trainer/saver.h"
#include "trainer/update.h"

static world *the_world;

static update_options how(bool zero) {
    return (update_options){
        .adam = {1e-2, 0.9, 0.999, 1e-8, 0.1}, .grad_clip = 1, .same_bits = true, .parts = 4, .zero = zero};
}

/* Steps from … to-1; the gradient of a part is its step's and its own. */
static void steps(updater *u, const update_options *o, int from, int to) {
    for (int step = from; step < to; step++) {
        double norm;
        CHECK(updater_begin(u, o) == WR_OK);
        for (size_t part = u->mine.first; part < u->mine.first + u->mine.count; part++) {
            updater_share(u);
            rng r = rng_make(4, RNG_TEST, (uint64_t)step, part, 0);
            for (size_t i = 0; i < u->x.n; i++) u->grads[i] += (float)rng_normal(&r);
        }
        CHECK(updater_reduce(u, WR_OK, &norm) == WR_OK);
        updater_apply(u, o, norm, 1e-2);
    }
}

static const run_terms terms = {.config_yaml = "lr: 1\n", .arithmetic = "f32", .same_bits = true};
static const save_options saving = {.keep = 2};

/* Two steps, a save, and the third step beside it. */
static void begin_run(world *w, bool zero) {
    model *m = checkpoint_model(3);
    checkpoint_state s = {.step = 2, .terms = &terms};
    const update_options o = how(zero);
    run_dir *r;
    saver *k;
    updater u;
    CHECK(run_open(w, test_folder(), false, &terms, &r) == WR_OK);
    CHECK(saver_create(w, r, true, &k) == WR_OK);
    CHECK(updater_create(w, m, zero, &u) == WR_OK);
    steps(&u, &o, 0, 2);
    CHECK(saver_save(k, m, &u.opt, &s, &saving) == WR_OK);
    steps(&u, &o, 2, 3);
    while (!saver_spent(k).saves) CHECK(saver_poll(k) == WR_OK);
    saver_free(k);
    updater_free(&u);
    run_close(r);
    model_free(m);
}

/* The third step from what begin_run saved. */
static void go_on(world *w, bool zero, const model *whole) {
    model *m = checkpoint_model(9);
    checkpoint_state s = {.terms = &terms};
    const update_options o = how(zero);
    run_dir *r;
    updater u;
    bool found = false;
    CHECK(run_open(w, test_folder(), true, &terms, &r) == WR_OK);
    CHECK(updater_create(w, m, zero, &u) == WR_OK);
    CHECK(checkpoint_load(w, r, m, &u.opt, &s, &found) == WR_OK && found && s.step == 2);
    steps(&u, &o, 2, 3);
    if (whole) CHECK(memcmp(m->params, whole->params, whole->n_params * sizeof(float)) == 0);
    updater_free(&u);
    run_close(r);
    model_free(m);
}

/* Of all pairs those that the smaller numbers of ranks do not try. */
static void test_matrix(void **state) {
    (void)state;
    const int ranks = world_size(the_world);
    world *alone;
    model *whole = NULL;
    CHECK(world_part(the_world, 1, &alone) == WR_OK);
    CHECK(!alone == (world_rank(the_world) > 0));
    if (alone) {
        const update_options o = how(false);
        updater u;
        whole = checkpoint_model(3);
        CHECK(updater_create(alone, whole, false, &u) == WR_OK);
        steps(&u, &o, 0, 3);
        updater_free(&u);
    }
    for (int from = 1; from <= ranks; from++)
        for (int to = from == ranks ? 1 : ranks; to <= ranks; to++)
            for (int zero = 0; zero < 2; zero++) {
                world *first, *second;
                CHECK(world_part(the_world, from, &first) == WR_OK && world_part(the_world, to, &second) == WR_OK);
                folder_set_up_shared(the_world);
                if (first) begin_run(first, zero);
                world_barrier(the_world);
                if (second) go_on(second, zero, whole);
                folder_tear_down_shared(the_world);
                world_part_free(first);
                world_part_free(second);
            }
    world_part_free(alone);
    model_free(whole);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matrix)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
