#include "status/status_rows.h"

#include <math.h>

/* NaN is null. */
static void number_or_null(json_writer *w, const char *key, double x) { json_member_double(w, key, x); }

static void count_or_null(json_writer *w, const char *key, int64_t n, bool known) {
    if (known)
        json_member_int(w, key, n);
    else
        json_member_null(w, key);
}

static void text_or_null(json_writer *w, const char *key, const char *text) {
    json_member_string(w, key, text[0] ? text : NULL);
}

static void write_notes(json_writer *w, const notes *list) {
    json_member_array(w, "notes");
    for (size_t i = 0; i < list->n; i++) json_string(w, list->text[i]);
    json_end_array(w);
}

static void write_run(json_writer *w, const char *path, const run_look *r) {
    const bool named = r->holder != HOLDER_NONE && r->who.named;
    static const char *const states[] = {[RUN_EMPTY] = "empty",
                                         [RUN_RUNNING] = "running",
                                         [RUN_FINISHED] = "finished",
                                         [RUN_STOPPED] = "stopped",
                                         [RUN_TAKEN_FOR_DEAD] = "taken_for_dead"};
    json_member_string(w, "path", path);
    json_member_string(w, "state", states[r->state]);
    json_member_string(w, "command", r->command);
    json_member_int(w, "step", r->step);
    count_or_null(w, "steps", r->steps, r->steps > 0);
    number_or_null(w, "loss", r->tail.loss);
    number_or_null(w, "per_s", r->tail.per_s);
    json_member_string(w, "unit", r->tail.unit);
    number_or_null(w, "step_s", r->tail.step_s);
    number_or_null(w, "left_s", r->left_s);
    number_or_null(w, "line_age_s", r->tail.age_s);
    json_member_bool(w, "quiet", r->quiet);
    count_or_null(w, "checkpoint_step", r->checkpoint, r->checkpoint >= 0);
    number_or_null(w, "checkpoint_age_s", r->checkpoint_age_s);
    count_or_null(w, "pid", r->who.pid, named);
    text_or_null(w, "host", named ? r->who.host : "");
    text_or_null(w, "job", named ? r->who.job : "");
    number_or_null(w, "beat_age_s", named && r->who.every > 0 ? folder_holder_beat_age(&r->who) : NAN);
    write_notes(w, &r->notes);
}

static void write_job(json_writer *w, const status_item *x) {
    const job_look *j = &x->job;
    text_or_null(w, "id", j->id);
    text_or_null(w, "name", j->name);
    text_or_null(w, "state", j->state);
    text_or_null(w, "reason", j->reason);
    text_or_null(w, "nodes", j->nodes);
    text_or_null(w, "time_used", j->used);
    text_or_null(w, "time_limit", j->limit);
    text_or_null(w, "exit_code", j->exit_code);
    json_member_bool(w, "in_queue", j->queued);
    json_member_count(w, "tasks", j->tasks);
    json_member_string(w, "run_error", x->run_fault);
    json_key(w, "run");
    if (!x->has_run) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    write_run(w, j->run, &x->run);
    json_end_object(w);
}

void status_json(const status_item *items, size_t n, strbuf *out) {
    json_writer w = json_writer_make(out);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w);
        json_member_string(&w, "argument", items[i].argument);
        json_member_string(&w, "kind", items[i].is_job ? "job" : "run");
        json_member_string(&w, "error", items[i].error);
        if (!items[i].error && items[i].is_job) write_job(&w, &items[i]);
        if (!items[i].error && !items[i].is_job) write_run(&w, items[i].argument, &items[i].run);
        json_end_object(&w);
    }
    json_end_array(&w);
    strbuf_putc(out, '\n');
}
