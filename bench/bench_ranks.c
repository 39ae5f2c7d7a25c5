/* bench_ranks WHAT SHAPE VOCABULARY TOKENS ROUNDS [bf16]: what ranks cost each other in a training step of a reward model
 * with random weights (SHAPE: as train --new has it), each rank on TOKENS tokens in texts of 128. JSON on stdout;
 * bench/scaling.sh says what for.
 *
 *   weak       rank 0 alone, then both ranks, a step each; and a product of matrices alone, then at once
 *   overlap    steps without any sum over ranks, with the sum behind the backward pass, and beside it; in f32, then bf16.
 *              Also the schedule of a step, for bench/simulate_ranks.c: parts in the order in which they are final, their
 *              floats and when, from the backward pass's beginning
 *   schedule   the schedule alone
 *   wire       what a sum over ranks costs a rank's thread: CPU seconds a float, seconds a message
 *   optimizer  AdamW of a rank's share, one rank after the other, over that of the whole on rank 0
 *   memory, memory-zero   the most memory that a rank has had after ROUNDS steps, layers computed anew on the way back
 *
 * Rounds are interleaved in one process, so that whatever else the machine does meets all kinds of a step alike. A step
 * takes as long as it does on the slowest rank; medians count. */
#include "bench/median.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels/matmul.h"
#include "trainer/moments_ranks.h"
#include "trainer/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { TEXT = 128, OUTPUTS = 3, ROUNDS_MAX = 99, PARTS_MAX = 256, M = 512, N = 1536, K = 576 };

typedef enum kind { ALONE, BEHIND, BESIDE } kind; /* how gradients are summed over ranks: not at all, … */

typedef struct bench {
    world *w;
    model *m;
    model_workspace *work;
    updater u;
    precision p;
    size_t T, B;
    size_t offsets[PARTS_MAX * 4], rows[PARTS_MAX * 4];
    int32_t *ids;
    float *dhidden, *out, *dout;
    /* of the latest step: when, on this rank */
    double began, ready[PARTS_MAX], forward, backward, update;
} bench;

static wr_status open_bench(bench *b, const char *shape, size_t vocabulary, size_t tokens) {
    wr_status status = WR_OK;
    model_config c;
    rng r = rng_make(1, RNG_TEST, 0, (uint64_t)world_rank(b->w), 0);
    TRY(model_config_from_spec(shape, &c));
    c.V = vocabulary;
    model_config_set_head(&c, HEAD_SCORE, OUTPUTS);
    TRY(model_create(&c, &b->m));
    TRY(model_alloc_params(b->m));
    model_init_params(b->m, 1);
    TRY(model_set_precision(b->m, b->p));
    TRY(model_workspace_create(b->m, &b->work));
    b->B = (tokens + TEXT - 1) / TEXT;
    b->T = b->B * TEXT;
    if (b->B >= PARTS_MAX * 4 || model_parts(b->m) > PARTS_MAX) TRY(wr_fail(WR_E_USAGE, "bench_ranks: too large"));
    TRY_ALLOC(b->ids = mem_calloc(b->T, sizeof *b->ids));
    TRY_ALLOC(b->dhidden = mem_aligned(b->T * c.C, sizeof(float)));
    TRY_ALLOC(b->out = mem_calloc(b->B * OUTPUTS, sizeof(float)));
    TRY_ALLOC(b->dout = mem_calloc(b->B * OUTPUTS, sizeof(float)));
    for (size_t t = 0; t < b->T; t++) b->ids[t] = (int32_t)rng_below(&r, vocabulary);
    for (size_t i = 0; i <= b->B; i++) b->offsets[i] = i * TEXT;
    for (size_t i = 0; i < b->B; i++) b->rows[i] = (i + 1) * TEXT - 1;
    for (size_t i = 0; i < b->B * OUTPUTS; i++) b->dout[i] = 0.01f;
cleanup:
    return status;
}

static void close_bench(bench *b) {
    updater_free(&b->u);
    model_workspace_free(b->work);
    model_free(b->m);
    free(b->ids), free(b->dhidden), free(b->out), free(b->dout);
}

/* --- a step ------------------------------------------------------------------------------------------------------- */

/* What the updater does with a part that is final, but for giving it to the sum over ranks. */
static wr_status note_ready(void *context, size_t part, float_range r) {
    bench *b = context;
    double squares[NORM_PIECES] = {0};
    norm_squares(b->u.grads + r.begin, r, b->u.x.n, squares);
    b->ready[part] = clock_seconds() - b->began;
    return WR_OK;
}

