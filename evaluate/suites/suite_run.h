/* A suite on all ranks: rank 0 reads the files and writes every chat as the model wants it, all ranks score the texts
 * as pulled work, rank 0 judges. No score depends on its neighbours or on the rank count. */
#ifndef WR_EVALUATE_SUITES_SUITE_RUN_H
#define WR_EVALUATE_SUITES_SUITE_RUN_H

#include "base/json.h"
#include "evaluate/suites/suite.h"
#include "mpi/world.h"
#include "reward/reward_model.h"

typedef struct suite_job {
    const suite *kind;
    const char *const *paths; /* files, folders, patterns: as data/source/sources.h opens them */
    size_t n_paths;
    const char *model;       /* as the result names it */
    const char *scores_path; /* JSON lines of the items' scores; NULL: none */
    const char *adapter;     /* merged into the model, or NULL */
    const char *cache_dir;   /* of scores that are known (evaluate/suites/score_cache.h); NULL: none */
    size_t resamples;        /* of prompts, behind intervals; 0: none */
    uint64_t seed;           /* theirs */
    size_t limit;            /* rows at most; 0: all */
    size_t max_tokens;       /* of one forward pass */
} suite_job;

/* COLLECTIVE. r: complete on rank 0, the others need r->m and r->rule. Rank 0 writes the result's object to j.
 * *left_out: rows that the model cannot read, the same on every rank. WR_E_FORMAT: a row or file that is none of the
 * suite's, or nothing is left. */
wr_status suite_run(world *w, const reward_model *r, const suite_job *job, json_writer *j, size_t *left_out);

/* The result as JSON: LOCAL, also for tests. */
void suite_write(const suite_job *job, const char *rule, const suite_set *s, const suite_figures *f, json_writer *j);

#endif
