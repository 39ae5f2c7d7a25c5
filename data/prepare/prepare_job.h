/* --format labelled and wildfb, which rank 0 does alone: their users and the lines of their sources and of the spill
 * file. Only data/prepare/labelled.c and data/prepare/prepare*.c include this. LOCAL. */
#ifndef WR_DATA_PREPARE_PREPARE_JOB_H
#define WR_DATA_PREPARE_PREPARE_JOB_H

#include "base/file.h"
#include "base/log.h"
#include "data/prepare/prepare_result.h"
#include "data/prepare/prepare_tools.h"
#include "data/prepare/rated_row.h"
#include "data/prepare/unit_work.h"
#include "data/source/table_rows.h"

typedef struct prepare_job {
    const prepare_context *c;
    prepare_tools *t;
    funnel *funnel;
    user_table users;
    int classes;
    size_t source; /* number of the file whose rows are being read */
    char spill[PATH_CAP];
    outstream *spill_out;
    const char **user_names; /* (users.n) in t->names */
    size_t name_capacity;
} prepare_job;

/* Calls fn for every row of every source (data/source/table_rows.h). A row that cannot be used is counted by fn through
 * job_fault. */
wr_status job_read_sources(prepare_job *job, const rated_format *f, table_row_fn fn, void *context);
/* one skipped row; the first one's place is noted */
wr_status job_fault(prepare_job *job, const char *name, const char *where);

/* The spill file holds the good rows, one a line, for the later passes. */
wr_status job_spill(prepare_job *job, const strbuf *line);
wr_status job_spill_done(prepare_job *job);
typedef wr_status (*job_line_fn)(void *context, const char *line, size_t n, const char *where);
wr_status job_each_spilled(prepare_job *job, const char *what, job_line_fn fn, void *context);

/* made when new; valid until the next new one */
wr_status job_user(prepare_job *job, const char *name, split_user **user);
wr_status job_split(prepare_job *job, uint64_t instances);
wr_status job_users(prepare_job *job, const prepare_result *r); /* users.jsonl.zst */
/* Trains a tokenizer on what `train` is given of the spilled lines, unless one was given or no tokens are wanted. */
wr_status job_tokenizer(prepare_job *job, job_line_fn train, void *context, bpe_trainer **trainer);

/* LOCAL, rank 0. *nothing: no row was usable. */
wr_status prepare_labelled(const prepare_context *c, prepare_tools *t, prepare_account *account, bool *nothing);

#endif
