/* wildreward agree: how far annotators agree on the same follow-ups, and what they say together. */
#include "cli/agree_output.h"
#include "cli/command.h"

#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct agree_call {
    const char *out, *consensus;
    size_t resamples;
    uint64_t seed;
    dawid_skene_options fit;
} agree_call;
static const option_spec agree_rows[] = {
    OPTION_TEXT(agree_call, out, "out", "-", "FILE.json", "JSON to write; the table goes to standard error"),
    OPTION_TEXT(agree_call, consensus, "consensus", NULL, "FILE.jsonl",
                "write the Dawid-Skene level of every follow-up and its posterior; zstd where it ends in .zst"),
    OPTION_INT(agree_call, resamples, "resamples", "1000", "N", 0, 1e6,
               "of users, for the 95 % intervals; 0: no intervals"),
    OPTION_FLOAT(agree_call, fit.smoothing, "smoothing", "0.01", "X", 1e-12, 1e6,
                 "Dawid-Skene: count added to every cell of prior and confusions"),
    OPTION_INT(agree_call, seed, "seed", "0", "S", 0, 9e15, "of the resamples"),
    {0},
};
static const option_group agree_groups[] = {{.rows = agree_rows}, {0}};

static wr_status report_bad(const answers *in) {
    uint64_t bad = answers_bad(in);
    const char *first = NULL;
    if (!bad) return WR_OK;
    for (size_t i = 0; i < in->n_files; i++) {
        for (int f = 0; f < ANSWER_FAULTS; f++) {
            const answer_file *file = &in->files[i];
            if (!file->faults[f]) continue;
            log_warn("%s: %" PRIu64 " %s skipped, first: %s", file->path, file->faults[f],
                     file->faults[f] == 1 ? "row" : "rows", file->first[f]);
            if (!first) first = file->first[f];
        }
    }
    return wr_fail(WR_E_FAILED, "%" PRIu64 " rows were bad and were left out; the first is %s", bad, first);
}

static wr_status measure(const dawid_skene_options *fit, measured *m) {
    wr_status status = WR_OK;
    uint64_t *counts = NULL;
    size_t n = m->in.n_columns;
    TRY(agreement_create(n, &m->all));
    for (size_t i = 0; i < m->in.n_rows; i++) TRY(agreement_add(m->all, m->in.rows[i].user, m->in.rows[i].answers, 1));
    TRY_ALLOC(m->pairs = mem_calloc(n * (n - 1) / 2, sizeof *m->pairs));
    TRY(agreement_measure(m->all, m->resamples, m->seed, m->pairs, m->overall));
    TRY_ALLOC(counts = mem_calloc(pattern_count(n), sizeof *counts));
    agreement_histogram(m->all, counts);
    TRY(dawid_skene_fit(n, counts, fit, &m->consensus));
cleanup:
    free(counts);
    return status;
}

static wr_status run_agree(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    agree_call c = {0};
    measured m = {0};
    size_t n = options_count(o);
    const char **paths = mem_calloc(n + 1, sizeof *paths);
    TRY_ALLOC(paths);
    TRY(options_fill(o, &c, sizeof c));
    m.resamples = c.resamples;
    m.seed = c.seed;
    if (!n) TRY(wr_fail(WR_E_USAGE, "agree compares files of levels: wildreward agree A.jsonl B.jsonl"));
    for (size_t i = 0; i < n; i++) paths[i] = options_positional(o, i);
    TRY(answers_read(paths, n, &m.in));
    if (m.in.n_columns < 2)
        TRY(wr_fail(WR_E_USAGE,
                    "%s: one annotator; give a second file of levels, or a turns.jsonl.zst of several annotators",
                    paths[0]));
    TRY(measure(&c.fit, &m));
    if (m.overall[FIVE_WAYS].turns == 0)
        log_warn("no follow-up has two answers: do the files have conversation_hash and turn_identifier in common?");
    agree_print_table(&m);
    if (c.consensus) TRY(agree_write_consensus(&m, c.consensus));
    TRY(agree_write_json(&m, c.out));
    TRY(report_bad(&m.in));
cleanup:
    free(paths);
    free(m.pairs);
    agreement_free(m.all);
    dawid_skene_free(m.consensus);
    answers_free(&m.in);
    return status;
}

const command cmd_agree = {
    .name = "agree",
    .usage = "agree A.jsonl B.jsonl [C.jsonl…] [--out FILE.json] [--consensus FILE.jsonl]",
    .summary = "agreement of annotators on the same follow-ups, and their consensus",
    .groups = agree_groups,
    .run = run_agree,
};