static wr_status step(bench *b, kind how, bool half, double *seconds) {
    wr_status status = WR_OK;
    const update_options o = {.adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01},
                              .grad_clip = 1,
                              .reduce = {.half = half, .background = how == BESIDE}};
    const token_batch batch = {b->B, b->offsets, b->ids, NULL};
    const backward_hook note = {note_ready, b};
    const float *hidden;
    double norm;
    if (how == ALONE)
        gradient_tree_restart(&b->u.tree);
    else
        TRY(updater_begin(&b->u, &o));
    if (how != ALONE) updater_touch(&b->u, b->ids, b->T);
    if (how != ALONE) TRY(updater_rows(&b->u));
    if (how != ALONE) world_barrier(b->w);
    const double start = clock_seconds();
    updater_share(&b->u);
    TRY(model_forward(b->m, &batch, b->work, true, &hidden));
    TRY(score_logits(b->m, hidden, b->B, b->rows, b->out));
    memset(b->dhidden, 0, b->T * b->m->config.C * sizeof *b->dhidden);
    b->began = clock_seconds();
    b->forward = b->began - start;
    TRY(score_backward(b->m, hidden, b->B, b->rows, b->dout, b->dhidden, b->u.grads));
    TRY(model_backward_hooked(b->m, &batch, b->work, b->dhidden, b->u.grads,
                              how == ALONE ? &note : updater_hook(&b->u, true)));
    b->backward = clock_seconds() - b->began;
    if (how == ALONE)
        norm = global_norm(b->u.grads, b->u.x.n);
    else
        TRY(updater_reduce(&b->u, WR_OK, &norm));
    const double reduced = clock_seconds();
    if (how == ALONE) {
        adamw_step(&b->u.opt, &o.adam, 1e-5, clip_scale(norm, 1), b->u.x, b->u.grads);
        model_round_weights(b->m);
    } else
        updater_apply(&b->u, &o, norm, 1e-5);
    b->update = clock_seconds() - reduced;
    *seconds = clock_seconds() - start;
cleanup:
    return status;
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

static wr_status product(matmul *p, precision f, const float *x, const float *w, float *y, double *seconds) {
    enum { TIMES = 24 };
    wr_status status = WR_OK;
    const double start = clock_seconds();
    for (int i = 0; i < TIMES; i++) TRY(matmul_xwt(p, f, M, N, K, x, K, w, y, N, false, false));
    *seconds = clock_seconds() - start;
cleanup:
    return status;
}

/* Each round: rank 0 while the others sleep at a barrier, then all; of a step and of bare products. */
static wr_status weak(bench *b, size_t rounds, json_writer *j) {
    wr_status status = WR_OK;
    static double step_share[ROUNDS_MAX], product_share[ROUNDS_MAX], over[ROUNDS_MAX];
    matmul *mul = NULL;
    float *x = NULL, *w = NULL, *y = NULL; /* zeros, in either precision */
    TRY(matmul_create(&mul));
    TRY_ALLOC(x = mem_aligned((size_t)M * K, sizeof *x));
    TRY_ALLOC(w = mem_aligned((size_t)N * K, sizeof *w));
    TRY_ALLOC(y = mem_aligned((size_t)M * N, sizeof *y));
    for (size_t r = 0; r <= rounds; r++) { /* the first warms up */
        double t[4] = {0};                 /* a step alone, of all; products alone, of all */
        if (world_rank(b->w) == 0) TRY(step(b, ALONE, false, &t[0]));
        world_barrier(b->w);
        TRY(step(b, BESIDE, false, &t[1]));
        world_barrier(b->w);
        if (world_rank(b->w) == 0) TRY(product(mul, b->p, x, w, y, &t[2]));
        world_barrier(b->w);
        TRY(product(mul, b->p, x, w, y, &t[3]));
        world_max(b->w, t, 4);
        if (!r) continue;
        step_share[r - 1] = t[0] / t[1], product_share[r - 1] = t[2] / t[3];
        over[r - 1] = step_share[r - 1] / product_share[r - 1];
    }
    json_member_double(j, "step_alone_over_all", median(step_share, rounds));
    json_member_double(j, "product_alone_over_all", median(product_share, rounds));
    json_member_double(j, "ratio", median(over, rounds));
cleanup:
    matmul_free(mul);
    free(x), free(w), free(y);
    return status;
}

/* Seconds of a step's phases where no sum is taken, and when each part was final. */
typedef struct schedule {
    size_t n;
    double forward[2 * ROUNDS_MAX], backward[2 * ROUNDS_MAX], update[2 * ROUNDS_MAX], ready[PARTS_MAX][2 * ROUNDS_MAX];
} schedule;

