/* The Jinja of chat templates against goldens made with transformers (tests/oracle/jinja_golden.py): equal, or refused.
 */
#include "base/json.h"
#include "base/stream.h"
#include "base/utf8.h"
#include "text/chat/jinja.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const chat_message chat[] = {{"system", "Be k\xc3\xadnd.", 9, NULL},
                                    {"user", " Hi <b> & 'x'\n", 14, NULL},
                                    {"assistant", "A \xc3\x9f\xe4\xbd\xa0", 7, NULL},
                                    {"user", "1,2,3", 5, NULL}};
static const jinja_variable variables[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};

/* Valid Jinja that the program names as not supported. All else that transformers renders must be rendered. */
static const char *const unsupported[] = {"'is sameas' of two values",   "printing a generator", "printing a macro",
                                          "of str is not supported",     "more than 63 bits",    "printing a function",
                                          "'urlencode' is not supported"};

static const char *live_cases(void) { return getenv("WILDREWARD_JINJA_CASES"); } /* of tests/oracle/jinja_live.py */

/* Random snippets may use whatever is refused; the stored ones only what is listed above. */
static void check_case(const char *text, size_t n, const json_value *want) {
    jinja *t = NULL;
    jinja_text x = {0};
    arena *a = arena_create();
    const jinja_chat c = {
        .messages = chat, .n = 4, .add_generation_prompt = true, .variables = variables, .n_variables = 2};
    wr_status status = jinja_compile(text, n, &t);
    if (status >= 0) status = jinja_render(t, &c, a, &x);
    if (status < 0) {
        bool named = want->kind == JSON_NULL || live_cases();
        for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
            named = named || strstr(wr_error(), unsupported[i]);
        if (!named || status != WR_E_FORMAT) fail_msg("%s: %s", text, wr_error());
    } else if (want->kind == JSON_NULL) {
        fail_msg("%s: \"%.*s\", and Jinja refuses it", text, (int)x.n, x.bytes);
    } else if (x.n != want->length || memcmp(x.bytes, want->text, x.n) != 0) {
        fail_msg("%s: \"%.*s\" instead of \"%s\"", text, (int)x.n, x.bytes, want->text);
    }
    for (size_t i = 0; i < x.n; i++) assert_true(x.origin[i] <= 4);
    jinja_free(t);
    arena_free(a);
}

/* One render for each 8,192 characters, each on a line of its own. */
static void check_method(const char *method, const char *want) {
    char text[256], got[20];
    jinja *t = NULL;
    uint64_t h = 0xcbf29ce484222325;
    const bool asks = strncmp(method, "is", 2) == 0;
    snprintf(text, sizeof text,
             asks ? "{%% for c in messages[0].content %%}{{ c.%s() }}{%% if not loop.last %%}{{ '\\n' }}{%% endif "
                    "%%}{%% endfor %%}"
                  : "{%% for c in messages[0].content %%}{{ c.%s() ~ ('' if loop.last else '\\n') }}{%% endfor %%}",
             method);
    assert_int_equal(jinja_compile(text, strlen(text), &t), WR_OK);
    const uint32_t codes = getenv("ALL_CODES") ? 0x110000 : 0x33000; /* no letter is above, in Unicode 14 */
    for (uint32_t from = 0; from < codes; from += 8192) {
        strbuf s = {0};
        jinja_text x;
        arena *a = arena_create();
        for (uint32_t c = from; c < from + 8192 && c < codes; c++) {
            char bytes[4];
            if (c < 0xd800 || c >= 0xe000) strbuf_append(&s, bytes, utf8_encode(c, bytes));
        }
        const chat_message m = {"user", strbuf_str(&s), s.len, NULL};
        if (s.len && jinja_render(t, &(jinja_chat){.messages = &m, .n = 1}, a, &x) < 0)
            fail_msg("%s: %s", method, wr_error());
        if (from && s.len) h = (h ^ '\n') * 0x100000001b3;
        for (size_t i = 0; s.len && i < x.n; i++) h = (h ^ (unsigned char)x.bytes[i]) * 0x100000001b3;
        strbuf_free(&s);
        arena_free(a);
    }
    snprintf(got, sizeof got, "%016llx", (unsigned long long)h);
    if (strcmp(got, want) != 0) fail_msg("%s differs from Python's for some character", method);
    jinja_free(t);
}

