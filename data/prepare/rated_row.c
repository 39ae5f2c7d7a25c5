#include "data/prepare/rated_row.h"

#include "base/utf8.h"
#include "text/chat/chat_read.h"

#include <stdio.h>
#include <string.h>

bool rated_text(const json_value *m, const char **s, size_t *n) {
    if (!m || json_is(m, JSON_NULL)) return true;
    *s = m->text;
    *n = m->length;
    return json_is(m, JSON_STRING);
}

bool rated_name(const json_value *m, const char **s) {
    size_t n = 0;
    return rated_text(m, s, &n) && (!*s || strlen(*s) == n);
}

const char *rated_ready_text(const json_value *m, rated_row *out) {
    if (!rated_text(m, &out->text, &out->text_length)) return "text (no text)";
    if (!out->text) return NULL;
    return !out->text_length ? "text (empty)" : out->text_length > RATED_TEXT_LIMIT ? "text (over 16 MiB)" : NULL;
}

const char *rated_label(const json_value *label, int classes, int64_t *out) {
    if (!label || json_is(label, JSON_NULL)) return "label (missing)";
    if (!json_to_int(label, out)) return "label (no integer)";
    if (*out < 1) return "label (below 1)";
    if (classes > 0 && *out > classes) return "label (above --classes)";
    if (*out > RATED_LARGEST_LABEL) return "label (above 1000)";
    return NULL;
}

wr_status rated_messages(arena *a, const json_value *list, const char *name, chat_message **out, size_t *n,
                         row_fault *fault, const char **wrong) {
    wr_status status = WR_OK;
    if (json_is(list, JSON_ARRAY) && list->length > ROW_MESSAGES_LIMIT) {
        *fault = ROW_MANY;
        return WR_OK;
    }
    const wr_status read = chat_read_texts(a, list, name, out, n);
    if (read == WR_E_FORMAT) {
        *fault = ROW_FIELD;
        TRY_ALLOC(*wrong = arena_strndup(a, wr_error(), strlen(wr_error())));
        return WR_OK;
    }
    TRY(read);
    for (size_t i = 0; i < *n && *fault == ROW_GOOD; i++)
        if ((*out)[i].length > ROW_MESSAGE_LIMIT) *fault = ROW_LONG;
cleanup:
    return status;
}

wr_status rated_row_read(const rated_format *f, arena *a, const prepare_options *o, const char *line, size_t n,
                         uint64_t number, rated_row *out, row_fault *fault) {
    wr_status status = WR_OK;
    const json_value *v = NULL;
    char name[48];
    *out = (rated_row){.query = "", .response = ""};
    *fault = ROW_GOOD;
    if (utf8_valid_prefix(line, n) != n)
        *fault = ROW_UTF8;
    else if ((status = json_parse(a, line, n, &v)) < 0) {
        if (status == WR_E_NOMEM) return status;
        status = WR_OK;
        *fault = ROW_JSON;
    } else if (!json_is(v, JSON_OBJECT)) {
        *fault = ROW_OBJECT;
    } else {
        TRY(f->take(a, o, v, out, fault));
        if (out->wrong && *fault == ROW_GOOD) *fault = ROW_FIELD;
    }
    if (*fault != ROW_GOOD) return WR_OK;
    snprintf(name, sizeof name, "row:%llu", (unsigned long long)number);
    if (!out->id) TRY_ALLOC(out->id = arena_strndup(a, name, strlen(name)));
    if (!out->user) TRY_ALLOC(out->user = arena_strndup(a, name, strlen(name)));
cleanup:
    return status;
}

/* --- the spill file: a row with id and user filled in --- */

void rated_row_spill(const rated_row *r, json_writer *w) {
    json_begin_object(w);
    json_member_string(w, "id", r->id);
    json_member_string(w, "user", r->user);
    json_member_int(w, "label", r->label);
    json_member_bool(w, "test", r->test);
    json_member_string_n(w, "query", r->query, r->query_length);
    json_member_string_n(w, "response", r->response, r->response_length);
    if (r->text) json_member_string_n(w, "text", r->text, r->text_length);
    json_member_array(w, "history");
    for (size_t i = 0; i < r->n_history; i++) {
        json_begin_object(w);
        json_member_string(w, "role", r->history[i].role);
        json_member_string_n(w, "content", r->history[i].content, r->history[i].length);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

wr_status rated_row_respilled(arena *a, const char *line, size_t n, rated_row *out) {
    wr_status status = WR_OK;
    const json_value *v = NULL;
    const char *wrong = NULL;
    row_fault fault = ROW_GOOD;
    *out = (rated_row){0};
    TRY(json_parse(a, line, n, &v));
    const bool whole = rated_name(json_get(v, "id"), &out->id) && rated_name(json_get(v, "user"), &out->user) &&
                       json_get_string(v, "query", &out->query, &out->query_length) &&
                       json_get_string(v, "response", &out->response, &out->response_length) &&
                       rated_text(json_get(v, "text"), &out->text, &out->text_length) &&
                       !rated_label(json_get(v, "label"), 0, &out->label) && json_get_bool(v, "test", &out->test);
    if (whole)
        TRY(rated_messages(a, json_get(v, "history"), "history", &out->history, &out->n_history, &fault, &wrong));
    if (!whole || !out->id || !out->user || fault != ROW_GOOD)
        TRY(wr_fail(WR_E_FORMAT, "temporary file of prepare is damaged"));
cleanup:
    return status;
}
