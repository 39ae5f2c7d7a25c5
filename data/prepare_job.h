/* What the two formats of prepare share: sources, the temporary folder and its spill file, users and their split,
 * tokenizer, shards, commit. Only data/prepare*.c, data/labelled.c, data/pipeline.* and data/pass_*.c include this. LOCAL. */
#ifndef WR_DATA_PREPARE_JOB_H
#define WR_DATA_PREPARE_JOB_H

#include "base/file.h"
#include "base/stream.h"
#include "data/funnel.h"
#include "data/prepare.h"
#include "data/shard.h"
#include "data/split.h"
#include "data/template.h"
#include "model/string_map.h"

typedef struct prepare_job {
    const prepare_options *o;
    char tmp[PATH_CAP], spill[PATH_CAP];
    bool made_tmp;
    char **sources;
    size_t n_sources;
    funnel funnel;
    arena *names;              /* user names, conversation ids */
    string_map user_ids, seen; /* user -> index; conversation ids met; excluded users have index -1 */
    split_user *users;
    size_t n_users, user_capacity;
    uint64_t *user_turns;
    size_t turns_capacity;
    uint64_t test_target, test_instances;
    outstream *spill_out;
    tokenizer *tok;
    chat_template *chat; /* NULL: no chats shards */
    reward_template *template;
    int classes;
    strbuf extra; /* members of meta.json that a format adds: "key":value,… */
} prepare_job;

wr_status job_begin(const prepare_options *o, prepare_job *job);
void job_end(prepare_job *job); /* frees; removes the temporary folder unless committed */

/* Calls fn for every line of every source. A line that cannot be used is counted by fn through job_fault. */
typedef wr_status (*job_line_fn)(void *context, const char *line, size_t n, const char *where);
wr_status job_read_sources(prepare_job *job, job_line_fn fn, void *context);
wr_status job_fault(prepare_job *job, const char *name,
                    const char *where); /* one skipped row; the first one's place is noted */

/* The spill file holds the good rows in short form, one a line, for the later passes. */
wr_status job_spill(prepare_job *job, const strbuf *line);
wr_status job_spill_done(prepare_job *job);
wr_status job_each_spilled(prepare_job *job, const char *what, job_line_fn fn, void *context);

/* Index of a user, made when new. */
wr_status job_user(prepare_job *job, const char *name, uint32_t *index);
bool job_excluded(const prepare_job *job, const char *name);
/* True when the id was met before. */
wr_status job_seen(prepare_job *job, const char *id, bool *seen);
wr_status job_split(prepare_job *job, uint64_t instances);

/* NULL when a tokenizer was given or no tokens are wanted; else the caller feeds it with the train users' text. */
wr_status job_trainer(prepare_job *job, bpe_trainer **out);
/* Takes the trained tokenizer, or copies the given one beside the shards. trainer is freed. */
wr_status job_tokenizer_ready(prepare_job *job, bpe_trainer *trainer);

/* A row of shard files PREFIX-train-00000.wrs …, opened when needed. */
typedef struct shard_set {
    const char *prefix;
    shard_kind kind;
    shard_writer *writer;
    unsigned number;
    uint64_t records, in_file, tokens;
} shard_set;
wr_status shard_set_add(prepare_job *job, shard_set *s, const instance *x,
                        const chat_record *chat);           /* one of the two */
wr_status shard_set_finish(prepare_job *job, shard_set *s); /* writes an empty shard when there was nothing */
void shard_set_discard(shard_set *s);

/* Writes users.jsonl.zst, template.txt and meta.json, prints the table, and moves the folder to its final name. */
wr_status job_commit(prepare_job *job);
wr_status job_stopped(void); /* WR_E_INTERRUPTED after a stop signal */

/* The two formats. */
wr_status prepare_wildchat(prepare_job *job);
wr_status prepare_labelled(prepare_job *job);

#endif
