/* prepare: opens what all of it needs, lets the format do its work in OUT.partial, and gives the result its name. */
#include "data/prepare/prepare.h"

#include "base/log.h"
#include "base/stream.h"
#include "data/prepare/pipeline.h"
#include "data/prepare/prepare_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPOOL_BYTES = 256 << 10 };

typedef struct job {
    prepare_context c;
    prepare_tools tools;
    prepare_account account;
    bool ours;     /* what is in OUT.partial belongs to this job, which may remove it */
    bool complete; /* the result has its name */
    bool nothing;  /* no row was usable: nothing to keep for another run */
} job;

/* --- standard input: a stream that cannot be read twice nor by several ranks is copied first --- */

/* Byte by byte, for a field of CSV may hold any kind of line end; members one behind the other, each from a line's
 * beginning and without a mark of its byte order. */
static wr_status spool_member(instream *in, outstream *out, bool first, uint64_t *bytes, progress *shown) {
    wr_status status = WR_OK;
    char *text = NULL, last = '\n';
    size_t have = 0, n, marks = 0;
    TRY_ALLOC(text = mem_realloc(NULL, SPOOL_BYTES, 1));
    for (bool begun = false, ended = false; !ended;) {
        const wr_status got = instream_read(in, text + have, SPOOL_BYTES - have, &n);
        TRY(got);
        ended = got == WR_END;
        have += ended ? 0 : n;
        if (!begun && !ended && have < 3) continue;
        marks = !begun && !first && have >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        begun = true;
        if (have > marks) last = text[have - 1];
        TRY(outstream_write(out, text + marks, have - marks));
        *bytes += have - marks;
        have = 0;
        progress_update(shown, *bytes >> 20, NULL);
        if (world_stop_requested())
            TRY(wr_fail(WR_E_INTERRUPTED,
                        "stopped by a signal while standard input was read: it has to be given again"));
    }
    if (last != '\n') TRY(outstream_write(out, "\n", 1));
cleanup:
    free(text);
    return status;
}

static wr_status spool(const char *path) {
    wr_status status = WR_OK;
    instream *in = NULL;
    outstream *out = NULL;
    uint64_t bytes = 0;
    progress *shown = progress_create("prepare: copying standard input", "MiB", 0);
    TRY(instream_open("-", &in));
    TRY(outstream_create(path, &out));
    for (bool first = true;; first = false) {
        const wr_status got = instream_member(in);
        TRY(got);
        if (got == WR_END) break;
        TRY(spool_member(in, out, first, &bytes, shown));
    }
    TRY(outstream_commit(&out));
cleanup:
    progress_finish(shown);
    outstream_discard(out);
    instream_close(in);
    return status;
}

static wr_status open_sources(const prepare_context *c, prepare_tools *t) {
    wr_status status = WR_OK;
    const prepare_options *o = c->o;
    char path[PATH_CAP];
    bool standard = false;
    const char **paths = mem_calloc(o->n_sources, sizeof *paths);
    TRY_ALLOC(paths);
    TRY(path_join(path, c->dir.partial, "stdin.jsonl.zst"));
    for (size_t i = 0; i < o->n_sources; i++) {
        bool is_standard = strcmp(o->sources[i], "-") == 0;
        paths[i] = is_standard ? path : o->sources[i];
        standard = standard || is_standard;
    }
    if (standard && c->root && !file_exists(path)) status = spool(path);
    TRY(standard ? prepare_agree(c, status) : WR_OK);
    const source_options s = {.user_key_header = o->user_key_header,
                              .drop_toxic = o->drop_toxic,
                              .drop_redacted = o->drop_redacted,
                              .fields = o->fields,
                              .shown = t->chat && !o->no_chats ? chat_template_names(t->chat) : NULL,
                              .block_bytes = o->block_bytes,
                              .csv = rated_format_of(o->format) != NULL};
    TRY(sources_open(paths, o->n_sources, &s, &t->sources));
cleanup:
    free(paths);
    return status;
}

/* Rank 0: the folder is ours, and what is in it belongs to this job. */
static wr_status enter_dir(job *j, bool *finished) {
    wr_status status = WR_OK;
    prepare_context *c = &j->c;
    char described[PATH_CAP];
    strbuf text = {0};
    bool resumed = false, stale = false;
    TRY(prepare_dir_lock(&c->dir));
    TRY(path_join(described, c->dir.partial, "job.json"));
    j->ours = !file_exists(described); /* otherwise it is another job's until it proves to be this one's */
    TRY(prepare_dir_check(c->o, &c->dir, finished));
    TRY(prepare_describe_job(c->o, &j->tools, &text));
    TRY(prepare_dir_job(&c->dir, "job.json", text.data, c->o->usual_terms, c->o->overwrite, &resumed, &stale));
    j->ours = true;
    if (stale) {
        TRY(prepare_dir_clear(&c->dir));
        TRY(prepare_dir_check(c->o, &c->dir, finished));
        TRY(prepare_dir_job(&c->dir, "job.json", text.data, c->o->usual_terms, false, &resumed, &stale));
        resumed = false;
    }
    TRY(dir_make(c->dir.work));
    if (resumed && !*finished) log_info("prepare: going on with the unfinished work in %s", c->dir.partial);
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status check_sources(const prepare_context *c, const sources *s) {
    wr_status status = WR_OK;
    strbuf text = {0};
    bool resumed = false, stale = false;
    TRY(prepare_describe_sources(s, &text));
    TRY(prepare_dir_job(&c->dir, "sources.json", text.data, NULL, c->o->overwrite, &resumed, &stale));
    if (stale) { /* the copy of standard input stays: it cannot be had again */
        char path[PATH_CAP];
        TRY(dir_remove_tree(c->dir.work));
        TRY(path_join(path, c->dir.partial, "sources.json"));
        TRY(dir_remove_tree(path));
        TRY(prepare_dir_job(&c->dir, "sources.json", text.data, NULL, false, &resumed, &stale));
    }
cleanup:
    strbuf_free(&text);
    return status;
}

/* Rank 0: the result gets its name. */
static wr_status finish(job *j) {
    wr_status status = WR_OK;
    TRY(prepare_dir_commit(&j->c.dir));
    j->complete = true;
    log_info("%s:", j->c.dir.out);
    funnel_print(&j->account.funnel);
cleanup:
    return status;
}

static const char *note_of(const funnel *f, const char *stage, const char *name) {
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->lines[i].stage, stage) == 0 && strcmp(f->lines[i].name, name) == 0)
            return f->lines[i].note ? f->lines[i].note : "";
    return "";
}

