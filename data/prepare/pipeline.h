/* How prepare --format wildchat works, on one rank or many. The input is a list of units (source file, block); the
 * order of everything is (file, block, row). Phases, each done for all units before the next begins:
 *
 *   read     pulled   rows are checked and spilled (.read) with the annotators' levels and keys of duplicates unit_read.c
 *   dedupe   rank 0   which conversations are kept                                                          phase_dedupe.c
 *   count    pulled   terms of the kept turns, for the mining's weights and thresholds                      phase_count.c
 *   label    pulled   consensus, mining, refusals, filters: the fate of every turn (.label)                 phase_label.c
 *   split    rank 0   users to train and test; tokenizer                                                    phase_split.c
 *   write    pulled   tokens, frames of shards, lines of turns.jsonl.zst (.part)                            phase_write.c
 *   assemble rank 0   parts joined in source order, users.jsonl.zst, meta.json                              phase_assemble.c
 *
 * Pulled phases give units to whoever asks; what a unit's file holds depends on the unit and the phases before alone,
 * and files are joined in order, so the result does not depend on the number of ranks nor on who did what. A unit whose
 * file is there is not done again: that is all there is to resuming. What one rank holds: blocks of text of its unit;
 * rank 0 also 25 bytes a conversation and 50 a user. */
#ifndef WR_DATA_PREPARE_PIPELINE_H
#define WR_DATA_PREPARE_PIPELINE_H

#include "base/log.h"
#include "base/string_map.h"
#include "data/label/annotate/annotator.h"
#include "data/prepare/dedupe.h"
#include "data/label/match/filters.h"
#include "data/prepare/funnel.h"
#include "data/label/mine/mining.h"
#include "data/prepare/prepare_dir.h"
#include "data/label/match/refusal.h"
#include "data/shard/shard.h"
#include "data/source/sources.h"
#include "data/prepare/split.h"
#include "reward/template.h"
#include "data/prepare/unit_file.h"
#include "mpi/work.h"

enum { CLASSES = 4 };

typedef enum how { HOW_NONE, HOW_ANNOTATOR, HOW_MINED, HOW_REFUSAL } how;

/* The fate of one follow-up. */
typedef struct turn_state {
    int8_t level, final;  /* 0: none */
    uint8_t how, dropped; /* filter */
    uint8_t refusal;      /* refusal_mark */
    double weight;
    uint64_t match; /* hash of the text that a filter matched; 0: none */
} turn_state;
/* NONE: no phrase of a refusal */
typedef enum refusal_mark { MARK_NONE, MARK_ANSWERED, MARK_FALSE, MARK_JUSTIFIED } refusal_mark;

/* A unit of input as rank 0 knows it after reading. */
typedef struct unit_entry {
    unit_id id;
    uint32_t conversations, turns;
    size_t first; /* number of its first conversation */
} unit_entry;

typedef struct pipeline pipeline;
/* A unit to do, in a pulled phase. Borrowed during the call. */
typedef struct unit_task {
    unit_id id;
    size_t n;                     /* conversations */
    const unsigned char *dropped; /* (n / 8 + 1) bits */
} unit_task;
static inline bool unit_dropped(const unit_task *t, size_t i) { return t->dropped[i / 8] >> (i % 8) & 1; }

typedef wr_status (*unit_fn)(pipeline *p, void *context, const unit_task *t);

/* The funnel's name of chats that their template refused. */
#define CHATS_REFUSED "refused by the chat template"

struct pipeline {
    const prepare_options *o;
    world *w;             /* NULL: alone */
    coordinator *workers; /* NULL: one rank */
    bool root;
    prepare_dir dir;
    sources *sources;
    annotator *const *annotators;
    size_t n_annotators;
    annotator *judge; /* of replies that look like refusals */
    annotator *own;   /* the lexicon, when one of them was not given */
    string_map excluded;
    arena *names; /* their names */
    mining *mining;
    refusal *refusal;
    filters *filters;
    reward_template *template;
    tokenizer *tok;           /* NULL: no tokens */
    chat_template *chat;      /* NULL: none that is known */
    uint8_t *consensus_level; /* (6^annotators) level of each pattern of answers; NULL with one annotator */
    double *consensus_weight;
    uint64_t *test_users; /* (n_test_users, 2) hashes, sorted */
    size_t n_test_users;
    unit_fn unit_fn; /* during units_each */
    void *unit_context;
    /* rank 0 */
    unit_entry *units;
    size_t n_units, unit_capacity, conversations;
    dedupe *dedupe;
    uint8_t *dropped; /* (conversations / 8 + 1) bit: a duplicate or fork */
    user_table users;
    uint64_t instances, test_target, bytes;
    bool complete; /* the result has its name */
    bool nothing;  /* no row was usable: nothing to keep for another run */
    funnel funnel;
    strbuf extra; /* members of meta.json: "key":value,… */
};

wr_status prepare_wildchat(pipeline *p); /* COLLECTIVE: all phases */

/* --- phases (COLLECTIVE) --- */
wr_status phase_read(pipeline *p);
wr_status phase_dedupe(pipeline *p);
wr_status phase_count(pipeline *p);
wr_status phase_label(pipeline *p);
wr_status phase_split(pipeline *p);
wr_status phase_write(pipeline *p);
wr_status phase_assemble(pipeline *p);

/* One pulled phase: plan on rank 0, fn on every rank with p as its context. */
wr_status work_run(pipeline *p, const work_plan *plan, work_fn fn);
/* Does fn for every unit that has no file of this kind yet (NULL: for every unit), wherever it is pulled to. */
wr_status units_each(pipeline *p, const char *name, const char *kind, unit_fn fn, void *context);

/* --- rows of a .read file --- */
typedef struct spilled {
    size_t number; /* of the conversation in its unit */
    conversation c;
} spilled;
typedef struct spill_reader spill_reader;
wr_status spill_reader_open(pipeline *p, unit_id id, spill_reader **out);
void spill_reader_close(spill_reader *r);
/* The next conversations, some at a time; valid until the next call. WR_END after the last. */
wr_status spill_reader_next(spill_reader *r, const spilled **rows, size_t *n);
/* The annotators' answers to all follow-ups of the unit, in order: (turns, annotators). */
const uint8_t *spill_reader_answers(const spill_reader *r, size_t *turns);
/* Appends one block of conversations: rows holds n records, each u32 number, u32 bytes, conversation_pack. */
wr_status rows_append(unit_writer *u, const strbuf *rows, size_t n);

/* --- small things --- */
wr_status pipeline_agree(pipeline *p, wr_status mine); /* COLLECTIVE */
/* WR_E_INTERRUPTED when this job is to stop; for use inside units */
wr_status pipeline_stopped(pipeline *p);
wr_status followups(const conversation *c, size_t **at, size_t *capacity, size_t *n); /* positions */
turn_text turn_texts(const conversation *c, size_t at);
annotated_turn turn_view(const conversation *c, size_t at);
bool pipeline_is_test(const pipeline *p, const char *user); /* after phase_split */
static inline double pipeline_threshold(const pipeline *p) {
    return p->o->similarity_threshold > 0 ? p->o->similarity_threshold : 0.5;
}
const char *how_text(const pipeline *p, how h); /* NULL for HOW_NONE */

#endif
