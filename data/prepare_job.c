/* Reading sources and spill, users, tokenizer and shard files of a prepare job. */
#include "data/prepare_job.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { POLL_LINES = 64 };

static wr_status each_line(instream *in, const char *path, progress *p, uint64_t *lines, job_line_fn fn,
                           void *context) {
    wr_status status = WR_OK;
    const char *line;
    size_t n;
    char where[PATH_CAP + 32];
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        snprintf(where, sizeof where, "%s:%zu", path ? instream_name(in) : "spill", instream_line_number(in));
        TRY(fn(context, line, n, where));
        if (++*lines % POLL_LINES == 0) {
            progress_update(p, *lines, NULL);
            TRY(job_stopped());
        }
    }
cleanup:
    return status;
}

wr_status job_read_sources(prepare_job *job, job_line_fn fn, void *context) {
    wr_status status = WR_OK;
    instream *in = NULL;
    uint64_t lines = 0;
    progress *p = progress_create("prepare: reading", "rows", 0);
    for (size_t i = 0; i < job->n_sources; i++) {
        TRY(instream_open(job->sources[i], &in));
        TRY(each_line(in, job->sources[i], p, &lines, fn, context));
        instream_close(in);
        in = NULL;
    }
    progress_update(p, lines, NULL);
    TRY(job_stopped());
cleanup:
    progress_finish(p);
    instream_close(in);
    return status;
}

wr_status job_each_spilled(prepare_job *job, const char *what, job_line_fn fn, void *context) {
    wr_status status = WR_OK;
    instream *in = NULL;
    uint64_t lines = 0;
    char title[64];
    snprintf(title, sizeof title, "prepare: %s", what);
    progress *p = progress_create(title, "rows", funnel_get(&job->funnel, "rows", "good"));
    TRY(instream_open(job->spill, &in));
    TRY(each_line(in, NULL, p, &lines, fn, context));
    progress_update(p, lines, NULL);
cleanup:
    progress_finish(p);
    instream_close(in);
    return status;
}

wr_status job_fault(prepare_job *job, const char *name, const char *where) {
    wr_status status = WR_OK;
    char note[PATH_CAP + 64];
    snprintf(note, sizeof note, "skipped; first: %s", where);
    TRY(funnel_count(&job->funnel, "rows", name, 1));
    TRY(funnel_note(&job->funnel, "rows", name, note));
cleanup:
    return status;
}

wr_status job_spill(prepare_job *job, const strbuf *line) {
    wr_status status = strbuf_status(line);
    return status < 0 ? status : outstream_line(job->spill_out, line);
}

wr_status job_spill_done(prepare_job *job) { return outstream_commit(&job->spill_out); }

bool job_excluded(const prepare_job *job, const char *name) {
    const string_entry *e = string_map_find(&job->user_ids, name, strlen(name));
    return e && e->value < 0;
}

wr_status job_user(prepare_job *job, const char *name, uint32_t *index) {
    wr_status status = WR_OK;
    string_entry *slot;
    int fresh;
    size_t n = strlen(name);
    const string_entry *known = string_map_find(&job->user_ids, name, n);
    if (known) {
        *index = (uint32_t)known->value;
        return WR_OK;
    }
    char *copy = arena_strndup(job->names, name, n);
    TRY_ALLOC(copy);
    TRY(mem_reserve((void **)&job->user_turns, &job->turns_capacity, job->n_users + 1, sizeof *job->user_turns));
    job->user_turns[job->n_users] = 0;
    VEC_PUSH(job->users, job->n_users, job->user_capacity, ((split_user){.name = copy}));
    *index = (uint32_t)(job->n_users - 1);
    TRY(string_map_put(&job->user_ids, copy, n, (int32_t)*index, &slot, &fresh));
cleanup:
    return status;
}

wr_status job_seen(prepare_job *job, const char *id, bool *seen) {
    wr_status status = WR_OK;
    string_entry *slot;
    int fresh = 0;
    size_t n = strlen(id);
    *seen = string_map_find(&job->seen, id, n) != NULL;
    if (*seen) return WR_OK;
    char *copy = arena_strndup(job->names, id, n);
    TRY_ALLOC(copy);
    TRY(string_map_put(&job->seen, copy, n, 1, &slot, &fresh));
cleanup:
    return status;
}

