/* prepare: opens what all of it needs, lets the format do its work in OUT.partial, and gives the result its name. */
#include "data/prepare/prepare.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/stream.h"
#include "data/label/annotate/answer_pattern.h"
#include "data/label/annotate/lexicon_annotator.h"
#include "data/prepare/prepare_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPOOL_BYTES = 256 << 10 };

static wr_status load_excluded(pipeline *p) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n;
    if (!p->o->exclude_users) return WR_OK;
    TRY(instream_open(p->o->exclude_users, &in));
    for (;;) {
        string_entry *slot;
        int fresh;
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        if (!n) continue;
        char *name = arena_strndup(p->names, line, n);
        TRY_ALLOC(name);
        TRY(string_map_put(&p->excluded, name, n, 1, &slot, &fresh));
    }
cleanup:
    instream_close(in);
    return status;
}

/* What can be found wrong before anything is made, and what every rank needs. */
static wr_status open_tools(pipeline *p) {
    wr_status status = WR_OK;
    const prepare_options *o = p->o;
    if (strcmp(o->format, "wildchat") != 0 && strcmp(o->format, "labelled") != 0)
        TRY(wr_fail(WR_E_USAGE, "--format %s: must be wildchat or labelled", o->format));
    if (!o->n_sources) TRY(wr_fail(WR_E_USAGE, "prepare needs at least one source: wildreward prepare SRC… --out DIR"));
    TRY(prepare_dir_name(o->out_dir, &p->dir));
    TRY_ALLOC(p->names = arena_create());
    TRY(load_excluded(p));
    TRY(reward_template_load(o->template_file, &p->template));
    if (o->tokenizer && !o->no_tokens) {
        TRY(tokenizer_load(o->tokenizer, &p->tok));
        if (chat_template_load(tokenizer_dir(p->tok), o->chat_template, p->tok, &p->chat) < 0) {
            if (p->root) log_warn("no chats shards: %s", wr_error());
            p->chat = NULL;
        }
    }
    if (strcmp(o->format, "labelled") == 0) return WR_OK;
    if (!o->n_annotators || !o->refusals) TRY(annotator_lexicon_create(NULL, o->refusal_rules, &p->own));
    p->annotators = o->n_annotators ? o->annotators : &p->own;
    p->n_annotators = o->n_annotators ? o->n_annotators : 1;
    p->judge = o->refusals ? o->refusals : p->own;
    if (p->n_annotators > PATTERN_ANNOTATORS)
        TRY(wr_fail(WR_E_USAGE, "%zu annotators: %d at most", p->n_annotators, PATTERN_ANNOTATORS));
    TRY(mining_create(o->seed, &p->mining));
    TRY(refusal_create(o->refusal_rules, &p->refusal));
    TRY(filters_create(&o->filters, &p->filters));
cleanup:
    return status;
}

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

static wr_status spool(pipeline *p, const char *path) {
    wr_status status = WR_OK;
    instream *in = NULL;
    outstream *out = NULL;
    uint64_t bytes = 0;
    progress *shown = progress_create("prepare: copying standard input", "MiB", 0);
    (void)p;
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

static wr_status open_sources(pipeline *p) {
    wr_status status = WR_OK;
    const prepare_options *o = p->o;
    char path[PATH_CAP];
    bool standard = false;
    const char **paths = mem_calloc(o->n_sources, sizeof *paths);
    TRY_ALLOC(paths);
    TRY(path_join(path, p->dir.partial, "stdin.jsonl.zst"));
    for (size_t i = 0; i < o->n_sources; i++) {
        bool is_standard = strcmp(o->sources[i], "-") == 0;
        paths[i] = is_standard ? path : o->sources[i];
        standard = standard || is_standard;
    }
    if (standard && p->root && !file_exists(path)) status = spool(p, path);
    TRY(standard ? pipeline_agree(p, status) : WR_OK);
    const source_options s = {.user_key_header = o->user_key_header,
                              .drop_toxic = o->drop_toxic,
                              .drop_redacted = o->drop_redacted,
                              .fields = o->fields,
                              .shown = p->chat && !o->no_chats ? chat_template_names(p->chat) : NULL,
                              .block_bytes = o->block_bytes,
                              .csv = strcmp(o->format, "labelled") == 0};
    TRY(sources_open(paths, o->n_sources, &s, &p->sources));
cleanup:
    free(paths);
    return status;
}

/* --- what is being made: unfinished work is continued only by the same job --- */

static void put_number(json_writer *w, const char *key, uint64_t v) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    json_key(w, key), json_string(w, text);
}

