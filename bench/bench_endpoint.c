/* Throughput of the endpoint annotator against a server that answers each request after a fixed time: with N requests
 * in flight and L seconds of latency nobody can do more than N / L requests a second, and that is what the figure is
 * held against. usage: bench_endpoint URL CACHE_DIR [--latency MS] [--parallel N] [--rounds N] [--turns N]: the
 * server's latency, and rounds of fresh turns. A table on stderr, one line of JSON on stdout. */
#include "base/log.h"
#include "base/rng.h"
#include "data/label/annotate/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUERY = 200, REPLY = 1500, FOLLOWUP = 120, ROUNDS_MAX = 1000 };

typedef struct bench {
    const char *url, *cache;
    double latency_s;
    size_t parallel, rounds, turns;
    double rate[ROUNDS_MAX], seconds, cpu;
} bench;

static char *text(arena *a, rng *r, size_t n) {
    static const char letters[] = "eeeeettttaaaoooiiinnnssshhrrddlluuccmmwwffggyyppbbvk        \n";
    char *s = arena_alloc(a, n + 1);
    for (size_t i = 0; s && i < n; i++) s[i] = letters[rng_below(r, sizeof letters - 1)];
    if (s) s[n] = '\0';
    return s;
}

static wr_status make_turns(arena *a, size_t round, size_t n, annotated_turn *turns, chat_message *messages) {
    static const struct {
        const char *role;
        size_t length;
    } kinds[] = {{"user", QUERY}, {"assistant", REPLY}, {"user", FOLLOWUP}};
    for (size_t i = 0; i < n; i++) {
        rng r = rng_make(1, RNG_TEST, round, i, 0);
        for (int k = 0; k < 3; k++) {
            char *s = text(a, &r, kinds[k].length);
            if (!s) return wr_fail(WR_E_NOMEM, "out of memory for turns");
            messages[3 * i + (size_t)k] =
                (chat_message){.role = kinds[k].role, .content = s, .length = kinds[k].length};
        }
        turns[i] = (annotated_turn){.id = "bench",
                                    .turn = (int64_t)i,
                                    .query = &messages[3 * i],
                                    .reply = &messages[3 * i + 1],
                                    .followup = &messages[3 * i + 2]};
    }
    return WR_OK;
}

static int by_value(const void *x, const void *y) {
    return (*(const double *)x > *(const double *)y) - (*(const double *)x < *(const double *)y);
}

static wr_status run(bench *b) {
    wr_status status = WR_OK;
    annotator *e = NULL;
    annotated_turn *turns = NULL;
    chat_message *messages = NULL;
    int8_t *level = NULL;
    arena *a = arena_create();
    endpoint_options o = {.url = b->url,
                          .model = "bench",
                          .cache_dir = b->cache,
                          .in_flight = b->parallel,
                          .characters = 4000,
                          .max_tokens = 16};
    TRY_ALLOC(a);
    TRY_ALLOC(turns = mem_calloc(b->turns, sizeof *turns));
    TRY_ALLOC(messages = mem_calloc(b->turns, 3 * sizeof *messages));
    TRY_ALLOC(level = mem_calloc(b->turns, 1));
    TRY(annotator_endpoint_create(&o, &e));
    for (size_t k = 0; k < b->rounds; k++) {
        arena_reset(a);
        TRY(make_turns(a, k, b->turns, turns, messages));
        double wall = clock_seconds(), cpu = clock_thread_cpu();
        TRY(e->levels(e, turns, b->turns, level));
        wall = clock_seconds() - wall;
        b->seconds += wall;
        b->cpu += clock_thread_cpu() - cpu;
        b->rate[k] = (double)b->turns / wall;
        for (size_t i = 0; i < b->turns; i++)
            if (level[i] < 1) TRY(wr_fail(WR_E_FAILED, "turn %zu got no label: is %s the test server?", i, b->url));
    }
cleanup:
    annotator_free(e);
    free(turns);
    free(messages);
    free(level);
    arena_free(a);
    return status;
}

static void report(bench *b) {
    double most = (double)b->parallel / b->latency_s, all = (double)(b->rounds * b->turns) / b->seconds;
    fprintf(stderr, "%zu in flight, %g ms latency: at most %.0f requests/s\n", b->parallel, 1000 * b->latency_s, most);
    for (size_t k = 0; k < b->rounds; k++)
        fprintf(stderr, "  round %zu  %7.0f requests/s  %.3f\n", k + 1, b->rate[k], b->rate[k] / most);
    qsort(b->rate, b->rounds, sizeof *b->rate, by_value);
    double median = b->rate[b->rounds / 2];
    fprintf(stderr,
            "endpoint annotator: median %.0f requests/s, %.3f of the most possible (at least 0.9: %s); all rounds %.3f "
            "in %.1f s; %.0f us of CPU a request\n",
            median, median / most, median / most >= 0.9 ? "met" : "MISSED", all / most, b->seconds,
            1e6 * b->cpu / (double)(b->rounds * b->turns));
    printf("{\"bench\":\"endpoint\",\"parallel\":%zu,\"latency_ms\":%.9g,\"requests_per_s\":%.9g,\"ratio\":%.9g,"
           "\"ratio_all\":%.9g,\"seconds\":%.9g,\"cpu_us\":%.9g}\n",
           b->parallel, 1000 * b->latency_s, median, median / most, all / most, b->seconds,
           1e6 * b->cpu / (double)(b->rounds * b->turns));
}

int main(int argc, char **argv) {
    bench b = {.latency_s = 0.05, .parallel = 64, .rounds = 5, .turns = 4096};
    for (int i = 3; i + 1 < argc; i += 2) {
        double value = atof(argv[i + 1]);
        if (strcmp(argv[i], "--latency") == 0)
            b.latency_s = value / 1000;
        else if (strcmp(argv[i], "--parallel") == 0)
            b.parallel = (size_t)value;
        else if (strcmp(argv[i], "--rounds") == 0)
            b.rounds = (size_t)value;
        else if (strcmp(argv[i], "--turns") == 0)
            b.turns = (size_t)value;
        else
            argc = 0;
    }
    if (argc < 3 || argc % 2 == 0 || !(b.latency_s > 0) || b.parallel < 1 || b.rounds < 1 || b.rounds > ROUNDS_MAX ||
        b.turns < 1) {
        fprintf(stderr, "usage: bench_endpoint URL CACHE_DIR [--latency MS] [--parallel N] [--rounds N] [--turns N]\n");
        return 2;
    }
    b.url = argv[1], b.cache = argv[2];
    if (run(&b) < 0) {
        fprintf(stderr, "bench_endpoint: %s\n", wr_error());
        return 1;
    }
    report(&b);
    return 0;
}
