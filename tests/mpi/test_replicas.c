/* Weights and moments that one rank has otherwise: found at a checkpoint, named by rank, host and tensor, and no
 * checkpoint is written. */
#include "tests/mpi/mpi_check.h"

#include "base/file.h"
#include "trainer/checkpoint.h"
#include "trainer/replicas.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

#include <unistd.h>

static world *the_world;

static void test_differ(void **state) {
    (void)state;
    world *w = the_world;
    model *m = checkpoint_model(3);
    adamw a;
    CHECK(adamw_create(m->n_params, &a) == WR_OK);
    CHECK(replicas_equal(w, m, NULL) == WR_OK && replicas_equal(w, m, &a) == WR_OK);
    for (int odd = 1; odd < world_size(w); odd++) {
        const bool mine = world_rank(w) == odd;
        float *one = m->params + m->tensors[m->n_tensors - 1].offset;
        const float before = *one;
        char who[32];
        snprintf(who, sizeof who, "rank %d (", odd);
        if (mine) *one += 1;
        CHECK(replicas_equal(w, m, NULL) == (mine ? WR_E_MISMATCH : WR_E_PEER));
        CHECK(strstr(wr_error(), m->tensors[m->n_tensors - 1].name) && (mine || strstr(wr_error(), who)));
        *one = before;
        if (mine) a.v[5] = 1;
        CHECK(replicas_equal(w, m, &a) == (mine ? WR_E_MISMATCH : WR_E_PEER));
        CHECK(strstr(wr_error(), "second moments"));
        a.v[5] = 0;
    }
    CHECK(replicas_equal(w, m, &a) == WR_OK);
    adamw_free(&a);
    model_free(m);
}

static void test_checkpoint(void **state) {
    (void)state;
    world *w = the_world;
    model *m = checkpoint_model(3);
    adamw a;
    run_dir *r;
    char step[PATH_CAP];
    folder_set_up_shared(w);
    CHECK(adamw_create(m->n_params, &a) == WR_OK);
    const run_terms terms = {.config_yaml = "lr: 1\n", .arithmetic = "f32"};
    CHECK(run_open(w, test_folder(), false, &terms, &r) == WR_OK);
    checkpoint_state s = {.step = 4, .terms = &terms};
    const save_options how = {.keep = 2};
    if (world_rank(w) == world_size(w) - 1) m->params[0] += 1;
    const bool alike = world_size(w) == 1;
    CHECK((checkpoint_save(w, r, m, &a, &s, &how) >= 0) == alike);
    CHECK(path_join(step, test_folder(), "checkpoints/step-4") == WR_OK);
    world_barrier(w);
    CHECK(dir_exists(step) == alike);
    run_close(r);
    folder_tear_down_shared(w);
    adamw_free(&a);
    model_free(m);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_differ), cmocka_unit_test(test_checkpoint)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
