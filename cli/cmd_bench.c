/* wildreward bench: rates as shares of this machine's own limits, measured in the same run. */
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stream.h"
#include "cli/bench_cases.h"
#include "cli/command.h"
#include "cli/version.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench_call {
    bench_options b;
    const char *out;
    size_t repetitions;
    double seconds;
} bench_call;
static const option_spec bench_rows[] = {
    OPTION_TEXT(bench_call, out, "out", NULL, "FILE.json", "also write the figures as JSON"),
    OPTION_TEXT(bench_call, b.spec, "shape", "layers=4,hidden=512,heads=8,kv-heads=4,ffn=1536,max-positions=2048",
                "SPEC", "model shape, in the words of train --new"),
    OPTION_INT(bench_call, b.vocab, "vocab-size", "8192", "N", 512, 1e6, "vocabulary of that model"),
    OPTION_INT(bench_call, b.tokens, "tokens", "1024", "N", 64, 1e6, "tokens of a micro-batch"),
    OPTION_INT(bench_call, b.sequence, "sequence", "256", "N", 64, 1e5, "tokens of each sequence in it"),
    OPTION_INT(bench_call, b.reduce_floats, "reduce-floats", "16777216", "N", 1, 4e9, "gradient size of the reduction"),
    OPTION_INT(bench_call, repetitions, "repetitions", "7", "N", 5, 1000, "rounds over all cases; the median counts"),
    OPTION_FLOAT(bench_call, seconds, "seconds", "0.15", "S", 0.001, 60, "least time of one measurement"),
    {0},
};
static const option_group bench_groups[] = {{.rows = bench_rows}, {0}};

typedef struct bench_result {
    double *rates; /* (repetitions) sorted once all are in; work units a second */
    double median, low, high;
    size_t inner; /* runs in one measurement */
} bench_result;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Rank 0's time of `inner` runs; all ranks take part where the case says so. COLLECTIVE. */
static wr_status measure(world *w, bench_setup *s, const bench_case *c, size_t inner, double *seconds) {
    wr_status status = WR_OK, mine = WR_OK;
    world_barrier(w);
    double begin = clock_seconds();
    if (c->everywhere || world_rank(w) == 0) {
        for (size_t i = 0; i < inner && mine >= 0; i++) mine = c->run(s);
    }
    *seconds = clock_seconds() - begin;
    /* The slowest rank's time: that is what a step would wait for. */
    world_max(w, seconds, 1);
    TRY(world_agree(w, mine));
cleanup:
    return status;
}

/* Doubles the inner count until one measurement takes `least` seconds; this also warms caches and thread pools. */
static wr_status calibrate(world *w, bench_setup *s, const bench_case *c, double least, size_t *inner) {
    wr_status status = WR_OK;
    double seconds;
    *inner = 1;
    TRY(measure(w, s, c, 1, &seconds));
    for (;;) {
        TRY(measure(w, s, c, *inner, &seconds));
        if (seconds >= least || *inner >= (1u << 20)) break;
        *inner *= 2;
    }
cleanup:
    return status;
}

static bool applies(const world *w, const bench_case *c) { return !c->collective_only || world_size(w) > 1; }

static size_t case_index(const char *name) {
    size_t i = 0;
    while (bench_cases[i].name && strcmp(bench_cases[i].name, name) != 0) i++;
    return i;
}

static void print_table(const world *w, const bench_setup *s, const bench_result *results) {
    printf("%d rank(s), %d thread(s) each; %zu parameters in matrix products; median [lowest, highest] of interleaved "
           "repetitions\n",
           world_size(w), omp_get_max_threads(), bench_matrix_params(s));
    printf("%-20s %12s  %-8s %-28s %s\n", "what", "rate", "unit", "spread", "share of its limit");
    for (size_t i = 0; bench_cases[i].name; i++) {
        const bench_case *c = &bench_cases[i];
        const bench_result *r = &results[i];
        char spread[64], share[64] = "";
        if (!applies(w, c)) continue;
        snprintf(spread, sizeof spread, "[%.4g, %.4g]", r->low / c->unit_size, r->high / c->unit_size);
        if (c->limit)
            snprintf(share, sizeof share, "%.2f of %s", r->median / results[case_index(c->limit)].median, c->limit);
        printf("%-20s %12.4g  %-8s %-28s %s\n", c->name, r->median / c->unit_size, c->unit, spread, share);
    }
    fflush(stdout);
}

