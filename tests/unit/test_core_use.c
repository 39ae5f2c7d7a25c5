/* What doctor says of cores is true of the hosts as they are. */
#include "cli/core_use.h"
#include "tests/support/asserts.h"
#include <string.h>

static core_use rank_on(const char *host, int first, int cores, int threads, int online) {
    core_use u = {.threads = threads, .online = online};
    strcpy(u.host, host);
    CPU_ZERO(&u.cores);
    for (int c = 0; c < cores; c++) CPU_SET(first + c, &u.cores);
    return u;
}

static void expect(const core_use *ranks, size_t n, const char *const *parts) {
    strbuf out = {0};
    size_t lines = 0, wanted = 0;
    core_use_warnings(ranks, n, true, &out);
    for (const char *c = strbuf_str(&out); *c; c++) lines += *c == '\n';
    for (; parts[wanted]; wanted++)
        if (!strstr(strbuf_str(&out), parts[wanted])) fail_msg("'%s' has no '%s'", strbuf_str(&out), parts[wanted]);
    if (lines != wanted) fail_msg("%zu lines, wanted %zu: %s", lines, wanted, strbuf_str(&out));
    strbuf_free(&out);
}
#define SAYS(...) expect(ranks, sizeof ranks / sizeof *ranks, (const char *const[]){__VA_ARGS__, NULL})
#define SAYS_NOTHING expect(ranks, sizeof ranks / sizeof *ranks, (const char *const[]){NULL})

static void test_bound(void **state) {
    (void)state;
    { /* a core each, all cores taken: nothing is shared, nothing lies idle */
        core_use ranks[] = {rank_on("a", 0, 1, 1, 2), rank_on("a", 1, 1, 1, 2)};
        SAYS_NOTHING;
    }
    {
        core_use ranks[] = {rank_on("a", 0, 1, 1, 8), rank_on("a", 1, 1, 1, 8)};
        SAYS("6 of 8 cores are nobody's");
    }
    {
        core_use ranks[] = {rank_on("a", 0, 1, 2, 2), rank_on("a", 1, 1, 2, 2)};
        SAYS("rank 0 on a has 2 threads on 1 core: set OMP_NUM_THREADS=1");
    }
    { /* two ranks on one core */
        core_use ranks[] = {rank_on("a", 0, 1, 1, 1), rank_on("a", 0, 1, 1, 1)};
        SAYS("2 ranks of 2 threads in all share 1 core of a");
    }
}

static void test_unbound(void **state) {
    (void)state;
    {
        core_use ranks[] = {rank_on("a", 0, 2, 2, 2), rank_on("a", 0, 2, 2, 2)};
        SAYS("2 ranks of 4 threads in all share 2 cores of a: set OMP_NUM_THREADS to 1 or less");
    }
    {
        core_use ranks[] = {rank_on("a", 0, 4, 2, 4), rank_on("a", 0, 4, 2, 4)};
        SAYS_NOTHING;
    }
    { /* each host for itself */
        core_use ranks[] = {rank_on("a", 0, 4, 4, 4), rank_on("b", 0, 4, 4, 4), rank_on("b", 0, 4, 4, 4),
                            rank_on("a", 4, 4, 4, 8)};
        SAYS("2 ranks of 8 threads in all share 4 cores of b");
    }
    { /* a container's share of time */
        core_use ranks[] = {rank_on("a", 0, 64, 64, 64)};
        ranks[0].quota = 8;
        SAYS("64 threads on a, whose control group may take the time of 8.0 cores");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bound), cmocka_unit_test(test_unbound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
