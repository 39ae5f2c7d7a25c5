#include "reward/pair_row.h"

#include "text/chat/chat_read.h"

#include <string.h>

static const json_value *field(const json_value *row, const char *name) {
    const json_value *v = json_get(row, name);
    return json_is(v, JSON_NULL) ? NULL : v;
}

static wr_status read_list(arena *a, const json_value *list, const char *name, bool whole, chat_message **out,
                           size_t *n) {
    return whole ? chat_read_messages(a, list, name, out, n) : chat_read_texts(a, list, name, out, n);
}

/* The prompt as a text beside a chat that has it already, as some sets have it. */
static bool begins_chat(const json_value *prompt, const chat_message *m, size_t n) {
    return json_is(prompt, JSON_STRING) && n > 1 && strcmp(m[0].role, "user") == 0 && m[0].length == prompt->length &&
           memcmp(m[0].content, prompt->text, prompt->length) == 0;
}

static wr_status read_chat(arena *a, const json_value *prompt, const json_value *list, const char *name, bool whole,
                           pair_side *out) {
    wr_status status = WR_OK;
    chat_message *before = NULL, *reply, *chat;
    size_t n_before = 0, n;
    TRY(read_list(a, list, name, whole, &reply, &n));
    if (!n || strcmp(reply[n - 1].role, "assistant") != 0)
        TRY(wr_fail(WR_E_FORMAT, "field \"%s\" does not end with a message of the assistant", name));
    if (json_is(prompt, JSON_ARRAY)) TRY(read_list(a, prompt, "prompt", whole, &before, &n_before));
    if (prompt && !json_is(prompt, JSON_ARRAY) && !begins_chat(prompt, reply, n))
        TRY(wr_fail(WR_E_FORMAT, "field \"prompt\" is no list of messages, as \"%s\" is, nor how that begins", name));
    TRY_ALLOC(chat = arena_alloc(a, (n_before + n) * sizeof *chat));
    if (n_before) memcpy(chat, before, n_before * sizeof *chat);
    memcpy(chat + n_before, reply, n * sizeof *chat);
    *out = (pair_side){.chat = chat, .n = n_before + n};
cleanup:
    return status;
}

static wr_status read_text(arena *a, const json_value *prompt, const json_value *reply, const char *name,
                           pair_side *out) {
    wr_status status = WR_OK;
    const size_t n_before = prompt ? prompt->length : 0;
    char *text;
    if (prompt && !json_is(prompt, JSON_STRING))
        return wr_fail(WR_E_FORMAT, "field \"prompt\" is no text, as \"%s\" is", name);
    TRY_ALLOC(text = arena_alloc(a, n_before + reply->length + 1));
    if (n_before) memcpy(text, prompt->text, n_before);
    memcpy(text + n_before, reply->text, reply->length + 1);
    *out = (pair_side){.text = text, .length = n_before + reply->length};
cleanup:
    return status;
}

wr_status pair_row_read(arena *a, const json_value *row, bool whole, pair_row *out) {
    static const char *const names[] = {"chosen", "rejected"};
    wr_status status = WR_OK;
    const json_value *prompt = field(row, "prompt"), *side[2];
    *out = (pair_row){0};
    for (int k = 0; k < 2; k++) {
        side[k] = field(row, names[k]);
        if (!side[k]) TRY(wr_fail(WR_E_FORMAT, "field \"%s\" is missing", names[k]));
        if (!json_is(side[k], JSON_STRING) && !json_is(side[k], JSON_ARRAY))
            TRY(wr_fail(WR_E_FORMAT, "field \"%s\" is neither a text nor a list of messages", names[k]));
    }
    if (side[0]->kind != side[1]->kind)
        TRY(wr_fail(WR_E_FORMAT, "fields \"chosen\" and \"rejected\" are not both texts or both lists of messages"));
    const bool chats = json_is(side[0], JSON_ARRAY);
    if (chats && whole) TRY(chat_read_variables(a, row, &out->variables));
    for (int k = 0; k < 2; k++)
        TRY(chats ? read_chat(a, prompt, side[k], names[k], whole, &out->side[k])
                  : read_text(a, prompt, side[k], names[k], &out->side[k]));
cleanup:
    return status;
}
