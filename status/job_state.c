#include "status/job_state.h"

#include "base/printable.h"
#include "status/program_output.h"
#include "status/run_state.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Slurm's answers are lines; between fields stands what no name or comment holds. */
#define BETWEEN "\x1f"
#define SQUEUE_FIELDS                                                                                                  \
    "%i" BETWEEN "%j" BETWEEN "%T" BETWEEN "%r" BETWEEN "%N" BETWEEN "%M" BETWEEN "%l" BETWEEN "%Z" BETWEEN            \
    "%k" BETWEEN "%o"
#define SACCT_FIELDS "JobID,JobName,State,Reason,NodeList,Elapsed,Timelimit,WorkDir,Comment,ExitCode"
#define SACCT_DELIMITER "--delimiter=\x1f" /* BETWEEN */
static const double answer_s = 20;         /* a controller that is down makes squeue try for ten seconds */

bool job_id_is(const char *word) {
    const size_t digits = strspn(word, "0123456789");
    if (!digits || digits > 18) return false;
    if (!word[digits]) return true;
    const size_t task = strspn(word + digits + 1, "0123456789");
    return word[digits] == '_' && task && !word[digits + 1 + task];
}

/* One field; Slurm has several words for nothing. */
static const char *take_field(const char *at, char *out, size_t cap) {
    static const char *const nothing[] = {"(null)", "None", "N/A", "None assigned", "Unknown"};
    const size_t n = strcspn(at, BETWEEN "\n");
    snprintf(out, cap, "%.*s", (int)(n < cap ? n : cap - 1), at);
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        if (strcmp(out, nothing[i]) == 0) out[0] = 0;
    return at[n] == BETWEEN[0] ? at + n + 1 : NULL;
}

bool job_line_take(const char *line, bool queued, job_look *j) {
    struct {
        char *text;
        size_t cap;
    } fields[] = {{j->id, JOB_TEXT},      {j->name, JOB_TEXT},
                  {j->state, JOB_TEXT},   {j->reason, JOB_TEXT},
                  {j->nodes, JOB_TEXT},   {j->used, JOB_TEXT},
                  {j->limit, JOB_TEXT},   {j->work_dir, JOB_COMMAND},
                  {j->comment, JOB_TEXT}, {queued ? j->command : j->exit_code, queued ? JOB_COMMAND : JOB_TEXT}};
    const size_t n = sizeof fields / sizeof *fields;
    j->queued = queued;
    for (size_t i = 0; i < n; i++) {
        if (!line) return false;
        line = take_field(line, fields[i].text, fields[i].cap);
    }
    return true;
}

void job_exit_code(const char *text, char out[JOB_TEXT]) {
    char *end;
    const long status = strtol(text, &end, 10);
    out[0] = 0;
    if (end == text) return;
    if (*end == ':')
        snprintf(out, JOB_TEXT, "%.*s", (int)strcspn(text, " \n"), text);
    else
        snprintf(out, JOB_TEXT, "%ld:%ld", status >> 8 & 255, status & 127);
}

/* --- the folder that it works in ---------------------------------------------------------------------------------- */

static bool within(const char *folder, const char *name, size_t n, char out[PATH_CAP]) {
    char word[PATH_CAP];
    if (!n || n >= sizeof word) return false;
    snprintf(word, sizeof word, "%.*s", (int)n, name);
    if (word[0] != '/') return folder[0] && path_join(out, folder, word) >= 0;
    memcpy(out, word, n + 1);
    return true;
}

/* Slurm writes the words of a command without quotes: the value of --out ends where the next option begins, or, where
 * arguments follow it, at the first blank. */
static bool out_of_command(const job_look *j, bool word, char out[PATH_CAP]) {
    const char *at = strstr(j->command, " --out");
    if (!at || (at[6] != ' ' && at[6] != '=')) return false;
    at += 7;
    const char *end = word ? strchr(at, ' ') : strstr(at, " --");
    return within(j->work_dir, at, end ? (size_t)(end - at) : strlen(at), out);
}

bool job_run_candidate(const job_look *j, int i, char out[PATH_CAP]) {
    const char *bare = strncmp(j->name, "wr-", 3) == 0 ? j->name + 3 : "";
    out[0] = 0;
    switch (i) {
    case 0:
        within(j->work_dir, j->comment, strlen(j->comment), out);
        return true;
    case 1:
        out_of_command(j, false, out);
        return true;
    case 2:
        out_of_command(j, true, out);
        return true;
    case 3:
        within(j->work_dir, j->name, strlen(j->name), out);
        return true;
    case 4:
        within(j->work_dir, bare, strlen(bare), out);
        return true;
    case 5:
        snprintf(out, PATH_CAP, "%s", j->work_dir);
        return true;
    default:
        return false;
    }
}

