/* What `wildreward bench` measures: each case does a known amount of work; its rate is shown as a share of a limit that
 * is measured in the same run (a GEMM of the same shapes, or memory bandwidth), because absolute rates differ from
 * machine to machine. */
#ifndef WR_CLI_BENCH_CASES_H
#define WR_CLI_BENCH_CASES_H

#include "mpi/world.h"

typedef struct bench_setup bench_setup; /* models, texts, shards that the cases share */

typedef struct bench_options {
    const char *spec; /* model shape, as --new */
    size_t vocab;     /* of the model; the tokenizer's is at most this */
    size_t tokens;    /* of a training micro-batch */
    size_t sequence;  /* tokens of each sequence in it */
    size_t reduce_floats;
} bench_options;

typedef struct bench_case {
    const char *name;     /* "train step" */
    const char *unit;     /* of the rate: "GFLOP/s", "MB/s" */
    double unit_size;     /* work units in one of `unit`, e.g. 1e9 */
    const char *limit;    /* name of the case whose rate is this one's limit, or NULL */
    bool everywhere;      /* on all ranks at the same time; else rank 0 alone works and the others wait */
    bool collective_only; /* makes sense with two ranks or more */
    double (*work)(const bench_setup *s); /* units in one run */
    wr_status (*run)(bench_setup *s);
} bench_case;

extern const bench_case bench_cases[]; /* ends with name NULL */

/* COLLECTIVE. Makes the practice world, tokenizer and shards in a temporary folder on rank 0. */
wr_status bench_setup_create(world *w, const bench_options *o, bench_setup **out);
void bench_setup_free(bench_setup *s); /* NULL is fine */
/* Parameters that take part in matrix products, for the table's head. */
size_t bench_matrix_params(const bench_setup *s);

#endif
