#include "cli/evaluate_detail.h"

#include "base/mem.h"
#include "evaluate/compare.h"
#include "evaluate/own_users.h"
#include "evaluate/record_columns.h"
#include "evaluate/scored_rows.h"

#include <math.h>
#include <stdlib.h>

const option_spec record_file_rows[] = {
    OPTION_TEXT(record_files, records, "records", NULL, "FILE",
                "JSONL to write: a line of every record of a reward model, as --scored reads it"),
    OPTION_TEXT(record_files, scored, "scored", NULL, "FILE",
                "figures of records that are scored already, in place of --model: JSONL of label, score and, where "
                "known, user, class, above, length, prompt",
                .input = INPUT_WHOLE),
    OPTION_TEXT(record_files, compare, "compare", NULL, "A.json",
                "compare evaluations of the same records: this one and those that follow as arguments",
                .input = INPUT_WHOLE),
    {0},
};

static void write_sums(json_writer *j, const reward_figures *f) {
    json_member_count(j, "records", f->records);
    json_member_double(j, "loss", f->loss);
    json_member_double(j, "accuracy", f->accuracy);
    json_member_double(j, "mae", f->mae);
    json_member_double(j, "spearman", f->spearman);
    json_member_double(j, "quadratic_kappa", f->kappa);
    json_member_double(j, "rank_violations", f->violations);
    if (!isnan(f->spread)) json_member_double(j, "spread", f->spread);
    json_member_array(j, "mean_score_by_label");
    for (int k = 0; k < f->classes; k++) json_double(j, f->mean_score[k]);
    json_end_array(j);
    json_member_array(j, "records_by_label");
    for (int k = 0; k < f->classes; k++) json_int(j, (int64_t)f->count[k]);
    json_end_array(j);
}

wr_status evaluate_write_reward(const record_files *f, const model_options *m, const char *data_dir,
                                const reward_figures *figures, reward_records *r, json_writer *j) {
    wr_status status = WR_OK;
    write_sums(j, figures);
    if (m) TRY(own_users_find(m->dir, m->adapter, data_dir, r));
    TRY(reward_details_write(r, &f->details, j));
    if (f->records) TRY(scored_rows_write(f->records, r));
cleanup:
    return status;
}

wr_status evaluate_scored(const record_files *f, uint64_t seed, strbuf *out) {
    wr_status status = WR_OK;
    json_writer j = json_writer_make(out);
    reward_records r = {0};
    reward_figures figures = {0};
    record_files with = *f;
    with.details.seed = seed;
    TRY(scored_rows_read(f->scored, &r));
    TRY(scored_rows_figures(&r, &figures));
    json_begin_object(&j);
    json_member_string(&j, "kind", "reward");
    json_member_string(&j, "scored", f->scored);
    TRY(evaluate_write_reward(&with, NULL, NULL, &figures, &r, &j));
    json_end_object(&j);
    TRY(strbuf_status(out));
cleanup:
    reward_figures_free(&figures);
    reward_records_free(&r);
    return status;
}

wr_status evaluate_compared(const options *o, const record_files *f, uint64_t seed, strbuf *out) {
    wr_status status = WR_OK;
    const size_t n = options_count(o) + 1;
    detail_options d = f->details;
    d.seed = seed;
    const char **files = mem_calloc(n, sizeof *files);
    TRY_ALLOC(files);
    files[0] = f->compare;
    for (size_t i = 1; i < n; i++) files[i] = options_positional(o, i - 1);
    if (n < 2) TRY(wr_fail(WR_E_USAGE, "--compare %s: give the evaluations to compare it with as arguments", files[0]));
    if (!d.resamples) TRY(wr_fail(WR_E_USAGE, "--compare needs --resamples"));
    TRY(compare_evaluations(files, n, &d, out));
cleanup:
    free(files);
    return status;
}
