/* Tokenizer against goldens made with Hugging Face tokenizers (tests/oracle/tokenizer_golden.py), and its edges. */
#include "base/json.h"
#include "base/rng.h"
#include "base/stream.h"
#include "base/utf8.h"
#include "text/tokenizer/tokenizer.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define GOLDEN "tests/golden/tokenizer/"

static void assert_ids(const token_ids *got, const json_value *want, const char *text) {
    size_t i = 0;
    for (const json_value *v = want->first; v; v = v->next, i++) {
        int64_t id = -1;
        assert_true(json_to_int(v, &id));
        if (i >= got->n || got->ids[i] != id) fail_msg("id %zu of \"%s\" differs", i, text);
    }
    if (got->n != i) fail_msg("%zu ids instead of %zu for \"%s\"", got->n, i, text);
}

/* Id by id: whole characters each time, and in all what decoding at once gives. */
static void check_stream(const tokenizer *t, const token_ids *ids, bool skip, const char *want, size_t n) {
    strbuf text = {0};
    tokenizer_stream *s = NULL;
    assert_int_equal(tokenizer_stream_create(t, skip, &s), WR_OK);
    for (int again = 0; again < 2; again++) { /* a flushed stream is as new */
        strbuf_clear(&text);
        for (size_t i = 0; i < ids->n; i++) {
            assert_int_equal(tokenizer_stream_push(s, ids->ids[i], &text), WR_OK);
            assert_int_equal(utf8_valid_prefix(strbuf_str(&text), text.len), text.len);
        }
        assert_int_equal(tokenizer_stream_flush(s, &text), WR_OK);
        assert_int_equal(text.len, n);
        assert_memory_equal(strbuf_str(&text), want, n);
    }
    assert_int_equal(tokenizer_stream_push(s, -1, &text), WR_E_FORMAT);
    tokenizer_stream_free(s);
    strbuf_free(&text);
}

static void check_decode(const tokenizer *t, const json_value *row, const char *field, bool skip) {
    token_ids ids = {0};
    strbuf text = {0};
    const char *want;
    size_t n;
    assert_true(json_get_string(row, field, &want, &n));
    for (const json_value *v = json_get(row, "some")->first; v; v = v->next) {
        int64_t id = -1;
        assert_true(json_to_int(v, &id));
        assert_int_equal(token_ids_push(&ids, (int32_t)id), WR_OK);
    }
    assert_int_equal(tokenizer_decode(t, ids.ids, ids.n, skip, &text), WR_OK);
    assert_int_equal(text.len, n);
    assert_memory_equal(strbuf_str(&text), want, n);
    check_stream(t, &ids, skip, want, n);
    token_ids_free(&ids);
    strbuf_free(&text);
}

static void check_golden(const char *name) {
    char path[256];
    tokenizer *t = NULL;
    instream *in = NULL;
    const char *line, *text;
    size_t length, n, rows = 0;
    arena *a = arena_create();
    snprintf(path, sizeof path, GOLDEN "%s", name);
    assert_ok(tokenizer_load(path, &t));
    snprintf(path, sizeof path, GOLDEN "%s/cases.jsonl", name);
    assert_int_equal(instream_open(path, &in), WR_OK);
    for (; instream_line(in, &line, &length) == WR_OK; rows++) {
        const json_value *row;
        token_ids ids = {0};
        assert_int_equal(json_parse(a, line, length, &row), WR_OK);
        assert_true(json_get_string(row, "text", &text, &n));
        assert_int_equal(tokenizer_encode(t, text, n, TOK_DEFAULT, &ids), WR_OK);
        assert_ids(&ids, json_get(row, "ids"), text);
        ids.n = 0;
        assert_int_equal(tokenizer_encode(t, text, n, TOK_MATCH_SPECIAL, &ids), WR_OK);
        assert_ids(&ids, json_get(row, "bare"), text);
        check_decode(t, row, "some_text", false);
        check_decode(t, row, "some_bare", true);
        token_ids_free(&ids);
    }
    assert_true(rows > 60);
    instream_close(in);
    tokenizer_free(t);
    arena_free(a);
}

static void test_digits(void **state) {
    (void)state;
    check_golden("digits");
}

static void test_gpt2(void **state) {
    (void)state;
    check_golden("gpt2");
}

static void test_llama3(void **state) {
    (void)state;
    check_golden("llama3");
}

static void test_qwen2(void **state) {
    (void)state;
    check_golden("qwen2");
}

static void test_sentence(void **state) {
    (void)state;
    check_golden("sentence");
}

static void test_metaspace(void **state) {
    (void)state;
    check_golden("metaspace");
}

static void test_unknown(void **state) {
    (void)state;
    check_golden("unknown");
}

static tokenizer *load(const char *name) {
    tokenizer *t = NULL;
    assert_ok(tokenizer_load(name, &t));
    return t;
}

