/* --autotune-comm: the same choice on every rank, kept for the next start, made anew for another type on the wire, and
 * nothing that was given is chosen. */
#include "tests/mpi/mpi_check.h"

#include "base/file.h"
#include "trainer/comm_tune.h"
#include "tests/support/temp_folder.h"

static world *the_world;

static double modified(void) {
    char path[PATH_CAP], *bytes = NULL;
    size_t n = 0;
    double sum = 0;
    CHECK(path_join(path, test_folder(), "comm.json") == WR_OK);
    if (world_rank(the_world) == 0 && file_exists(path)) {
        CHECK(file_read(path, 4096, &bytes, &n) == WR_OK);
        for (size_t i = 0; i < n; i++) sum = 31 * sum / 30 + bytes[i];
        free(bytes);
    }
    world_max(the_world, &sum, 1);
    return sum;
}

static void same_everywhere(const reduce_options *o) {
    double both[4] = {(double)o->slice, (double)o->depth, -(double)o->slice, -(double)o->depth};
    world_max(the_world, both, 4);
    CHECK(both[0] == -both[2] && both[1] == -both[3]);
}

static void test_choice(void **state) {
    (void)state;
    const bool many = world_size(the_world) > 1;
    reduce_options o = {0}, again = {0}, half = {.half = true}, given = {.slice = 1000, .depth = 3},
                   slice = {.slice = 5000};
    folder_set_up_shared(the_world);
    CHECK(comm_tune(the_world, test_folder(), &given) == WR_OK && given.slice == 1000 && given.depth == 3);
    CHECK(modified() == 0);
    CHECK(comm_tune(the_world, test_folder(), &o) == WR_OK);
    CHECK(many ? o.slice >= 1 << 16 && o.depth >= 2 : o.slice == 0 && o.depth == 0);
    same_everywhere(&o);
    const double before = modified();
    CHECK(comm_tune(the_world, test_folder(), &again) == WR_OK && again.slice == o.slice && again.depth == o.depth);
    CHECK(comm_tune(the_world, test_folder(), &slice) == WR_OK && slice.slice == 5000 && slice.depth == o.depth);
    CHECK(modified() == before);
    CHECK(comm_tune(the_world, test_folder(), &half) == WR_OK);
    same_everywhere(&half);
    CHECK(many ? modified() != before : modified() == 0);
    folder_tear_down_shared(the_world);
}

static void test_damage(void **state) {
    (void)state;
    static const char *const bad[] = {"", "{", "{}", "{\"ranks\":2,\"bf16\":false,\"slice\":0,\"depth\":2}",
                                      "{\"ranks\":2,\"bf16\":false,\"slice\":9,\"depth\":65}"};
    char path[PATH_CAP];
    folder_set_up_shared(the_world);
    CHECK(path_join(path, test_folder(), "comm.json") == WR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad && world_size(the_world) > 1; i++) {
        reduce_options o = {0};
        if (world_rank(the_world) == 0) CHECK(file_write_atomic(path, bad[i], strlen(bad[i])) == WR_OK);
        world_barrier(the_world);
        const wr_status status = comm_tune(the_world, test_folder(), &o);
        CHECK(status == (world_rank(the_world) == 0 ? WR_E_FORMAT : WR_E_PEER) && strstr(wr_error(), "comm.json"));
    }
    folder_tear_down_shared(the_world);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice), cmocka_unit_test(test_damage)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
