/* How prepare --format wildchat works, on one rank or many. The input is a list of units (source file, block); the
 * order of everything is (file, block, row). Phases, each done for all units before the next begins:
 *
 *   read      pulled  rows are checked and spilled (.read) with the annotators' levels and keys of duplicates
 *   dedupe    rank 0  which conversations are kept; what several annotators agree on
 *   count     pulled  terms of the kept turns, for the mining's weights and thresholds
 *   label     pulled  consensus, mining, refusals, filters: the fate of every turn (.label)
 *   split     rank 0  users to train and test
 *   tokenizer rank 0  trained on the train users' text, where none was given
 *   write     pulled  tokens, frames of shards, lines of turns.jsonl.zst (.part)
 *   assemble  rank 0  parts joined in source order, users.jsonl.zst, meta.json
 *
 * Phase X is phase_X.c. It takes what it needs and gives what it makes; that, and the units' files, is all that passes
 * from one to the next:
 *
 *   sources -read-> .read -dedupe-> kept, consensus -count-> mining -label-> .label -split-> users
 *                         -tokenizer-> tokenizer -write-> .part -assemble-> OUT
 *
 * Pulled phases give units to whoever asks; what a unit's file holds depends on the unit and the phases before alone,
 * and files are joined in order, so the result does not depend on the number of ranks nor on who did what. A unit whose
 * file is there is not done again: that is all there is to resuming. What one rank holds: blocks of text of its unit;
 * rank 0 also 25 bytes a conversation and 50 a user. */
#ifndef WR_DATA_PREPARE_PIPELINE_H
#define WR_DATA_PREPARE_PIPELINE_H

#include "data/prepare/consensus.h"
#include "data/prepare/funnel.h"
#include "data/prepare/prepare_tools.h"
#include "data/prepare/split.h"
#include "data/prepare/turns.h"
#include "data/prepare/unit_work.h"

/* COLLECTIVE: all phases. t->tok and t->chat are set when a tokenizer was trained. *nothing (rank 0): no row was
 * usable, so that there is nothing to keep for another run. */
wr_status prepare_wildchat(prepare_context *c, prepare_tools *t, prepare_account *account, bool *nothing);

/* The funnel's name of chats that their template refused. */
#define CHATS_REFUSED "refused by the chat template"

/* --- phases (COLLECTIVE) --- */

wr_status phase_read(const prepare_context *c, const prepare_tools *t, unit_list *units);

/* Fills units' counts and `dropped`. WR_E_FORMAT (rank 0): not one follow-up. */
wr_status phase_dedupe(const prepare_context *c, const annotator_panel *panel, unit_list *units, consensus *agreed,
                       prepare_account *account);

/* *m: made anew on every rank, calibrated; untouched where somebody else's cosines are used. */
wr_status phase_count(const prepare_context *c, const unit_list *units, size_t n_annotators, mining **m);

typedef struct label_inputs {
    const consensus *agreed;
    mining *mining; /* NULL: by the options' annotator */
    const refusal *refusal;
    annotator *judge;
    const filters *filters;
} label_inputs;
wr_status phase_label(const prepare_context *c, const unit_list *units, const label_inputs *in);

/* Of the cosines of somebody else. */
static inline double mining_cosine_threshold(const prepare_options *o) {
    return o->similarity_threshold > 0 ? o->similarity_threshold : 0.5;
}

/* What became of the users: rank 0 has the table, every rank the test side. */
typedef struct user_split {
    user_table users;
    uint64_t instances; /* of all */
    test_users test;
} user_split;
/* m: for the account, as in label_inputs. */
wr_status phase_split(const prepare_context *c, const unit_list *units, const mining *m, user_split *out,
                      prepare_account *account);

/* Nothing to do where t->tok is there or no tokens are wanted. */
wr_status phase_tokenizer(const prepare_context *c, const unit_list *units, const user_split *split, prepare_tools *t);

wr_status phase_write(const prepare_context *c, const unit_list *units, const test_users *test, const prepare_tools *t);
/* users: rank 0's; who lost an instance on the way is counted down. */
wr_status phase_assemble(const prepare_context *c, const unit_list *units, user_table *users, const prepare_tools *t,
                         prepare_account *account);

#endif
