/* The end of a prepare job: users.jsonl.zst, template.txt, meta.json, the printed table, and the move to the final
 * name. */
#include "data/prepare_job.h"

#include "base/hash.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static wr_status write_users(prepare_job *job) {
    wr_status status = WR_OK;
    outstream *out = NULL;
    strbuf line = {0};
    char path[PATH_CAP];
    TRY(path_join(path, job->tmp, "users.jsonl.zst"));
    TRY(outstream_create(path, &out));
    for (size_t i = 0; i < job->n_users; i++) {
        const split_user *u = &job->users[i];
        strbuf_clear(&line);
        json_writer w = json_writer_make(&line);
        json_begin_object(&w);
        json_key(&w, "user"), json_string(&w, u->name);
        json_key(&w, "split"), json_string(&w, u->test ? "test" : "train");
        json_key(&w, "turns"), json_int(&w, (int64_t)job->user_turns[i]);
        json_key(&w, "instances"), json_int(&w, (int64_t)u->instances);
        json_end_object(&w);
        TRY(outstream_line(out, &line));
    }
    TRY(outstream_commit(&out));
cleanup:
    outstream_discard(out);
    strbuf_free(&line);
    return status;
}

static void put_options(const prepare_options *o, json_writer *w) {
    json_begin_object(w);
    json_key(w, "format"), json_string(w, o->format);
    json_key(w, "seed"), json_int(w, (int64_t)o->seed);
    json_key(w, "user_key"), json_string(w, o->user_key_header ? "ip+header" : "ip");
    json_key(w, "test_instances"), json_int(w, o->test_instances);
    json_key(w, "max_length"), json_int(w, (int64_t)o->max_length);
    json_key(w, "shard_records"), json_int(w, (int64_t)o->shard_records);
    json_key(w, "min_reply_words"), json_int(w, (int64_t)o->min_reply_words);
    json_key(w, "min_query_words"), json_int(w, (int64_t)o->min_query_words);
    json_end_object(w);
}

/* Names and hashes of all files written so far, so that a later reader can tell one prepared set from another. */
static wr_status put_files(const char *dir, json_writer *w) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP], hash[HASH_HEX];
    size_t n = 0;
    TRY(dir_list(dir, "", "", &names, &n));
    json_begin_object(w);
    for (size_t i = 0; i < n; i++) {
        TRY(path_join(path, dir, names[i]));
        TRY(hash_file_hex(path, hash));
        json_key(w, names[i]);
        json_string(w, hash);
    }
    json_end_object(w);
cleanup:
    names_free(names, n);
    return status;
}

static wr_status write_meta(prepare_job *job) {
    wr_status status = WR_OK;
    strbuf text = {0};
    char path[PATH_CAP];
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    json_key(&w, "version"), json_int(&w, 1);
    json_key(&w, "classes"), json_int(&w, job->classes);
    json_key(&w, "tokenizer_hash"), json_string(&w, job->tok ? tokenizer_hash(job->tok) : "");
    json_key(&w, "vocab_size"), json_int(&w, job->tok ? (int64_t)tokenizer_vocab(job->tok) : 0);
    json_key(&w, "template_hash"), json_string(&w, reward_template_hash(job->template));
    json_key(&w, "options"), put_options(job->o, &w);
    if (job->extra.len) {
        strbuf_putc(&text, ',');
        strbuf_append(&text, job->extra.data, job->extra.len);
    }
    json_key(&w, "funnel"), funnel_json(&job->funnel, &w);
    json_key(&w, "files");
    TRY(put_files(job->tmp, &w));
    json_end_object(&w);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(path_join(path, job->tmp, "meta.json"));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status job_commit(prepare_job *job) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    const char *text = reward_template_text(job->template);
    if (unlink(job->spill) != 0) TRY(wr_fail(WR_E_IO, "%s: cannot be removed", job->spill));
    TRY(write_users(job));
    TRY(path_join(path, job->tmp, "template.txt"));
    TRY(file_write_atomic(path, text, strlen(text)));
    TRY(write_meta(job));
    TRY(job_stopped());
    TRY(dir_commit(job->tmp, job->o->out_dir));
    job->made_tmp = false;
    log_info("%s:", job->o->out_dir);
    funnel_print(&job->funnel);
cleanup:
    return status;
}
