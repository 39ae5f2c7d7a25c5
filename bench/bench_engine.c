/* bench_engine: the model engine against this machine's own products, against peers, and against itself. Ratios of one
 * run: everything that is compared is run in turn, again and again, and the median ratio counts, with the lowest and
 * highest beside it.
 *
 *   bench_engine [--out FILE.json] [--repetitions N] [--peers "COMMAND"] [--openvino "COMMAND"] [--only NAME]...
 *
 * COMMAND SHAPE MODE must follow bench/peer.h (bench/peers/torch_engine.py, bench/peers/openvino_prefill.py). NAME:
 * train, score, prefix, memory, length. */
#include "bench/engine_work.h"
#include "bench/peer.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <getopt.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPETITIONS_MAX = 99, RUNS_MAX = 8 };
typedef enum peer_program { TORCH, OPENVINO, PEER_PROGRAMS } peer_program;
static const double GIB = 1024.0 * 1024.0 * 1024.0;

typedef struct bench {
    json_writer json;
    size_t repetitions;
    const char *commands[PEER_PROGRAMS]; /* NULL: not wanted */
} bench;

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef struct spread {
    double median, low, high;
} spread;
static spread spread_of(const double *x, size_t n) {
    double sorted[REPETITIONS_MAX];
    memcpy(sorted, x, n * sizeof *x);
    qsort(sorted, n, sizeof *sorted, by_value);
    return (spread){n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2, sorted[0], sorted[n - 1]};
}

/* One line of the table, and one object of the JSON. goal 0: nothing is asked of it. */
static void figure(bench *b, const char *what, spread s, const char *unit, double goal, bool at_most) {
    const bool met = goal == 0 || (at_most ? s.median <= goal : s.median >= goal);
    printf("%-64s %8.2f %-9s [%.2f, %.2f]", what, s.median, unit, s.low, s.high);
    if (goal != 0) printf("   %s %.2f: %s", at_most ? "at most" : "at least", goal, met ? "met" : "MISSED");
    printf("\n");
    fflush(stdout);
    json_begin_object(&b->json);
    json_member_string(&b->json, "what", what);
    json_member_string(&b->json, "unit", unit);
    json_member_double(&b->json, "median", s.median);
    json_member_double(&b->json, "lowest", s.low);
    json_member_double(&b->json, "highest", s.high);
    if (goal != 0) {
        json_member_double(&b->json, at_most ? "at_most" : "at_least", goal);
        json_member_bool(&b->json, "met", met);
    }
    json_end_object(&b->json);
}

/* Things that are run in turn: seconds[r][i] of run i in repetition r, after one round that does not count. */
typedef struct runs {
    size_t n, repetitions;
    double seconds[RUNS_MAX][REPETITIONS_MAX];
} runs;

/* scale * seconds of a / seconds of b. */
static spread ratio(const runs *r, size_t a, size_t b, double scale) {
    double x[REPETITIONS_MAX];
    for (size_t k = 0; k < r->repetitions; k++) x[k] = scale * r->seconds[a][k] / r->seconds[b][k];
    return spread_of(x, r->repetitions);
}
static spread rate(const runs *r, size_t a, double amount) {
    double x[REPETITIONS_MAX];
    for (size_t k = 0; k < r->repetitions; k++) x[k] = amount / r->seconds[a][k];
    return spread_of(x, r->repetitions);
}

/* --- training and scoring against the products, and against peers ------------------------------------------------- */

typedef struct peer_case {
    peer_program program;
    const char *mode, *name;
    double goal;
} peer_case;

enum { PRODUCTS, STEP, ATTENTION, FIRST_PEER };

static wr_status start_peers(const bench *b, const char *shape, const peer_case *const *peers, size_t n, peer *out) {
    wr_status status = WR_OK;
    char command[4096];
    for (size_t i = 0; i < n; i++) {
        snprintf(command, sizeof command, "exec %s %s %s", b->commands[peers[i]->program], shape, peers[i]->mode);
        TRY(peer_start(command, &out[i]));
    }
cleanup:
    return status;
}

static void stop_peers(peer *processes, size_t n) {
    for (size_t i = 0; i < n; i++) peer_stop(&processes[i]);
}