static void test_golden(void **state) {
    (void)state;
    instream *in;
    const char *line, *text;
    size_t length, n, cases = 0, methods = 0;
    const char *live = live_cases();
    assert_int_equal(instream_open(live ? live : "tests/golden/jinja_cases.jsonl", &in), WR_OK);
    while (instream_line(in, &line, &length) == WR_OK) {
        const json_value *row;
        arena *a = arena_create();
        assert_int_equal(json_parse(a, line, length, &row), WR_OK);
        if (json_get_string(row, "template", &text, &n)) {
            check_case(text, n, json_get(row, "want"));
            cases++;
        } else {
            const char *fnv;
            assert_true(json_get_string(row, "method", &text, &n) && json_get_string(row, "fnv", &fnv, &length));
            check_method(text, fnv);
            methods++;
        }
        arena_free(a);
    }
    instream_close(in);
    assert_true(cases > 150 && (live || methods == 16));
}

/* Each pair holds the one before it twice: 2^90 items to look at, 90 deep. */
#define TWICE                                                                                                          \
    "{% set ns = namespace(x=(1,), y=(1,)) %}{% for k in range(90) %}{% set ns.x = (ns.x, ns.x) %}"                    \
    "{% set ns.y = (ns.y, ns.y) %}{% endfor %}"

/* Bounds hold for what grows inside: lists, scopes, calls, filters upon filters, comparisons. */
static void test_bounds(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{% for x in [[[1]]] recursive %}{{ loop([x]) }}{% endfor %}",
        "{% set ns = namespace(a=[1]) %}{% for i in range(99) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 99999999 }}",
        "{{ '%9999999d' % 1 }}",
        "{{ 'a'.center(999999999) }}",
        "{{ range(99999) | map('string') | map('replace', '', 'x' * 9999) | list | length }}",
        "{% set ns = namespace(i=[1]) %}{% for k in range(90000) %}{% set ns.i = ns.i | map('string') %}{% endfor %}{{ "
        "ns.i | list }}",
        "{% set ns = namespace(i=[1]) %}{% for k in range(90000) %}{% set ns.i = ns.i | unique %}{% endfor %}{{ ns.i | "
        "list }}",
        TWICE "{{ ns.x == ns.y }}",
        TWICE "{{ ns.x < ns.y }}",
        TWICE "{{ {ns.x: 1}[ns.y] }}",
        "{% set ns = namespace(x=(1,)) %}{% for k in range(90000) %}{% set ns.x = (ns.x,) %}{% endfor %}{{ {ns.x: 1} "
        "}}",
        "{% set x = 'a' * 1000000 %}{% for k in range(90000) %}{% if x.isalpha() %}{% endif %}{% endfor %}",
        "{% set x = 'a ' * 500000 %}{% for k in range(100) %}{% set y = x | wordcount %}{% endfor %}",
        "{{ '%5\\0' % 3 }}", /* a NUL is no type of a format */
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        jinja *t = NULL;
        jinja_text x;
        arena *a = arena_create();
        assert_int_equal(jinja_compile(texts[i], strlen(texts[i]), &t), WR_OK);
        if (jinja_render(t, &(jinja_chat){.messages = chat, .n = 1}, a, &x) != WR_E_FORMAT)
            fail_msg("%s came to an end", texts[i]);
        if (strncmp(wr_error(), "line 1: ", 8) != 0) fail_msg("%s: %s", texts[i], wr_error());
        jinja_free(t);
        arena_free(a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
