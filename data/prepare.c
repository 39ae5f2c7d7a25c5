/* prepare: begins a job, lets the format fill it, commits it. */
#include "data/prepare_job.h"

#include "base/log.h"
#include "mpi/world.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

wr_status job_stopped(void) {
    return world_stop_requested() ? wr_fail(WR_E_INTERRUPTED, "prepare was stopped; nothing was written") : WR_OK;
}

static wr_status add_source(prepare_job *job, size_t *capacity, const char *path) {
    wr_status status = WR_OK;
    char *copy = mem_strdup(path);
    TRY_ALLOC(copy);
    TRY(mem_reserve((void **)&job->sources, capacity, job->n_sources + 1, sizeof *job->sources));
    job->sources[job->n_sources++] = copy;
    copy = NULL;
cleanup:
    free(copy);
    return status;
}

static bool is_chat_file(const char *name) {
    static const char *const parts[] = {".json", ".tar", ".tgz", ".zip", ".7z", NULL};
    for (size_t i = 0; parts[i]; i++) {
        if (strstr(name, parts[i]) && name[0] != '.') return true;
    }
    return false;
}

static wr_status add_folder(prepare_job *job, size_t *capacity, const char *dir) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP];
    size_t n = 0, before = job->n_sources;
    TRY(dir_list(dir, "", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        TRY(path_join(path, dir, names[i]));
        if (is_chat_file(names[i]) && !dir_exists(path)) TRY(add_source(job, capacity, path));
    }
    if (job->n_sources == before) TRY(wr_fail(WR_E_IO, "%s: no .jsonl, .json, .tar or .zip file in this folder", dir));
cleanup:
    names_free(names, n);
    return status;
}

/* Files as they are, folders as their chat files in name order, patterns as the shell would. */
static wr_status expand_sources(prepare_job *job) {
    wr_status status = WR_OK;
    size_t capacity = 0;
    glob_t found = {0};
    if (!job->o->n_sources)
        return wr_fail(WR_E_USAGE, "prepare needs at least one source: wildreward prepare SRC… --out DIR");
    for (size_t i = 0; i < job->o->n_sources; i++) {
        const char *s = job->o->sources[i];
        if (dir_exists(s)) {
            TRY(add_folder(job, &capacity, s));
        } else if (strcmp(s, "-") == 0 || file_exists(s)) {
            TRY(add_source(job, &capacity, s));
        } else {
            globfree(&found);
            found = (glob_t){0};
            if (glob(s, 0, NULL, &found) != 0) TRY(wr_fail(WR_E_IO, "%s: no such file, folder or pattern", s));
            for (size_t k = 0; k < found.gl_pathc; k++) TRY(add_source(job, &capacity, found.gl_pathv[k]));
        }
    }
cleanup:
    globfree(&found);
    return status;
}

static wr_status load_excluded(prepare_job *job) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n;
    if (!job->o->exclude_users) return WR_OK;
    TRY(instream_open(job->o->exclude_users, &in));
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        string_entry *slot;
        int fresh;
        if (!n) continue;
        char *name = arena_strndup(job->names, line, n);
        TRY_ALLOC(name);
        TRY(string_map_put(&job->user_ids, name, n, -1, &slot, &fresh));
    }
cleanup:
    instream_close(in);
    return status;
}

/* A folder that holds anything but an earlier result is never replaced. */
static wr_status check_out(const prepare_options *o) {
    wr_status status = WR_OK;
    char path[PATH_CAP], **names = NULL;
    size_t n = 0;
    if (file_exists(o->out_dir) && !dir_exists(o->out_dir))
        return wr_fail(WR_E_IO, "%s: is a file, not a folder", o->out_dir);
    if (!dir_exists(o->out_dir)) return WR_OK;
    TRY(dir_list(o->out_dir, "", "", &names, &n));
    if (n == 0) goto cleanup;
    TRY(path_join(path, o->out_dir, "meta.json"));
    if (!file_exists(path))
        TRY(wr_fail(WR_E_USAGE, "%s: not empty and not a prepared folder; choose another --out", o->out_dir));
    if (!o->overwrite)
        TRY(wr_fail(WR_E_USAGE, "%s: holds a prepared set already; choose another --out, or give --overwrite",
                    o->out_dir));
cleanup:
    names_free(names, n);
    return status;
}

wr_status job_begin(const prepare_options *o, prepare_job *job) {
    wr_status status = WR_OK;
    *job = (prepare_job){.o = o};
    size_t length = strlen(o->out_dir);
    while (length > 1 && o->out_dir[length - 1] == '/') length--;
    if (length + 16 > PATH_CAP) return wr_fail(WR_E_USAGE, "--out is too long");
    TRY_ALLOC(job->names = arena_create());
    TRY(check_out(o));
    TRY(expand_sources(job));
    TRY(load_excluded(job));
    TRY(reward_template_load(o->template_file, &job->template));
    if (o->tokenizer && !o->no_tokens) {
        TRY(tokenizer_load(o->tokenizer, &job->tok));
        if (chat_template_load(tokenizer_dir(job->tok), NULL, job->tok, &job->chat) < 0) {
            log_warn("no chats shards: %s", wr_error());
            job->chat = NULL;
        }
    }
    memcpy(job->tmp, o->out_dir, length);
    memcpy(job->tmp + length, ".partial", sizeof ".partial");
    TRY(dir_remove_tree(job->tmp)); /* what a killed run left */
    TRY(dir_make(job->tmp));
    job->made_tmp = true;
    TRY(path_join(job->spill, job->tmp, "spill.jsonl.zst"));
    TRY(outstream_create(job->spill, &job->spill_out));
cleanup:
    return status;
}

void job_end(prepare_job *job) {
    outstream_discard(job->spill_out);
    if (job->made_tmp) dir_remove_tree(job->tmp);
    names_free(job->sources, job->n_sources);
    funnel_free(&job->funnel);
    string_map_free(&job->user_ids);
    string_map_free(&job->seen);
    arena_free(job->names);
    free(job->users);
    free(job->user_turns);
    chat_template_free(job->chat);
    tokenizer_free(job->tok);
    reward_template_free(job->template);
    strbuf_free(&job->extra);
}

wr_status prepare_run(const prepare_options *o) {
    wr_status status = WR_OK;
    prepare_job job;
    if (strcmp(o->format, "wildchat") != 0 && strcmp(o->format, "labelled") != 0) {
        return wr_fail(WR_E_USAGE, "--format %s: must be wildchat or labelled", o->format);
    }
    TRY(job_begin(o, &job));
    if (strcmp(o->format, "labelled") == 0)
        TRY(prepare_labelled(&job));
    else
        TRY(prepare_wildchat(&job));
    TRY(job_commit(&job));
cleanup:
    job_end(&job);
    return status;
}