/* Without TOK_MATCH_SPECIAL a special token's text is plain text, and comes back as it was. */
static void test_plain_text(void **state) {
    (void)state;
    static const char text[] = "a <|im_end|> b";
    tokenizer *t = load(GOLDEN "digits/tokenizer.json");
    token_ids ids = {0};
    strbuf back = {0};
    assert_int_equal(tokenizer_id(t, "<|im_end|>"), 2);
    assert_int_equal(tokenizer_id(t, "no such token"), -1);
    assert_int_equal(tokenizer_vocab(t), 600);
    assert_string_equal(tokenizer_dir(t), "tests/golden/tokenizer/digits");
    assert_int_equal(strlen(tokenizer_hash(t)), 32);
    assert_int_equal(tokenizer_encode(t, text, sizeof text - 1, 0, &ids), WR_OK);
    for (size_t i = 0; i < ids.n; i++) assert_true(ids.ids[i] > 2);
    assert_int_equal(tokenizer_decode(t, ids.ids, ids.n, true, &back), WR_OK);
    assert_string_equal(strbuf_str(&back), text);
    token_ids_free(&ids);
    strbuf_free(&back);
    tokenizer_free(t);
}

/* Invalid bytes are read as U+FFFD, one for each maximal subpart; random bytes never fail. */
static void test_invalid_utf8(void **state) {
    (void)state;
    tokenizer *t = load(GOLDEN "digits");
    token_ids a = {0}, b = {0};
    static const char broken[] = "x\xE4\xBD y\xFF\xC0\xAF",
                      clean[] = "x\xEF\xBF\xBD y\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD";
    assert_int_equal(tokenizer_encode(t, broken, sizeof broken - 1, 3, &a), WR_OK);
    assert_int_equal(tokenizer_encode(t, clean, sizeof clean - 1, 3, &b), WR_OK);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
    rng r = rng_make(11, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 2000; i++) {
        char bytes[64];
        size_t n = rng_below(&r, sizeof bytes);
        strbuf text = {0};
        for (size_t k = 0; k < n; k++) bytes[k] = (char)rng_u32(&r);
        a.n = 0;
        assert_int_equal(tokenizer_encode(t, bytes, n, 3, &a), WR_OK);
        assert_int_equal(tokenizer_decode(t, a.ids, a.n, false, &text), WR_OK);
        b.n = 0;
        assert_int_equal(tokenizer_encode(t, strbuf_str(&text), text.len, 3, &b), WR_OK);
        assert_int_equal(a.n, b.n);
        strbuf_free(&text);
    }
    token_ids_free(&a);
    token_ids_free(&b);
    tokenizer_free(t);
}

/* Words and gaps of a megabyte: neither quadratic time nor a stack overflow, in every kind of pattern. */
static void test_long_words(void **state) {
    (void)state;
    static const char *const names[] = {"digits", "gpt2", "llama3", "qwen2", "sentence", "metaspace"},
                             *const units[] = {"a", " ", "\n", "=", "7", "\xE4\xBD\xA0", "ab", " \n"};
    enum { BYTES = 1000000 };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char path[128];
        snprintf(path, sizeof path, GOLDEN "%s", names[k]);
        tokenizer *t = load(path);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            strbuf text = {0}, back = {0};
            token_ids ids = {0};
            while (text.len < BYTES) strbuf_puts(&text, units[u]);
            clock_t start = clock(); /* the processor's time: others may be at work */
            assert_int_equal(tokenizer_encode(t, text.data, text.len, TOK_MATCH_SPECIAL, &ids), WR_OK);
            assert_int_equal(tokenizer_decode(t, ids.ids, ids.n, false, &back), WR_OK);
            assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
            /* gpt2 puts a space in front; metaspace's decoder takes one from there */
            size_t more = back.len > text.len, less = text.len > back.len;
            assert_int_equal(back.len + less, text.len + more);
            assert_true(!less || (text.data[0] == ' ' && strcmp(names[k], "metaspace") == 0));
            assert_memory_equal(back.data + more, text.data + less, text.len - less);
            strbuf_free(&text);
            strbuf_free(&back);
            token_ids_free(&ids);
        }
        tokenizer_free(t);
    }
}

/* Random ids, streamed and at once: broken characters, runs of byte tokens that are no text, marks at the begin. */
static void test_random_streams(void **state) {
    (void)state;
    static const char *const names[] = {"digits", "qwen2", "sentence", "metaspace", "unknown"};
    rng r = rng_make(12, RNG_TEST, 0, 0, 0);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char path[128];
        snprintf(path, sizeof path, GOLDEN "%s", names[k]);
        tokenizer *t = load(path);
        for (int i = 0; i < 2000; i++) {
            token_ids ids = {0};
            strbuf text = {0};
            for (size_t n = rng_below(&r, 12); n; n--) {
                size_t most = rng_below(&r, 2) ? 262 : tokenizer_vocab(t); /* the bytes have the first ids */
                assert_int_equal(token_ids_push(&ids, (int32_t)rng_below(&r, most)), WR_OK);
            }
            assert_int_equal(tokenizer_decode(t, ids.ids, ids.n, i % 2, &text), WR_OK);
            check_stream(t, &ids, i % 2, strbuf_str(&text), text.len);
            token_ids_free(&ids);
            strbuf_free(&text);
        }
        tokenizer_free(t);
    }
}

