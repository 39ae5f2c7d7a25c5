/* prepare: raw chats -> turns -> feedback level -> mining -> refusal validation -> filters -> split by user -> tokens
 * -> shards. One file per stage (wildchat.h, lexicon.h, mining.h, refusal.h, filters.h, split.h); this header is the
 * whole of it. */
#ifndef WR_DATA_PREPARE_H
#define WR_DATA_PREPARE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct prepare_options {
    const char *const *sources;
    size_t n_sources;
    const char *out_dir;
    const char *format;    /* "wildchat" or "labelled" */
    const char *tokenizer; /* DIR or FILE; NULL: train one of vocab_size */
    bool no_tokens;
    size_t vocab_size;
    const char *template_file; /* NULL: default */
    const char *exclude_users; /* file of user names, one a line; NULL */
    bool user_key_header;      /* user = ip + header */
    uint64_t seed;
    int64_t test_instances;                  /* -1: the smaller of 5000 and 10 % */
    int classes;                             /* labelled: 0 = largest seen */
    size_t max_length;                       /* tokens of a record */
    size_t shard_records;                    /* records per shard file */
    size_t min_reply_words, min_query_words; /* shorter ones are dropped; Chinese characters count as words */
    bool overwrite;                          /* replace a prepared folder */
} prepare_options;

/* LOCAL (rank 0 runs it). Prints the counted table of stages to stderr and saves it in meta.json. Output appears under
 * out_dir only when complete. */
wr_status prepare_run(const prepare_options *o);

#endif