wr_status job_split(prepare_job *job, uint64_t instances) {
    uint64_t tenth = instances / 10;
    job->test_target = job->o->test_instances >= 0 ? (uint64_t)job->o->test_instances : tenth < 5000 ? tenth : 5000;
    return split_users(job->users, job->n_users, job->o->seed, job->test_target, &job->test_instances);
}

/* --- tokenizer
 * -------------------------------------------------------------------------------------------------------- */

wr_status job_trainer(prepare_job *job, bpe_trainer **out) {
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    *out = NULL;
    if (job->tok || job->o->no_tokens) return WR_OK;
    return bpe_trainer_create(job->o->vocab_size, special, out);
}

static wr_status copy_beside(prepare_job *job, const char *dir, const char *name) {
    char from[PATH_CAP], to[PATH_CAP];
    wr_status status = path_join(from, dir, name);
    if (status >= 0) status = path_join(to, job->tmp, name);
    if (status < 0 || !file_exists(from)) return status;
    return file_copy(from, to);
}

wr_status job_tokenizer_ready(prepare_job *job, bpe_trainer *trainer) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    if (trainer) {
        TRY(bpe_trainer_finish(trainer, job->tmp));
        TRY(tokenizer_load(job->tmp, &job->tok));
        TRY(chat_template_load(job->tmp, NULL, job->tok, &job->chat));
    } else if (job->tok) {
        const char *dir = tokenizer_dir(job->tok);
        TRY(copy_beside(job, dir, "tokenizer_config.json"));
        TRY(copy_beside(job, dir, "special_tokens_map.json"));
        TRY(copy_beside(job, dir, "chat_template.jinja"));
        if (dir_exists(job->o->tokenizer)) {
            TRY(copy_beside(job, dir, "tokenizer.json"));
        } else {
            TRY(path_join(path, job->tmp, "tokenizer.json"));
            TRY(file_copy(job->o->tokenizer, path));
        }
    }
cleanup:
    bpe_trainer_free(trainer);
    return status;
}

/* --- shards
 * ----------------------------------------------------------------------------------------------------------- */

static wr_status open_file(prepare_job *job, shard_set *s) {
    wr_status status = WR_OK;
    char name[128], path[PATH_CAP];
    shard_meta meta = {.kind = s->kind, .classes = s->kind == SHARD_REWARD ? job->classes : 0};
    if (job->tok) snprintf(meta.tokenizer_hash, sizeof meta.tokenizer_hash, "%s", tokenizer_hash(job->tok));
    if (s->kind == SHARD_REWARD)
        snprintf(meta.template_hash, sizeof meta.template_hash, "%s", reward_template_hash(job->template));
    snprintf(name, sizeof name, "%s-%05u.wrs", s->prefix, s->number++);
    TRY(path_join(path, job->tmp, name));
    TRY(shard_writer_create(path, &meta, &s->writer));
    s->in_file = 0;
cleanup:
    return status;
}

wr_status shard_set_add(prepare_job *job, shard_set *s, const instance *x, const chat_record *chat) {
    wr_status status = WR_OK;
    if (s->writer && s->in_file >= job->o->shard_records) TRY(shard_writer_commit(&s->writer));
    if (!s->writer) TRY(open_file(job, s));
    TRY(x ? shard_writer_add_instance(s->writer, x) : shard_writer_add_chat(s->writer, chat));
    s->in_file++;
    s->records++;
    s->tokens += x ? x->n_ids : chat->n_ids;
cleanup:
    return status;
}

wr_status shard_set_finish(prepare_job *job, shard_set *s) {
    wr_status status = WR_OK;
    if (!s->number) TRY(open_file(job, s));
    if (s->writer) TRY(shard_writer_commit(&s->writer));
cleanup:
    return status;
}

void shard_set_discard(shard_set *s) {
    shard_writer_discard(s->writer);
    s->writer = NULL;
}
