/* Frozen models: the same weights on every rank whether they are mapped or converted into shared memory, in both
 * precisions; a copy of a model that changes stays as it was; a directory that cannot be read fails everywhere. */
#include "base/file.h"
#include "model/host/frozen.h"
#include "model/weights/weight_mapping.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

static world *the_world;
#include "mpi_check.h"

#include <math.h>
#include <unistd.h>

static model *make_model(uint64_t seed) {
    model_config c = tiny_config("layers=2,hidden=16,heads=4,kv-heads=2,ffn=24,type=qwen2", 50);
    model_config_set_head(&c, HEAD_SCORE, 3);
    return tiny_model(c, seed);
}

static void test_load(void **state) {
    (void)state;
    model *m = make_model(3);
    strcpy(m->config.objective, "of a kind");
    folder_set_up_shared(the_world);
    for (int how = 0; how < 4; how++) {
        const precision stored = how & 1 ? PRECISION_BF16 : PRECISION_F32, p = how & 2 ? PRECISION_BF16 : PRECISION_F32;
        const model_provenance provenance = {.template_text = "{reply}"};
        frozen_model f;
        wr_status status = WR_OK;
        if (world_rank(the_world) == 0) status = model_save(m, test_folder(), NULL, &provenance, stored);
        CHECK(world_agree(the_world, status) == WR_OK);
        CHECK(frozen_load(the_world, test_folder(), HEAD_NONE, p, false, &f) == WR_OK);
        CHECK((f.m->mapping && f.m->mapping->n_files) == (stored == p));
        CHECK(f.m->precision == p && f.m->config.head == HEAD_SCORE && strlen(f.m->parent_hash) == 32);
        CHECK(f.m->template_text && strcmp(f.m->template_text, "{reply}") == 0);
        CHECK(strcmp(f.m->config.objective, "of a kind") == 0);
        assert_weights_of(m, f.m, stored);
        frozen_free(&f);
    }
    folder_tear_down_shared(the_world);
    frozen_model none;
    CHECK(frozen_load(the_world, "/nonexistent", HEAD_NONE, PRECISION_F32, false, &none) < 0);
    CHECK(!none.m && !none.block);
    model_free(m);
}

static void test_copy(void **state) {
    (void)state;
    for (precision p = PRECISION_F32; p < PRECISIONS; p++) {
        model *m = make_model(4), *before = make_model(4);
        frozen_model f;
        CHECK(model_set_precision(m, p) == WR_OK);
        CHECK(frozen_copy(the_world, m, &f) == WR_OK);
        for (size_t i = 0; i < m->n_params; i++) m->params[i] += 1;
        model_round_weights(m);
        CHECK(f.m->precision == p);
        assert_weights_of(before, f.m, PRECISION_F32);
        frozen_free(&f);
        model_free(m), model_free(before);
    }
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_load), cmocka_unit_test(test_copy)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