/* The mean over ranks, stretched to what the slowest took in all. */
static void keep(schedule *s, const bench *b) {
    enum { PHASES = 3 };
    double t[PHASES + PARTS_MAX] = {b->forward, b->backward, b->update}, longest = t[0] + t[1] + t[2];
    const size_t parts = model_parts(b->m), r = s->n++;
    memcpy(t + PHASES, b->ready, parts * sizeof *t);
    world_sum(b->w, t, PHASES + parts);
    world_max(b->w, &longest, 1);
    const double stretch = longest / (t[0] + t[1] + t[2]);
    s->forward[r] = t[0] * stretch, s->backward[r] = t[1] * stretch, s->update[r] = t[2] * stretch;
    for (size_t i = 0; i < parts; i++) s->ready[i][r] = t[PHASES + i] * stretch;
}

static void write_schedule(const bench *b, schedule *s, json_writer *j) {
    json_member_int(j, "ranks", world_size(b->w));
    json_member_double(j, "forward", median(s->forward, s->n));
    json_member_double(j, "backward", median(s->backward, s->n));
    json_member_double(j, "update", median(s->update, s->n));
    json_member_array(j, "parts");
    for (size_t i = model_parts(b->m); i-- > 0;) {
        const float_range r = model_part(b->m, i);
        if (r.begin == r.end) continue;
        const size_t rows =
            i == 0 ? b->u.rows.count * b->u.rows.width : 0; /* of the embedding, where those alone are summed */
        json_begin_array(j);
        json_int(j, (int64_t)(rows ? rows : r.end - r.begin));
        json_double(j, median(s->ready[i], s->n));
        json_end_array(j);
    }
    json_end_array(j);
}

static wr_status overlap(bench *b, size_t rounds, json_writer *j) {
    wr_status status = WR_OK;
    static double seconds[2][3][ROUNDS_MAX], hidden[ROUNDS_MAX];
    static schedule s;
    for (size_t r = 0; r <= rounds; r++)
        for (int half = 0; half < 2; half++)
            for (kind how = ALONE; how <= BESIDE; how++) {
                double t = 0;
                world_barrier(b->w);
                TRY(step(b, how, half, &t));
                world_max(b->w, &t, 1);
                if (!r) continue;
                if (how == ALONE) keep(&s, b);
                seconds[half][how][r - 1] = t;
            }
    for (int half = 0; half < 2; half++) {
        double(*t)[ROUNDS_MAX] = seconds[half];
        for (size_t r = 0; r < rounds; r++) hidden[r] = (t[BEHIND][r] - t[BESIDE][r]) / (t[BEHIND][r] - t[ALONE][r]);
        json_member_object(j, half ? "bf16" : "f32");
        json_member_double(j, "hidden", median(hidden, rounds));
        json_member_double(j, "alone", median(t[ALONE], rounds));
        json_member_double(j, "behind", median(t[BEHIND], rounds));
        json_member_double(j, "beside", median(t[BESIDE], rounds));
        json_end_object(j);
    }
    write_schedule(b, &s, j);
cleanup:
    return status;
}

static wr_status schedule_of(bench *b, size_t rounds, json_writer *j) {
    wr_status status = WR_OK;
    static schedule s;
    for (size_t r = 0; r <= rounds; r++) {
        double t;
        world_barrier(b->w);
        TRY(step(b, ALONE, false, &t));
        if (r) keep(&s, b);
    }
    write_schedule(b, &s, j);
cleanup:
    return status;
}