static wr_status write_json(const char *path, const world *w, const bench_setup *s, const bench_options *o,
                            const bench_result *results, size_t reps) {
    wr_status status = WR_OK;
    strbuf text = {0};
    json_writer j = json_writer_make(&text);
    json_begin_object(&j);
    json_member_string(&j, "kind", "bench");
    json_member_string(&j, "version", version_string());
    json_member_string(&j, "commit", version_commit());
    json_member_string(&j, "host", world_host(w));
    json_member_int(&j, "ranks", world_size(w));
    json_member_int(&j, "threads", omp_get_max_threads());
    json_member_string(&j, "shape", o->spec);
    json_member_int(&j, "vocab_size", (int64_t)o->vocab);
    json_member_int(&j, "tokens", (int64_t)o->tokens);
    json_member_int(&j, "sequence", (int64_t)o->sequence);
    json_member_int(&j, "matrix_params", (int64_t)bench_matrix_params(s));
    json_member_int(&j, "repetitions", (int64_t)reps);
    json_member_array(&j, "cases");
    for (size_t i = 0; bench_cases[i].name; i++) {
        const bench_case *c = &bench_cases[i];
        const bench_result *r = &results[i];
        if (!applies(w, c)) continue;
        json_begin_object(&j);
        json_member_string(&j, "name", c->name);
        json_member_string(&j, "unit", c->unit);
        json_member_double(&j, "median", r->median / c->unit_size);
        json_member_double(&j, "low", r->low / c->unit_size);
        json_member_double(&j, "high", r->high / c->unit_size);
        json_member_string(&j, "limit", c->limit);
        json_key(&j, "ratio");
        if (c->limit)
            json_double(&j, r->median / results[case_index(c->limit)].median);
        else
            json_null(&j);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    TRY(outstream_write_line(path, &text));
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status run_bench(const options *o, world *w) {
    wr_status status = WR_OK;
    bench_setup *s = NULL;
    bench_call c = {0};
    size_t n = 0;
    while (bench_cases[n].name) n++;
    bench_result *results = mem_calloc(n, sizeof *results);
    TRY(options_fill(o, &c, sizeof c));
    const size_t reps = c.repetitions;
    TRY(world_agree(w, results ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for the results")));
    TRY(bench_setup_create(w, &c.b, &s));
    for (size_t i = 0; i < n; i++) {
        if (!applies(w, &bench_cases[i])) continue;
        results[i].rates = mem_calloc(reps, sizeof(double));
        TRY(world_agree(w, results[i].rates ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for the results")));
        TRY(calibrate(w, s, &bench_cases[i], c.seconds, &results[i].inner));
    }
    /* Interleaved: a machine that slows down for a while then slows a limit and what is compared with it alike. */
    for (size_t r = 0; r < reps; r++) {
        for (size_t i = 0; i < n; i++) {
            double seconds;
            if (!applies(w, &bench_cases[i])) continue;
            TRY(measure(w, s, &bench_cases[i], results[i].inner, &seconds));
            results[i].rates[r] = bench_cases[i].work(s) * (double)results[i].inner / seconds;
        }
        if (world_rank(w) == 0) log_info("round %zu of %zu", r + 1, reps);
        if (world_stop_agreed(w))
            TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal after %zu of %zu rounds", r + 1, reps));
    }
    for (size_t i = 0; i < n; i++) {
        bench_result *r = &results[i];
        if (!r->rates) continue;
        qsort(r->rates, reps, sizeof(double), by_value);
        r->low = r->rates[0];
        r->high = r->rates[reps - 1];
        r->median = reps % 2 ? r->rates[reps / 2] : (r->rates[reps / 2 - 1] + r->rates[reps / 2]) / 2;
    }
    wr_status mine = WR_OK;
    if (world_rank(w) == 0) {
        print_table(w, s, results);
        if (c.out) mine = write_json(c.out, w, s, &c.b, results, reps);
    }
    TRY(world_agree(w, mine));
cleanup:
    bench_setup_free(s);
    for (size_t i = 0; results && i < n; i++) free(results[i].rates);
    free(results);
    return status;
}

const command cmd_bench = {
    .name = "bench",
    .usage = "bench [--out FILE.json] [--shape SPEC]",
    .summary = "measure training, scoring, decoding and data rates against this machine's own limits",
    .groups = bench_groups,
    .needs_world = true,
    .run = run_bench,
};
