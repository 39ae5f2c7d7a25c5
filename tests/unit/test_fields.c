/* Field maps: the built-in ones on rows as their logs have them, maps from YAML, and what is said of wrong ones. */
#include "base/file.h"
#include "tests/support/conversation_dom.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char path[PATH_CAP];
static arena *memory;

static int set_up(void **state) {
    if (folder_set_up(state) < 0 || path_join(path, test_folder(), "map.yaml") < 0) return -1;
    return (memory = arena_create()) ? 0 : -1;
}

static int tear_down(void **state) {
    arena_free(memory);
    return folder_tear_down(state);
}

static row_fault read_row(const char *name, const char *line, conversation *c) {
    const field_map *map;
    row_fault fault;
    assert_ok(field_map_open(name, &map));
    assert_int_equal(conversation_parse(memory, line, strlen(line), map, false, c, &fault), WR_OK);
    const char *difference = conversation_disagreement(memory, line, strlen(line), map);
    if (difference) fail_msg("%s differs: %s", difference, line);
    field_map_close(map);
    return fault;
}

static void lmsys(void **state) {
    (void)state;
    conversation c;
    static const char row[] = "{\"conversation_id\":\"33f01939\",\"model\":\"vicuna-13b\",\"conversation\":[{"
                              "\"content\":\"how?\",\"role\":\"user\"},{\"content\":\"so\",\"role\":"
                              "\"assistant\"}],\"turn\":1,\"language\":\"English\",\"openai_moderation\":[{"
                              "\"categories\":{\"hate\":false},\"flagged\":false}],\"redacted\":true}";
    assert_int_equal(read_row("lmsys", row, &c), ROW_GOOD);
    assert_string_equal(c.id, "33f01939");
    assert_string_equal(c.user, "conversation:33f01939");
    assert_string_equal(c.model, "vicuna-13b");
    assert_string_equal(c.language, "English");
    assert_true(c.redacted && !c.toxic);
    assert_int_equal(c.n, 2);
    assert_int_equal(c.turns[1], 1);
    assert_int_equal(read_row(NULL, row, &c), ROW_FIELD); /* not WildChat */
}

static void sharegpt(void **state) {
    (void)state;
    conversation c, again;
    static const char row[] = "{\"id\":\"QWJhYvA_0\",\"conversations\":[{\"from\":\"system\",\"value\":\"s\"},{"
                              "\"from\":\"human\",\"value\":\"h\"},{\"from\":\"gpt\",\"value\":\"g\"},"
                              "{\"from\":\"bard\",\"value\":\"b\"},{\"from\":\"function\",\"value\":\"f\"}]}";
    static const char *const roles[] = {"system", "user", "assistant", "assistant", "function"};
    assert_int_equal(read_row("sharegpt", row, &c), ROW_GOOD);
    assert_string_equal(c.id, "QWJhYvA_0");
    for (size_t i = 0; i < 5; i++) assert_string_equal(c.messages[i].role, roles[i]);
    assert_int_equal(read_row("sharegpt", "{\"id\":17,\"conversations\":[{\"from\":\"human\",\"value\":\"h\"}]}", &c),
                     ROW_GOOD);
    assert_string_equal(c.id, "17");
    /* Without an id: one from the row's bytes. */
    assert_int_equal(read_row("sharegpt", "{\"conversations\":[{\"from\":\"human\",\"value\":\"h\"}]}", &c), ROW_GOOD);
    assert_int_equal(read_row("sharegpt", "{\"conversations\":[{\"from\":\"human\",\"value\":\"i\"}]}", &again),
                     ROW_GOOD);
    assert_int_equal(strlen(c.id), 32);
    assert_string_not_equal(c.id, again.id);
    assert_int_equal(read_row("sharegpt", "{\"id\":[],\"conversations\":[{\"from\":\"human\",\"value\":\"h\"}]}", &c),
                     ROW_FIELD);
    assert_int_equal(read_row("sharegpt", "{\"id\":\"x\",\"conversations\":[{\"from\":\"human\",\"value\":null}]}", &c),
                     ROW_FIELD);
}

static void put(const char *yaml) { assert_int_equal(file_write_atomic(path, yaml, strlen(yaml)), WR_OK); }

