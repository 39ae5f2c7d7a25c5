/* What Slurm tells of a job: squeue, and of one that has left the queue, sacct. LOCAL. */
#ifndef WR_STATUS_JOB_STATE_H
#define WR_STATUS_JOB_STATE_H

#include "base/file.h"
#include "status/notes.h"

#include <stdbool.h>

enum { JOB_TEXT = 512, JOB_COMMAND = 2048 };
typedef struct job_look { /* texts as Slurm writes them, "" where it says nothing */
    char id[JOB_TEXT], name[JOB_TEXT], state[JOB_TEXT], reason[JOB_TEXT], nodes[JOB_TEXT], used[JOB_TEXT],
        limit[JOB_TEXT], exit_code[JOB_TEXT], work_dir[JOB_COMMAND], comment[JOB_TEXT], command[JOB_COMMAND];
    bool queued;        /* squeue knows it; else sacct does */
    size_t tasks;       /* of a job array: lines that Slurm wrote; this is of the first */
    char run[PATH_CAP]; /* the folder of a run that it works in; "": none is found */
} job_look;

/* Digits, maybe with _ and digits behind: a job, or one task of an array. */
bool job_id_is(const char *word);
/* WR_E_USAGE: there is no such job; WR_E_FAILED: Slurm does not tell. The message says what to do. */
wr_status job_look_at(const char *id, job_look *out);
/* From a line of squeue or sacct, with the fields of job_look in the order that job_look_at asks for. False: too few
 * fields. */
bool job_line_take(const char *line, bool queued, job_look *out);
/* "768", as squeue has it, as "3:0", code and signal. */
void job_exit_code(const char *text, char out[JOB_TEXT]);
/* Candidates for the run's folder, best first: what the comment names, --out of the command, the job's name (also
 * without pipeline.sh's "wr-") in the working folder, that itself. False: no i-th one. */
bool job_run_candidate(const job_look *j, int i, char out[PATH_CAP]);

#endif
