/* A chat cut to a length, against every cut tried in turn; and what rows of prompts ask. */
#include "text/chat/chat_fit.h"
#include "text/chat/chat_read.h"
#include "tests/support/temp_folder.h"
#include "tests/support/asserts.h"

#include <stdlib.h>
#include <string.h>

static tokenizer *tok;

/* Refuses, as checkpoints' templates do, a chat that begins with an answer or a tool's result. */
static const char strict[] =
    "{% set first = messages[1] if messages[0].role == 'system' and messages | length > 1 else messages[0] %}"
    "{% if first.role in ['assistant', 'tool'] and messages | length > 1 %}"
    "{{ raise_exception('begins with ' + first.role) }}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/* One letter a message: s u a t; each has a text of its own. */
static size_t make_chat(const char *letters, chat_message *m) {
    static const char *const texts[] = {"one", "twenty two of them", "3", "what is it that you want to know", "",
                                        "six!"};
    size_t n = 0;
    for (; letters[n]; n++) {
        const char *text = texts[n % 6];
        m[n] = (chat_message){.role = letters[n] == 's'   ? "system"
                                      : letters[n] == 'u' ? "user"
                                      : letters[n] == 'a' ? "assistant"
                                                          : "tool",
                              .content = text,
                              .length = strlen(text)};
    }
    return n;
}

/* The obvious rule: leave out one message more after another, and take the first chat that may stand and is short
 * enough. */
static size_t expected(const chat_template *c, const chat_message *m, size_t n, size_t limit, token_ids *ids) {
    const size_t head = n > 1 && strcmp(m[0].role, "system") == 0;
    chat_message kept[32];
    size_t most = 0; /* messages that may go */
    for (size_t i = head; i < n; i++)
        if (strcmp(m[i].role, "user") == 0) most = i - head;
    for (size_t drop = 0;; drop++) {
        if (drop && strcmp(m[head + drop].role, "user") != 0) continue;
        memcpy(kept, m, head * sizeof *m);
        memcpy(kept + head, m + head + drop, (n - head - drop) * sizeof *m);
        ids->n = 0;
        assert_int_equal(chat_render_prompt(c, tok, kept, n - drop, true, ids), WR_OK);
        if (drop == most || ids->n <= limit) return drop;
    }
}

static void test_cuts(void **state) {
    (void)state;
    static const char *const chats[] = {"u",
                                        "su",
                                        "uau",
                                        "suau",
                                        "suauauau",
                                        "uatau",
                                        "s",
                                        "suatatauu",
                                        "uuuu",
                                        "uatt",
                                        "suat",
                                        "uauauauauauauauau",
                                        "usu",
                                        "ssuau",
                                        "suauatauu",
                                        "uaaaaaaaaau",
                                        "suatauatauatauatau",
                                        "stau"};
    chat_template *c = NULL;
    put_file("chat_template.jinja", strict, sizeof strict - 1);
    assert_ok(chat_template_load(test_folder(), NULL, tok, &c));
    size_t cut = 0, too_long = 0;
    for (size_t i = 0; i < sizeof chats / sizeof *chats; i++) {
        chat_message m[32];
        token_ids whole = {0}, want = {0}, got = {0};
        const size_t n = make_chat(chats[i], m);
        if (chat_render_prompt(c, tok, m, n, true, &whole) < 0) continue; /* the template's own refusal */
        for (size_t limit = 1; limit <= whole.n; limit++) {
            size_t dropped;
            const size_t drop = expected(c, m, n, limit, &want);
            if (chat_fit(c, tok, &(chat_request){m, n, NULL, true}, limit, &got, &dropped) < 0)
                fail_msg("%s within %zu: %s", chats[i], limit, wr_error());
            if (dropped != drop || got.n != want.n || memcmp(got.ids, want.ids, got.n * sizeof *got.ids) != 0)
                fail_msg("%s within %zu: %zu messages left out instead of %zu", chats[i], limit, dropped, drop);
            cut += dropped > 0 && got.n <= limit;
            too_long += got.n > limit;
        }
        token_ids_free(&whole);
        token_ids_free(&want);
        token_ids_free(&got);
    }
    assert_true(cut > 300 && too_long > 100);
    chat_template_free(c);
}

