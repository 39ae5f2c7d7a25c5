#include "data/prepare/prepare_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_LINES = 64 };

static wr_status each_line(instream *in, const char *name, progress *shown, uint64_t *lines, job_line_fn fn,
                           void *context) {
    wr_status status = WR_OK;
    const char *line;
    size_t n;
    char where[PATH_CAP + 32];
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        snprintf(where, sizeof where, "%s:%zu", name ? name : instream_name(in), instream_line_number(in));
        TRY(fn(context, line, n, where));
        if (++*lines % POLL_LINES == 0) {
            progress_update(shown, *lines, NULL);
            if (world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
        }
    }
cleanup:
    return status;
}

typedef struct source_reader {
    progress *shown;
    uint64_t rows;
    table_row_fn fn;
    void *context;
} source_reader;

static wr_status give_row(void *context, const char *text, size_t n, row_fault fault, const char *where) {
    source_reader *r = context;
    if (++r->rows % POLL_LINES == 0) {
        progress_update(r->shown, r->rows, NULL);
        if (world_stop_requested()) return wr_fail(WR_E_INTERRUPTED, "stopped by a signal");
    }
    return r->fn(r->context, text, n, fault, where);
}

wr_status job_read_sources(prepare_job *job, const rated_format *f, table_row_fn fn, void *context) {
    wr_status status = WR_OK;
    source_reader r = {.shown = progress_create("prepare: reading", "rows", 0), .fn = fn, .context = context};
    for (size_t i = 0; i < sources_files(job->t->sources); i++) {
        job->source = i;
        TRY(table_rows_each(sources_path(job->t->sources, i), &f->columns, f->json_text, give_row, &r));
    }
    progress_update(r.shown, r.rows, NULL);
cleanup:
    progress_finish(r.shown);
    return status;
}

wr_status job_each_spilled(prepare_job *job, const char *what, job_line_fn fn, void *context) {
    wr_status status = WR_OK;
    instream *in = NULL;
    uint64_t lines = 0;
    char title[64];
    snprintf(title, sizeof title, "prepare: %s", what);
    progress *shown = progress_create(title, "rows", funnel_get(job->funnel, "rows", "good"));
    TRY(instream_open(job->spill, &in));
    TRY(each_line(in, "spill", shown, &lines, fn, context));
    progress_update(shown, lines, NULL);
cleanup:
    progress_finish(shown);
    instream_close(in);
    return status;
}

wr_status job_fault(prepare_job *job, const char *name, const char *where) {
    wr_status status = WR_OK;
    char note[PATH_CAP + 64];
    snprintf(note, sizeof note, "skipped; first: %s", where);
    TRY(funnel_count(job->funnel, "rows", name, 1));
    TRY(funnel_note(job->funnel, "rows", name, note));
cleanup:
    return status;
}

wr_status job_spill(prepare_job *job, const strbuf *line) {
    wr_status status = strbuf_status(line);
    return status < 0 ? status : outstream_line(job->spill_out, line);
}

wr_status job_spill_done(prepare_job *job) { return outstream_commit(&job->spill_out); }

wr_status job_user(prepare_job *job, const char *name, split_user **user) {
    wr_status status = WR_OK;
    user_table *users = &job->users;
    size_t before = users->n, n = strlen(name);
    TRY(user_table_get(users, name, n, user));
    if (users->n > before) {
        TRY(mem_reserve((void **)&job->user_names, &job->name_capacity, users->n, sizeof *job->user_names));
        TRY_ALLOC(job->user_names[before] = arena_strndup(job->t->names, name, n));
    }
cleanup:
    return status;
}

wr_status job_split(prepare_job *job, uint64_t instances) {
    const prepare_options *o = job->c->o;
    uint64_t taken;
    return split_users(job->users.users, job->users.n, o->seed, split_target(o->test_instances, instances), &taken);
}

wr_status job_users(prepare_job *job, const prepare_result *r) {
    wr_status status = WR_OK;
    outstream *out = NULL;
    strbuf line = {0};
    char path[PATH_CAP];
    TRY(path_join(path, r->dir, "users.jsonl.zst"));
    TRY(outstream_create(path, &out));
    for (size_t i = 0; i < job->users.n; i++) TRY(result_user(out, &line, job->user_names[i], &job->users.users[i]));
    TRY(outstream_commit(&out));
cleanup:
    outstream_discard(out);
    strbuf_free(&line);
    return status;
}

wr_status job_tokenizer(prepare_job *job, job_line_fn train, void *context, bpe_trainer **trainer) {
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    wr_status status = WR_OK;
    prepare_tools *t = job->t;
    if (t->tok || job->c->o->no_tokens) return WR_OK;
    TRY(bpe_trainer_create(job->c->o->vocab_size, special, trainer));
    TRY(job_each_spilled(job, "tokenizer", train, context));
    TRY(bpe_trainer_finish(*trainer, job->c->dir.result));
    TRY(tokenizer_load(job->c->dir.result, &t->tok));
cleanup:
    bpe_trainer_free(*trainer);
    *trainer = NULL;
    return status;
}
