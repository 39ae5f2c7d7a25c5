/* Moments in ranges over ranks: each rank has its share of them, steps have the bits of those with all moments on every
 * rank, and checkpoints of the one go on as the other. */
#include "tests/mpi/mpi_check.h"

#include "base/file.h"
#include "base/rng.h"
#include "trainer/checkpoint.h"
#include "trainer/moments_ranks.h"
#include "trainer/update.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

static world *the_world;

static const update_options how = {.adam = {1e-2, 0.9, 0.999, 1e-8, 0.1}, .grad_clip = 1};

static void test_ranges(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 15, 16, 17, 1000, 123457};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t ranks = 1; ranks < 9; ranks++) {
            size_t next = 0;
            for (size_t p = 0; p < ranks; p++) {
                const float_range r = moments_range(sizes[s], ranks, p);
                CHECK(r.begin == next && r.end >= r.begin && r.end - r.begin <= sizes[s] / ranks + 32);
                next = r.end;
            }
            CHECK(next == sizes[s]);
        }
}

/* Equal gradients on every rank, as they are after the sum. */
static void steps(updater *u, int from, int to) {
    for (int step = from; step < to; step++) {
        double norm;
        CHECK(updater_begin(u, &how) == WR_OK);
        updater_share(u);
        rng r = rng_make(4, RNG_TEST, (uint64_t)step, (uint64_t)world_rank(the_world), 0);
        for (size_t i = 0; i < u->x.n; i++) u->grads[i] = (float)rng_normal(&r);
        CHECK(updater_reduce(u, WR_OK, &norm) == WR_OK);
        updater_apply(u, &how, norm, 1e-2);
    }
}

static void open_updater(model *m, bool sharded, updater *u) {
    CHECK(updater_create(the_world, m, sharded, u) == WR_OK);
    CHECK(u->opt.n <= (sharded ? u->x.n / (size_t)world_size(the_world) + 32 : u->x.n));
}

/* Three steps without a break and with all moments; then, for both ways on both sides, two of them, a checkpoint, and
 * the third by another run. */
static void test_steps_and_checkpoints(void **state) {
    (void)state;
    world *w = the_world;
    const run_terms terms = {.config_yaml = "lr: 1\n", .arithmetic = "f32"};
    const save_options saving = {.keep = 2};
    model *whole = checkpoint_model(3);
    updater u;
    open_updater(whole, false, &u);
    steps(&u, 0, 3);
    updater_free(&u);
    for (int way = 0; way < 4; way++) {
        model *first = checkpoint_model(3), *second = checkpoint_model(9);
        checkpoint_state s = {.step = 2, .terms = &terms}, again = {.terms = &terms};
        run_dir *r;
        bool found = false;
        folder_set_up_shared(w);
        CHECK(run_open(w, test_folder(), false, &terms, &r) == WR_OK);
        open_updater(first, way & 1, &u);
        steps(&u, 0, 2);
        CHECK(checkpoint_save(w, r, first, &u.opt, &s, &saving) == WR_OK);
        updater_free(&u);
        open_updater(second, way & 2, &u);
        CHECK(checkpoint_load(w, r, second, &u.opt, &again, &found) == WR_OK && found && again.step == 2);
        steps(&u, 2, 3);
        CHECK(memcmp(second->params, whole->params, whole->n_params * sizeof(float)) == 0);
        updater_free(&u);
        run_close(r);
        folder_tear_down_shared(w);
        model_free(first);
        model_free(second);
    }
    model_free(whole);
}

/* A folder that cannot be written is told on every rank, and nobody waits. */
static void test_no_folder(void **state) {
    (void)state;
    model *m = checkpoint_model(3);
    updater u;
    open_updater(m, true, &u);
    const bool root = world_rank(the_world) == 0;
    const wr_status status = moments_save(the_world, "/nowhere/at/all", &u.opt, u.x.n, WR_OK);
    CHECK(root ? status == WR_E_IO : status == WR_OK);
    CHECK(moments_load(the_world, "/nowhere/at/all", &u.opt, u.x.n) < 0);
    updater_free(&u);
    model_free(m);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranges), cmocka_unit_test(test_steps_and_checkpoints),
                                       cmocka_unit_test(test_no_folder)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
