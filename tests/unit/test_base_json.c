#include "base/json.h"
#include "base/log.h"
#include "base/rng.h"
#include "tests/support/asserts.h"
#include <stdlib.h>
#include <string.h>

static const json_value *parse(arena *a, const char *text) {
    const json_value *v = NULL;
    if (json_parse(a, text, strlen(text), &v) < 0) {
        fail_msg("%s: %s", text, wr_error());
    }
    return v;
}

static void test_values(void **state) {
    arena *a = *state;
    const json_value *v = parse(
        a,
        " {\"s\":\"a\\n\\u00e9\\ud83d\\ude00\\u0000z\", \"n\":1.50e+3,\"i\":-12,\"t\":true,\"x\":null,\"l\":[1,[2],{}],"
        "\"d\":1,\"d\":2, \"k\\u0000e\":9, \"\":5}\n\t ");
    const char *text;
    size_t n;
    assert_true(json_get_string(v, "s", &text, &n));
    assert_int_equal(n, 10);
    assert_memory_equal(text, "a\n\xC3\xA9\xF0\x9F\x98\x80\0z", 11);
    assert_string_equal(json_get(v, "n")->text, "1.50e+3");
    int64_t i;
    double d;
    bool t = false;
    assert_true(json_get_int(v, "i", &i));
    assert_int_equal(i, -12);
    assert_true(json_get_int(v, "n", &i));
    assert_int_equal(i, 1500);
    assert_true(json_get_double(v, "n", &d) && d == 1500);
    assert_true(json_get_bool(v, "t", &t) && t);
    assert_true(json_is(json_get(v, "x"), JSON_NULL));
    assert_true(json_get_int(v, "d", &i));
    assert_int_equal(i, 2);
    assert_null(json_get(v, "k"));
    assert_non_null(json_get(v, ""));
    const json_value *l = json_get(v, "l");
    assert_int_equal(l->length, 3);
    assert_true(json_is(json_at(l, 2), JSON_OBJECT));
    assert_null(json_at(l, 3));
    assert_null(json_at(v, 0));
    assert_null(json_get(l, "s"));
    assert_null(json_get(NULL, "s"));
    assert_false(json_get_string(v, "i", &text, &n));
    assert_false(json_get_int(v, "s", &i));
    assert_int_equal(v->length, 10);
}

static void test_integers(void **state) {
    arena *a = *state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"3.0", true, 3},
        {"3.5", false, 0},
        {"1e3", true, 1000},
        {"1e300", false, 0},
        {"1e999", false, 0},
        {"-0", true, 0},
        {"-0.0", true, 0},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int64_t i = 0;
        assert_int_equal(json_to_int(parse(a, cases[c].text), &i), cases[c].ok);
        assert_true(!cases[c].ok || i == cases[c].value);
    }
}

static void test_errors(void **state) {
    arena *a = *state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "01",
        "1.",
        "-",
        "+1",
        ".5",
        "nul",
        "nan",
        "NaNs",
        "-NaN",
        "6NaN",
        "NaN5",
        "1.NaN",
        "[2Infinity]",
        "Infinity5",
        "{\"label\":3NaN}",
        "Infinitye5",
        "--Infinity",
        "+Infinity",
        "Infinit",
        "\"abc",
        "\"a\nb\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "1 2",
        "{} x",
        "[1}",
        "// c\n1",
        "'a'",
        "{\"a\":}",
        "\"\\",
        "\"\\u",
        "\"\\ud800",
        "\"\\ud800\\",
        "\"\\ud800\\u",
        "]",
        "}",
        ",",
        ":",
        "tru",
        "{} \"",
        "[]\"x",
        "{}tru",
        "0\"\\",
        "{} 1",
        "{}-",
        "[] \"\\u12",
        "\xEF\xBB\xBF{}",
        "\"\x01\"",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const json_value *v = NULL;
        wr_status status = json_parse(a, bad[i], strlen(bad[i]), &v);
        if (status != WR_E_FORMAT || v) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_true(strlen(wr_error()) > 5 && !strchr(wr_error(), '\n'));
    }
    const json_value *v;
    assert_int_equal(json_parse(a, "{}\0{}", 5, &v), WR_E_FORMAT);
    assert_int_equal(json_parse(a, "\"a\0b\"", 5, &v), WR_E_FORMAT);
    assert_int_equal(json_parse(a, "{\"a\":\"\xC3\x28\"}", 9, &v), WR_E_FORMAT);
    assert_error_says("UTF-8 at byte 6");
    assert_int_equal(json_parse(a, "\"\xED\xA0\x80\"", 5, &v), WR_E_FORMAT);
    assert_int_equal(json_parse(a, "[1, x]", 6, &v), WR_E_FORMAT);
    assert_error_says("byte");
}

