/* Agreement, sums, byte transport, shared memory. */
#include "mpi/world.h"

static world *the_world;
#include "mpi_check.h"

#include <math.h>
#include <omp.h>
#include <time.h>
#include <unistd.h>

static void test_identity(void **state) {
    (void)state;
    world *w = the_world;
    CHECK(world_size(w) >= 1 && world_rank(w) >= 0 && world_rank(w) < world_size(w));
    CHECK(world_local_size(w) == world_size(w) && world_local_rank(w) == world_rank(w)); /* one machine */
    CHECK(world_host(w)[0] != '\0');
    CHECK(omp_get_max_threads() >= 1);
    double ranks = 1;
    world_sum(w, &ranks, 1);
    CHECK(ranks == world_size(w));
}

static void test_agree(void **state) {
    (void)state;
    world *w = the_world;
    CHECK(world_agree(w, WR_OK) == WR_OK);
    CHECK(world_agree(w, WR_END) == WR_OK);
    for (int bad = 0; bad < world_size(w); bad++) {
        bool mine = world_rank(w) >= bad; /* several ranks fail: the lowest is named */
        wr_status s = world_agree(w, mine ? wr_fail(WR_E_FORMAT, "record %d is odd", world_rank(w)) : WR_OK);
        if (mine) {
            CHECK(s == WR_E_FORMAT);
        } else {
            char expect[64];
            snprintf(expect, sizeof expect, "rank %d (", bad);
            CHECK(s == WR_E_PEER && strstr(wr_error(), expect) && strstr(wr_error(), world_host(w)));
            snprintf(expect, sizeof expect, "record %d is odd", bad);
            CHECK(strstr(wr_error(), expect));
        }
        CHECK(world_any(w, world_rank(w) == bad));
    }
    /* what all of them found, the lowest says; what a rank fails with later is its own again */
    CHECK(world_agree(w, wr_fail(WR_E_FORMAT, "all alike")) == WR_E_FORMAT);
    CHECK(wr_error_left_to_others() == (world_rank(w) > 0) && strcmp(wr_error(), "all alike") == 0);
    CHECK(world_agree(w, wr_fail(WR_E_FORMAT, "rank %d", world_rank(w))) == WR_E_FORMAT && !wr_error_left_to_others());
    CHECK(!world_any(w, false));
    CHECK(!world_stop_agreed(w));
}

static void test_sum_order(void **state) {
    (void)state;
    world *w = the_world;
    int size = world_size(w);
    enum { N = 5000 };
    static double values[N];
    /* Terms whose sum depends on the order: compare with the sum in rank order, bit for bit. */
    for (int i = 0; i < N; i++)
        values[i] = sin(i * 12.9898 + world_rank(w) * 78.233) * exp2((i + 7 * world_rank(w)) % 40);
    world_sum(w, values, N);
    for (int i = 0; i < N; i++) {
        double expect = sin(i * 12.9898) * exp2(i % 40);
        for (int r = 1; r < size; r++) expect += sin(i * 12.9898 + r * 78.233) * exp2((i + 7 * r) % 40);
        CHECK(values[i] == expect);
    }
    double most[2] = {world_rank(w), world_rank(w) == size - 1 ? NAN : 1};
    world_max(w, most, 2);
    CHECK(most[0] == size - 1);
    CHECK(isnan(most[1]));
}

