/* ChatML rendering against goldens made with transformers (tests/oracle/chat_golden.py). */
#include "base/file.h"
#include "base/json.h"
#include "base/stream.h"
#include "text/chat/chat_template.h"
#include "tests/support/temp_folder.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN "tests/golden/tokenizer/"
static tokenizer *tok;

static const char *at(const char *name, char path[PATH_CAP]) {
    assert_int_equal(path_join(path, test_folder(), name), WR_OK);
    return path;
}

static wr_status load_template(const char *text, size_t n, chat_template **out) {
    char path[PATH_CAP];
    assert_int_equal(file_write_atomic(at("chat_template.jinja", path), text, n), WR_OK);
    wr_status status = chat_template_load(test_folder(), NULL, tok, out);
    assert_int_equal(remove(path), 0);
    return status;
}

static size_t read_messages(const json_value *list, chat_message *m) {
    size_t n = 0, length;
    for (const json_value *v = list->first; v; v = v->next, n++) {
        assert_true(json_get_string(v, "role", &m[n].role, &length));
        assert_true(json_get_string(v, "content", &m[n].content, &m[n].length));
        m[n].fields = v;
    }
    return n;
}

static void test_golden(void **state) {
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
        assert_ok(load_template(text, n, &c));
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

static const char plain[] = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
                            "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
                            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/* What the program does not know is refused when the template is loaded, and named with its line. */
static void test_refused(void **state) {
    (void)state;
    static const struct refusal {
        const char *text, *words;
    } texts[] = {
        {"", "leaves out what the user says"},
        {"{{ bos_token }}", "leaves out what the user says"},
        {"a\n{% for message in messages %}{{ 'x", "line 2"},
        {"{% include 'x' %}", "'include' is not supported"},
        {"{{ messages | urlize }}", "'urlize' is not supported"},
        {"{{ messages | nonsense }}", "line 1: there is no filter named 'nonsense'"},
        {"{{ messages[0].content is weird }}", "no test named 'weird'"},
        {"{{ messages[0].content.encode() }}", "'encode' of str"},
        {"{{ messages | map('upper') }}", "printing a generator"},
        {"{{ '\xff' }}{{ messages[0].content }}", "byte 4 is not UTF-8"},
        {"{{ messages[0].content | int(1, 2, 3) }}", "the filter int takes no more than 2 arguments"},
        {"{{ messages[0].content | trim(x=1) }}", "the filter trim takes no argument named 'x'"},
        {"{% set ns = namespace() %}{% set ns._x = 1 %}", "begins with an underscore"},
        {"{{ nothing.here }}", "undefined"},
        {"{{ 1 + 'a' }}", "'+' of int and str"},
        {"\n\n{{ 1 / 0 }}", "line 3: division by zero"},
        {"{% for i in range(99999999) %}x{% endfor %}", "range of more than"},
        {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "too deeply"},
        {"{% set x = 'aaaaaaaaaaaaaaaa' * 99999999 %}", "repeated too often"},
        {"{% for a in range(9000) %}{% for b in range(9000) %}{% if b %}{% endif %}{% endfor %}{% endfor %}",
         "does not come to an end"},
        {"{{ "
         "'abcdefghijklmnop'|join('abcdefghijklmnop')|join('abcdefghijklmnop')|join('abcdefghijklmnop')|join('"
         "abcdefghijklmnop')|join('abcdefghijklmnop')|join('a') }}",
         "needs more than 1024 MiB"},
        {"{%", "no end"},
        {"{% if tools %}", "ends before"},
        {"{% if tools %}{% else", "no end"},
        {"{{ '\\", "no end"},
        {"{# x", "no end"},
        {"{{ raise_exception('We do not talk.') }}", "We do not talk."},
        {"{{ '\\u12' }}", "hexadecimal"},
        {"{{ (((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1", "too deeply"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        chat_template *c = NULL;
        if (load_template(texts[i].text, strlen(texts[i].text), &c) != WR_E_FORMAT)
            fail_msg("template %zu was not refused", i);
        if (!strstr(wr_error(), texts[i].words) || !strstr(wr_error(), "chat_template.jinja") ||
            !strstr(wr_error(), "--chat-template"))
            fail_msg("template %zu: %s", i, wr_error());
        assert_null(c);
    }
}

static void write_tokens(char path[PATH_CAP]) {
    static const char text[] = "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"<|im_end|>\"}";
    assert_int_equal(file_write_atomic(at("tokenizer_config.json", path), text, sizeof text - 1), WR_OK);
}

/* What checkpoints' templates do, one construct after another, with the text that Jinja 2 makes of it. */
static void test_constructs(void **state) {
    (void)state;
    static const struct construct {
        const char *text, *want;
    } cases[] = {
        {"{{ messages|length }} {{ messages[-1]['role'] }} {{ messages[0].content.strip().split(' ', 1)[1] }}",
         "3 user two"},
        {"{% for m in messages[1:] %}{{ loop.index0 }}{{ loop.last }}{{ m.role[:4] }};{% endfor %}",
         "0Falseassi;1Trueuser;"},
        {"{% set ns = namespace(n=1) %}{% for m in messages if m.role == 'user' %}{% set ns.n = ns.n + loop.index %}{% "
         "set lost = 1 %}{% endfor %}{{ ns.n }}{{ lost is defined }}",
         "4False"},
        {"{% for m in messages[::-1] %}{% if loop.first %}{% continue %}{% endif %}{{ m.content|trim }}{% break %}{% "
         "endfor %}",
         "It's \"ok\""},
        {"{% macro tag(t, x='d') %}<{{ t }}:{{ x }}>{% endmacro %}{{ tag('a') }}{{ tag('b', x=2) }}{{ tag(x=none, "
         "t='c') }}",
         "<a:d><b:2><c:None>"},
        {"  {%- if not tools and 'two' in messages[0].content %}\n  yes\n  {% endif %}\n end", "  yes\n end"},
        {"{{ 'a' ~ 1 ~ true }}{{ 7 // 2 }}{{ -7 // 2 }}{{ -7 % 3 }}{{ 7 / 2 }}{{ 2 - 3 * 4 }}", "a1True3-423.5-10"},
        {"{{ {'a': [1, 2.5, none, 'x\"'], 'b': {}} | tojson }}", "{\"a\": [1, 2.5, null, \"x\\\"\"], \"b\": {}}"},
        {"{{ {'a': [1]} | tojson(indent=2) }}", "{\n  \"a\": [\n    1\n  ]\n}"},
        {"{{ nothing|default('d') }}{{ ''|default('e', true) }}{{ (messages|selectattr('role', 'equalto', "
         "'user')|list)|length }}",
         "de2"},
        {"{% set x %}a{{ 1 }}{% endset %}{{ x|upper }}{{ 'x' if nothing }}{{ ['b', 'c']|join('-') }}", "A1b-c"},
        {"{{ 'a,b,c'.rsplit(',', 1)|first }} {{ 'x.py'.endswith(('.c', '.py')) }} {{ ' y '.lstrip() }}|{{ "
         "'abcabc'.replace('b', '', 1) }}",
         "a,b True y |acabc"},
        {"{# gone #}{{ messages[1].content | tojson }}{% generation %}g{% endgeneration %}{{ '}}' }}{{ {'k': {'v': "
         "1}}['k'].v }}",
         "\"It's \\\"ok\\\"\"g}}1"},
        {"{% filter upper %}a{% endfilter %}{{ 3 is odd }}{{ 'A' is upper }}{{ 1 in [1] }}{{ 'z' not in 'abc' }}{{ not "
         "1 == 2 }}",
         "ATrueTrueTrueTrueTrue"},
        {"{{ {'b': 1, 'A': 2}|dictsort|map('first')|join }}{{ 'caf\u00e9'|length }}{{ '\u00e9x'[1] }}{{ '%s' if false "
         "else \"it\\'s\" }}",
         "Ab4xit's"},
    };
    const chat_message m[] = {
        {"user", " one two ", 9, NULL}, {"assistant", "It's \"ok\"", 9, NULL}, {"user", "three", 5, NULL}};
    char config[PATH_CAP];
    write_tokens(config);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        chat_template *c = NULL;
        strbuf got = {0};
        snprintf(text, sizeof text, "%s{{ '' if messages|length == 3 else messages[0].content }}", cases[i].text);
        /* chats of one message, which loading tries, may be too short for a case */
        if (load_template(text, strlen(text), &c) < 0) {
            char guarded[2048];
            snprintf(guarded, sizeof guarded,
                     "{%% if messages|length < 3 %%}{{ messages[0].content }}{%% else %%}%s{%% endif %%}",
                     cases[i].text);
            if (load_template(guarded, strlen(guarded), &c) < 0) fail_msg("case %zu: %s", i, wr_error());
        }
        if (chat_render_text(c, m, 3, false, &got) < 0) fail_msg("case %zu: %s", i, wr_error());
        if (strcmp(strbuf_str(&got), cases[i].want) != 0)
            fail_msg("case %zu: \"%s\" instead of \"%s\"", i, strbuf_str(&got), cases[i].want);
        strbuf_free(&got);
        chat_template_free(c);
    }
    assert_int_equal(remove(config), 0);
}

/* The slot format, and what is wrong with it. */
static void test_slots(void **state) {
    (void)state;
    static const char good[] = "# a comment\nbegin: \"{bos}\"\nuser: \"<u>{content}</u>\\n\"\r\nassistant: "
                               "\"<a>{content}{eos}\"\nsystem: \"[{content}]\"\n"
                               "default_system: \"Be \\\"kind\\\".\"\ngeneration: \"<a>\"\n";
    static const struct bad {
        const char *text, *words;
    } bad[] = {
        {"user: \"{content}\"", "assistant is missing"},
        {"user \"x\"", "line 1"},
        {"\nwho: \"x\"", "line 2: 'who'"},
        {"user: x", "double quotes"},
        {"user: \"no\"", "{content} once"},
        {"generation: \"{content}\"", "has no {content}"},
        {"user: \"{content}\"\nuser: \"{content}\"", "twice"},
    };
    char path[PATH_CAP], config[PATH_CAP];
    chat_template *c = NULL;
    strbuf got = {0};
    const chat_message m[] = {{"user", "hi", 2, NULL}, {"assistant", "yo", 2, NULL}};
    assert_int_equal(file_write_atomic(at("slots.txt", path), good, sizeof good - 1), WR_OK);
    write_tokens(config);
    assert_ok(chat_template_load(test_folder(), path, tok, &c));
    assert_int_equal(chat_end_id(c), tokenizer_id(tok, "<|im_end|>"));
    assert_int_equal(chat_render_text(c, m, 2, true, &got), WR_OK);
    assert_string_equal(strbuf_str(&got), "<s>[Be \"kind\".]<u>hi</u>\n<a>yo<|im_end|><a>");
    chat_template_free(c);
    strbuf_free(&got);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(file_write_atomic(path, bad[i].text, strlen(bad[i].text)), WR_OK);
        assert_int_equal(chat_template_load(test_folder(), path, tok, &c), WR_E_FORMAT);
        if (!strstr(wr_error(), bad[i].words)) fail_msg("slots %zu: %s", i, wr_error());
    }
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(config), 0);
}

