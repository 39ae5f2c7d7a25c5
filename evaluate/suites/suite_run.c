#include "evaluate/suites/suite_run.h"

#include "base/log.h"
#include "base/stream.h"
#include "data/source/sources.h"
#include "evaluate/score_texts.h"
#include "evaluate/suites/score_cache.h"
#include "evaluate/suites/suite_intervals.h"
#include "evaluate/suites/suite_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wr_status encode_chat(const void *context, const chat_message *messages, size_t n, const json_value *row,
                             token_ids *out) {
    return reward_model_encode(context, messages, n, row, out, NULL);
}

static wr_status encode_text(const void *context, const char *text, size_t n, token_ids *out) {
    return reward_model_encode_text(context, text, n, out);
}

/* Pairs whose replies are the same text to the model: whatever it is, they tie. */
static size_t equal_pairs(const suite_set *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const token_ids *a = &s->texts[s->items[i].first], *b = a + 1;
        n += s->items[i].n == 2 && a->n == b->n && memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0;
    }
    return n;
}

/* Rank 0. */
static wr_status read_files(const suite_job *job, const reward_model *r, suite_set *s) {
    wr_status status = WR_OK;
    const suite_encoder encoder = {r, encode_chat, encode_text, r->chat != NULL};
    sources *files = NULL;
    TRY(suite_set_init(s));
    TRY(sources_open(job->paths, job->n_paths, &(source_options){.csv = true}, &files));
    for (size_t i = 0; i < sources_files(files); i++)
        TRY(suite_read_file(job->kind, sources_path(files, i), &encoder, job->limit, s));
    if (!s->n)
        TRY(wr_fail(WR_E_FORMAT, "%s: --suite %s: no row is left that the reward model can read and that has an answer",
                    job->paths[0], job->kind->name));
    const size_t equal = equal_pairs(s);
    if (equal) log_warn("%zu pairs of two equal texts, which tie whatever the model is", equal);
    if (s->left_out)
        log_warn("%zu of %zu rows left out: see above for the first", s->left_out, s->left_out + s->n + s->undecided);
cleanup:
    sources_close(files);
    return status;
}

static wr_status check_scores(const suite_set *s, const double *scores) {
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->items[i].n; k++)
            if (!isfinite(scores[s->items[i].first + k]))
                return wr_fail(WR_E_NUMERIC, "%s: the model's score of reply %zu is not a number", s->items[i].where,
                               k);
    return WR_OK;
}

static wr_status write_scores(const char *path, const suite_set *s, const double *scores) {
    wr_status status = WR_OK;
    outstream *out = NULL;
    strbuf line = {0};
    TRY(outstream_create(path, &out));
    for (size_t i = 0; i < s->n; i++) {
        const suite_item *x = &s->items[i];
        strbuf_clear(&line);
        json_writer w = json_writer_make(&line);
        json_begin_object(&w);
        json_member_string(&w, "where", x->where);
        json_member_string(&w, "group", s->groups[x->group]);
        json_member_count(&w, "right", x->n_right);
        json_member_array(&w, "scores");
        for (size_t k = 0; k < x->n; k++) json_double(&w, scores[x->first + k]);
        json_end_array(&w);
        json_end_object(&w);
        TRY(strbuf_status(&line));
        TRY(outstream_line(out, &line));
    }
    TRY(outstream_commit(&out));
cleanup:
    outstream_discard(out);
    strbuf_free(&line);
    return status;
}

enum { VALUES, LOWS, HIGHS };
static const char *const ends[] = {"", "_low", "_high"};

static void write_member(json_writer *j, const char *name, const char *end, double value) {
    char key[160];
    snprintf(key, sizeof key, "%s%s", name, end);
    json_member_double(j, key, value);
}

/* The figures of a part, as an object of its name; their intervals as two more beside it, PART_low and PART_high. */
static void write_part(const suite_figures *f, const char *part, json_writer *j) {
    char key[64];
    for (int which = VALUES; which <= (f->resamples ? HIGHS : VALUES); which++) {
        snprintf(key, sizeof key, "%s%s", part, ends[which]);
        if (part[0]) json_member_object(j, key);
        for (size_t i = 0; i < f->n; i++) {
            const suite_figure *x = &f->list[i];
            const double value = which == VALUES ? x->value : which == LOWS ? x->low : x->high;
            if (strcmp(x->part, part) == 0) write_member(j, x->name, part[0] ? "" : ends[which], value);
        }
        if (part[0]) json_end_object(j);
    }
}

static void write_bootstrap(const suite_figures *f, json_writer *j) {
    json_member_object(j, "bootstrap");
    json_member_string(j, "method", "percentiles of resampled prompts");
    json_member_double(j, "level", 0.95);
    json_member_count(j, "prompts", f->prompts);
    json_member_count(j, "resamples", f->resamples);
    json_member_count(j, "seed", f->seed);
    json_member_count(j, "defined", f->defined);
    json_end_object(j);
}

