#include "data/prepare/prepare_result.h"

#include "base/file.h"
#include "base/hash.h"
#include "data/label/annotate/annotator.h"
#include "data/label/match/filters.h"

#include <stdio.h>
#include <string.h>

shard_set result_shards(const prepare_result *r, const char *prefix, shard_kind kind) {
    shard_set s = {.dir = r->dir, .prefix = prefix, .limit = r->o->shard_records ? r->o->shard_records : 1};
    s.meta = (shard_meta){.kind = kind, .classes = kind == SHARD_REWARD ? r->classes : 0};
    if (r->tok) snprintf(s.meta.tokenizer_hash, sizeof s.meta.tokenizer_hash, "%s", tokenizer_hash(r->tok));
    if (kind == SHARD_REWARD && r->template)
        snprintf(s.meta.template_hash, sizeof s.meta.template_hash, "%s", reward_template_hash(r->template));
    return s;
}

wr_status result_user(outstream *out, strbuf *line, const char *name, const split_user *u) {
    strbuf_clear(line);
    json_writer w = json_writer_make(line);
    json_begin_object(&w);
    json_member_string(&w, "user", name);
    json_member_string(&w, "split", u->test ? "test" : "train");
    json_member_int(&w, "turns", (int64_t)u->turns);
    json_member_int(&w, "instances", (int64_t)split_instances(u));
    json_end_object(&w);
    return outstream_line(out, line);
}

static wr_status copy_beside(const char *from_dir, const char *to_dir, const char *name) {
    char from[PATH_CAP], to[PATH_CAP];
    wr_status status = path_join(from, from_dir, name);
    if (status >= 0) status = path_join(to, to_dir, name);
    if (status < 0 || !file_exists(from)) return status;
    return file_copy(from, to);
}

wr_status result_tokenizer(const prepare_result *r, const char *from) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    const char *dir = tokenizer_dir(r->tok);
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                                        "chat_template.jinja"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) TRY(copy_beside(dir, r->dir, names[i]));
    TRY(dir_copy_part(dir, r->dir, "additional_chat_templates", ".jinja"));
    if (dir_exists(from)) return copy_beside(dir, r->dir, "tokenizer.json");
    TRY(path_join(path, r->dir, "tokenizer.json"));
    TRY(file_copy(from, path));
cleanup:
    return status;
}

static void put_options(const prepare_options *o, json_writer *w) {
    json_begin_object(w);
    json_member_string(w, "format", o->format);
    json_member_int(w, "seed", (int64_t)o->seed);
    json_member_string(w, "user_key", o->user_key_header ? "ip+header" : "ip");
    json_member_int(w, "test_instances", o->test_instances);
    json_member_int(w, "max_length", (int64_t)o->max_length);
    json_member_int(w, "shard_records", (int64_t)o->shard_records);
    json_member_int(w, "block_bytes", (int64_t)o->block_bytes);
    json_member_int(w, "min_reply_words", (int64_t)o->filters.min_reply_words);
    json_member_int(w, "min_query_words", (int64_t)o->filters.min_query_words);
    json_member_bool(w, "drop_toxic", o->drop_toxic);
    json_member_bool(w, "drop_redacted", o->drop_redacted);
    json_member_array(w, "filters_off");
    for (int f = FILTER_KEEP + 1; f < FILTERS; f++) {
        if (o->filters.off >> f & 1) json_string(w, filter_name((filter)f));
    }
    json_end_array(w);
    json_member_array(w, "annotators");
    for (size_t i = 0; i < o->n_annotators; i++) json_string(w, o->annotators[i]->name);
    json_end_array(w);
    json_end_object(w);
}

/* Names and hashes of all files written so far, so that a later reader can tell one prepared set from another: of those
 * in a folder, too ("additional_chat_templates/tool_use.jinja"). folder: "", or its name. */
static wr_status put_files(const char *dir, const char *folder, json_writer *w) {
    wr_status status = WR_OK;
    char **names = NULL, from[PATH_CAP], path[PATH_CAP], name[PATH_CAP], hash[HASH_HEX];
    size_t n = 0;
    TRY(path_join(from, dir, folder));
    TRY(dir_list(from, "", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        if (names[i][0] == '.') continue; /* half a file of a process that was killed */
        if (*folder)
            TRY(path_join(name, folder, names[i]));
        else
            snprintf(name, sizeof name, "%s", names[i]);
        TRY(path_join(path, dir, name));
        if (!*folder && dir_exists(path)) {
            TRY(put_files(dir, name, w));
            continue;
        }
        TRY(hash_file_hex(path, hash));
        json_member_string(w, name, hash);
    }
cleanup:
    names_free(names, n);
    return status;
}

wr_status result_finish(const prepare_result *r) {
    wr_status status = WR_OK;
    strbuf text = {0};
    char path[PATH_CAP];
    const char *template = r->template ? reward_template_text(r->template) : NULL;
    TRY(path_join(path, r->dir, "template.txt"));
    if (template) TRY(file_write_atomic(path, template, strlen(template)));
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    json_member_int(&w, "version", 1);
    json_member_int(&w, "classes", r->classes);
    json_member_string(&w, "tokenizer_hash", r->tok ? tokenizer_hash(r->tok) : "");
    json_member_int(&w, "vocab_size", r->tok ? (int64_t)tokenizer_vocab(r->tok) : 0);
    json_member_string(&w, "template_hash", r->template ? reward_template_hash(r->template) : "");
    json_key(&w, "options"), put_options(r->o, &w);
    if (r->extra->len) {
        strbuf_putc(&text, ',');
        strbuf_append(&text, r->extra->data, r->extra->len);
    }
    json_key(&w, "funnel"), funnel_json(r->funnel, &w);
    json_member_object(&w, "files");
    TRY(put_files(r->dir, "", &w));
    json_end_object(&w);
    json_end_object(&w);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(path_join(path, r->dir, "meta.json"));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}
