/* A sub-command: its options, whether it needs MPI, and its function. One file each: cli/cmd_NAME.c;
 * cli/command.c lists them. */
#ifndef WR_CLI_COMMAND_H
#define WR_CLI_COMMAND_H

#include "base/options.h"
#include "mpi/world.h"

typedef struct command {
    const char *name;           /* "train" */
    const char *variant;        /* second word ("lm", "reward", "online") or NULL */
    const char *usage;          /* "train lm --data DIR (--model DIR | --new SPEC) --out RUN …" */
    const char *summary;        /* one line */
    const option_group *groups; /* its options, in the order of --help; ends with {0} */
    /* run gets a world (COLLECTIVE); else world is NULL and under mpirun rank 0 alone runs it, the others wait */
    bool needs_world;
    wr_status (*run)(const options *o, world *w);
    wr_status (*resolve)(options *o); /* NULL, or fills in defaults that depend on other options, before run */
    bool no_positionals;              /* main refuses arguments that are no options */
    const char *goes_on;              /* NULL, or how work that ended half-way goes on: for messages */
    bool reads_sources;               /* its arguments are source files of prepare */
} command;

#define GOES_ON_RESUME "the same command with --resume goes on behind the last checkpoint"

/* Exit code of a status: OK 0, USAGE 2, INTERRUPTED 75, else 1. */
int exit_code(wr_status s);

extern const command cmd_doctor, cmd_synth, cmd_prepare, cmd_inspect, cmd_train_lm, cmd_train_reward, cmd_evaluate,
    cmd_score, cmd_logprobs, cmd_tokenize, cmd_sample, cmd_dpo_online, cmd_merge, cmd_report, cmd_bench, cmd_agree,
    cmd_export, cmd_pairs, cmd_study_users, cmd_status;

enum { COMMAND_COUNT = 20 };
extern const command *const commands[COMMAND_COUNT]; /* all, in the order of the help */

#endif
