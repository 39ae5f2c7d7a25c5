/* What evaluate tells of a reward model's records, and what it makes of records and evaluations that files hold. */
#ifndef WR_CLI_EVALUATE_DETAIL_H
#define WR_CLI_EVALUATE_DETAIL_H

#include "base/options.h"
#include "cli/model_options.h"
#include "evaluate/evaluate.h"
#include "evaluate/reward_details.h"

typedef struct record_files {
    detail_options details;
    const char *records, *scored, *compare; /* NULL: not asked for */
} record_files;
extern const option_spec record_file_rows[]; /* --records --scored --compare */

/* Rank 0: members of the object that j is in, and the lines of --records. m: the model, which records what it was trained
 * on; NULL: not known. data_dir: the shards' folder. */
wr_status evaluate_write_reward(const record_files *f, const model_options *m, const char *data_dir,
                                const reward_figures *figures, reward_records *r, json_writer *j);
/* Rank 0: --scored FILE, and --compare with the files that are o's arguments, as a whole document. */
wr_status evaluate_scored(const record_files *f, uint64_t seed, strbuf *out);
wr_status evaluate_compared(const options *o, const record_files *f, uint64_t seed, strbuf *out);

#endif
