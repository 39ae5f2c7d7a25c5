/* What a template sees of a message beside its role and content, and which part of a chat is learned: goldens from
 * transformers (tests/oracle/chat_fields_golden.py), and what is refused. */
#include "base/file.h"
#include "base/stream.h"
#include "text/chat/chat_read.h"
#include "text/chat/chat_template.h"
#include "tests/support/temp_folder.h"

#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/tokenizer/"
static tokenizer *tok;
static arena *memory;

static chat_template *load(const char *text, size_t n) {
    chat_template *c = NULL;
    put_file("t.jinja", text, n);
    assert_ok(chat_template_load(test_folder(), in_folder("t.jinja"), tok, &c));
    return c;
}

static const json_value *parse(const char *text) {
    const json_value *v = NULL;
    assert_ok(json_parse(memory, text, strlen(text), &v));
    return v;
}

static chat_request request_of(const json_value *row) {
    chat_request r = {0};
    chat_message *m = NULL;
    assert_ok(chat_read_messages(memory, json_get(row, "messages"), "messages", &m, &r.n));
    assert_ok(chat_read_variables(memory, row, &r.row));
    r.messages = m;
    return r;
}

static void check_learned(const chat_template *c, const chat_request *r, const json_value *row, size_t number) {
    token_ids ids = {0};
    token_spans spans = {0};
    const json_value *want = json_get(row, "learned"), *id = json_get(row, "ids");
    if (chat_render_training(c, tok, r, &ids, &spans) < 0) fail_msg("row %zu: %s", number, wr_error());
    assert_int_equal(ids.n, id->length);
    size_t k = 0;
    for (const json_value *v = id->first; v; v = v->next, k++) assert_int_equal(ids.ids[k], strtol(v->text, NULL, 10));
    if (spans.n != want->length) fail_msg("row %zu: %zu spans", number, spans.n);
    k = 0;
    for (const json_value *v = want->first; v; v = v->next, k++) {
        strbuf text = {0};
        const size_t from = spans.bounds[2 * k], to = spans.bounds[2 * k + 1];
        assert_int_equal(tokenizer_decode(tok, ids.ids + from, to - from, false, &text), WR_OK);
        if (strcmp(strbuf_str(&text), v->text) != 0)
            fail_msg("row %zu: learns \"%s\", not \"%s\"", number, strbuf_str(&text), v->text);
        strbuf_free(&text);
    }
    token_ids_free(&ids);
    token_spans_free(&spans);
}

static void test_golden(void **state) {
    (void)state;
    instream *in;
    const char *line;
    size_t n, number = 0;
    assert_int_equal(instream_open(GOLDEN "chat_fields.jsonl", &in), WR_OK);
    for (; instream_line(in, &line, &n) == WR_OK; number++) {
        const json_value *row;
        strbuf got = {0};
        arena_reset(memory);
        assert_int_equal(json_parse(memory, line, n, &row), WR_OK);
        const json_value *text = json_get(row, "text"), *source = json_get(row, "template");
        chat_template *c = load(source->text, source->length);
        const chat_request r = request_of(json_get(row, "chat"));
        if (chat_render(c, tok, &r, &got, NULL) < 0) fail_msg("row %zu: %s", number, wr_error());
        if (strcmp(strbuf_str(&got), text->text) != 0)
            fail_msg("row %zu: \"%s\" instead of \"%s\"", number, strbuf_str(&got), text->text);
        if (json_get(row, "learned")) check_learned(c, &r, row, number);
        strbuf_free(&got);
        chat_template_free(c);
    }
    assert_true(number >= 30);
    instream_close(in);
}

/* A template that knows texts alone gets the text of text parts, and a chat with other parts is refused by name. */
static void test_parts(void **state) {
    (void)state;
    static const char *const templates[] = {"{% for m in messages %}{{ m.role + ':' + m.content }}|{% endfor %}",
                                            "{% for m in messages %}{{ m.role }}:{{ m.content | trim }}|{% endfor %}"};
    arena_reset(memory);
    const json_value *good = parse("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi "
                                   "\"},{\"type\":\"text\",\"text\":\"you\"}]}]}");
    const json_value *bad = parse("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\",\"content\":"
                                  "[{\"type\":\"image\",\"url\":\"u\"}]}]}");
    for (size_t i = 0; i < 2; i++) {
        strbuf got = {0};
        chat_template *c = load(templates[i], strlen(templates[i]));
        chat_request r = request_of(good);
        assert_ok(chat_render(c, tok, &r, &got, NULL));
        assert_string_equal(strbuf_str(&got), "user:Hi you|");
        r = request_of(bad);
        assert_int_equal(chat_render(c, tok, &r, &got, NULL), WR_E_FORMAT);
        if (!strstr(wr_error(), "messages[1]") || !strstr(wr_error(), "\"image\"")) fail_msg("%s", wr_error());
        strbuf_free(&got);
        chat_template_free(c);
    }
}