static void test_sources(void **state) {
    (void)state;
    static const char config[] =
        "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"?\"},{\"name\":\"default\",\"template\":\"{% for "
        "message in messages %}"
        "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}\"}]}";
    char path[PATH_CAP];
    chat_template *c = NULL;
    static const struct bad {
        const char *config, *words;
    } bad[] = {
        {"{}", "no chat template"},
        {"{\"chat_template\":null}", "no chat template"},
        {"{\"chat_template\":7}", "neither text"},
        {"{\"chat_template\":[]}", "none of them is \"default\""},
        {"{\"chat_template\":{\"rag\":\"x\"}}", "(rag)"},
        {"{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"x\"},{\"name\":\"rag\",\"template\":\"x\"}]}",
         "(tool_use, rag)"},
        {"{\"chat_template\":[{\"template\":\"x\"}]}", "no template with a name"},
    };
    assert_int_equal(chat_template_load(test_folder(), NULL, tok, &c),
                     WR_E_FORMAT); /* none: another one is not made up */
    assert_error_says("--chat-template");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(file_write_atomic(at("tokenizer_config.json", path), bad[i].config, strlen(bad[i].config)),
                         WR_OK);
        assert_int_equal(chat_template_load(test_folder(), NULL, tok, &c), WR_E_FORMAT);
        if (!strstr(wr_error(), bad[i].words) || !strstr(wr_error(), "--chat-template"))
            fail_msg("source %zu: %s", i, wr_error());
    }
    assert_int_equal(file_write_atomic(at("tokenizer_config.json", path), config, sizeof config - 1), WR_OK);
    assert_ok(chat_template_load(test_folder(), NULL, tok, &c));
    chat_template_free(c);
    c = NULL;
    assert_int_equal(file_write_atomic(path, "{\"chat_template\":\"no\"}", 22), WR_OK);
    assert_int_equal(chat_template_load(test_folder(), NULL, tok, &c), WR_E_FORMAT);
    assert_null(c);
    assert_int_equal(remove(path), 0);
}

