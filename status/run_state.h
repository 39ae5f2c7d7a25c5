/* What the folder of a run tells: who works in it, how far it is, what it lacks. Reads little, writes nothing, takes no
 * lock. LOCAL. */
#ifndef WR_STATUS_RUN_STATE_H
#define WR_STATUS_RUN_STATE_H

#include "base/folder_holder.h"
#include "status/metrics_tail.h"
#include "status/notes.h"

typedef enum run_state { RUN_EMPTY, RUN_RUNNING, RUN_FINISHED, RUN_STOPPED, RUN_TAKEN_FOR_DEAD } run_state;
const char *run_state_name(run_state s); /* "taken for dead" */

/* What the state follows from. */
typedef struct run_facts {
    holder_state holder;
    bool begun;          /* a config, a metric or a checkpoint is there */
    bool model;          /* RUN/model (or what stands for it) is there, … */
    bool model_is_last;  /* … no older than the newest checkpoint */
    bool may_end_early;  /* --patience */
    int64_t step, steps; /* steps: 0 where it is not known */
} run_facts;
run_state run_state_of(const run_facts *f);

typedef struct run_look {
    run_state state;
    const char *command; /* "train lm"; NULL: not told */
    int64_t step, steps; /* steps: 0 where it is not known */
    metrics_tail tail;
    double left_s;           /* of a run that runs; else NAN */
    int64_t checkpoint;      /* the newest whole one; -1: none */
    double checkpoint_age_s; /* NAN: none */
    holder_state holder;
    folder_holder who; /* named: also of one that has ended */
    bool quiet;        /* said to be running, without a new line for long */
    notes notes;       /* what a person should be told besides */
} run_look;

/* Is there any of what a run leaves? LOCAL. */
bool run_folder(const char *path);
/* WR_E_USAGE: no folder of a run, or none at all; WR_E_IO: a file of it cannot be read. The message says what to do. */
wr_status run_look_at(const char *path, run_look *out);

#endif