/* A run of byte tokens that is no UTF-8 becomes one U+FFFD a byte, and is held until it ends; one that is comes as its
 * characters. */
static void test_byte_runs(void **state) {
    (void)state;
    tokenizer *t = load(GOLDEN "sentence");
    tokenizer_stream *s = NULL;
    strbuf text = {0};
    int32_t a = tokenizer_id(t, "a"), c3 = tokenizer_id(t, "<0xC3>"), a9 = tokenizer_id(t, "<0xA9>"),
            mark = tokenizer_id(t, "\xE2\x96\x81");
    assert_true(a >= 0 && c3 >= 0 && a9 >= 0 && mark >= 0);
    assert_int_equal(tokenizer_stream_create(t, false, &s), WR_OK);
    const int32_t ids[] = {mark, a, c3, a9, a, c3, a9, c3, mark};
    static const char *const after[] = {"",
                                        "a",
                                        "a",
                                        "a",
                                        "a\xC3\xA9"
                                        "a",
                                        "a\xC3\xA9"
                                        "a",
                                        "a\xC3\xA9"
                                        "a",
                                        "a\xC3\xA9"
                                        "a",
                                        "a\xC3\xA9"
                                        "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD "};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(tokenizer_stream_push(s, ids[i], &text), WR_OK);
        assert_string_equal(strbuf_str(&text), after[i]);
    }
    tokenizer_stream_free(s);
    strbuf_free(&text);
    tokenizer_free(t);
}

/* A merge over the begin of a run of marks forbids to cut the text there. */
static void test_merge_over_marks(void **state) {
    (void)state;
    static const char file[] = "{\"added_tokens\":[],\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" "
                               "\"},\"content\":\"\xE2\x96\x81\"},"
                               "\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":{\"type\":\"Fuse\"},"
                               "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"\xE2\x96\x81\":1,"
                               "\"a\xE2\x96\x81\":2,\"\xE2\x96\x81"
                               "a\":3},\"merges\":[%s\"\xE2\x96\x81 a\"]}}";
    for (int over = 0; over < 2; over++) {
        token_ids ids = {0};
        strbuf text = {0};
        strbuf_printf(&text, file, over ? "\"a \xE2\x96\x81\"," : "");
        put_text("over.json", text.data);
        tokenizer *t = load(in_folder("over.json"));
        assert_int_equal(tokenizer_encode(t, "a a", 3, 0, &ids), WR_OK);
        assert_int_equal(ids.n, 2);
        assert_int_equal(ids.ids[0], over ? 2 : 0);
        assert_int_equal(ids.ids[1], over ? 0 : 3);
        token_ids_free(&ids);
        tokenizer_free(t);
        strbuf_free(&text);
    }
}

/* Calls of several threads share the tokenizer and its caches. */
static void test_threads(void **state) {
    (void)state;
    enum { TEXTS = 400 };
    tokenizer *t = load(GOLDEN "qwen2");
    int wrong = 0;
    for (int round = 0; round < 3; round++) {
#pragma omp parallel for num_threads(4) schedule(dynamic) reduction(+ : wrong)
        for (int i = 0; i < TEXTS; i++) {
            char text[64];
            token_ids ids = {0};
            strbuf back = {0};
            int n = snprintf(text, sizeof text, "word%d and the %d, caf\xC3\xA9 n\xC2\xBA%d", i, i * 7, i % 13);
            if (tokenizer_encode(t, text, (size_t)n, 0, &ids) < 0 ||
                tokenizer_decode(t, ids.ids, ids.n, false, &back) < 0 || strcmp(strbuf_str(&back), text) != 0)
                wrong++;
            token_ids_free(&ids);
            strbuf_free(&back);
        }
    }
    assert_int_equal(wrong, 0);
    tokenizer_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_digits),       cmocka_unit_test(test_gpt2),
                                       cmocka_unit_test(test_llama3),       cmocka_unit_test(test_qwen2),
                                       cmocka_unit_test(test_sentence),     cmocka_unit_test(test_metaspace),
                                       cmocka_unit_test(test_unknown),      cmocka_unit_test(test_random_streams),
                                       cmocka_unit_test(test_byte_runs),    cmocka_unit_test(test_merge_over_marks),
                                       cmocka_unit_test(test_threads),      cmocka_unit_test(test_plain_text),
                                       cmocka_unit_test(test_invalid_utf8), cmocka_unit_test(test_long_words)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
