#include "study/user_study.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/shard/record_users.h"
#include "study/study_folder.h"
#include "study/user_figures.h"
#include "study/user_subset.h"
#include "trainer/train_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct user_study {
    world *w;
    const user_study_options *o;
    size_t *counts, n_counts;
    record_source *train, *test;
    size_t longest;
    study_users users;
    uint32_t *order;   /* (users.n) of the seed at hand */
    uint8_t *only;     /* (records) of the cell at hand */
    study_cell *cells; /* (seeds, counts) */
    size_t n_cells;
    strbuf failed; /* names of cells */
    size_t n_failed;
} user_study;

static void close_study(user_study *s) {
    record_source_close(s->train);
    record_source_close(s->test);
    study_users_free(&s->users);
    strbuf_free(&s->failed);
    free(s->counts), free(s->order), free(s->only), free(s->cells);
}

/* --- before any cell ---------------------------------------------------------------------------------------------- */

/* COLLECTIVE. Both sides; the records of training that have users, and how long they may be. */
static wr_status open_data(user_study *s) {
    wr_status status = WR_OK;
    const train_options *o = &s->o->train;
    uint64_t *user = NULL;
    double longest = 0;
    TRY(record_source_open(s->w, o->data, "reward-train-", &s->train));
    const dataset_index *d = record_source_index(s->train);
    status = record_source_open(s->w, o->data, "reward-test-", &s->test);
    if (status == WR_E_IO || (status >= 0 && !record_source_index(s->test)->n_records))
        status = wr_fail(WR_E_USAGE,
                         "%s: no users are left on the test side to evaluate on; prepare it with a larger "
                         "--test-instances",
                         o->data);
    TRY(status);
    if (world_rank(s->w) == 0) status = train_longest(o, &s->longest);
    if (world_rank(s->w) == 0) longest = (double)s->longest;
    TRY(world_agree(s->w, status));
    world_sum(s->w, &longest, 1);
    s->longest = (size_t)longest;
    TRY(record_users_find(s->w, s->train, &user));
    status = study_users_make(user, d->lengths, d->n_records, s->longest, s->o->least, &s->users);
    s->order = mem_calloc(s->users.n + 1, sizeof *s->order);
    s->only = mem_calloc(d->n_records + 1, sizeof *s->only);
    if (status >= 0 && !(s->order && s->only)) status = wr_fail(WR_E_NOMEM, "out of memory for users of a study");
    TRY(world_agree(s->w, status));
cleanup:
    free(user);
    return status;
}

static wr_status check_users(const user_study *s) {
    const size_t most = s->counts[s->n_counts - 1];
    char nameless[120] = "", least[80] = "";
    if (most <= s->users.n) return WR_OK;
    if (s->users.nameless)
        snprintf(nameless, sizeof nameless, "; %zu of its %zu records name no user", s->users.nameless,
                 s->users.records);
    if (s->o->least > 1) snprintf(least, sizeof least, "at least %zu ", s->o->least);
    return wr_fail(
        WR_E_USAGE,
        "--users %s: the training side of %s has %zu users with %srecords of at most %zu tokens%s; give counts "
        "up to that",
        s->o->counts, s->o->train.data, s->users.n, least, s->longest, nameless);
}

/* Instances of each cell of a seed; 0: all of its users'. */
static wr_status instances_of_seed(const user_study *s, uint64_t seed, size_t *out) {
    const user_study_options *o = s->o;
    const size_t fewest = s->counts[0], most = s->counts[s->n_counts - 1];
    const size_t have = user_records(&s->users, s->order, fewest);
    *out = 0;
    if (!o->match) return WR_OK;
    if (o->instances > have)
        return wr_fail(
            WR_E_USAGE,
            "--instances %zu: the %zu users of seed %llu have %zu; give at most that, or a larger first count",
            o->instances, fewest, (unsigned long long)seed, have);
    *out = o->instances ? o->instances : have;
    if (*out < most)
        return wr_fail(WR_E_USAGE,
                       "--match-instances: %zu instances (seed %llu) are fewer than %zu users, some of whom would give "
                       "none; give %s",
                       *out, (unsigned long long)seed, most,
                       o->instances ? "more --instances"
                                    : "--least-records N, a larger first count, or a smaller last one");
    return WR_OK;
}

/* The records of cell i, marked in s->only. */
static wr_status mark_cell(user_study *s, size_t i) {
    const uint64_t seed = i / s->n_counts;
    size_t instances;
    user_order(&s->users, seed, s->order);
    const wr_status status = instances_of_seed(s, seed, &instances);
    return status < 0 ? status : user_subset(&s->users, seed, s->order, s->counts[i % s->n_counts], instances, s->only);
}

static wr_status plan_cells(user_study *s) {
    wr_status status = WR_OK;
    const dataset_index *d = record_source_index(s->train);
    s->n_cells = s->n_counts * s->o->seeds;
    if (s->o->cell >= (int64_t)s->n_cells)
        return wr_fail(WR_E_USAGE, "--cell %lld: there are %zu cells (%zu counts, %zu seeds), the first is 0",
                       (long long)s->o->cell, s->n_cells, s->n_counts, s->o->seeds);
    s->cells = mem_calloc(s->n_cells, sizeof *s->cells);
    TRY_ALLOC(s->cells);
    for (size_t i = 0; i < s->n_cells; i++) {
        study_cell *c = &s->cells[i];
        TRY(mark_cell(s, i));
        c->users = s->counts[i % s->n_counts];
        c->seed = i / s->n_counts;
        c->steps = s->o->train.run.steps;
        for (size_t r = 0; r < d->n_records; r++) c->instances += s->only[r];
        train_data_hash(d, s->only, c->data_hash);
        snprintf(c->name, sizeof c->name, "u%zu-s%llu", c->users, (unsigned long long)c->seed);
    }
cleanup:
    return status;
}

