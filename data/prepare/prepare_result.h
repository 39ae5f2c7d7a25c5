/* Files of a prepared folder that both formats write the same way. LOCAL. */
#ifndef WR_DATA_PREPARE_PREPARE_RESULT_H
#define WR_DATA_PREPARE_PREPARE_RESULT_H

#include "base/stream.h"
#include "data/prepare/funnel.h"
#include "data/prepare/prepare.h"
#include "data/shard/shard_set.h"
#include "data/prepare/split.h"
#include "reward/template.h"

typedef struct prepare_result {
    const prepare_options *o;
    const char *dir; /* where the files are made */
    int classes;
    const tokenizer *tok;            /* NULL: no tokens */
    const reward_template *template; /* NULL: none is known */
    const strbuf *extra;             /* further members of meta.json, "key":value,… */
    const funnel *funnel;
} prepare_result;

shard_set result_shards(const prepare_result *r, const char *prefix, shard_kind kind);
/* One line of users.jsonl.zst. */
wr_status result_user(outstream *out, strbuf *line, const char *name, const split_user *u);
/* The tokenizer in `from` (a folder or a tokenizer.json), copied beside the shards. */
wr_status result_tokenizer(const prepare_result *r, const char *from);
/* template.txt, if there is a template, and, last, meta.json with the names and hashes of all files in dir. */
wr_status result_finish(const prepare_result *r);

#endif