/* As Python writes them: kept as they are, and never taken for a number. */
static void test_nan(void **state) {
    (void)state;
    static const char text[] = "{\"a\":NaN,\"b\":[Infinity,-Infinity,\"NaN \\\"\"],\"c\":1}";
    arena *a = arena_create();
    const json_value *v;
    strbuf out = {0};
    double x;
    int64_t whole;
    assert_int_equal(json_parse(a, text, sizeof text - 1, &v), WR_OK);
    assert_false(json_get_double(v, "a", &x));
    assert_false(json_get_int(v, "a", &whole));
    assert_false(json_is_finite(json_at(json_get(v, "b"), 1)));
    assert_true(json_get_int(v, "c", &whole));
    json_writer w = json_writer_make(&out);
    json_copy(&w, v);
    assert_string_equal(strbuf_str(&out), text);
    strbuf_free(&out);
    static const char *const alone[] = {"Infinity", "-Infinity", "NaN"}; /* a document that ends with it */
    for (int k = 0; k < 3; k++) {
        assert_int_equal(json_parse(a, alone[k], strlen(alone[k]), &v), WR_OK);
        assert_string_equal(v->text, alone[k]);
    }
    arena_free(a);
}

/* Unpaired surrogates become U+FFFD; what looks like one behind an escaped backslash stays. */
static void test_surrogates(void **state) {
    arena *a = *state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"\"\\ud800\"", "\xEF\xBF\xBD"},
        {"\"\\udc00x\"", "\xEF\xBF\xBDx"},
        {"\"\\ud800\\u0041\"", "\xEF\xBF\xBD"
                               "A"},
        {"\"\\ud800\\ud83d\\ude00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
        {"\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF"},
        {"\"\\\\ud800\"", "\\ud800"},
        {"\"\\\\\\ud800\\\\\"", "\\\xEF\xBF\xBD\\"},
        {"\"\\ud800\\n\"", "\xEF\xBF\xBD\n"},
        {"\"\\ud83d\\ude00\\ude00\"", "\xF0\x9F\x98\x80\xEF\xBF\xBD"},
        {"\"\\ud800z\"", "\xEF\xBF\xBDz"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const json_value *v = parse(a, cases[i].json);
        assert_string_equal(v->text, cases[i].text);
        assert_int_equal(v->length, strlen(cases[i].text));
    }
}

