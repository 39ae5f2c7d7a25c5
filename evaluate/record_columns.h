/* Records in files: as columns inside an evaluation's JSON, which --compare reads, and as lines of --records, which
 * --scored reads (evaluate/scored_rows.h). LOCAL. */
#ifndef WR_EVALUATE_RECORD_COLUMNS_H
#define WR_EVALUATE_RECORD_COLUMNS_H

#include "base/json.h"
#include "evaluate/reward_records.h"

/* Member "per_record": of each record a hash of its id, the number of its user, label, exact score, class and log-loss
 * where there are such. */
wr_status record_columns_write(json_writer *j, const reward_records *r);

/* FILE, a line a record: {"id","user","label","score"} and, where known, "class", "above", "length", "prompt" (equal
 * where prompts are). */
wr_status scored_rows_write(const char *path, const reward_records *r);

#endif