static void own(void **state) {
    (void)state;
    conversation c;
    put("# our log\nid: chat\nuser: account   # who\nmessages: \"log\"\nrole: who\ncontent: what\nturn: nr\ntimestamp: "
        "at\nmodel: ~\nroles:\n  customer: user\n  bot: assistant\n");
    static const char row[] = "{\"chat\":5,\"account\":77,\"at\":1680998573,\"log\":[{\"who\":\"customer\",\"what\":"
                              "\"x\",\"nr\":10},{\"who\":\"bot\",\"what\":\"y\",\"nr\":11}]}";
    assert_int_equal(read_row(path, row, &c), ROW_GOOD);
    assert_string_equal(c.id, "5");
    assert_string_equal(c.user, "77");
    assert_string_equal(c.model, "");
    assert_string_equal(c.timestamp, "2023-04-09T00:02:53Z");
    assert_string_equal(c.messages[0].role, "user");
    assert_string_equal(c.messages[1].role, "assistant");
    assert_int_equal(c.turns[1], 11);
    put("messages: m\n"); /* role and content have their usual names */
    assert_int_equal(read_row(path, "{\"m\":[{\"role\":\"user\",\"content\":\"x\"}]}", &c), ROW_GOOD);
    put("messages: m\nmessage_user: by\nmessage_header: h\nheader: head\nlanguage: l\ntoxic: t\nredacted: r\nroles: "
        "{}\n");
    assert_int_equal(read_row(path,
                              "{\"t\":true,\"r\":true,\"l\":\"German\",\"m\":[{\"role\":\"user\",\"content\":\"x\","
                              "\"by\":\"me\",\"h\":{\"a\":1}}]}",
                              &c),
                     ROW_GOOD);
    assert_string_equal(c.user, "me");
    assert_string_equal(c.language, "German");
    assert_true(c.toxic && c.redacted);
}

static void wrong(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *says;
    } bad[] = {
        {"", "needs 'messages'"},
        {"id: x\n", "needs 'messages'"},
        {"messages: m\nmesages: m\n", "map.yaml:2: unknown key 'mesages'; did you mean 'messages'?"},
        {"messages: m\nroles:\n  bot: asistant\n", "map.yaml:3: unknown role 'asistant'; did you mean 'assistant'?"},
        {"messages: m\nmessages: n\n", "map.yaml:2: key 'messages' is given twice"},
        {"messages: m\nid: m\n", "map.yaml:2: messages and id are both 'm'"},
        {"messages: m\nturn: role\n", "turn is 'role', so 'role' must be given"},
        {"messages: m\nroles:\n  a: user\n  a: user\n", "map.yaml:4: role 'a' is given twice"},
        {"messages: m\nroles: user\n", "map.yaml:2: 'roles' must be lines"},
        {"messages: m\nroles:\nroles:\n", "map.yaml:3: key 'roles' is given twice"},
        {"messages: [a, b]\n", "map.yaml:1: 'messages' must be a single name"},
        {"messages: {a: b}\n", "map.yaml:1: 'messages' must be a single name"},
        {"? [a]\n: b\n", "map.yaml:1: a key must be a plain name"},
        {"- a\n", "map.yaml:1: a field map is a list of 'key: name' lines"},
        {"messages\n", "map.yaml:1: a field map is a list of 'key: name' lines"},
        {"messages: \"a\\0b\"\n", "map.yaml:1: 'messages' holds a NUL character"},
        {"messages: m\n---\nmessages: m\n", "a second document"},
        {"messages: \"m\n", "not valid YAML"},
        {"messages: *x\n", "map.yaml:1: 'messages' must be a single name"},
        {"roles:\n  a: [user]\n", "map.yaml:2: 'a' must be a single name"},
    };
    const field_map *map;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(bad[i].yaml);
        assert_int_equal(field_map_open(path, &map), WR_E_USAGE);
        if (!strstr(wr_error(), bad[i].says)) fail_msg("%s: %s", bad[i].yaml, wr_error());
    }
    assert_int_equal(field_map_open("sharegtp", &map), WR_E_USAGE);
    assert_error_says("did you mean 'sharegpt'?");
    assert_int_equal(field_map_open("./none.yaml", &map), WR_E_USAGE);
    assert_error_says("cannot open ./none.yaml");
    assert_int_equal(field_map_open(test_folder(), &map), WR_E_USAGE);
    field_map_close(NULL);
}

/* Any cut and any wrong byte is a map or an error. */
static void damaged(void **state) {
    (void)state;
    static const char yaml[] = "id: a\nmessages: b\nroles:\n  c: user\n  d: assistant\nturn: \"e\"\n";
    char text[sizeof yaml];
    for (size_t n = 0; n < sizeof yaml; n++) {
        for (int c = 0; c < 256; c += n % 7 ? 37 : 1) {
            const field_map *map;
            memcpy(text, yaml, sizeof yaml);
            text[n] = (char)c;
            FILE *f = fopen(path, "wb");
            assert_non_null(f);
            assert_int_equal(fwrite(text, 1, c ? sizeof yaml - 1 : n, f), c ? sizeof yaml - 1 : n);
            fclose(f);
            if (field_map_open(path, &map) == WR_OK) field_map_close(map);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lmsys), cmocka_unit_test(sharegpt), cmocka_unit_test(own),
                                       cmocka_unit_test(wrong), cmocka_unit_test(damaged)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