static wr_status run_engine(engine *e, bool train, double *s, double *flops) {
    wr_status status = WR_OK;
    TRY(engine_products(e, train, &s[PRODUCTS], flops));
    TRY(train ? engine_train(e, false, &s[STEP]) : engine_score(e, false, &s[STEP]));
    TRY(engine_attention(e, train, &s[ATTENTION]));
cleanup:
    return status;
}

/* What is compared, and how. apart: the engine and its peer do not fit into this machine's memory beside each other, so
 * each is started, warmed and stopped within every round; otherwise all stay, and one round at the beginning is not
 * counted. */
typedef struct limit_case {
    const char *shape;
    precision p;
    bool train;
    double goal;
    const peer_case *peers;
    size_t n_peers;
    bool apart;
} limit_case;

static wr_status against_limits(bench *b, const limit_case *t) {
    wr_status status = WR_OK;
    char what[128];
    engine *e = NULL;
    peer processes[RUNS_MAX] = {{0}};
    runs *r = mem_calloc(1, sizeof *r);
    const peer_case *peers[RUNS_MAX];
    size_t n_peers = 0;
    for (size_t i = 0; i < t->n_peers; i++)
        if (b->commands[t->peers[i].program]) peers[n_peers++] = &t->peers[i];
    const bool apart = t->apart && n_peers > 0, train = t->train;
    const char *shape = t->shape;
    const precision p = t->p;
    const engine_options o = {.shape = shape, .p = p, .B = 8, .R = 1, .T = 512, .train = train};
    double flops = 0, work = 0, tokens = 0;
    TRY_ALLOC(r);
    r->n = FIRST_PEER + n_peers;
    r->repetitions = b->repetitions;
    for (size_t k = apart ? 1 : 0; k <= b->repetitions; k++) {
        double s[RUNS_MAX] = {0};
        if (!e) {
            TRY(engine_create(&o, &e));
            if (apart) TRY(run_engine(e, train, s, &flops));
            work = (train ? 6 : 2) * engine_block_params(e) * engine_tokens(e);
            tokens = engine_tokens(e);
        }
        TRY(run_engine(e, train, s, &flops));
        if (apart) engine_free(e), e = NULL;
        if (n_peers && !processes[0].pid) TRY(start_peers(b, shape, peers, n_peers, processes));
        for (size_t i = 0; i < n_peers; i++) TRY(peer_run(&processes[i], &s[FIRST_PEER + i]));
        if (apart) stop_peers(processes, n_peers);
        for (size_t i = 0; k > 0 && i < r->n; i++) r->seconds[i][k - 1] = s[i];
    }
    const char *kind = train ? "training step" : "scoring", *format = precision_name(p);
    snprintf(what, sizeof what, "%s %s %s: products alone", shape, format, kind);
    figure(b, what, rate(r, PRODUCTS, flops * 1e-9), "GFLOP/s", 0, false);
    snprintf(what, sizeof what, "%s %s %s", shape, format, kind);
    figure(b, what, rate(r, STEP, tokens), "tokens/s", 0, false);
    snprintf(what, sizeof what, "%s %s %s over %s's rate", shape, format, kind,
             p == PRECISION_BF16 ? "oneDNN" : "OpenBLAS");
    figure(b, what, ratio(r, PRODUCTS, STEP, work / flops), "of limit", t->goal, false);
    snprintf(what, sizeof what, "%s %s %s: share of attention", shape, format, kind);
    figure(b, what, ratio(r, ATTENTION, STEP, 1), "of time", 0, false);
    for (size_t i = 0; i < n_peers; i++) {
        snprintf(what, sizeof what, "%s %s %s over %s", shape, format, kind, peers[i]->name);
        figure(b, what, ratio(r, FIRST_PEER + i, STEP, 1), "x", peers[i]->goal, false);
    }
cleanup:
    stop_peers(processes, n_peers);
    engine_free(e);
    free(r);
    return status;
}

static wr_status bench_train(bench *b) {
    static const peer_case half[] = {{TORCH, "train-bf16", "torch eager, autocast", 1.5},
                                     {TORCH, "train-bf16-compile", "torch.compile", 1.1}};
    static const peer_case full[] = {{TORCH, "train-f32", "torch eager", 1.2}};
    const size_t n_half = getenv("WILDREWARD_BENCH_COMPILE") ? 2 : 1;
    wr_status status = WR_OK;
    if (precision_bf16_products()) {
        TRY(against_limits(b, &(limit_case){"S135", PRECISION_BF16, true, 0.80, half, n_half, false}));
        TRY(against_limits(b, &(limit_case){"Q06", PRECISION_BF16, true, 0.86, half, 1, true}));
    } else {
        printf("bf16: skipped, this CPU has no such products\n");
    }
    TRY(against_limits(b, &(limit_case){"S135", PRECISION_F32, true, 0.75, full, 1, false}));
cleanup:
    return status;
}

