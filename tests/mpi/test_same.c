/* What ranks compare when they start: the same code and message on every rank, whichever rank is the odd one. */
#include "tests/mpi/mpi_check.h"
#include "tests/support/temp_folder.h"

#include "base/file.h"
#include "mpi/same.h"
#include "mpi/world.h"

#include <sys/stat.h>
#include <unistd.h>

static world *the_world;

static rank_facts some(const char *lr, const char *threads) {
    rank_facts f = {0};
    CHECK(facts_add_told(&f, "--seed", "1") == WR_OK);
    CHECK(facts_add_told(&f, "--lr", lr) == WR_OK);
    CHECK(facts_add_machine(&f, "threads", threads) == WR_OK);
    return f;
}

/* The message that all ranks must have, naming rank r and the words. */
static void says(const char *a, const char *b, int r) {
    char who[32];
    snprintf(who, sizeof who, "on rank %d (", r);
    CHECK(strstr(wr_error(), a) && strstr(wr_error(), b) && strstr(wr_error(), who));
    CHECK(strstr(wr_error(), world_host(the_world)));
}

static void test_values(void **state) {
    (void)state;
    world *w = the_world;
    const int size = world_size(w);
    rank_facts f = some("0.1", "2");
    CHECK(world_same(w, WR_OK, &f) == WR_OK);
    facts_free(&f);
    for (int odd = 0; size > 1 && odd < size; odd++) {
        f = some(odd == world_rank(w) ? "0.2" : "0.1", "2");
        CHECK(world_same(w, WR_OK, &f) == WR_E_USAGE);
        says("--lr", "0.2", odd);
        facts_free(&f);
        f = some("0.1", odd == world_rank(w) ? "3" : "2");
        CHECK(world_same(w, WR_OK, &f) == WR_E_MISMATCH);
        says("threads", "3", odd);
        facts_free(&f);
        /* One more fact on one rank, or one less on the others. */
        f = some("0.1", "2");
        if (odd == world_rank(w)) CHECK(facts_add_machine(&f, "OMP_DYNAMIC", "true") == WR_OK);
        CHECK(world_same(w, WR_OK, &f) == WR_E_MISMATCH);
        says("OMP_DYNAMIC", "true", odd);
        facts_free(&f);
        /* A rank that was told nonsense: its message, and its code, are everyone's. */
        f = some("0.1", "2");
        wr_status mine = odd == world_rank(w) ? wr_fail(WR_E_USAGE, "unknown option '--lrr'") : WR_OK;
        CHECK(world_same(w, mine, &f) == WR_E_USAGE);
        CHECK(strstr(wr_error(), "--lrr") && strstr(wr_error(), "rank"));
        facts_free(&f);
    }
    f = (rank_facts){0};
    CHECK(world_same(w, wr_fail(WR_E_USAGE, "all alike"), &f) == WR_E_USAGE && strcmp(wr_error(), "all alike") == 0);
}

static void test_equal(void **state) {
    (void)state;
    world *w = the_world;
    int who = 5;
    CHECK(world_equal(w, UINT64_MAX - 3, &who) && who == -1);
    for (int odd = 1; odd < world_size(w); odd++) {
        CHECK(!world_equal(w, world_rank(w) == odd ? 8 : 7, &who));
        CHECK(who == odd);
    }
}

/* Each rank's own folder with a file "f" in it; `odd` has another content or none. */
static void test_files(void **state) {
    (void)state;
    world *w = the_world;
    char path[PATH_CAP], second[PATH_CAP];
    CHECK(folder_set_up(NULL) == 0); /* each rank its own */
    strcpy(path, in_folder("f")), strcpy(second, in_folder("g"));
    for (int odd = 0; odd < world_size(w); odd++) {
        for (int whole = 0; whole < 2; whole++) {
            for (int what = 0; what < 3; what++) { /* equal, another byte, missing */
                const bool mine = odd == world_rank(w);
                rank_facts f = {0};
                CHECK(file_write_atomic(path, mine && what == 1 ? "bbbx" : "bbbb", 4) == WR_OK);
                CHECK(file_write_atomic(second, "more", 4) == WR_OK);
                if (mine && what == 2) CHECK(unlink(path) == 0);
                CHECK(facts_add_file(&f, "--model", "--model m/f", path, whole) == WR_OK);
                CHECK(facts_add_file(&f, "--model", "--model m/g", second, whole) == WR_OK);
                const bool wrong = world_size(w) > 1 && (what == 1 || (what == 2 && whole));
                CHECK(world_same(w, WR_OK, &f) == (wrong ? WR_E_MISMATCH : WR_OK));
                if (wrong) says("--model m/f", what == 1 ? "hash" : "not there", odd);
                facts_free(&f);
            }
        }
    }
    world_barrier(w);
    CHECK(folder_tear_down(NULL) == 0);
}

/* One file under one name is not read, however large. */
static void test_same_file(void **state) {
    (void)state;
    world *w = the_world;
    strbuf name = {0};
    if (world_rank(w) == 0) {
        char path[] = "/tmp/wr-same-XXXXXX";
        int fd = mkstemp(path);
        CHECK(fd >= 0 && ftruncate(fd, (off_t)1 << 40) == 0); /* a hole of 1 TB: reading it would take minutes */
        close(fd);
        strbuf_puts(&name, path);
    }
    CHECK(world_bcast(w, 0, &name) == WR_OK);
    rank_facts f = {0};
    CHECK(facts_add_file(&f, "--model", "--model m/f", strbuf_str(&name), true) == WR_OK);
    CHECK(f.n == 1);
    if (world_rank(w) == 0) CHECK(facts_add_file(&f, "--data", "--data d/part", "/proc/self/exe", false) == WR_OK);
    CHECK(world_same(w, WR_OK, &f) == WR_OK);
    facts_free(&f);
    world_barrier(w);
    if (world_rank(w) == 0) unlink(strbuf_str(&name));
    strbuf_free(&name);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_equal),
                                       cmocka_unit_test(test_files), cmocka_unit_test(test_same_file)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
