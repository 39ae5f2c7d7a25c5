/* Preference pairs in TRL's format: `chosen` and `rejected`, and maybe the `prompt` that both answer. Texts are taken
 * as they stand, the prompt before the reply; lists of messages are chats, with the prompt's messages before the
 * reply's. A pair is right where the chosen one scores strictly higher. A file is a section. */
#include "evaluate/suites/suite_rows.h"

#include "text/chat/chat_read.h"

#include <string.h>

/* The prompt as a text before a chat that has it already, as some sets have it. */
static bool begins_chat(const json_value *prompt, const chat_message *m, size_t n) {
    return n > 1 && strcmp(m[0].role, "user") == 0 && m[0].length == prompt->length &&
           memcmp(m[0].content, prompt->text, prompt->length) == 0;
}

/* As score reads them: a chat template sees whole messages. */
static wr_status read_messages(suite_reader *r, const json_value *list, const char *name, chat_message **out,
                               size_t *n) {
    return r->encoder && r->encoder->whole ? chat_read_messages(r->row, list, name, out, n)
                                           : chat_read_texts(r->row, list, name, out, n);
}

static wr_status add_chat(suite_reader *r, const json_value *prompt, const json_value *list, const char *name) {
    wr_status status = WR_OK;
    chat_message *before = NULL, *reply, *chat;
    size_t n_before = 0, n;
    TRY(read_messages(r, list, name, &reply, &n));
    if (!n) TRY(wr_fail(WR_E_FORMAT, "field \"%s\" is an empty list", name));
    if (strcmp(reply[n - 1].role, "assistant") != 0)
        TRY(wr_fail(WR_E_FORMAT, "field \"%s\" does not end with a message of the assistant", name));
    if (json_is(prompt, JSON_ARRAY)) TRY(read_messages(r, prompt, "prompt", &before, &n_before));
    if (prompt && !json_is(prompt, JSON_ARRAY) && !(json_is(prompt, JSON_STRING) && begins_chat(prompt, reply, n)))
        TRY(wr_fail(WR_E_FORMAT, "field \"prompt\" is no list of messages, as \"%s\" is, nor how that begins", name));
    TRY_ALLOC(chat = arena_alloc(r->row, (n_before + n) * sizeof *chat));
    if (n_before) memcpy(chat, before, n_before * sizeof *chat);
    memcpy(chat + n_before, reply, n * sizeof *chat);
    TRY(suite_chat(r, chat, n_before + n));
cleanup:
    return status;
}

static wr_status add_text(suite_reader *r, const json_value *prompt, const json_value *reply, const char *name) {
    wr_status status = WR_OK;
    const size_t n_before = prompt ? prompt->length : 0;
    char *text;
    if (prompt && !json_is(prompt, JSON_STRING))
        return wr_fail(WR_E_FORMAT, "field \"prompt\" is no text, as \"%s\" is", name);
    TRY_ALLOC(text = arena_alloc(r->row, n_before + reply->length + 1));
    if (n_before) memcpy(text, prompt->text, n_before);
    memcpy(text + n_before, reply->text, reply->length + 1);
    TRY(suite_ready(r, text, n_before + reply->length));
cleanup:
    return status;
}

static wr_status read(suite_reader *r, const json_value *row) {
    static const char *const sides[] = {"chosen", "rejected"};
    wr_status status = WR_OK;
    const json_value *prompt = suite_field(row, "prompt"), *side[2];
    const char *stem;
    size_t n;
    for (int k = 0; k < 2; k++) {
        side[k] = suite_field(row, sides[k]);
        if (!side[k]) TRY(wr_fail(WR_E_FORMAT, "field \"%s\" is missing", sides[k]));
        if (!json_is(side[k], JSON_STRING) && !json_is(side[k], JSON_ARRAY))
            TRY(wr_fail(WR_E_FORMAT, "field \"%s\" is neither a text nor a list of messages", sides[k]));
    }
    if (side[0]->kind != side[1]->kind)
        TRY(wr_fail(WR_E_FORMAT, "fields \"chosen\" and \"rejected\" are not both texts or both lists of messages"));
    suite_file_stem(r->path, &stem, &n);
    TRY(suite_in_group(r, stem, n));
    r->item.n_right = 1;
    if (r->encoder && r->encoder->whole) TRY(chat_read_variables(r->row, row, &r->variables));
    for (int k = 0; k < 2; k++)
        TRY(json_is(side[k], JSON_ARRAY) ? add_chat(r, prompt, side[k], sides[k])
                                         : add_text(r, prompt, side[k], sides[k]));
cleanup:
    return status;
}

static const char *const names[] = {"prompt", "chosen", "rejected", NULL},
                         *const needed[] = {"chosen", "rejected", NULL}, *const none[] = {NULL};
const suite suite_pairs = {.name = "pairs",
                           .columns = {.names = names, .needed = needed, .typed = none, .texts = names},
                           .needs = "chosen and rejected, both texts or both lists of messages, and maybe prompt",
                           .read = read,
                           .judge = suite_judge_rows};
