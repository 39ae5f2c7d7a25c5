/* The hand-written word matchers against PCRE2 on the same patterns, and the normal forms against utf8proc. */
#include "base/log.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pretokenize.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static const char gpt2[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}";
#define SPLIT(digits)                                                                                                  \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|" \
    "'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?"                                                                               \
    "\\\\p{L}+|" digits "| "                                                                                           \
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},"                           \
    "\"behavior\":\"Isolated\",\"invert\":false},"                                                                     \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}"
static const char qwen2[] = SPLIT("\\\\p{N}"), llama3[] = SPLIT("\\\\p{N}{1,3}");
static const char *const layouts[] = {gpt2, qwen2, llama3};
enum { N_LAYOUTS = 3 };

typedef struct pair {
    arena *a;
    unicode_table *table;
    pretokenizer *by_hand, *by_regex;
    pretokenize_scratch s1, s2;
} pair;

static pair make(const char *layout) {
    pair p = {.a = arena_create()};
    const json_value *config;
    assert_int_equal(json_parse(p.a, layout, strlen(layout), &config), WR_OK);
    assert_int_equal(unicode_table_create(&p.table), WR_OK);
    assert_ok(pretokenizer_load(config, p.table, &p.by_hand));
    assert_ok(pretokenizer_load(config, NULL, &p.by_regex));
    return p;
}

static void drop(pair *p) {
    pretokenize_scratch_free(&p->s1);
    pretokenize_scratch_free(&p->s2);
    pretokenizer_free(p->by_hand);
    pretokenizer_free(p->by_regex);
    unicode_table_free(p->table);
    arena_free(p->a);
}

static void compare(pair *p, const char *text, size_t n) {
    const piece_list *x, *y;
    assert_int_equal(pretokenize(p->by_hand, &p->s1, text, n, &x), WR_OK);
    assert_int_equal(pretokenize(p->by_regex, &p->s2, text, n, &y), WR_OK);
    for (size_t i = 0; i < x->n && i < y->n; i++)
        if (x->items[i].text != y->items[i].text || x->items[i].n != y->items[i].n)
            fail_msg("word %zu of \"%.*s\" differs at \"%.*s\"", i, (int)(n < 200 ? n : 200), text, (int)y->items[i].n,
                     y->items[i].text);
    assert_int_equal(x->n, y->n);
}

static void put(strbuf *b, uint32_t code) {
    char bytes[4];
    strbuf_append(b, bytes, utf8_encode(code, bytes));
}

/* Each code point after and before each kind of neighbour. */
static void test_every_code_point(void **state) {
    (void)state;
    static const char *const around[] = {"a", "1", " ", "!", "\n", "'", " \n", "  "};
    for (size_t k = 0; k < N_LAYOUTS; k++) {
        pair p = make(layouts[k]);
        strbuf text = {0};
        for (uint32_t code = 1; code < 0x110000; code++) {
            if (code >= 0xD800 && code < 0xE000) continue;
            if (code > 0x34000 && code < 0xE0000 && code % 97) continue; /* nothing is assigned there */
            const char *l = around[code % 8], *r = around[code / 8 % 8];
            strbuf_puts(&text, l);
            put(&text, code);
            put(&text, code);
            strbuf_puts(&text, r);
            put(&text, code);
            if (text.len < 2000) continue;
            compare(&p, text.data, text.len);
            strbuf_clear(&text);
        }
        strbuf_free(&text);
        drop(&p);
    }
}

static uint32_t random_code(rng *r) {
    static const uint32_t pool[] = {'a',    'Z',     's',    'T',    'r',     'e',    'v',    'l',  'L',   'm',   'd',
                                    '\'',   '\'',    ' ',    ' ',    ' ',     '\n',   '\r',   '\t', '1',   '9',   '!',
                                    '.',    '(',     0x17F,  0xA0,   0x85,    0x3000, 0x4F60, 0xE9, 0x301, 0x663, 0xBD,
                                    0x2167, 0x1F600, 0x200D, 0x1C8A, 0x10D40, 0x2028, 0x180E, 0};
    if (rng_below(r, 8)) return pool[rng_below(r, sizeof pool / sizeof *pool)];
    uint32_t code = (uint32_t)rng_below(r, rng_below(r, 2) ? 0x3000 : 0x110000);
    return code >= 0xD800 && code < 0xE000 ? 'x' : code;
}

static void test_random_texts(void **state) {
    (void)state;
    rng r = rng_make(5, RNG_TEST, 0, 0, 0);
    for (size_t k = 0; k < N_LAYOUTS; k++) {
        pair p = make(layouts[k]);
        strbuf text = {0};
        for (int i = 0; i < 60000; i++) {
            strbuf_clear(&text);
            for (size_t n = 1 + rng_below(&r, 24); n; n--) put(&text, random_code(&r));
            compare(&p, text.data, text.len);
        }
        strbuf_free(&text);
        drop(&p);
    }
}

