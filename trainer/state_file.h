/* state.json of a checkpoint: numbers, hashes, and what the run had computed on. It keeps the hash of every file of the
 * checkpoint and of metrics.jsonl so far, and ends in a checksum of itself: nothing in a checkpoint can be another
 * without being noticed. One without a checksum, of a version before it or edited, is refused. LOCAL, rank 0. */
#ifndef WR_TRAINER_STATE_FILE_H
#define WR_TRAINER_STATE_FILE_H

#include "base/file.h"
#include "base/hash.h"
#include "trainer/checkpoint.h"

typedef struct state_numbers {
    int64_t step, optimizer_steps, ranks;
    uint64_t seed, metrics_bytes;
    char metrics_hash[HASH_HEX];
    bool options_kept; /* the checkpoint holds the options it was made with; those of earlier builds does not */
} state_numbers;

/* Writes DIR/state.json over all files that are in DIR. */
wr_status state_write(const char *dir, const state_numbers *n, const checkpoint_state *s);

/* Reads DIR/state.json and checks it, the files, and that it is of step `step` and of this run: s holds this run's
 * terms, data_hash and parent_hash. s->extra is replaced; machine gets what the run had computed on. needed:
 * files that must be among those it lists (NULL-terminated). WR_END when the checkpoint is not whole: its state or a
 * file is not there (wr_error() says what). WR_E_FORMAT: damaged. WR_E_MISMATCH: another run's. */
wr_status state_read(const char *run, const char *dir, int64_t step, const char *const *needed, checkpoint_state *s,
                     strbuf *machine, state_numbers *n);

#endif