static wr_status describe_job(const pipeline *p, strbuf *out) {
    wr_status status = WR_OK;
    const prepare_options *o = p->o;
    char hash[HASH_HEX] = "", chat[HASH_HEX] = "";
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    put_number(&w, "version", 2);
    json_key(&w, "--format"), json_string(&w, o->format);
    json_key(&w, "--fields"), json_string(&w, o->fields ? o->fields : "wildchat");
    put_number(&w, "--block-kib", o->block_bytes >> 10);
    json_key(&w, "--user-key"), json_string(&w, o->user_key_header ? "ip+header" : "ip");
    put_number(&w, "--drop-toxic", o->drop_toxic);
    put_number(&w, "--drop-redacted", o->drop_redacted);
    put_number(&w, "--seed", o->seed);
    put_number(&w, "--test-instances", (uint64_t)o->test_instances);
    put_number(&w, "--classes", (uint64_t)o->classes);
    put_number(&w, "--max-length", o->max_length);
    put_number(&w, "--shard-records", o->shard_records);
    put_number(&w, "--min-reply-words", o->filters.min_reply_words);
    put_number(&w, "--min-query-words", o->filters.min_query_words);
    put_number(&w, "filters (their rules, languages, limits, and those switched off)",
               p->filters ? filters_fingerprint(p->filters) : 0);
    put_number(&w, "--refusal-rules", p->refusal ? refusal_fingerprint(p->refusal) : 0);
    put_number(&w, "--no-chats", o->no_chats);
    put_number(&w, "--vocab-size", o->no_tokens || o->tokenizer ? 0 : o->vocab_size);
    json_key(&w, "--tokenizer"), json_string(&w, o->no_tokens ? "none" : p->tok ? tokenizer_hash(p->tok) : "trained");
    if (p->chat) hash_hex(chat_template_source(p->chat), strlen(chat_template_source(p->chat)), chat);
    json_key(&w, "--chat-template"), json_string(&w, chat);
    json_key(&w, "--template"), json_string(&w, reward_template_hash(p->template));
    if (o->exclude_users) TRY(hash_file_hex(o->exclude_users, hash));
    json_key(&w, "--exclude-users"), json_string(&w, hash);
    for (size_t i = 0; i < p->n_annotators; i++) {
        char key[128];
        snprintf(key, sizeof key, "annotator %zu, %.80s", i + 1, p->annotators[i]->name);
        put_number(&w, key, p->annotators[i]->fingerprint);
    }
    put_number(&w, "number of annotators", p->n_annotators);
    put_number(&w, "--similarity", o->similarity ? o->similarity->fingerprint : 0);
    put_number(&w, "--refusals", p->judge ? p->judge->fingerprint : 0);
    char threshold[32];
    snprintf(threshold, sizeof threshold, "%.9g", o->similarity_threshold);
    json_key(&w, "--similarity-threshold"), json_string(&w, threshold);
    json_end_object(&w);
    TRY(strbuf_status(out));
cleanup:
    return status;
}

static wr_status describe_sources(const pipeline *p, strbuf *out) {
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    for (size_t i = 0; i < sources_files(p->sources); i++) {
        char key[48];
        snprintf(key, sizeof key, "source file %zu", i + 1);
        json_key(&w, key), json_string(&w, sources_path(p->sources, i));
    }
    put_number(&w, "number of source files", sources_files(p->sources));
    put_number(&w, "sizes, times and settings of the source files", sources_fingerprint(p->sources));
    json_end_object(&w);
    return strbuf_status(out);
}

/* Rank 0: the folder is ours, and what is in it belongs to this job. */
static wr_status enter_dir(pipeline *p, bool *finished) {
    wr_status status = WR_OK;
    strbuf job = {0};
    bool resumed = false, stale = false;
    TRY(prepare_dir_lock(&p->dir));
    TRY(prepare_dir_check(p->o, &p->dir, finished));
    TRY(describe_job(p, &job));
    TRY(prepare_dir_job(&p->dir, "job.json", job.data, p->o->overwrite, &resumed, &stale));
    if (stale) {
        TRY(prepare_dir_clear(&p->dir));
        TRY(prepare_dir_check(p->o, &p->dir, finished));
        TRY(prepare_dir_job(&p->dir, "job.json", job.data, false, &resumed, &stale));
        resumed = false;
    }
    TRY(dir_make(p->dir.work));
    if (resumed && !*finished) log_info("prepare: going on with the unfinished work in %s", p->dir.partial);
cleanup:
    strbuf_free(&job);
    return status;
}

static wr_status check_sources(pipeline *p) {
    wr_status status = WR_OK;
    strbuf text = {0};
    bool resumed = false, stale = false;
    TRY(describe_sources(p, &text));
    TRY(prepare_dir_job(&p->dir, "sources.json", text.data, p->o->overwrite, &resumed, &stale));
    if (stale) { /* the copy of standard input stays: it cannot be had again */
        char path[PATH_CAP];
        TRY(dir_remove_tree(p->dir.work));
        TRY(path_join(path, p->dir.partial, "sources.json"));
        TRY(dir_remove_tree(path));
        TRY(prepare_dir_job(&p->dir, "sources.json", text.data, false, &resumed, &stale));
    }
cleanup:
    strbuf_free(&text);
    return status;
}