static double cpu_seconds(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* A sum in slices of the usual length, and one in so short ones that nothing but the number of messages counts. */
static wr_status wire(bench *b, size_t rounds, json_writer *j) {
    enum { SHORT = 2048 };
    wr_status status = WR_OK;
    static double cpu[ROUNDS_MAX], message[ROUNDS_MAX];
    const size_t most = (size_t)1 << 23, n = b->u.x.n < most ? b->u.x.n : most, few = n < 1 << 20 ? n : 1 << 20;
    float *x = b->u.grads;
    const size_t messages = few / SHORT * 4 * ((size_t)world_size(b->w) - 1); /* sent and received, there and back */
    for (size_t r = 0; r <= rounds; r++) {
        double t[2];
        world_barrier(b->w);
        double start = cpu_seconds();
        TRY(reduce_sum(b->w, x, n, 0));
        t[0] = (cpu_seconds() - start) / (double)n;
        world_barrier(b->w);
        start = clock_seconds();
        TRY(reduce_sum(b->w, x, few, SHORT));
        const double in_short = clock_seconds() - start;
        start = clock_seconds();
        TRY(reduce_sum(b->w, x, few, 0));
        t[1] = (in_short - (clock_seconds() - start)) / (double)messages;
        world_max(b->w, t, 2);
        if (r) cpu[r - 1] = t[0], message[r - 1] = t[1];
    }
    json_member_double(j, "cpu_a_float", median(cpu, rounds));
    json_member_double(j, "a_message", median(message, rounds));
cleanup:
    return status;
}

static wr_status memory(bench *b, size_t steps, json_writer *j) {
    wr_status status = WR_OK;
    char line[256];
    double kib = 0, t;
    model_workspace_recompute(b->work, true);
    for (size_t i = 0; i < steps; i++) TRY(step(b, BESIDE, false, &t));
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtod(line + 6, NULL);
    if (f) fclose(f);
    world_max(b->w, &kib, 1);
    json_member_double(j, "peak_mib", kib / 1024);
cleanup:
    return status;
}

/* Hosts do not share memory bandwidth, ranks of this machine do: so each rank's turn comes alone. */
static wr_status optimizer(bench *b, size_t rounds, json_writer *j) {
    wr_status status = WR_OK;
    static double over[ROUNDS_MAX];
    const size_t ranks = (size_t)world_size(b->w), n = b->u.x.n;
    const adamw_options o = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
    adamw share = {0};
    TRY(adamw_create_range(moments_range(n, ranks, (size_t)world_rank(b->w)), &share));
    for (size_t r = 0; r <= rounds; r++) {
        double t[2] = {0}; /* the longest share; the whole */
        for (size_t p = 0; p < ranks; p++) {
            world_barrier(b->w);
            const double start = clock_seconds();
            if ((size_t)world_rank(b->w) == p) adamw_step(&share, &o, 1e-5, 1, b->u.x, b->u.grads);
            t[0] += (size_t)world_rank(b->w) == p ? clock_seconds() - start : 0;
        }
        world_barrier(b->w);
        const double start = clock_seconds();
        if (world_rank(b->w) == 0)
            adamw_step(&b->u.opt, &o, 1e-5, 1, b->u.x, b->u.grads), t[1] = clock_seconds() - start;
        world_max(b->w, t, 2);
        if (r) over[r - 1] = t[0] / t[1];
    }
    double most = (double)share.n;
    world_max(b->w, &most, 1);
    json_member_double(j, "time", median(over, rounds));
    json_member_double(j, "memory", most / (double)n);
cleanup:
    adamw_free(&share);
    return status;
}

static const struct what {
    const char *name;
    wr_status (*run)(bench *b, size_t rounds, json_writer *j);
} whats[] = {{"weak", weak},     {"overlap", overlap},    {"schedule", schedule_of}, {"wire", wire},
             {"memory", memory}, {"memory-zero", memory}, {"optimizer", optimizer}};
enum { WHATS = sizeof whats / sizeof *whats };

static wr_status run(bench *b, int argc, char **argv, strbuf *out) {
    wr_status status = WR_OK;
    json_writer j = json_writer_make(out);
    size_t i = 0;
    const size_t rounds = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
    b->p = argc > 6 && strcmp(argv[6], "bf16") == 0 ? PRECISION_BF16 : PRECISION_F32;
    while (argc > 1 && i < WHATS && strcmp(argv[1], whats[i].name) != 0) i++;
    if (rounds < 1 || rounds > ROUNDS_MAX || i == WHATS)
        TRY(wr_fail(WR_E_USAGE, "usage: bench_ranks WHAT SHAPE VOCABULARY TOKENS ROUNDS [bf16]"));
    TRY(open_bench(b, argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10)));
    TRY(updater_create(b->w, b->m, strcmp(argv[1], "memory-zero") == 0, &b->u));
    updater_share(&b->u);
    json_begin_object(&j);
    json_member_int(&j, "params", (int64_t)b->m->n_params);
    json_member_int(&j, "tokens", (int64_t)b->T);
    TRY(whats[i].run(b, rounds, &j));
    json_end_object(&j);
    TRY(strbuf_status(out));
cleanup:
    return status;
}

int main(int argc, char **argv) {
    wr_status status = WR_OK;
    bench b = {0};
    strbuf out = {0};
    TRY(world_create(&argc, &argv, &b.w));
    TRY(run(&b, argc, argv, &out));
    if (world_rank(b.w) == 0) printf("%s\n", strbuf_str(&out));
cleanup:
    if (status < 0) fprintf(stderr, "bench_ranks: %s\n", wr_error());
    if (status < 0 && b.w && world_size(b.w) > 1) world_abort(b.w, 1); /* the others wait for it */
    if (b.w) close_bench(&b);
    strbuf_free(&out);
    if (b.w) world_free(b.w);
    return status < 0;
}
