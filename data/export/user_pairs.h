/* Chosen/rejected pairs out of rated replies, for Bradley–Terry baselines: one user asked the same thing more than once
 * and was content with one reply and not with another. Replies are grouped by (user, query), queries compared as
 * Unicode case-folded, composed (NFKC) text with white space collapsed; the messages before the query may differ unless
 * same_history asks for equal ones. A label from positive_from on is positive. Within a group the best is paired with
 * the worst, the second best with the second worst, and so on, each reply once (earlier records first among equals);
 * all_pairs gives every positive with every negative. Replies of equal text make no pair. Groups come in the order in
 * which their last record lies in the shards.
 *
 * Two passes over the shards: the first keeps a table of 24-byte entries (at most 96 bytes a group), the second the
 * text of groups with both signs, each until it is written. LOCAL. */
#ifndef WR_DATA_EXPORT_USER_PAIRS_H
#define WR_DATA_EXPORT_USER_PAIRS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct user_pairs_options {
    const char *dir, *split, *out_path;
    bool trl; /* {"prompt","chosen","rejected"}, conversational; else
                 {"user","query","history","chosen","rejected","chosen_label","rejected_label",
                 "chosen_id","rejected_id"} with the history of the chosen one */
    bool same_history, all_pairs;
    int positive_from; /* 0: the first label above K/2 */
} user_pairs_options;

typedef struct user_pairs_counts {
    uint64_t records, no_query, groups, both_signs, pairs, same_text;
} user_pairs_counts;

/* counts may be NULL. */
wr_status user_pairs_run(const user_pairs_options *o, user_pairs_counts *counts);

#endif
