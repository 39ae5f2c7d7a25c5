/* wildreward agree: how far annotators agree on the same follow-ups, and what they say together. */
#include "cli/agree_output.h"
#include "cli/command.h"

#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

static const option_spec agree_table[] = {
    {.name = "out",
     .kind = OPT_STRING,
     .default_value = "-",
     .arg = "FILE.json",
     .help = "JSON to write; the table goes to standard error"},
    {.name = "consensus",
     .kind = OPT_STRING,
     .arg = "FILE.jsonl",
     .help = "write the Dawid-Skene level of every follow-up and its posterior; zstd where it ends in .zst"},
    {.name = "resamples",
     .kind = OPT_INT,
     .default_value = "1000",
     .arg = "N",
     .help = "of users, for the 95 % intervals; 0: no intervals",
     .min = 0,
     .max = 1e6},
    {.name = "smoothing",
     .kind = OPT_FLOAT,
     .default_value = "0.01",
     .arg = "X",
     .help = "Dawid-Skene: count added to every cell of prior and confusions",
     .min = 1e-12,
     .max = 1e6},
    {.name = "seed",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "S",
     .help = "of the resamples",
     .min = 0,
     .max = 9e15},
    {0},
};
static const option_spec *const agree_tables[] = {agree_table, NULL};

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

static wr_status measure(const options *o, measured *m) {
    wr_status status = WR_OK;
    uint64_t *counts = NULL;
    size_t n = m->in.n_columns;
    dawid_skene_options d = {.smoothing = options_float(o, "smoothing")};
    TRY(agreement_create(n, &m->all));
    for (size_t i = 0; i < m->in.n_rows; i++) TRY(agreement_add(m->all, m->in.rows[i].user, m->in.rows[i].answers, 1));
    TRY_ALLOC(m->pairs = mem_calloc(n * (n - 1) / 2, sizeof *m->pairs));
    TRY(agreement_measure(m->all, m->resamples, m->seed, m->pairs, m->overall));
    TRY_ALLOC(counts = mem_calloc(pattern_count(n), sizeof *counts));
    agreement_histogram(m->all, counts);
    TRY(dawid_skene_fit(n, counts, &d, &m->consensus));
cleanup:
    free(counts);
    return status;
}

static wr_status run_agree(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    measured m = {.resamples = (size_t)options_int(o, "resamples"), .seed = (uint64_t)options_int(o, "seed")};
    size_t n = options_count(o);
    const char **paths = mem_calloc(n + 1, sizeof *paths);
    TRY_ALLOC(paths);
    if (!n) TRY(wr_fail(WR_E_USAGE, "agree compares files of levels: wildreward agree A.jsonl B.jsonl"));
    for (size_t i = 0; i < n; i++) paths[i] = options_positional(o, i);
    TRY(answers_read(paths, n, &m.in));
    if (m.in.n_columns < 2)
        TRY(wr_fail(WR_E_USAGE,
                    "%s: one annotator; give a second file of levels, or a turns.jsonl.zst of several annotators",
                    paths[0]));
    TRY(measure(o, &m));
    if (m.overall[FIVE_WAYS].turns == 0)
        log_warn("no follow-up has two answers: do the files have conversation_hash and turn_identifier in common?");
    agree_print_table(&m);
    if (options_str(o, "consensus")) TRY(agree_write_consensus(&m, options_str(o, "consensus")));
    TRY(agree_write_json(&m, options_str(o, "out")));
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
    .tables = agree_tables,
    .run = run_agree,
};
