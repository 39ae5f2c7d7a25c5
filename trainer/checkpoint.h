/* Checkpoints: RUN/checkpoints/step-N/ holds model/ (Hugging Face), or of a model with adapters adapter/ (PEFT) alone,
 * optimizer.safetensors (m, v), state.json. All numbers in f32: what is read again has the same bits. Written under a
 * temporary name, fsynced, renamed; the newest `keep` stay. state.json (trainer/state_file.h) carries the numbers, and
 * hashes of all the rest. */
#ifndef WR_TRAINER_CHECKPOINT_H
#define WR_TRAINER_CHECKPOINT_H

#include "mpi/world.h"
#include "trainer/optimizer.h"

/* What a run is begun with. The texts belong to whoever made it. */
typedef struct run_terms {
    const char *config_yaml; /* the resolved options: config.yaml of the run, and of every checkpoint */
    const char *about;       /* comment lines above them in the run's: by which program, where, when. NULL: none */
    const char *arithmetic;  /* "f32": what the precision came to */
    /* what bits depend on beside options and inputs, "name: value" lines; a run that goes on on another says so. NULL:
     * not told */
    const char *machine;
    bool same_bits; /* they do not depend on the number of ranks, nor in f32 on that of threads */
    char hash[33];  /* of the options that must stay, for what saved models say of themselves */
    /* LOCAL. The options in the file `yaml`, with which the run was begun, are these but for what may change. hash:
     * NULL, or of a run that kept only that in its checkpoints, what the file must have. WR_E_MISMATCH names the
     * options that differ, with both values. NULL: none are compared. */
    wr_status (*same)(const void *context, const char *yaml, const char *hash);
    const void *context;
} run_terms;

/* an open run directory: lock, config.yaml, metrics.jsonl (rank 0; others hold the path) */
typedef struct run_dir run_dir;

/* COLLECTIVE. Creates RUN (or opens it with resume), takes a lock (a second live process is an error that names its pid
 * and host), writes config.yaml. Without resume, a RUN that already has checkpoints or metrics is WR_E_USAGE (say
 * --resume or another --out). */
wr_status run_open(world *w, const char *dir, bool resume, const run_terms *terms, run_dir **out);
void run_close(run_dir *r);
const char *run_path(const run_dir *r);
/* Is the folder still this process's (base/folder_lock.h)? Before something gets its final name. Ranks other than 0
 * do not know. LOCAL, thread-safe. */
wr_status run_check(const run_dir *r);
/* Rank 0: appends a JSON line to metrics.jsonl. Others: no-op. */
wr_status run_metrics(run_dir *r, const strbuf *json_line);

/* Hash of a resolved configuration (options_yaml) without the lines of the keys in `skip` (NULL-terminated): what must
 * be equal for --resume. */
void run_config_hash(const char *config_yaml, const char *const *skip, char out[33]);
/* Rank 0: cuts metrics.jsonl back to `bytes`, which must be those of `hash`, and puts this run's config.yaml in place
 * (both after a resume has been checked), unless the one that is there is all that tells what the checkpoint was begun
 * with. Others: no-op. */
wr_status run_rewind(run_dir *r, uint64_t bytes, const char *hash, bool keep_config);
/* Rank 0: bytes of metrics.jsonl, now. Others: 0. */
wr_status run_metrics_bytes(const run_dir *r, uint64_t *bytes);
/* Rank 0: its first `bytes` are safely on disk when this returns, and hash is theirs. Others: no-op. Thread-safe beside
 * run_metrics. */
wr_status run_metrics_settle(const run_dir *r, uint64_t bytes, char hash[33]);

typedef struct checkpoint_state {
    int64_t step;  /* steps done */
    int64_t steps; /* how many it is to have; a checkpoint of more is refused (WR_E_USAGE). 0: not known */
    const run_terms *terms;
    char data_hash[33], parent_hash[33];
    const char *data_options; /* which of them say what data_hash is of: "--data" */
    uint64_t seed;
    strbuf extra; /* JSON object text of the command's own state; may be empty */
} checkpoint_state;

typedef struct save_options {
    const char *tokenizer_dir; /* its files are copied beside saved models; NULL: none */
    const char *chat_template; /* Jinja, written as chat_template.jinja over the copied one; NULL: as copied */
    const char *template_text; /* recorded in reward models; NULL: none */
    const char *base;          /* model directory that adapters say they belong to; NULL: not said */
    precision stored;          /* of the tensors in RUN/model */
    bool merge;                /* adapters: RUN/model is the merged model */
    int keep;                  /* checkpoints */
} save_options;

/* COLLECTIVE: all ranks must hold the same weights and optimizer state; rank 0 writes, all agree. */
wr_status checkpoint_save(world *w, run_dir *r, const model *m, const adamw *opt, const checkpoint_state *state,
                          const save_options *o);
/* COLLECTIVE: newest whole checkpoint (younger ones that lack a file are passed over with a line): rank 0 reads,
 * weights and optimizer state are broadcast; metrics.jsonl is cut back to the checkpoint's length (to nothing when
 * there is none: *found = false). state holds this run's terms, data_hash and parent_hash on entry; one that differs
 * from the checkpoint's is WR_E_MISMATCH naming the run. A damaged file of the checkpoint is WR_E_FORMAT naming it.
 * state->extra is replaced. */
wr_status checkpoint_load(world *w, run_dir *r, model *m, adamw *opt, checkpoint_state *state, bool *found);
/* COLLECTIVE: RUN/best/, the model (or the adapters) as it is now, over the one before. */
wr_status run_save_best(world *w, run_dir *r, const model *m, const checkpoint_state *state, const save_options *o);
/* COLLECTIVE: RUN/model/, Hugging Face, final. Of a model with adapters: RUN/adapter/ (PEFT), and RUN/model/ where they
 * are to be merged. That merges rank 0's m in place: a run's last act. */
wr_status run_save_model(world *w, run_dir *r, model *m, const checkpoint_state *state, const save_options *o);

#endif
