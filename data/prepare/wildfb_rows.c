/* Rows of WildFB (--format wildfb): texts that are rendered already, and their labels. The text is what is learned;
 * history, query and reply go into the records for people and export alone: `messages` end with query and reply, and
 * what is before them is the history, or `history` where they are these two. */
#include "data/prepare/rated_row.h"

#include <string.h>

static wr_status take_wildfb(arena *a, const prepare_options *o, const json_value *v, rated_row *out,
                             row_fault *fault) {
    wr_status status = WR_OK;
    const json_value *text = json_get(v, "text"), *id = json_get(v, "id"), *history = json_get(v, "history");
    chat_message *m = NULL;
    size_t n = 0;
    const char *label = rated_label(json_get(v, "label"), o->classes ? o->classes : wildfb_rows.classes, &out->label);
    out->wrong = !text || json_is(text, JSON_NULL) ? "text (missing)" : rated_ready_text(text, out);
    if (!out->wrong) out->wrong = label;
    if (!out->wrong && json_is(id, JSON_NUMBER)) /* a number is a name, too */
        out->id = id->text;
    else if (!out->wrong && !rated_name(id, &out->id))
        out->wrong = "id (no text or number, or one with a NUL)";
    if (!out->wrong && o->split_file && (!id || json_is(id, JSON_NULL) || !id->length))
        out->wrong = "id (missing, and --split-file goes by it)";
    if (out->wrong) return WR_OK;
    TRY(rated_messages(a, json_get(v, "messages"), "messages", &m, &n, fault, &out->wrong));
    if (*fault != ROW_GOOD || out->wrong || n < 2 || strcmp(m[n - 1].role, "assistant") != 0 ||
        strcmp(m[n - 2].role, "user") != 0)
        return WR_OK;
    out->query = m[n - 2].content, out->query_length = m[n - 2].length;
    out->response = m[n - 1].content, out->response_length = m[n - 1].length;
    out->history = m, out->n_history = n - 2;
    if (n == 2 && json_is(history, JSON_ARRAY))
        TRY(rated_messages(a, history, "history", &out->history, &out->n_history, fault, &out->wrong));
cleanup:
    return status;
}

static const char *const wildfb_names[] = {"text", "label", "id", "history", "messages", NULL},
                         *const wildfb_needed[] = {"text", "label", NULL},
                         *const wildfb_typed[] = {"label", "history", "messages", NULL}, *const wildfb_texts[] = {NULL};
const rated_format wildfb_rows = {
    .name = "wildfb",
    .columns = {.names = wildfb_names, .needed = wildfb_needed, .typed = wildfb_typed, .texts = wildfb_texts},
    .json_text = "messages",
    .classes = 4,
    .published_split = true,
    .needs = "\"text\" and an integer \"label\" from 1 to 4 (or --classes)",
    .take = take_wildfb};
