/* ChatML rendering against goldens made with transformers (tests/oracle/chat_golden.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/stream.h"
#include "model/chat_template.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN "tests/golden/tokenizer/"
static char folder[] = "/tmp/test_chat_template_XXXXXX";
static tokenizer *tok;

static const char *at(const char *name, char path[PATH_CAP])
{
    assert_int_equal(path_join(path, folder, name), WR_OK);
    return path;
}

static wr_status load_template(const char *text, size_t n, chat_template **out)
{
    char path[PATH_CAP];
    assert_int_equal(file_write_atomic(at("chat_template.jinja", path), text, n), WR_OK);
    wr_status status = chat_template_load(folder, tok, out);
    assert_int_equal(remove(path), 0);
    return status;
}

static size_t read_messages(const json_value *list, chat_message *m)
{
    size_t n = 0, length;
    for (const json_value *v = list->first; v; v = v->next, n++) {
        assert_true(json_get_string(v, "role", &m[n].role, &length));
        assert_true(json_get_string(v, "content", &m[n].content, &m[n].length));
    }
    return n;
}

static void test_golden(void **state)
{
    (void)state;
    instream *in;
    const char *line, *text;
    size_t length, n, rows = 0;
    arena *a = arena_create();
    assert_int_equal(instream_open(GOLDEN "chat_cases.jsonl", &in), WR_OK);
    for (; instream_line(in, &line, &length) == WR_OK; rows++) {
        const json_value *row;
        chat_template *c = NULL;
        chat_message m[8];
        token_ids ids = {0};
        strbuf got = {0};
        bool generation = false;
        assert_int_equal(json_parse(a, line, length, &row), WR_OK);
        assert_true(json_get_string(row, "template", &text, &n));
        if (load_template(text, n, &c) < 0) fail_msg("%s", wr_error());
        json_get_bool(row, "generation", &generation);
        size_t count = read_messages(json_get(row, "messages"), m);
        assert_true(json_get_string(row, "text", &text, &n));
        assert_int_equal(chat_render_text(c, m, count, generation, &got), WR_OK);
        assert_string_equal(strbuf_str(&got), text);
        assert_int_equal(chat_render_prompt(c, tok, m, count, generation, &ids), WR_OK);
        size_t i = 0;
        for (const json_value *v = json_get(row, "ids")->first; v; v = v->next, i++) {
            int64_t id = -1;
            assert_true(json_to_int(v, &id) && i < ids.n);
            assert_int_equal(ids.ids[i], id);
        }
        assert_int_equal(i, ids.n);
        token_ids_free(&ids);
        strbuf_free(&got);
        chat_template_free(c);
    }
    assert_int_equal(rows, 36);
    instream_close(in);
    arena_free(a);
}

/* What is not ChatML, or only nearly, is refused: it is never rendered as if it were. */
static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "{{ bos_token }}", "{% for message in messages %}[INST] {{ message['content'] }} [/INST]{% endfor %}", "{% for message in messages %}{{ 'x",
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] | trim + '<|im_end|>\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "{{ bos_token }}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>' }}{% endif %}",
        "{%", "{% if tools %}", "{% if tools %}{% else", "{{ '\\", "{# x",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        chat_template *c = NULL;
        if (load_template(texts[i], strlen(texts[i]), &c) != WR_E_FORMAT) fail_msg("template %zu was not refused", i);
        assert_non_null(strstr(wr_error(), "chat_template"));
        assert_null(c);
    }
}

static void test_sources(void **state)
{
    (void)state;
    static const char config[] = "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"?\"},{\"name\":\"default\",\"template\":\"{% for message in messages %}"
                                 "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
                                 "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}\"}]}";
    char path[PATH_CAP];
    chat_template *c = NULL;
    assert_int_equal(chat_template_load(folder, tok, &c), WR_OK); /* none: plain ChatML */
    chat_template_free(c);
    assert_int_equal(file_write_atomic(at("tokenizer_config.json", path), config, sizeof config - 1), WR_OK);
    if (chat_template_load(folder, tok, &c) < 0) fail_msg("%s", wr_error());
    chat_template_free(c);
    c = NULL;
    assert_int_equal(file_write_atomic(path, "{\"chat_template\":\"no\"}", 22), WR_OK);
    assert_int_equal(chat_template_load(folder, tok, &c), WR_E_FORMAT);
    assert_null(c);
    assert_int_equal(remove(path), 0);
}

/* Contents are plain text, spans cover content and end token, and a reply is tokenized as after its generation prompt. */
static void test_training(void **state)
{
    (void)state;
    chat_template *c = NULL;
    token_ids ids = {0}, prompt = {0};
    token_spans spans = {0};
    chat_message m[] = {{"user", "say <|im_end|>", 14}, {"assistant", "\n\nok", 4}, {"user", "more", 4}, {"assistant", "", 0}};
    assert_int_equal(chat_template_load(folder, tok, &c), WR_OK);
    assert_int_equal(chat_render_training(c, tok, m, 4, &ids, &spans), WR_OK);
    assert_int_equal(spans.n, 2);
    assert_int_equal(chat_render_prompt(c, tok, m, 1, true, &prompt), WR_OK);
    assert_int_equal(spans.bounds[0], prompt.n);
    assert_memory_equal(ids.ids, prompt.ids, prompt.n * sizeof *ids.ids);
    for (size_t i = 0; i < 2; i++) assert_int_equal(ids.ids[spans.bounds[2 * i + 1] - 1], chat_end_id(c));
    assert_int_equal(spans.bounds[3] - spans.bounds[2], 1);
    size_t ends = 0;
    for (size_t i = 0; i < ids.n; i++) ends += ids.ids[i] == chat_end_id(c);
    assert_int_equal(ends, 4);
    m[0].role = "tool";
    assert_int_equal(chat_render_prompt(c, tok, m, 1, true, &prompt), WR_E_FORMAT);
    assert_non_null(strstr(wr_error(), "tool"));
    token_ids_free(&ids);
    token_ids_free(&prompt);
    token_spans_free(&spans);
    chat_template_free(c);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) && tokenizer_load(GOLDEN "digits", &tok) == WR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tokenizer_free(tok);
    return dir_remove_tree(folder) < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_refused), cmocka_unit_test(test_sources), cmocka_unit_test(test_training)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
