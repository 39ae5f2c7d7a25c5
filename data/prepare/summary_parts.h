/* The parts of data/prepare/prepare_summary.h, one file each; each writes its members into an open JSON object, or
 * nothing where its file is absent. LOCAL. */
#ifndef WR_DATA_PREPARE_SUMMARY_PARTS_H
#define WR_DATA_PREPARE_SUMMARY_PARTS_H

#include "base/json.h"
#include "data/shard/tally.h"

wr_status summary_turns(const char *dir, json_writer *w);   /* "turns", "refusals" */
wr_status summary_users(const char *dir, json_writer *w);   /* "users" */
wr_status summary_records(const char *dir, json_writer *w); /* "records", "examples" */

/* summary_lists.c.
 * "key": [{"from","to","n"}, …]: bins 0, 1, 2–3, 4–7, …; values are sorted ascending by the call. */
void summary_histogram(json_writer *w, const char *key, uint32_t *values, size_t n);
/* "key": [{"name", columns[0]: count, …}, …], at most `most` rows. columns ends with NULL. */
void summary_list(json_writer *w, const char *key, const tally_row *rows, size_t n, size_t most,
                  const char *const *columns);

#endif