static wr_status bench_score(bench *b) {
    static const peer_case half[] = {{TORCH, "score-bf16", "torch eager", 1.4},
                                     {OPENVINO, "score-bf16", "OpenVINO's prefill", 1}};
    static const peer_case full[] = {{TORCH, "score-f32", "torch eager", 0},
                                     {OPENVINO, "score-f32", "OpenVINO's prefill", 0}};
    wr_status status = WR_OK;
    if (precision_bf16_products()) {
        TRY(against_limits(b, &(limit_case){"S135", PRECISION_BF16, false, 0.75, half, 2, false}));
        TRY(against_limits(b, &(limit_case){"Q06", PRECISION_BF16, false, 0.75, half, 2, false}));
    }
    TRY(against_limits(b, &(limit_case){"S135", PRECISION_F32, false, 0.75, full, 2, false}));
cleanup:
    return status;
}

/* --- against itself ----------------------------------------------------------------------------------------------- */

/* 8 replies of 128 tokens to a prompt of 1,024: as a tree, and as 8 sequences. */
static wr_status bench_prefix(bench *b) {
    wr_status status = WR_OK;
    engine *e = NULL;
    const precision p = precision_bf16_products() ? PRECISION_BF16 : PRECISION_F32;
    runs *r = mem_calloc(1, sizeof *r);
    TRY_ALLOC(r);
    r->repetitions = b->repetitions;
    TRY(engine_create(&(engine_options){.shape = "S135", .p = p, .B = 1, .P = 1024, .R = 8, .T = 128, .train = true},
                      &e));
    for (size_t k = 0; k <= b->repetitions; k++) {
        double s[4];
        TRY(engine_score(e, false, &s[0]));
        TRY(engine_score(e, true, &s[1]));
        TRY(engine_train(e, false, &s[2]));
        TRY(engine_train(e, true, &s[3]));
        for (size_t i = 0; k > 0 && i < 4; i++) r->seconds[i][k - 1] = s[i];
    }
    figure(b, "scoring 1 x 1,024 + 8 x 128 tokens, prompt shared, over separate", ratio(r, 0, 1, 1), "x", 3, false);
    figure(b, "training the same", ratio(r, 2, 3, 1), "x", 3, false);
cleanup:
    engine_free(e);
    free(r);
    return status;
}

/* Cost of a token, 4,096 at a time, in ever longer sequences. */
static wr_status bench_length(bench *b) {
    wr_status status = WR_OK;
    engine *e = NULL;
    char what[128];
    const precision p = precision_bf16_products() ? PRECISION_BF16 : PRECISION_F32;
    runs *r = mem_calloc(1, sizeof *r);
    TRY_ALLOC(r);
    r->repetitions = 3;
    for (size_t T = 256; T <= 4096; T *= 2) {
        TRY(engine_create(&(engine_options){.shape = "S135", .p = p, .B = 4096 / T, .R = 1, .T = T, .train = true},
                          &e));
        for (size_t k = 0; k <= r->repetitions; k++) {
            double s[2];
            TRY(engine_train(e, false, &s[0]));
            TRY(engine_attention(e, true, &s[1]));
            for (size_t i = 0; k > 0 && i < 2; i++) r->seconds[i][k - 1] = s[i];
        }
        const spread per_second = rate(r, 0, engine_tokens(e));
        snprintf(what, sizeof what, "S135 %s training step, sequences of %zu: a token", precision_name(p), T);
        figure(b, what, (spread){1e3 / per_second.median, 1e3 / per_second.high, 1e3 / per_second.low}, "ms", 0, false);
        snprintf(what, sizeof what, "S135 %s training step, sequences of %zu: attention", precision_name(p), T);
        figure(b, what, ratio(r, 1, 0, 1), "of time", 0, false);
        engine_free(e);
        e = NULL;
    }
cleanup:
    engine_free(e);
    free(r);
    return status;
}

/* Peak resident memory of this process, bytes. */
static double peak_memory(void) {
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtod(line + 6, NULL);
    if (f) fclose(f);
    return kib * 1024;
}