static void pipeline_free(pipeline *p) {
    sources_close(p->sources);
    annotator_free(p->own);
    string_map_free(&p->excluded);
    arena_free(p->names);
    mining_free(p->mining);
    refusal_free(p->refusal);
    filters_free(p->filters);
    reward_template_free(p->template);
    chat_template_free(p->chat);
    tokenizer_free(p->tok);
    free(p->consensus_level);
    free(p->consensus_weight);
    free(p->test_users);
    free(p->units);
    dedupe_free(p->dedupe);
    free(p->dropped);
    user_table_free(&p->users);
    funnel_free(&p->funnel);
    strbuf_free(&p->extra);
}

/* Rank 0: the result gets its name. */
static wr_status finish(pipeline *p) {
    wr_status status = WR_OK;
    TRY(prepare_dir_commit(&p->dir));
    p->complete = true;
    log_info("%s:", p->dir.out);
    funnel_print(&p->funnel);
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
static wr_status tell_bad(const pipeline *p) {
    wr_status status = WR_OK;
    const funnel *f = &p->funnel;
    uint64_t bad = 0, refused = funnel_get(f, "chats", CHATS_REFUSED);
    const char *first = NULL, *name = "", *skipped = "skipped; first: ";
    for (int i = ROW_GOOD; i < ROW_FAULTS && !p->o->skip_bad; i++) {
        const uint64_t n = row_fault_bad((row_fault)i) ? funnel_get(f, "rows", row_fault_name((row_fault)i)) : 0;
        if (n && !first) first = note_of(f, "rows", name = row_fault_name((row_fault)i));
        bad += n;
    }
    if (first && strncmp(first, skipped, strlen(skipped)) == 0) first += strlen(skipped);
    if (bad)
        status = wr_fail(
            WR_E_FAILED,
            "%s is complete without %llu of %llu rows, which were bad; the first: %s: %s (--skip-bad: no failure)",
            p->dir.out, (unsigned long long)bad, (unsigned long long)funnel_get(f, "rows", "read"), first, name);
    else if (refused && !p->o->skip_bad)
        status = wr_fail(WR_E_FAILED,
                         "%s is complete without %llu chats, which the chat template refuses; the first: %s "
                         "(--skip-bad: no failure)",
                         p->dir.out, (unsigned long long)refused, note_of(f, "chats", CHATS_REFUSED));
    return status;
}

static wr_status run(pipeline *p) {
    wr_status status = WR_OK;
    bool finished = false;
    TRY(pipeline_agree(p, open_tools(p)));
    if (p->root) status = enter_dir(p, &finished);
    TRY(pipeline_agree(p, status));
    if (p->w) finished = world_any(p->w, finished);
    if (finished) {
        if (p->root) log_info("%s: was finished already", p->dir.out);
        goto cleanup;
    }
    TRY(pipeline_agree(p, open_sources(p)));
    if (p->root) status = check_sources(p);
    TRY(pipeline_agree(p, status));
    if (strcmp(p->o->format, "wildchat") == 0)
        TRY(prepare_wildchat(p));
    else
        TRY(pipeline_agree(p, p->root ? prepare_labelled(p) : WR_OK));
    TRY(pipeline_agree(p, p->root ? finish(p) : WR_OK));
    TRY(pipeline_agree(p, p->root ? tell_bad(p) : WR_OK));
cleanup:
    return status;
}

/* Is there anything that another run could go on with? */
static bool worth_keeping(const pipeline *p) {
    char path[PATH_CAP], **names = NULL;
    size_t n = 0;
    if (p->nothing || strcmp(p->o->format, "labelled") == 0) return false;
    if (path_join(path, p->dir.partial, "stdin.jsonl.zst") >= 0 && file_exists(path)) return true;
    if (!dir_exists(p->dir.work) || dir_list(p->dir.work, "0", ".read", &names, &n) < 0) return false;
    names_free(names, n);
    return n > 0;
}

wr_status prepare_run(const prepare_options *o, world *w) {
    pipeline p = {.o = o, .w = w && world_size(w) > 1 ? w : NULL, .root = !w || world_rank(w) == 0, .dir.lock = -1};
    wr_status status = run(&p);
    if (p.root && p.dir.lock >= 0) {
        bool keep = status < 0 && !p.complete && worth_keeping(&p);
        if (keep) log_info("prepare: what is done is kept in %s; run the same command to continue", p.dir.partial);
        prepare_dir_close(&p.dir, keep);
    }
    pipeline_free(&p);
    return status;
}