/* Roles of other names: all of the chat, or its last message. */
static void test_other_roles(void **state) {
    (void)state;
    chat_message m[] = {
        {"human", "what is it that you want", 24, NULL}, {"bot", "a", 1, NULL}, {"human", "b", 1, NULL}};
    chat_template *c = NULL;
    token_ids ids = {0}, want = {0};
    size_t dropped;
    put_file("chat_template.jinja", strict, sizeof strict - 1);
    assert_ok(chat_template_load(test_folder(), NULL, tok, &c));
    assert_int_equal(chat_render_prompt(c, tok, m + 2, 1, true, &want), WR_OK);
    assert_int_equal(chat_fit(c, tok, &(chat_request){m, 3, NULL, true}, want.n + 1, &ids, &dropped), WR_OK);
    assert_int_equal(dropped, 2);
    assert_int_equal(ids.n, want.n);
    assert_memory_equal(ids.ids, want.ids, want.n * sizeof *want.ids);
    assert_int_equal(chat_fit(c, tok, &(chat_request){m, 3, NULL, true}, 1000, &ids, &dropped), WR_OK);
    assert_int_equal(dropped, 0);
    token_ids_free(&ids);
    token_ids_free(&want);
    chat_template_free(c);
}

static void test_rows(void **state) {
    (void)state;
    static const struct {
        const char *row, *words; /* NULL: good */
        size_t messages;         /* of a chat; 0: a text */
    } rows[] = {
        {"{\"prompt\":\"x\"}", NULL, 0},
        {"{\"prompt\":\"\"}", NULL, 0},
        {"{\"prompt\":\"x\",\"messages\":null}", NULL, 0},
        {"{\"prompt\":null,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", NULL, 1},
        {"{\"prompt\":[{\"role\":\"system\",\"content\":\"x\"},{\"role\":\"user\",\"content\":\"x\"}]}", NULL, 2},
        {"{\"prompt\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "both", 0},
        {"{\"prompt\":[],\"messages\":[]}", "both", 0},
        {"{\"text\":\"x\"}", "neither", 0},
        {"{\"prompt\":7}", "neither", 0},
        {"{\"messages\":\"x\"}", "\"messages\" is not an array", 0},
        {"{\"messages\":[]}", "\"messages\" is not an array of at least one", 0},
        {"{\"prompt\":[{\"role\":\"user\"},{\"role\":\"assistant\",\"content\":\"x\"}]}", "last message", 0},
        {"{\"prompt\":[{\"content\":\"x\"}]}", "prompt[0]: no \"role\"", 0},
        {"[1]", "not a JSON object", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        arena *a = arena_create();
        const json_value *v;
        row_prompt p;
        assert_int_equal(json_parse(a, rows[i].row, strlen(rows[i].row), &v), WR_OK);
        const wr_status status = chat_read_row(a, v, &p);
        if (rows[i].words) {
            if (status != WR_E_FORMAT || !strstr(wr_error(), rows[i].words))
                fail_msg("%s: %s", rows[i].row, wr_error());
        } else {
            if (status < 0) fail_msg("%s: %s", rows[i].row, wr_error());
            assert_int_equal(p.n_messages, rows[i].messages);
            assert_int_equal(p.messages != NULL, rows[i].messages > 0);
            assert_int_equal(p.text != NULL, rows[i].messages == 0);
        }
        arena_free(a);
    }
}

static int set_up(void **state) {
    return folder_set_up(state) || tokenizer_load("tests/golden/tokenizer/digits", &tok) < 0 ? -1 : 0;
}

static int tear_down(void **state) {
    tokenizer_free(tok);
    return folder_tear_down(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cuts), cmocka_unit_test(test_other_roles),
                                       cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
