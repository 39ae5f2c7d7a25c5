/* prepare --format labelled: rated replies straight to shards. A row is {"response", "label"} and optionally "query"
 * (or "prompt"), "history" ([{role, content} …]), "user", "id", whatever form it came in. label is an integer 1 … K. */
#include "data/prepare/prepare_job.h"

#include "base/utf8.h"
#include "data/source/conversation.h"
#include "text/chat/chat_read.h"

#include <stdlib.h>
#include <string.h>

typedef struct row {
    const char *id, *user, *query, *response;
    size_t query_length, response_length;
    int64_t label;
    chat_message *history;
    size_t n_history;
    const char *wrong; /* of a row that is ROW_FIELD: the field, and how */
} row;

typedef struct labelled {
    prepare_job *job;
    arena *arena;
    uint64_t rows;
    int64_t largest;
    bpe_trainer *trainer;
    shard_set reward[2];
    strbuf line, where;
    token_ids ids;
} labelled;

enum { LARGEST_LABEL = 1000 };

static wr_status take_history(arena *a, const json_value *v, row *out, row_fault *fault) {
    wr_status status = WR_OK;
    if (json_is(v, JSON_ARRAY) && v->length > ROW_MESSAGES_LIMIT) {
        *fault = ROW_MANY;
        return WR_OK;
    }
    const wr_status read = chat_read_texts(a, v, "history", &out->history, &out->n_history);
    if (read == WR_E_FORMAT) {
        *fault = ROW_FIELD;
        TRY_ALLOC(out->wrong = arena_strndup(a, wr_error(), strlen(wr_error())));
        return WR_OK;
    }
    TRY(read);
    for (size_t i = 0; i < out->n_history && *fault == ROW_GOOD; i++)
        if (out->history[i].length > ROW_MESSAGE_LIMIT) *fault = ROW_LONG;
cleanup:
    return status;
}

/* An optional text: absent and null are none. */
static bool optional_text(const json_value *m, const char **s, size_t *n) {
    if (!m || json_is(m, JSON_NULL)) return true;
    *s = m->text;
    *n = m->length;
    return json_is(m, JSON_STRING);
}

/* A name: it ends at its first NUL, and so must not hold one. */
static bool optional_name(const json_value *m, const char **s) {
    size_t n = 0;
    return optional_text(m, s, &n) && (!*s || strlen(*s) == n);
}

/* Which field is wrong, or NULL. */
static const char *take_fields(const prepare_options *o, const json_value *v, row *out) {
    const json_value *response = json_get(v, "response"), *label = json_get(v, "label"), *query = json_get(v, "query");
    const bool prompt = !query || json_is(query, JSON_NULL);
    if (!response || json_is(response, JSON_NULL)) return "response (missing)";
    if (!optional_text(response, &out->response, &out->response_length)) return "response (no text)";
    if (!label || json_is(label, JSON_NULL)) return "label (missing)";
    if (!json_to_int(label, &out->label)) return "label (no integer)";
    if (out->label < 1) return "label (below 1)";
    if (o->classes > 0 && out->label > o->classes) return "label (above --classes)";
    if (out->label > LARGEST_LABEL) return "label (above 1000)";
    if (!optional_text(prompt ? json_get(v, "prompt") : query, &out->query, &out->query_length))
        return prompt ? "prompt (no text)" : "query (no text)";
    if (!optional_name(json_get(v, "user"), &out->user)) return "user (no text, or one with a NUL)";
    if (!optional_name(json_get(v, "id"), &out->id)) return "id (no text, or one with a NUL)";
    return NULL;
}

static wr_status parse(labelled *p, const char *line, size_t n, row *out, row_fault *fault) {
    wr_status status = WR_OK;
    const json_value *v = NULL;
    char name[48];
    *out = (row){.query = "", .id = NULL};
    *fault = ROW_GOOD;
    if (utf8_valid_prefix(line, n) != n)
        *fault = ROW_UTF8;
    else if ((status = json_parse(p->arena, line, n, &v)) < 0) {
        if (status == WR_E_NOMEM) return status;
        status = WR_OK;
        *fault = ROW_JSON;
    } else if (!json_is(v, JSON_OBJECT)) {
        *fault = ROW_OBJECT;
    } else if ((out->wrong = take_fields(p->job->c->o, v, out))) {
        *fault = ROW_FIELD;
    } else if (out->response_length > ROW_MESSAGE_LIMIT || out->query_length > ROW_MESSAGE_LIMIT) {
        *fault = ROW_LONG;
    } else {
        TRY(take_history(p->arena, json_get(v, "history"), out, fault));
    }
    if (*fault != ROW_GOOD) return WR_OK;
    snprintf(name, sizeof name, "row:%llu", (unsigned long long)p->rows);
    if (!out->id) TRY_ALLOC(out->id = arena_strndup(p->arena, name, strlen(name)));
    if (!out->user) TRY_ALLOC(out->user = arena_strndup(p->arena, name, strlen(name)));
cleanup:
    return status;
}

