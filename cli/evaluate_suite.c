#include "cli/evaluate_suite.h"

#include "base/stream.h"
#include "cli/evaluate_model.h"
#include "evaluate/suites/suite_run.h"

#include <stdlib.h>

const option_spec suite_rows[] = {
    OPTION_CHOICE(suite_options, name, "suite", NULL, SUITE_NAMES,
                  "measure a reward model on this published suite, of which the arguments are files (JSON lines, JSON "
                  "array, CSV, Parquet; compressed or not)"),
    OPTION_TEXT(suite_options, scores, "suite-scores", NULL, "FILE.jsonl",
                "with --suite: the score of every reply, a line a row of the suite"),
    OPTION_TEXT(suite_options, cache, "score-cache", NULL, "DIR",
                "with --suite: keep scores here as they come, and score no text again that this model has scored"),
    {0},
};

static wr_status run_suite(world *w, const reward_model *r, const evaluate_suite_call *c, const char *const *paths,
                           size_t n, strbuf *text, size_t *left_out) {
    json_writer j = json_writer_make(text);
    const suite_job job = {.kind = suite_find(c->suite->name),
                           .paths = paths,
                           .n_paths = n,
                           .model = c->model->dir,
                           .adapter = c->model->adapter,
                           .scores_path = c->suite->scores,
                           .cache_dir = c->suite->cache,
                           .resamples = c->resamples,
                           .seed = c->seed,
                           .limit = c->limit,
                           .max_tokens = c->max_tokens};
    return suite_run(w, r, &job, &j, left_out);
}

wr_status evaluate_suite(const options *o, world *w, precision p, const evaluate_suite_call *c) {
    wr_status status = WR_OK;
    const bool root = world_rank(w) == 0;
    const size_t n = options_count(o);
    size_t left_out = 0;
    double recorded = 0;
    model_head head;
    strbuf text = {0};
    reward_model r = {0};
    shared_block *block = NULL;
    const char **paths = mem_calloc(n + 1, sizeof *paths);
    TRY_ALLOC(paths);
    for (size_t i = 0; i < n; i++) paths[i] = options_positional(o, i);
    TRY(evaluate_agree_head(c->model, w, &head));
    if (head != HEAD_SCORE) TRY(wr_fail(WR_E_USAGE, "--suite: %s is not a reward model", c->model->dir));
    TRY(evaluate_open_model(c->model, w, head, p, &block, &r.m));
    if (root) {
        const size_t most = r.m->config.max_positions;
        status = reward_model_open(c->model->dir, c->reading, most && c->max_length > most ? most : c->max_length, &r);
        recorded = r.recorded;
    }
    TRY(world_agree(w, status));
    world_sum(w, &recorded, 1);
    TRY(reward_model_outputs(c->model->dir, c->reading, recorded > 0, &r)); /* for ranks that have the model alone */
    TRY(run_suite(w, &r, c, paths, n, &text, &left_out));
    TRY(world_agree(w, root ? outstream_write_line(c->out, &text) : WR_OK));
    if (left_out)
        TRY(wr_fail(WR_E_FAILED,
                    "--suite %s: %zu rows were left out, for the model cannot read them: the numbers are "
                    "of the others",
                    c->suite->name, left_out));
cleanup:
    free(paths);
    strbuf_free(&text);
    reward_model_close(&r);
    shared_block_free(block);
    return status;
}