static wr_status memory_step(bool recompute, double *over, double *params) {
    wr_status status = WR_OK;
    engine *e = NULL;
    double seconds;
    const precision p = precision_bf16_products() ? PRECISION_BF16 : PRECISION_F32;
    TRY(engine_create(
        &(engine_options){.shape = "Q06", .p = p, .B = 8, .R = 1, .T = 512, .train = true, .recompute = recompute},
        &e));
    TRY(engine_train(e, false, &seconds));
    *params = engine_params(e);
    *over = (peak_memory() - 16 * *params) / GIB;
cleanup:
    engine_free(e);
    return status;
}

/* In a process of its own, since a peak never goes down. */
static wr_status bench_memory(bench *b) {
    for (int recompute = 1; recompute >= 0; recompute--) {
        int channel[2];
        double result[2] = {0, 0};
        if (pipe(channel) < 0) return wr_fail(WR_E_IO, "no pipe");
        const pid_t child = fork();
        if (child == 0) {
            double mine[2] = {0, 0};
            const bool ok =
                memory_step(recompute, &mine[0], &mine[1]) >= 0 && write(channel[1], mine, sizeof mine) == sizeof mine;
            if (!ok) fprintf(stderr, "bench_engine: %s\n", wr_error());
            _exit(ok ? 0 : 1);
        }
        close(channel[1]);
        const bool ok = child > 0 && read(channel[0], result, sizeof result) == sizeof result;
        close(channel[0]);
        if (child > 0) waitpid(child, NULL, 0);
        if (!ok) return wr_fail(WR_E_FAILED, "the memory of a Q06 step could not be measured");
        figure(b,
               recompute ? "Q06 step of 4,096 tokens, recomputing: memory above 16 B a parameter"
                         : "Q06 step of 4,096 tokens, not recomputing: the same",
               (spread){result[0], result[0], result[0]}, "GiB", recompute ? 2.5 : 0, true);
    }
    return WR_OK;
}

/* --- the program -------------------------------------------------------------------------------------------------- */

typedef struct part {
    const char *name;
    wr_status (*run)(bench *b);
} part;
static const part parts[] = {{"memory", bench_memory},
                             {"train", bench_train},
                             {"score", bench_score},
                             {"prefix", bench_prefix},
                             {"length", bench_length}};
enum { PARTS = sizeof parts / sizeof *parts };

static int usage(void) {
    fprintf(stderr, "usage: bench_engine [--out FILE.json] [--repetitions N] [--peers COMMAND] [--openvino COMMAND] "
                    "[--only train|score|prefix|memory|length]...\n");
    return 2;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'},   {"repetitions", required_argument, NULL, 'r'},
        {"peers", required_argument, NULL, 'p'}, {"openvino", required_argument, NULL, 'v'},
        {"only", required_argument, NULL, 'n'},  {0}};
    wr_status status = WR_OK;
    strbuf text = {0};
    const char *out = NULL;
    bool wanted[PARTS] = {false}, some = false;
    bench b = {.json = json_writer_make(&text), .repetitions = 5};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        size_t i = 0;
        if (o == 'o')
            out = optarg;
        else if (o == 'p')
            b.commands[TORCH] = optarg;
        else if (o == 'v')
            b.commands[OPENVINO] = optarg;
        else if (o == 'r')
            b.repetitions = strtoul(optarg, NULL, 10);
        else if (o == 'n') {
            while (i < PARTS && strcmp(parts[i].name, optarg) != 0) i++;
            if (i == PARTS) return usage();
            wanted[i] = some = true;
        } else
            return usage();
    }
    if (optind < argc || b.repetitions < 1 || b.repetitions > REPETITIONS_MAX) return usage();
    printf("%d threads; median [lowest, highest] of %zu rounds\n", omp_get_max_threads(), b.repetitions);
    json_begin_array(&b.json);
    /* Memory comes first: it forks, which libraries that have started threads do not like. */
    for (size_t i = 0; i < PARTS; i++)
        if (!some || wanted[i]) TRY(parts[i].run(&b));
    json_end_array(&b.json);
    TRY(strbuf_status(&text));
    if (out) TRY(file_write_atomic(out, text.data, text.len));
cleanup:
    strbuf_free(&text);
    if (status < 0) fprintf(stderr, "bench_engine: %s\n", wr_error());
    return status < 0;
}