static wr_status count_fault(labelled *p, row_fault fault, const char *wrong, const char *where) {
    wr_status status = WR_OK;
    strbuf_clear(&p->where);
    strbuf_puts(&p->where, where);
    if (wrong) strbuf_puts(&p->where, fault == ROW_FIELD ? ", field " : ", "), strbuf_puts(&p->where, wrong);
    TRY(strbuf_status(&p->where));
    TRY(job_fault(p->job, row_fault_name(fault), p->where.data));
cleanup:
    return status;
}

static wr_status read_row(void *context, const char *line, size_t n, row_fault fault, const char *where) {
    wr_status status = WR_OK;
    labelled *p = context;
    row r = {0};
    split_user *user;
    p->rows++;
    arena_reset(p->arena);
    TRY(funnel_count(p->job->funnel, "rows", "read", 1));
    if (fault == ROW_CSV) r.wrong = line;
    if (fault == ROW_GOOD) TRY(parse(p, line, n, &r, &fault));
    if (fault == ROW_GOOD && string_map_find(&p->job->t->excluded, r.user, strlen(r.user))) fault = ROW_EXCLUDED;
    if (fault != ROW_GOOD) {
        TRY(count_fault(p, fault, r.wrong, where));
        return WR_OK;
    }
    TRY(funnel_count(p->job->funnel, "rows", "good", 1));
    TRY(job_user(p->job, r.user, &user));
    user->turns++;
    if (r.label > p->largest) p->largest = r.label;
    /* The spill line is the row itself with id and user filled in. */
    strbuf_clear(&p->line);
    json_writer w = json_writer_make(&p->line);
    json_begin_object(&w);
    json_member_string(&w, "id", r.id);
    json_member_string(&w, "user", r.user);
    json_member_int(&w, "label", r.label);
    json_member_string_n(&w, "query", r.query, r.query_length);
    json_member_string_n(&w, "response", r.response, r.response_length);
    json_member_array(&w, "history");
    for (size_t i = 0; i < r.n_history; i++) {
        json_begin_object(&w);
        json_member_string(&w, "role", r.history[i].role);
        json_member_string_n(&w, "content", r.history[i].content, r.history[i].length);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    TRY(job_spill(p->job, &p->line));
cleanup:
    return status;
}

static wr_status respilled(labelled *p, const char *line, size_t n, row *r, split_user **user) {
    wr_status status = WR_OK;
    row_fault fault;
    arena_reset(p->arena);
    TRY(parse(p, line, n, r, &fault));
    if (fault != ROW_GOOD) TRY(wr_fail(WR_E_FORMAT, "temporary file of prepare is damaged"));
    TRY(job_user(p->job, r->user, user));
cleanup:
    return status;
}

static wr_status train_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    labelled *p = context;
    row r;
    split_user *user;
    strbuf text = {0};
    TRY(respilled(p, line, n, &r, &user));
    if (user->test) goto cleanup;
    TRY(reward_template_render(p->job->t->template, r.history, r.n_history, r.query, r.query_length, r.response,
                               r.response_length, &text));
    TRY(bpe_trainer_add(p->trainer, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status write_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    labelled *p = context;
    row r;
    split_user *user;
    TRY(respilled(p, line, n, &r, &user));
    instance x = {.id = r.id,
                  .user = r.user,
                  .language = "",
                  .model = "",
                  .how = "given",
                  .turn = -1,
                  .label = (int)r.label,
                  .history = r.history,
                  .n_history = r.n_history,
                  .query = r.query,
                  .query_length = r.query_length,
                  .response = r.response,
                  .response_length = r.response_length};
    if (p->job->t->tok) {
        size_t left_out = 0;
        p->ids.n = 0;
        wr_status s =
            reward_template_encode(p->job->t->template, p->job->t->tok, x.history, x.n_history, x.query, x.query_length,
                                   x.response, x.response_length, p->job->c->o->max_length, &p->ids, &left_out);
        if (s == WR_E_FORMAT) {
            user->instances[split_stratum(x.label, p->job->classes)]--;
            return funnel_count(p->job->funnel, "dropped", "too_long", 1);
        }
        TRY(s);
        x.ids = p->ids.ids;
        x.n_ids = p->ids.n;
        if (left_out) TRY(funnel_count(p->job->funnel, "tokens", "histories shortened", 1));
    }
    TRY(shard_set_add(&p->reward[user->test], &x));
cleanup:
    return status;
}

/* Instances by stratum: how many labels there are is known only now. */
static wr_status count_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    labelled *p = context;
    row r;
    split_user *user;
    TRY(respilled(p, line, n, &r, &user));
    user->instances[split_stratum((int)r.label, p->job->classes)]++;
cleanup:
    return status;
}

static wr_status write_all(labelled *p) {
    wr_status status = WR_OK;
    prepare_job *job = p->job;
    funnel *f = job->funnel;
    const prepare_options *o = job->c->o;
    const prepare_tools *t = job->t;
    uint64_t users[2] = {0, 0};
    strbuf none = {0};
    bool given = t->tok != NULL;
    TRY(job_tokenizer(job, train_row, p, &p->trainer));
    prepare_result r = {.o = o,
                        .dir = job->c->dir.result,
                        .classes = job->classes,
                        .tok = t->tok,
                        .template = t->template,
                        .extra = &none,
                        .funnel = f};
    if (given) TRY(result_tokenizer(&r, o->tokenizer));
    p->reward[0] = result_shards(&r, "reward-train", SHARD_REWARD);
    p->reward[1] = result_shards(&r, "reward-test", SHARD_REWARD);
    TRY(job_each_spilled(job, "shards", write_row, p));
    for (int s = 0; s < 2; s++) TRY(shard_set_finish(&p->reward[s]));
    for (size_t i = 0; i < job->users.n; i++) users[job->users.users[i].test]++;
    TRY(funnel_count(f, "split", "train users", users[0]));
    TRY(funnel_count(f, "split", "test users", users[1]));
    TRY(funnel_count(f, "kept", "instances, train", p->reward[0].records));
    TRY(funnel_count(f, "kept", "instances, test", p->reward[1].records));
    TRY(funnel_count(f, "kept", "instance tokens", p->reward[0].tokens + p->reward[1].tokens));
    TRY(job_users(job, &r));
    TRY(result_finish(&r));
cleanup:
    return status;
}

wr_status prepare_labelled(const prepare_context *c, prepare_tools *t, prepare_account *account, bool *nothing) {
    wr_status status = WR_OK;
    const prepare_options *o = c->o;
    prepare_job job = {.c = c, .t = t, .funnel = &account->funnel};
    labelled p = {.job = &job};
    TRY_ALLOC(p.arena = arena_create());
    if (o->classes && (o->classes < 2 || o->classes > LARGEST_LABEL))
        TRY(wr_fail(WR_E_USAGE, "--classes %d: must be between 2 and %d", o->classes, LARGEST_LABEL));
    TRY(dir_remove_tree(c->dir.result)); /* what a stopped run left: rated replies are quick to read again */
    TRY(dir_make(c->dir.result));
    TRY(path_join(job.spill, c->dir.work, "spill.jsonl.zst"));
    TRY(outstream_create(job.spill, &job.spill_out));
    TRY(job_read_sources(&job, read_row, &p));
    TRY(job_spill_done(&job));
    uint64_t good = funnel_get(job.funnel, "rows", "good");
    job.classes = o->classes ? o->classes : (int)p.largest;
    if (!good || job.classes < 2) {
        funnel_print(job.funnel);
        *nothing = true;
        TRY(wr_fail(WR_E_FORMAT,
                    "%s: %llu usable rows with %lld classes; rows need \"response\" and an integer \"label\" from 1, "
                    "and two classes",
                    o->sources[0], (unsigned long long)good, (long long)p.largest));
    }
    TRY(job_each_spilled(&job, "labels", count_row, &p));
    TRY(job_split(&job, good));
    TRY(write_all(&p));
cleanup:
    for (int s = 0; s < 2; s++) shard_set_discard(&p.reward[s]);
    bpe_trainer_free(p.trainer);
    outstream_discard(job.spill_out);
    free(job.user_names);
    user_table_free(&job.users);
    strbuf_free(&p.line);
    strbuf_free(&p.where);
    token_ids_free(&p.ids);
    arena_free(p.arena);
    return status;
}
