/* A prepared folder in numbers and examples, as one JSON object: what report/prepare_page.h shows, and anyone else may
 * read. Only files of the folder are read; a part whose file is absent (or of an earlier version that lacks the fields)
 * is left out.
 *
 *   "dir"
 *   "meta"      meta.json as it is: options, hashes, funnel
 *   "turns"     from turns.jsonl.zst: {"n","bad_lines","levels": [none, 1 … 5],"final": […],
 *               "flow": [{"level","final","outcome","n"}],"how": [{"name","n"}],"dropped": […],
 *               "languages": [{"name","turns","kept"}],"models","months"}
 *   "refusals"  from turns.jsonl.zst: data/label/agree/refusal_report.h
 *   "users"     from users.jsonl.zst: {"n","train","test","turns","instances","with_instances","largest","gini",
 *               "top_percent_share","lorenz": [[share of users, share of instances]],"histogram": [{"from","to","n"}]};
 *               gini and Lorenz curve over users with instances
 *   "records"   from the reward shards: {"n","train","test","labels": [{"label","train","test"}],
 *               "how": [{"label","how","n"}],"languages","models",
 *               "reply_characters": {"median","p90","largest","histogram"},"query_characters","history_messages",
 *               "tokens"}
 *   "examples"  [{"label","how","split","id","language","model","history","query","response","followup"}]: a few per
 *               label and way the label came, chosen by a hash of their id; follow-ups where a chats shard has them;
 *               texts cut at SUMMARY_TEXT bytes
 * LOCAL. */
#ifndef WR_DATA_PREPARE_PREPARE_SUMMARY_H
#define WR_DATA_PREPARE_PREPARE_SUMMARY_H

#include "base/strbuf.h"

#include <stdbool.h>

enum {
    SUMMARY_TEXT = 4000,
    SUMMARY_NAMES = 30,
    SUMMARY_EXAMPLES = 2, /* of each label and way */
    SUMMARY_EXAMPLE_LABELS = 10
};

/* True for a folder with meta.json that is no training run. */
bool prepare_summary_wanted(const char *dir);
/* Appends the object to out. WR_E_FORMAT names a file that is damaged. */
wr_status prepare_summary(const char *dir, strbuf *out);

#endif
