/* The watch over ranks: whoever is busy for longer than the limit is let be, in and out of MPI; tasks are kept. */
#include "mpi/world.h"

static world *the_world;
#include "mpi_check.h"

#include <time.h>

static void busy(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* Twice the limit without a call of MPI, while the others wait: each rank in turn. */
static void test_busy(void **state) {
    (void)state;
    world *w = the_world;
    for (int r = 0; r < world_size(w); r++) {
        world_task(w, "round %d", r);
        if (world_rank(w) == r) {
            world_task_part(w, "busy");
            busy(1.2);
        }
        world_barrier(w);
    }
    double ranks = 1;
    world_sum(w, &ranks, 1);
    CHECK(ranks == world_size(w));
}

/* Longer than a message has room for. */
static void test_long_task(void **state) {
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    world_task(the_world, "%s", text);
    world_task_part(the_world, "%s", text);
    world_task(the_world, "short");
    world_barrier(the_world);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    world_watch(the_world, &(watch_options){.silent_s = 0.6});
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_long_task), cmocka_unit_test(test_busy)};
    int failed = cmocka_run_group_tests_name("mpi/watch", tests, NULL, NULL);
    world_free(the_world);
    return failed;
}