static void find_run(job_look *j) {
    char path[PATH_CAP];
    for (int i = 0; job_run_candidate(j, i, path); i++)
        if (path[0] && run_folder(path)) {
            snprintf(j->run, sizeof j->run, "%s", path);
            return;
        }
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') n++;
    return n;
}

/* What a command of Slurm complained of, on one line. */
static wr_status refused(const char *id, const char *program, const strbuf *err, int code) {
    char line[JOB_TEXT];
    printable(strbuf_str(err), err->len, line, sizeof line);
    return wr_fail(WR_E_FAILED, "job %s: %s ends with exit code %d: %s", id, program, code,
                   line[0] ? line : "without a word");
}

/* A job that ended and is still in Slurm's memory. What it does not tell stays "". */
static void ask_exit_code(const char *id, job_look *out) {
    strbuf text = {0}, err = {0};
    int code = 0;
    const char *const words[] = {"squeue", "-h", "-t", "all", "-j", id, "-O", "exit_code:20", NULL};
    if (program_output(words, answer_s, &text, &err, &code) == WR_OK && code == 0)
        job_exit_code(strbuf_str(&text), out->exit_code);
    strbuf_free(&text);
    strbuf_free(&err);
}

static bool has_ended(const char *state) {
    static const char *const going[] = {"PENDING",   "RUNNING",      "SUSPENDED",     "CONFIGURING", "COMPLETING",
                                        "REQUEUED",  "REQUEUE_HOLD", "RESIZING",      "REQUEUE_FED", "STAGE_OUT",
                                        "SIGNALING", "STOPPED",      "RESV_DEL_HOLD", "SPECIAL_EXIT"};
    for (size_t i = 0; i < sizeof going / sizeof *going; i++)
        if (strcmp(state, going[i]) == 0) return false;
    return true;
}

/* WR_END: it is gone from the queue. */
static wr_status ask_queue(const char *id, job_look *out) {
    wr_status status = WR_OK;
    strbuf text = {0}, err = {0};
    int code = 0;
    const char *const words[] = {"squeue", "-h", "-t", "all", "-j", id, "-o", SQUEUE_FIELDS, NULL};
    const wr_status ran = program_output(words, answer_s, &text, &err, &code);
    TRY(wr_context(ran, "job %s", id));
    if (ran == WR_END)
        TRY(wr_fail(WR_E_FAILED,
                    "job %s: there is no squeue here; ask on a host of the cluster, or give the folder "
                    "of the run",
                    id));
    if (code != 0 && !strstr(strbuf_str(&err), "Invalid job id")) TRY(refused(id, "squeue", &err, code));
    status = code == 0 && job_line_take(strbuf_str(&text), true, out) ? WR_OK : WR_END;
    out->tasks = count_lines(strbuf_str(&text));
    if (status == WR_OK && has_ended(out->state)) ask_exit_code(id, out);
cleanup:
    strbuf_free(&text);
    strbuf_free(&err);
    return status;
}

static wr_status ask_accounting(const char *id, job_look *out) {
    wr_status status = WR_OK;
    strbuf text = {0}, err = {0};
    int code = 0;
    const char *const words[] = {"sacct", "-n", "-X", "-P", SACCT_DELIMITER, "-j", id, "-o", SACCT_FIELDS, NULL};
    const wr_status ran = program_output(words, answer_s, &text, &err, &code);
    TRY(wr_context(ran, "job %s", id));
    if (ran == WR_END)
        TRY(wr_fail(WR_E_FAILED,
                    "job %s: gone from the queue; there is no sacct here to ask; look at its log, or give "
                    "the folder of its run",
                    id));
    if (code != 0 && strstr(strbuf_str(&err), "accounting storage is disabled"))
        TRY(wr_fail(WR_E_FAILED,
                    "job %s: gone from the queue; accounting is off: look at its log, or give the folder "
                    "of its run",
                    id));
    if (code != 0) TRY(refused(id, "sacct", &err, code));
    *out = (job_look){.tasks = count_lines(strbuf_str(&text))};
    if (!job_line_take(strbuf_str(&text), false, out))
        TRY(wr_fail(WR_E_USAGE, "job %s: there is no such job; squeue --me lists yours", id));
cleanup:
    strbuf_free(&text);
    strbuf_free(&err);
    return status;
}

wr_status job_look_at(const char *id, job_look *out) {
    *out = (job_look){0};
    wr_status status = ask_queue(id, out);
    if (status == WR_END) status = ask_accounting(id, out);
    if (status >= 0) find_run(out);
    return status;
}