/* Contents are plain text, spans cover content and end token, and a reply is tokenized as after its generation
 * prompt. */
static void test_training(void **state) {
    (void)state;
    chat_template *c = NULL;
    token_ids ids = {0}, prompt = {0};
    token_spans spans = {0};
    chat_message m[] = {{"user", "say <|im_end|>", 14, NULL},
                        {"assistant", "\n\nok", 4, NULL},
                        {"user", "more", 4, NULL},
                        {"assistant", "", 0, NULL}};
    assert_ok(load_template(plain, strlen(plain), &c));
    assert_int_equal(chat_render_training(c, tok, &(chat_request){m, 4, NULL, false}, &ids, &spans), WR_OK);
    assert_int_equal(spans.n, 2); /* of an empty reply, its end */
    assert_int_equal(spans.bounds[3], spans.bounds[2] + 1);
    assert_int_equal(ids.ids[spans.bounds[2]], chat_end_id(c));
    assert_int_equal(chat_render_prompt(c, tok, m, 1, true, &prompt), WR_OK);
    assert_int_equal(spans.bounds[0], prompt.n);
    assert_memory_equal(ids.ids, prompt.ids, prompt.n * sizeof *ids.ids);
    assert_int_equal(ids.ids[spans.bounds[1] - 1], chat_end_id(c));
    size_t ends = 0;
    for (size_t i = 0; i < ids.n; i++) ends += ids.ids[i] == chat_end_id(c);
    assert_int_equal(ends, 4);
    token_ids_free(&ids);
    token_ids_free(&prompt);
    token_spans_free(&spans);
    chat_template_free(c);
}

static int set_up(void **state) {
    return folder_set_up(state) == 0 && tokenizer_load(GOLDEN "digits", &tok) == WR_OK ? 0 : -1;
}

static int tear_down(void **state) {
    tokenizer_free(tok);
    return folder_tear_down(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden),     cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_constructs), cmocka_unit_test(test_slots),
                                       cmocka_unit_test(test_sources),    cmocka_unit_test(test_training)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
