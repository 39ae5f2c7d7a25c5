#include "data/prepare/prepare_tools.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/stream.h"
#include "data/label/annotate/answer_pattern.h"
#include "data/label/annotate/lexicon_annotator.h"
#include "data/prepare/rated_row.h"

#include <stdio.h>
#include <string.h>

static wr_status load_excluded(const prepare_options *o, prepare_tools *t) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n;
    if (!o->exclude_users) return WR_OK;
    TRY(instream_open(o->exclude_users, &in));
    for (;;) {
        string_entry *slot;
        int fresh;
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        if (!n) continue;
        char *name = arena_strndup(t->names, line, n);
        TRY_ALLOC(name);
        TRY(string_map_put(&t->excluded, name, n, 1, &slot, &fresh));
    }
cleanup:
    instream_close(in);
    return status;
}

wr_status prepare_tools_open(const prepare_options *o, bool loud, prepare_tools *t) {
    wr_status status = WR_OK;
    const rated_format *rated = rated_format_of(o->format);
    if (strcmp(o->format, "wildchat") != 0 && !rated)
        TRY(wr_fail(WR_E_USAGE, "--format %s: must be wildchat, labelled or wildfb", o->format));
    if (!o->n_sources) TRY(wr_fail(WR_E_USAGE, "prepare needs at least one source: wildreward prepare SRC… --out DIR"));
    TRY_ALLOC(t->names = arena_create());
    TRY(load_excluded(o, t));
    /* texts that are ready made are not the built-in template's: it must not pass for theirs */
    if (o->template_file || !rated || !rated->published_split)
        TRY(reward_template_load(o->template_file, &t->template));
    if (o->tokenizer && !o->no_tokens) {
        TRY(tokenizer_load(o->tokenizer, &t->tok));
        if (chat_template_load(tokenizer_dir(t->tok), o->chat_template, t->tok, &t->chat) < 0) {
            if (loud) log_warn("no chats shards: %s", wr_error());
            t->chat = NULL;
        }
    }
    if (rated) return WR_OK;
    if (!o->n_annotators || !o->refusals) TRY(annotator_lexicon_create(NULL, o->refusal_rules, &t->own));
    t->panel.annotators = o->n_annotators ? o->annotators : &t->own;
    t->panel.n = o->n_annotators ? o->n_annotators : 1;
    t->judge = o->refusals ? o->refusals : t->own;
    if (t->panel.n > PATTERN_ANNOTATORS)
        TRY(wr_fail(WR_E_USAGE, "%zu annotators: %d at most", t->panel.n, PATTERN_ANNOTATORS));
    TRY(refusal_create(o->refusal_rules, &t->refusal));
    TRY(filters_create(&o->filters, &t->filters));
cleanup:
    return status;
}

void prepare_tools_close(prepare_tools *t) {
    sources_close(t->sources);
    annotator_free(t->own);
    string_map_free(&t->excluded);
    arena_free(t->names);
    refusal_free(t->refusal);
    filters_free(t->filters);
    reward_template_free(t->template);
    chat_template_free(t->chat);
    tokenizer_free(t->tok);
}

const char *prepare_shortened(const reward_template *t) {
    return t && reward_template_cuts_right(t) ? "texts cut on the right" : "histories shortened";
}

/* --- what is being made --- */

static void put_number(json_writer *w, const char *key, uint64_t v) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    json_member_string(w, key, text);
}

static wr_status put_terms(json_writer *w, const char *terms) {
    wr_status status = WR_OK;
    const json_value *object = NULL;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(terms ? json_parse(a, terms, strlen(terms), &object) : WR_OK);
    for (const json_value *v = object ? object->first : NULL; v; v = v->next)
        json_member_string_n(w, v->key, v->text, v->length);
cleanup:
    arena_free(a);
    return status;
}

/* What the caller says must stay, and what no place or name tells: contents, and what follows from several settings. */
wr_status prepare_describe_job(const prepare_options *o, const prepare_tools *t, strbuf *out) {
    wr_status status = WR_OK;
    char hash[HASH_HEX] = "", chat[HASH_HEX] = "";
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    put_number(&w, "version", 2);
    TRY(put_terms(&w, o->terms));
    json_member_string(&w, "--fields", o->fields ? o->fields : "wildchat");
    put_number(&w, "--test-instances", (uint64_t)o->test_instances);
    put_number(&w, "filters (their rules, languages, limits, and those switched off)",
               t->filters ? filters_fingerprint(t->filters) : 0);
    put_number(&w, "--refusal-rules", t->refusal ? refusal_fingerprint(t->refusal) : 0);
    put_number(&w, "--no-chats", o->no_chats);
    put_number(&w, "--vocab-size", o->no_tokens || o->tokenizer ? 0 : o->vocab_size);
    json_member_string(&w, "--tokenizer", o->no_tokens ? "none" : t->tok ? tokenizer_hash(t->tok) : "trained");
    if (t->chat) hash_hex(chat_template_source(t->chat), strlen(chat_template_source(t->chat)), chat);
    json_member_string(&w, "--chat-template", chat);
    json_member_string(&w, "--template", t->template ? reward_template_hash(t->template) : "");
    if (o->exclude_users) TRY(hash_file_hex(o->exclude_users, hash));
    json_member_string(&w, "--exclude-users", hash);
    for (size_t i = 0; i < t->panel.n; i++) {
        char key[128];
        snprintf(key, sizeof key, "annotator %zu, %.80s", i + 1, t->panel.annotators[i]->name);
        put_number(&w, key, t->panel.annotators[i]->fingerprint);
    }
    put_number(&w, "number of annotators", t->panel.n);
    put_number(&w, "--similarity", o->similarity ? o->similarity->fingerprint : 0);
    put_number(&w, "--refusals", t->judge ? t->judge->fingerprint : 0);
    json_end_object(&w);
    TRY(strbuf_status(out));
cleanup:
    return status;
}

wr_status prepare_describe_sources(const sources *s, strbuf *out) {
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    for (size_t i = 0; i < sources_files(s); i++) {
        char key[48];
        snprintf(key, sizeof key, "source file %zu", i + 1);
        json_member_string(&w, key, sources_path(s, i));
    }
    put_number(&w, "number of source files", sources_files(s));
    put_number(&w, "sizes, times and settings of the source files", sources_fingerprint(s));
    json_end_object(&w);
    return strbuf_status(out);
}