/* Nothing of what others wrote is a special token, wherever in the chat it stands. */
static void test_plain_text(void **state) {
    (void)state;
    static const char text[] = "{% for m in messages %}{{ m.role }}{{ m.name }}{{ m.content }}{{ m.tool_calls | tojson "
                               "if m.tool_calls }}{% endfor %}{{ tools | tojson }}<|im_end|>";
    arena_reset(memory);
    chat_template *c = load(text, sizeof text - 1);
    const chat_request r = request_of(parse("{\"tools\":[{\"a<|im_end|>\":\"<|im_end|>\"}],\"messages\":[{\"role\":\"<|"
                                            "im_end|>\",\"name\":\"<|im_end|>\",\"content\":\"<|im_end|>\","
                                            "\"tool_calls\":[\"<|im_end|>\",{\"<|im_end|>\":1}]}]}"));
    token_ids ids = {0};
    size_t ends = 0;
    assert_ok(chat_render(c, tok, &r, NULL, &ids));
    for (size_t i = 0; i < ids.n; i++) ends += ids.ids[i] == tokenizer_id(tok, "<|im_end|>");
    assert_int_equal(ends, 1);
    token_ids_free(&ids);
    chat_template_free(c);
}

static void test_readers(void **state) {
    (void)state;
    static const struct bad {
        const char *list, *words;
    } bad[] =
        {
            {"[]", "at least one"},
            {"7", "at least one"},
            {"[7]", "messages[0]: not an object"},
            {"[{\"role\":\"user\",\"content\":\"\"},{\"content\":\"x\"}]", "messages[1]: no \"role\""},
            {"[{\"role\":\"user\",\"content\":5}]", "neither a text"},
            {"[{\"role\":7,\"content\":\"\"}]", "no \"role\""},
        },
      texts[] =
          {
              {"7", "history is not a list"},
              {"[{\"role\":\"user\",\"content\":null}]", "history[0]: no \"content\""},
              {"[{\"role\":\"user\",\"content\":[{\"type\":\"audio\"}]}]", "\"audio\""},
              {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]", "without \"text\""},
          },
      rows[] = {
          {"{\"tools\":7}", "\"tools\" is not a list"},
          {"{\"tools\":\"x\"}", "a text that should hold JSON"},
          {"{\"tools\":\"{}\"}", "\"tools\" is not a list"},
          {"{\"tools\":[1]}", "tools[0]"},
          {"{\"documents\":[{},[]]}", "documents[1]"},
          {"{\"chat_template_kwargs\":[1]}", "not an object"},
          {"{\"chat_template_kwargs\":{\"messages\":1}}", "must not hold"},
          {"{\"continue_final_message\":true}", "continue_final_message"},
      };
    chat_message *m;
    size_t n;
    const json_value *v;
    arena_reset(memory);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (chat_read_messages(memory, parse(bad[i].list), "messages", &m, &n) != WR_E_FORMAT ||
            !strstr(wr_error(), bad[i].words))
            fail_msg("%zu: %s", i, wr_error());
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (chat_read_texts(memory, parse(texts[i].list), "history", &m, &n) != WR_E_FORMAT ||
            !strstr(wr_error(), texts[i].words))
            fail_msg("%zu: %s", i, wr_error());
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (chat_read_variables(memory, parse(rows[i].list), &v) != WR_E_FORMAT || !strstr(wr_error(), rows[i].words))
            fail_msg("%zu: %s", i, wr_error());
    /* as text, too */
    assert_int_equal(chat_read_variables(memory, parse("{\"tools\":\"[{\\\"name\\\": \\\"look\\\"}]\"}"), &v), WR_OK);
    assert_string_equal(json_get(json_at(json_get(v, "tools"), 0), "name")->text, "look");
    assert_int_equal(chat_read_variables(memory, parse("{\"tools\":\"null\"}"), &v), WR_OK);
    assert_null(v);
    assert_int_equal(chat_read_texts(memory,
                                     parse("[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{}]},{\"role\":"
                                           "\"tool\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},\"b\"]}]"),
                                     "history", &m, &n),
                     WR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(m[0].length, 0);
    assert_memory_equal(m[1].content, "ab", 2);
}

/* Numbers that the engine cannot hold are refused, and not rounded. */
static void test_numbers(void **state) {
    (void)state;
    static const char text[] = "{% for m in messages %}{{ m.content }}{{ m.x | default([]) | tojson }}{% endfor %}";
    strbuf got = {0};
    arena_reset(memory);
    chat_template *c = load(text, sizeof text - 1);
    chat_request r = request_of(
        parse("{\"messages\":[{\"role\":\"user\",\"content\":\"\",\"x\":[1,-0,1.0,0.1,9007199254740993]}]}"));
    assert_ok(chat_render(c, tok, &r, &got, NULL));
    assert_string_equal(strbuf_str(&got), "[1, 0, 1.0, 0.1, 9007199254740993]");
    r = request_of(parse("{\"messages\":[{\"role\":\"user\",\"content\":\"\",\"x\":18446744073709551616}]}"));
    assert_int_equal(chat_render(c, tok, &r, &got, NULL), WR_E_FORMAT);
    assert_error_says("18446744073709551616");
    strbuf_free(&got);
    chat_template_free(c);
}

static int set_up(void **state) {
    memory = arena_create();
    if (!memory || folder_set_up(state) < 0) return -1;
    put_text("tokenizer_config.json", "{\"eos_token\":\"<|im_end|>\"}");
    return tokenizer_load(GOLDEN "digits", &tok);
}

static int tear_down(void **state) {
    tokenizer_free(tok);
    arena_free(memory);
    return folder_tear_down(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_parts),
                                       cmocka_unit_test(test_plain_text), cmocka_unit_test(test_readers),
                                       cmocka_unit_test(test_numbers)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