/* Rank 0, when the result has its name: what was bad is said once more in the error line, with the first of its
 * kind. */
static wr_status tell_bad(const prepare_context *c, const funnel *f) {
    wr_status status = WR_OK;
    uint64_t bad = 0, refused = funnel_get(f, "chats", CHATS_REFUSED);
    const char *first = NULL, *name = "", *skipped = "skipped; first: ";
    for (int i = ROW_GOOD; i < ROW_FAULTS && !c->o->skip_bad; i++) {
        const uint64_t n = row_fault_bad((row_fault)i) ? funnel_get(f, "rows", row_fault_name((row_fault)i)) : 0;
        if (n && !first) first = note_of(f, "rows", name = row_fault_name((row_fault)i));
        bad += n;
    }
    if (first && strncmp(first, skipped, strlen(skipped)) == 0) first += strlen(skipped);
    if (bad)
        status = wr_fail(
            WR_E_FAILED,
            "%s is complete without %llu of %llu rows, which were bad; the first: %s: %s (--skip-bad: no failure)",
            c->dir.out, (unsigned long long)bad, (unsigned long long)funnel_get(f, "rows", "read"), first, name);
    else if (refused && !c->o->skip_bad)
        status = wr_fail(WR_E_FAILED,
                         "%s is complete without %llu chats, which the chat template refuses; the first: %s "
                         "(--skip-bad: no failure)",
                         c->dir.out, (unsigned long long)refused, note_of(f, "chats", CHATS_REFUSED));
    return status;
}

static wr_status run(job *j) {
    wr_status status = WR_OK;
    prepare_context *c = &j->c;
    prepare_tools *t = &j->tools;
    bool finished = false;
    status = prepare_dir_name(c->o->out_dir, &c->dir);
    if (status >= 0) status = prepare_tools_open(c->o, c->root, t);
    TRY(prepare_agree(c, status));
    if (c->root) status = enter_dir(j, &finished);
    TRY(prepare_agree(c, status));
    if (c->w) finished = world_any(c->w, finished);
    if (finished) {
        if (c->root) log_info("%s: was finished already", c->dir.out);
        goto cleanup;
    }
    TRY(prepare_agree(c, open_sources(c, t)));
    if (c->root) status = check_sources(c, t->sources);
    TRY(prepare_agree(c, status));
    if (strcmp(c->o->format, "wildchat") == 0)
        TRY(prepare_wildchat(c, t, &j->account, &j->nothing));
    else
        TRY(prepare_agree(c, c->root ? prepare_labelled(c, t, &j->account, &j->nothing) : WR_OK));
    TRY(prepare_agree(c, c->root ? finish(j) : WR_OK));
    TRY(prepare_agree(c, c->root ? tell_bad(c, &j->account.funnel) : WR_OK));
cleanup:
    return status;
}

/* Is there anything that another run could go on with? */
static bool worth_keeping(const job *j) {
    const prepare_context *c = &j->c;
    char path[PATH_CAP], **names = NULL;
    size_t n = 0;
    if (j->nothing || rated_format_of(c->o->format)) return false;
    if (path_join(path, c->dir.partial, "stdin.jsonl.zst") >= 0 && file_exists(path)) return true;
    if (!dir_exists(c->dir.work) || dir_list(c->dir.work, "0", ".read", &names, &n) < 0) return false;
    names_free(names, n);
    return n > 0;
}

wr_status prepare_run(const prepare_options *o, world *w) {
    job j = {.c = {.o = o, .w = w && world_size(w) > 1 ? w : NULL, .root = !w || world_rank(w) == 0}};
    wr_status status = run(&j);
    if (j.c.root && j.c.dir.lock) {
        const bool go_on = j.ours && status < 0 && !j.complete && worth_keeping(&j);
        if (go_on) log_info("prepare: what is done is kept in %s; run the same command to continue", j.c.dir.partial);
        prepare_dir_close(&j.c.dir, go_on || !j.ours);
    }
    prepare_tools_close(&j.tools);
    funnel_free(&j.account.funnel);
    strbuf_free(&j.account.extra);
    return status;
}