static void test_depth(void **state) {
    arena *a = *state;
    char text[2 * JSON_MAX_DEPTH + 3];
    memset(text, '[', JSON_MAX_DEPTH);
    memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    text[2 * JSON_MAX_DEPTH] = '\0';
    strbuf b = {0};
    json_writer w = json_writer_make(&b);
    json_copy(&w, parse(a, text));
    assert_string_equal(strbuf_str(&b), text);
    strbuf_free(&b);
    memset(text, '[', JSON_MAX_DEPTH + 1);
    memset(text + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
    const json_value *v;
    assert_int_equal(json_parse(a, text, 2 * JSON_MAX_DEPTH + 2, &v), WR_E_FORMAT);
    assert_error_says("deep");
    enum { MANY = 1000000 };
    char *many = mem_realloc(NULL, MANY, 1);
    memset(many, '[', MANY);
    assert_int_equal(json_parse(a, many, MANY, &v), WR_E_FORMAT);
    free(many);
}

static void test_large(void **state) {
    arena *a = *state;
    enum { SIZE = 50 << 20 };
    char *text = mem_realloc(NULL, SIZE, 1);
    const json_value *v;
    for (int escapes = 0; escapes < 2; escapes++) {
        memset(text, 'x', SIZE);
        memcpy(text, "{\"a\":\"", 6);
        for (size_t i = 6; escapes && i + 1000 < SIZE; i += 100) {
            memcpy(text + i, "\\n", 2);
        }
        memcpy(text + SIZE - 2, "\"}", 2);
        double start = clock_seconds();
        assert_int_equal(json_parse(a, text, SIZE, &v), WR_OK);
        size_t expected = SIZE - 8 - (escapes ? (SIZE - 1000 - 6 + 99) / 100 : 0);
        assert_int_equal(json_get(v, "a")->length, expected);
        print_message("50 MB string%s: %.3f s\n", escapes ? " with escapes" : "", clock_seconds() - start);
        arena_reset(a);
    }
    free(text);
    strbuf b = {0};
    strbuf_puts(&b, "[0");
    for (int i = 1; i < 1000000; i++) {
        strbuf_puts(&b, ",{}");
    }
    strbuf_puts(&b, "]");
    assert_int_equal(json_parse(a, b.data, b.len, &v), WR_OK);
    assert_int_equal(v->length, 1000000);
    strbuf_free(&b);
}

static void test_writer(void **state) {
    arena *a = *state;
    strbuf b = {0};
    json_writer w = json_writer_make(&b);
    json_begin_object(&w);
    json_key(&w, "a");
    json_begin_array(&w);
    json_int(&w, INT64_MIN);
    json_double(&w, 0.1);
    json_double(&w, 1.0 / 3);
    json_double(&w, 0.0 / 0.0);
    json_begin_object(&w);
    json_end_object(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_bool(&w, true);
    json_end_array(&w);
    json_key_n(&w, "k\"\0", 3);
    json_string_n(&w, "\xFF\xC3\xA9\xE4\xBD|\0\b\f\n\r\t\\\"\x1f\x7f", 16);
    json_key(&w, "n");
    json_string(&w, NULL);
    json_end_object(&w);
    assert_string_equal(strbuf_str(&b), "{\"a\":[-9223372036854775808,0.1,0.333333333,null,{},[],true],"
                                        "\"k\\\"\\u0000\":\"\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD|"
                                        "\\u0000\\b\\f\\n\\r\\t\\\\\\\"\\u001f\x7f\",\"n\":null}");
    parse(a, strbuf_str(&b));
    strbuf_clear(&b);
    const char *text = "{\"z\":1.0,\"a\":[1E5,-0,123456789012345678901234567890,\"\\u00e9\"],\"z\":{\"\":null}}";
    w = json_writer_make(&b);
    json_copy(&w, parse(a, text));
    assert_string_equal(strbuf_str(&b),
                        "{\"z\":1.0,\"a\":[1E5,-0,123456789012345678901234567890,\"\xC3\xA9\"],\"z\":{\"\":null}}");
    strbuf_free(&b);
}

/* Damaged documents: no crash, and what is accepted can be written and read again. */
static void test_mutations(void **state) {
    arena *a = *state;
    static const char text[] = "{\"conversation\":[{\"role\":\"user\",\"content\":\"h\\u00e9 \\ud83d\\ude00 "
                               "\xE4\xBD\xA0\"},{\"n\":-1.5e3,\"b\":[true,false,null]}]}";
    static const char alphabet[] = "{}[]\",:\\u\xC3\xFF"
                                   "0d8e.-\0 ";
    char copy[sizeof text];
    rng r = rng_make(3, RNG_TEST, 0, 0, 0);
    strbuf b = {0};
    size_t accepted = 0;
    for (int round = 0; round < 20000; round++) {
        memcpy(copy, text, sizeof text);
        size_t n = rng_below(&r, 4) ? sizeof text - 1 : (size_t)rng_below(&r, sizeof text);
        for (uint64_t k = rng_below(&r, 4); k > 0; k--) {
            copy[rng_below(&r, sizeof text - 1)] = alphabet[rng_below(&r, sizeof alphabet - 1)];
        }
        char *exact = mem_strndup(copy, n); /* on the heap, so that reading past the end is seen */
        char *tight = n ? mem_realloc(exact, n, 1) : exact;
        const json_value *v;
        arena_reset(a);
        if (json_parse(a, tight, n, &v) >= 0) {
            accepted++;
            strbuf_clear(&b);
            json_writer w = json_writer_make(&b);
            json_copy(&w, v);
            const json_value *again;
            assert_int_equal(json_parse(a, b.data, b.len, &again), WR_OK);
        }
        free(tight);
    }
    assert_true(accepted > 2000);
    strbuf_free(&b);
}

static int set_up(void **state) {
    *state = arena_create();
    return *state ? 0 : -1;
}

static int tear_down(void **state) {
    arena_free(*state);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_values), TEST(test_integers),   TEST(test_errors),
                                       TEST(test_nan),    TEST(test_surrogates), TEST(test_depth),
                                       TEST(test_large),  TEST(test_writer),     TEST(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