static normalizer *form(const char *name, const unicode_table *table) {
    char text[64];
    const json_value *config;
    normalizer *m = NULL;
    arena *a = arena_create();
    snprintf(text, sizeof text, "{\"type\":\"%s\"}", name);
    assert_int_equal(json_parse(a, text, strlen(text), &config), WR_OK);
    assert_int_equal(normalizer_load(config, table, &m), WR_OK);
    arena_free(a);
    return m;
}

static uint32_t random_composing(rng *r) {
    static const uint32_t starts[] = {'a',    0xE9,   0x1100, 0xAC00, 0x915, 0x0DD9,
                                      0x1E9B, 0x2126, 0xFB01, 0x3099, 0x344, 0x1D15E},
                          marks[] = {0x300,  0x301,  0x327, 0x334,  0x345,  0x323,
                                     0x1161, 0x11A8, 0x93C, 0x0DCA, 0x3099, 0x5B0};
    switch (rng_below(r, 4)) {
    case 0:
        return starts[rng_below(r, 12)];
    case 1:
    case 2:
        return marks[rng_below(r, 12)];
    default:
        return (uint32_t)rng_below(r, 0x3200);
    }
}

static void test_normal_forms(void **state) {
    (void)state;
    static const char *const names[] = {"NFC", "NFD", "NFKC", "NFKD"};
    static const int options[] = {UTF8PROC_COMPOSE, UTF8PROC_DECOMPOSE, UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
                                  UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
    rng r = rng_make(6, RNG_TEST, 0, 0, 0);
    unicode_table *table;
    normalize_scratch scratch = {0};
    assert_int_equal(unicode_table_create(&table), WR_OK);
    for (int k = 0; k < 4; k++) {
        normalizer *m = form(names[k], table);
        for (int i = 0; i < 40000; i++) {
            strbuf text = {0};
            for (size_t n = 1 + rng_below(&r, i % 50 ? 12 : 80); n;) {
                uint32_t code = random_composing(&r);
                if (unicode_is_unnormalized(code) || code == 0) continue;
                put(&text, code);
                n--;
            }
            utf8proc_uint8_t *want = NULL;
            const char *got;
            size_t n_got;
            utf8proc_ssize_t n = utf8proc_map((utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.len, &want,
                                              (utf8proc_option_t)(options[k] | UTF8PROC_STABLE));
            assert_int_equal(normalize(m, &scratch, text.data, text.len, &got, &n_got), WR_OK);
            if (n_got != (size_t)n || memcmp(got, want, n_got) != 0)
                fail_msg("%s of \"%s\": \"%.*s\", not \"%s\"", names[k], text.data, (int)n_got, got, want);
            free(want);
            strbuf_free(&text);
        }
        normalizer_free(m);
    }
    normalize_scratch_free(&scratch);
    unicode_table_free(table);
}

/* A megabyte of marks in the wrong order: a sort that moves them one by one would take hours. */
static void test_mark_runs(void **state) {
    (void)state;
    normalizer *m = form("NFC", NULL);
    normalize_scratch scratch = {0};
    strbuf text = {0};
    const char *got;
    size_t n;
    strbuf_puts(&text, "x");
    for (int i = 0; i < 250000; i++) put(&text, 0x345);
    for (int i = 0; i < 250000; i++) put(&text, 0x327);
    double start = clock_seconds();
    assert_int_equal(normalize(m, &scratch, text.data, text.len, &got, &n), WR_OK);
    assert_true(clock_seconds() - start < 5.0);
    assert_int_equal(n, text.len);
    assert_memory_equal(got, "x\xCC\xA7\xCC\xA7", 5);
    assert_memory_equal(got + n - 2, "\xCD\x85", 2);
    strbuf_free(&text);
    normalize_scratch_free(&scratch);
    normalizer_free(m);
}

/* Replacements may not blow a text up. */
static void test_growth(void **state) {
    (void)state;
    static const char config[] = "{\"type\":\"Sequence\",\"normalizers\":["
                                 "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":"
                                 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"},"
                                 "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":"
                                 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}]}";
    arena *a = arena_create();
    const json_value *v;
    normalizer *m = NULL;
    normalize_scratch scratch = {0};
    const char *got;
    size_t n;
    char text[10000];
    memset(text, 'a', sizeof text);
    assert_int_equal(json_parse(a, config, sizeof config - 1, &v), WR_OK);
    assert_int_equal(normalizer_load(v, NULL, &m), WR_OK);
    assert_int_equal(normalize(m, &scratch, text, 10, &got, &n), WR_OK);
    assert_int_equal(n, 16000);
    assert_int_equal(normalize(m, &scratch, text, sizeof text, &got, &n), WR_E_FORMAT);
    normalize_scratch_free(&scratch);
    normalizer_free(m);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point), cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_normal_forms),     cmocka_unit_test(test_mark_runs),
        cmocka_unit_test(test_growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