/* Rank 0. */
static wr_status open_folder(user_study *s) {
    wr_status status = WR_OK;
    const user_study_options *o = s->o;
    const study_terms terms = {.kind = "users",
                               .options = o->train.terms,
                               .train_hash = record_source_index(s->train)->hash,
                               .test_hash = record_source_index(s->test)->hash};
    TRY(study_folder_open(o->out, &terms));
    for (size_t i = 0; i < s->n_cells; i++)
        if (o->cell < 0 || (size_t)o->cell == i) TRY(cell_read(o->out, o->train.terms, &s->cells[i]));
cleanup:
    return status;
}

/* --- cells -------------------------------------------------------------------------------------------------------- */

/* COLLECTIVE. One run of training, which goes on where one was stopped. */
static wr_status train_cell(user_study *s, size_t i) {
    wr_status status = WR_OK;
    study_cell *c = &s->cells[i];
    train_options t = s->o->train;
    char folder[PATH_CAP];
    TRY(cell_folder(folder, s->o->out, c));
    TRY(world_agree(s->w, mark_cell(s, i)));
    t.run.out = folder;
    t.run.resume = true;
    t.run.seed = c->seed;
    t.only = s->only;
    TRY(train_reward(s->w, &t));
    if (world_rank(s->w) == 0) status = cell_finish(s->o->out, c);
    TRY(world_agree(s->w, status));
cleanup:
    return status;
}

/* COLLECTIVE. A cell that fails does not keep the others from theirs. */
static wr_status run_cell(user_study *s, size_t i) {
    const study_cell *c = &s->cells[i];
    const bool root = world_rank(s->w) == 0;
    if (world_any(s->w, root && c->done)) {
        if (root) log_info("%s: cells/%s is there", s->o->out, c->name);
        return WR_OK;
    }
    if (world_stop_agreed(s->w))
        return wr_fail(WR_E_INTERRUPTED, "%s: stopped by a signal before cells/%s; the same command goes on", s->o->out,
                       c->name);
    if (root)
        log_info("%s: cell %zu of %zu, %s: %zu users, seed %llu, %zu instances", s->o->out, i + 1, s->n_cells, c->name,
                 c->users, (unsigned long long)c->seed, c->instances);
    const wr_status did = train_cell(s, i);
    if (did >= 0) return WR_OK;
    if (world_any(s->w, did == WR_E_INTERRUPTED))
        return wr_fail(WR_E_INTERRUPTED, "%s: stopped in cells/%s, all saved; the same command goes on", s->o->out,
                       c->name);
    if (root) log_error("%s: cells/%s failed: %s", s->o->out, c->name, wr_error());
    strbuf_printf(&s->failed, "%s%s", s->n_failed++ ? ", " : "", c->name);
    return world_agree(s->w, strbuf_status(&s->failed));
}

/* Rank 0. */
static wr_status write_results(const user_study *s, strbuf *sentence) {
    wr_status status = WR_OK;
    const char *out = s->o->out, *data = s->o->train.data;
    user_figures f = {0};
    strbuf csv = {0}, json = {0}, page = {0};
    TRY(user_figures_make(s->cells, s->n_counts, s->o->seeds, s->o->match, &f));
    user_results_csv(&f, &csv);
    user_results_json(&f, data, &json);
    user_results_page(&f, data, &page);
    TRY(study_folder_write(out, "results.csv", &csv));
    TRY(study_folder_write(out, "results.json", &json));
    TRY(study_folder_write(out, "report.html", &page));
    strbuf_puts(sentence, strbuf_str(&f.sentence));
    TRY(strbuf_status(sentence));
cleanup:
    user_figures_free(&f);
    strbuf_free(&csv);
    strbuf_free(&json);
    strbuf_free(&page);
    return status;
}

wr_status user_study_run(world *w, const user_study_options *o, strbuf *sentence) {
    wr_status status = WR_OK;
    user_study s = {.w = w, .o = o};
    const bool root = world_rank(w) == 0;
    TRY(world_agree(w, user_counts_parse(o->counts, &s.counts, &s.n_counts)));
    TRY(open_data(&s));
    TRY(world_agree(w, check_users(&s)));
    TRY(world_agree(w, plan_cells(&s)));
    if (root) status = open_folder(&s);
    TRY(world_agree(w, status));
    for (size_t i = 0; i < s.n_cells; i++)
        if (o->cell < 0 || (size_t)o->cell == i) TRY(run_cell(&s, i));
    if (s.n_failed)
        TRY(wr_fail(WR_E_FAILED, "%s: %zu of %zu cells failed (%s), see above; the same command does these again",
                    o->out, s.n_failed, s.n_cells, strbuf_str(&s.failed)));
    if (root && o->cell < 0) status = write_results(&s, sentence);
    TRY(world_agree(w, status));
cleanup:
    close_study(&s);
    return status;
}
