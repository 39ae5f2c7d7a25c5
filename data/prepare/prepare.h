/* prepare: raw chats -> turns -> feedback level -> mining -> refusal validation -> filters -> split by user -> tokens
 * -> shards. One file per stage (conversation.h, annotator.h, mining.h, refusal.h, filters.h, split.h); this header is
 * the whole of it, data/prepare/pipeline.h the way it is done. */
#ifndef WR_DATA_PREPARE_PREPARE_H
#define WR_DATA_PREPARE_PREPARE_H

#include "base/status.h"
#include "data/label/match/filters.h"
#include "mpi/world.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct annotator annotator;

typedef struct prepare_options {
    const char *const *sources; /* files, folders, patterns; "-": standard input */
    size_t n_sources;
    const char *out_dir;
    const char *format;    /* "wildchat", "labelled" or "wildfb" */
    const char *fields;    /* field map of JSON rows (data/source/sources.h); NULL: WildChat's */
    size_t block_bytes;    /* of a unit of input; 0: 8 MiB. Part of what decides the bytes of the shards */
    const char *tokenizer; /* DIR or FILE; NULL: train one of vocab_size */
    bool no_tokens;
    bool no_chats; /* leave the chats-*.wrs out */
    size_t vocab_size;
    const char *template_file; /* NULL: default; wildfb: none */
    const char *split_file;    /* wildfb: ids of the test side; NULL: by the sources' names */
    const char *chat_template; /* file instead of the tokenizer's own chat template; NULL: that */
    const char *exclude_users; /* file of user names, one a line; NULL */
    bool user_key_header;      /* user = ip + header */
    bool drop_toxic, drop_redacted;
    uint64_t seed;
    int64_t test_instances;    /* -1: the smaller of 5000 and 10 % */
    int classes;               /* labelled: 0 = largest seen; wildfb: 0 = 4 */
    size_t max_length;         /* tokens of a record */
    size_t shard_records;      /* records per shard file */
    filter_options filters;    /* which, and their limits: filter_options_default() with changes */
    const char *refusal_rules; /* rule file; NULL: built in */
    bool skip_bad;             /* bad rows are counted and named, and no failure */
    bool overwrite;            /* replace a prepared folder; drop unfinished work of other options */

    /* JSON objects of texts: the settings that unfinished work must have been begun with, beside what this module
     * compares itself; and their defaults, which are the settings of work that does not know one. NULL: none */
    const char *terms, *usual_terms;

    /* Who answers. Borrowed; every rank its own. */
    /* (n_annotators) none: the lexicon; several: their consensus (data/label/agree/dawid_skene.h) */
    annotator *const *annotators;
    size_t n_annotators;
    annotator *similarity;       /* topic similarity by its cosines(); NULL: TF-IDF (data/label/mine/mining.h) */
    double similarity_threshold; /* of those cosines; 0: 0.5 */
    annotator *refusals;         /* judges replies that look like refusals by its refusals(); NULL: the word lists */
} prepare_options;

/* COLLECTIVE (w NULL: this process alone). Prints the counted table of stages to stderr and saves it in meta.json.
 * Everything is done in OUT.partial, which becomes OUT when complete; the same call again goes on where another
 * stopped, whatever stopped it. The bytes of OUT depend on sources and options alone. WR_E_FAILED: OUT is complete, but
 * some rows were bad and are not in it (without skip_bad). WR_E_INTERRUPTED after a stop signal, WR_E_USAGE when the
 * unfinished work in OUT.partial is of other options. */
wr_status prepare_run(const prepare_options *o, world *w);

#endif