void suite_write(const suite_job *job, const char *rule, const suite_set *s, const suite_figures *f, json_writer *j) {
    json_begin_object(j);
    json_member_string(j, "kind", "suite"); /* what report knows an evaluation by */
    json_member_string(j, "suite", job->kind->name);
    json_member_string(j, "model", job->model);
    if (job->adapter) json_member_string(j, "adapter", job->adapter);
    json_member_string(j, "score_rule", rule);
    json_member_count(j, "n", s->n);
    json_member_double(j, "overall", f->overall);
    if (f->resamples) {
        write_member(j, "overall", ends[LOWS], f->low);
        write_member(j, "overall", ends[HIGHS], f->high);
    }
    json_member_count(j, "ties", f->ties);
    json_member_count(j, "undecided", s->undecided);
    json_member_count(j, "left_out", s->left_out);
    write_part(f, "sections", j);
    write_part(f, "", j);
    for (size_t i = 0; i < f->n; i++) {
        const char *part = f->list[i].part;
        bool done = !part[0] || strcmp(part, "sections") == 0;
        for (size_t k = 0; k < i && !done; k++) done = strcmp(f->list[k].part, part) == 0;
        if (!done) write_part(f, part, j);
    }
    if (f->resamples) write_bootstrap(f, j);
    json_end_object(j);
}

/* Rank 0. */
static wr_status finish(const suite_job *job, const reward_model *r, const suite_set *s, const double *scores,
                        json_writer *j) {
    wr_status status = WR_OK;
    suite_figures f = {0};
    TRY(check_scores(s, scores));
    if (job->scores_path) TRY(write_scores(job->scores_path, s, scores));
    TRY(job->kind->judge(s, scores, &f));
    if (job->resamples) TRY(suite_intervals(job->kind, s, scores, job->resamples, job->seed, &f));
    suite_write(job, r->rule->name, s, &f, j);
    log_info("suite %s: %zu rows, overall %.4f, %zu ties", job->kind->name, s->n, f.overall, f.ties);
cleanup:
    suite_figures_free(&f);
    return status;
}

/* --- scoring --- */

/* Rank 0's: the texts that no cache knows, and where their scores go. */
typedef struct unknown_texts {
    token_ids *texts; /* the set's */
    size_t *place, n;
    double *scores; /* (n) */
    double *all;    /* of every text of the set */
    score_cache *cache;
    progress *shown;
    size_t done;
} unknown_texts;

static wr_status find_unknown(const suite_job *job, const reward_model *r, const suite_set *s, unknown_texts *u) {
    wr_status status = WR_OK;
    const size_t n = s->n_texts;
    if (job->cache_dir) TRY(score_cache_open(job->cache_dir, r, job->adapter, &u->cache));
    TRY_ALLOC(u->texts = mem_calloc(n + 1, sizeof *u->texts));
    TRY_ALLOC(u->place = mem_calloc(n + 1, sizeof *u->place));
    TRY_ALLOC(u->scores = mem_calloc(n + 1, sizeof *u->scores));
    TRY_ALLOC(u->all = mem_calloc(n + 1, sizeof *u->all));
    for (size_t i = 0; i < n; i++) {
        const wr_status found = u->cache ? score_cache_find(u->cache, &s->texts[i], &u->all[i]) : WR_END;
        TRY(found);
        if (found != WR_END) continue;
        u->place[u->n] = i;
        u->texts[u->n++] = s->texts[i];
    }
    u->shown = progress_create("evaluate", "texts", u->n);
    if (u->cache) log_info("%s: scores of %zu of %zu texts are there", job->cache_dir, n - u->n, n);
cleanup:
    return status;
}

static void unknown_texts_free(unknown_texts *u) {
    progress_finish(u->shown);
    score_cache_close(u->cache);
    free(u->texts);
    free(u->place);
    free(u->scores);
    free(u->all);
}

static wr_status keep_scores(void *context, size_t from, size_t n, const double *scores) {
    wr_status status = WR_OK;
    unknown_texts *u = context;
    for (size_t i = 0; i < n; i++) {
        u->all[u->place[from + i]] = scores[i];
        if (u->cache && isfinite(scores[i])) TRY(score_cache_add(u->cache, &u->texts[from + i], scores[i]));
    }
    progress_update(u->shown, u->done += n, NULL);
cleanup:
    return status;
}

wr_status suite_run(world *w, const reward_model *r, const suite_job *job, json_writer *j, size_t *left_out) {
    wr_status status = WR_OK;
    const bool root = world_rank(w) == 0;
    suite_set s = {0};
    unknown_texts u = {0};
    double left = 0;
    if (root) status = read_files(job, r, &s);
    if (root && status >= 0) status = find_unknown(job, r, &s, &u);
    TRY(world_agree(w, status));
    TRY(score_texts_told(w, r, u.texts, u.n, job->max_tokens, u.scores, keep_scores, &u));
    progress_finish(u.shown);
    u.shown = NULL;
    TRY(world_agree(w, root ? finish(job, r, &s, u.all, j) : WR_OK));
    left = (double)s.left_out;
    world_sum(w, &left, 1);
    *left_out = (size_t)left;
cleanup:
    unknown_texts_free(&u);
    suite_set_free(&s);
    return status;
}