static void test_bytes(void **state) {
    (void)state;
    world *w = the_world;
    int size = world_size(w), me = world_rank(w);
    static const size_t lengths[] = {0, 1, 4095, 70000, 3000000};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int root = 0; root < size; root++) {
            strbuf b = {0};
            strbuf_puts(&b, "old contents");
            if (me == root) {
                strbuf_clear(&b);
                for (size_t i = 0; i < lengths[l]; i++) strbuf_putc(&b, (char)(i * 31 + (size_t)root));
            }
            CHECK(world_bcast(w, root, &b) == WR_OK);
            CHECK(b.len == lengths[l]);
            for (size_t i = 0; i < b.len; i++) CHECK(b.data[i] == (char)(i * 31 + (size_t)root));
            strbuf_free(&b);
        }
    }
    strbuf send[8] = {{0}}, recv[8] = {{0}}, all[8] = {{0}}, mine = {0};
    for (int r = 0; r < size; r++) {
        for (int i = 0; i < me * 1000 + r * 7; i++) strbuf_putc(&send[r], (char)(me * 16 + r));
    }
    CHECK(world_exchange(w, send, recv) == WR_OK);
    for (int r = 0; r < size; r++) {
        CHECK(recv[r].len == (size_t)(r * 1000 + me * 7));
        for (size_t i = 0; i < recv[r].len; i++) CHECK(recv[r].data[i] == (char)(r * 16 + me));
    }
    strbuf_printf(&mine, "rank %d says %0*d", me, me * 50 + 1, me);
    CHECK(world_allgather(w, &mine, all) == WR_OK);
    for (int r = 0; r < size; r++) {
        strbuf expect = {0};
        strbuf_printf(&expect, "rank %d says %0*d", r, r * 50 + 1, r);
        CHECK(all[r].len == expect.len && memcmp(all[r].data, expect.data, expect.len) == 0);
        strbuf_free(&expect);
    }
    for (int r = 0; r < 8; r++) {
        strbuf_free(&send[r]);
        strbuf_free(&recv[r]);
        strbuf_free(&all[r]);
    }
    strbuf_free(&mine);
}

typedef struct fill_context {
    int calls;
    wr_status answer;
} fill_context;
static wr_status fill(void *context, void *memory) {
    fill_context *f = context;
    f->calls++;
    for (int i = 0; i < 10000; i++) ((int *)memory)[i] = i * i;
    return f->answer < 0 ? wr_fail(f->answer, "file is damaged") : WR_OK;
}

static wr_status check_only(void *context, void *memory) {
    (void)context;
    CHECK(memory == NULL);
    return WR_OK;
}

static void test_shared(void **state) {
    (void)state;
    world *w = the_world;
    shared_block *s = NULL;
    fill_context f = {0, WR_OK};
    CHECK(shared_block_create(w, 10000 * sizeof(int), fill, &f, &s) == WR_OK);
    double calls = f.calls;
    world_sum(w, &calls, 1);
    CHECK(calls == 1); /* one host, one copy */
    int *data = shared_block_data(s);
    CHECK((uintptr_t)data % 64 == 0);
    for (int i = 0; i < 10000; i++) CHECK(data[i] == i * i);
    shared_block_free(s);
    shared_block_free(NULL);
    f = (fill_context){0, WR_E_FORMAT};
    wr_status expected = world_rank(w) == 0 ? WR_E_FORMAT : WR_E_PEER;
    CHECK(shared_block_create(w, 10000 * sizeof(int), fill, &f, &s) == expected);
}

/* A host without room in its folder of shared memory: every rank has a copy of its own, and nobody waits for ever. */
static void test_no_room(void **state) {
    (void)state;
    world *w = the_world;
    static const char *const rooms[] = {"0", "40000", "1048576", "1000000000"}; /* the last one is enough */
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        shared_block *s = NULL;
        fill_context f = {0, WR_OK};
        setenv("WILDREWARD_SHARED_ROOM", rooms[i], 1);
        CHECK(shared_block_create(w, 10000 * sizeof(int), fill, &f, &s) == WR_OK);
        double calls = f.calls;
        world_sum(w, &calls, 1);
        CHECK(calls == (i + 1 < sizeof rooms / sizeof *rooms ? world_size(w) : 1));
        int *data = shared_block_data(s);
        for (int k = 0; k < 10000; k++) CHECK(data[k] == k * k);
        shared_block_free(s);
        /* Nothing to keep needs no room, and is checked once a host. */
        CHECK(shared_block_create(w, 0, check_only, &f, &s) == WR_OK);
        shared_block_free(s);
    }
    unsetenv("WILDREWARD_SHARED_ROOM");
}

/* A rank that waits must leave its core to others: CPU time of a 0.3 s wait stays far below it. */
static void test_idle_wait(void **state) {
    (void)state;
    world *w = the_world;
    if (world_size(w) == 1) skip();
    world_barrier(w);
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    if (world_rank(w) == 0) usleep(300000);
    world_barrier(w);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double cpu = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
    CHECK(cpu < 0.15);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_identity),  cmocka_unit_test(test_agree),
                                       cmocka_unit_test(test_sum_order), cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_shared),    cmocka_unit_test(test_no_room),
                                       cmocka_unit_test(test_idle_wait)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
