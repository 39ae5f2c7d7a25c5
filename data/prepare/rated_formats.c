/* Rows of rated replies (--format labelled), and which format has which name. A row is {"response", "label"} and
 * optionally "query" (or "prompt"), "history" ([{role, content} …]), "user", "id". label is an integer 1 … K. With
 * "text" the row brings its text ready made, as `score` takes it, and needs no response: what else it has goes into the
 * record for people and export alone. */
#include "data/prepare/rated_row.h"

#include <string.h>

/* Which field is wrong, or NULL. */
static const char *labelled_fields(const prepare_options *o, const json_value *v, rated_row *out) {
    const json_value *response = json_get(v, "response"), *query = json_get(v, "query");
    const bool prompt = !query || json_is(query, JSON_NULL);
    const char *text = rated_ready_text(json_get(v, "text"), out);
    if (text) return text;
    if (!out->text && (!response || json_is(response, JSON_NULL))) return "response (missing)";
    if (!rated_text(response, &out->response, &out->response_length)) return "response (no text)";
    const char *label = rated_label(json_get(v, "label"), o->classes, &out->label);
    if (label) return label;
    if (!rated_text(prompt ? json_get(v, "prompt") : query, &out->query, &out->query_length))
        return prompt ? "prompt (no text)" : "query (no text)";
    if (!rated_name(json_get(v, "user"), &out->user)) return "user (no text, or one with a NUL)";
    if (!rated_name(json_get(v, "id"), &out->id)) return "id (no text, or one with a NUL)";
    return NULL;
}

static wr_status take_labelled(arena *a, const prepare_options *o, const json_value *v, rated_row *out,
                               row_fault *fault) {
    out->wrong = labelled_fields(o, v, out);
    if (out->wrong) return WR_OK;
    if (out->response_length > ROW_MESSAGE_LIMIT || out->query_length > ROW_MESSAGE_LIMIT) {
        *fault = ROW_LONG;
        return WR_OK;
    }
    return rated_messages(a, json_get(v, "history"), "history", &out->history, &out->n_history, fault, &out->wrong);
}

static const char
    *const labelled_names[] = {"response", "label", "query", "prompt", "history", "user", "id", "text", NULL},
           *const labelled_needed[] = {"response|text", "label", NULL},
           *const labelled_typed[] = {"label", "history", NULL}, *const labelled_texts[] = {"response", NULL};
const rated_format labelled_rows = {
    .name = "labelled",
    .columns = {.names = labelled_names, .needed = labelled_needed, .typed = labelled_typed, .texts = labelled_texts},
    .json_text = "history",
    .needs = "\"response\" or \"text\", an integer \"label\" from 1, and two classes",
    .take = take_labelled};

const rated_format *rated_format_of(const char *name) {
    return strcmp(name, labelled_rows.name) == 0 ? &labelled_rows
           : strcmp(name, wildfb_rows.name) == 0 ? &wildfb_rows
                                                 : NULL;
}
