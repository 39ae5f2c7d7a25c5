/* tokenizer.json files and ids that are refused, by name: damaged, cut, or asking for what is not supported. */
#include "base/file.h"
#include "text/tokenizer/tokenizer.h"
#include "tests/support/temp_folder.h"

#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/tokenizer/"

static tokenizer *load(const char *name) {
    tokenizer *t = NULL;
    assert_ok(tokenizer_load(name, &t));
    return t;
}

static void test_bad_ids(void **state) {
    (void)state;
    tokenizer *t = load(GOLDEN "digits");
    strbuf text = {0};
    /* Rows that a model has beyond its tokenizer's ids have no text; they do not end what stands around them. */
    assert_int_equal(tokenizer_decode(t, (int32_t[]){600, 70, 601, INT32_MAX, 71}, 5, false, &text), WR_OK);
    size_t padded = text.len;
    assert_int_equal(tokenizer_decode(t, (int32_t[]){70, 71}, 2, false, &text), WR_OK);
    assert_int_equal(text.len, 2 * padded);
    assert_memory_equal(text.data, text.data + padded, padded);
    assert_int_equal(tokenizer_decode(t, (int32_t[]){-1}, 1, false, &text), WR_E_FORMAT);
    assert_int_equal(tokenizer_decode(t, NULL, 0, false, &text), WR_OK);
    strbuf_free(&text);
    tokenizer_free(t);
}

/* A file of GOLDEN with `from` replaced by `to` must be refused with a message that names `word`; accepted when `word`
 * is NULL. */
static void check_changed(const char *file, const char *from, const char *to, const char *word) {
    char *bytes;
    const char *path = in_folder("changed.json");
    size_t n;
    tokenizer *t = NULL;
    assert_int_equal(file_read(file, 0, &bytes, &n), WR_OK);
    put_changed("changed.json", bytes, from, to);
    wr_status status = tokenizer_load(path, &t);
    if (word) {
        assert_int_equal(status, WR_E_FORMAT);
        assert_error_says(path);
        if (!strstr(wr_error(), word)) fail_msg("\"%s\" does not name %s", wr_error(), word);
    } else if (status < 0) {
        fail_msg("%s", wr_error());
    }
    tokenizer_free(t);
    free(bytes);
}

static void check_refused(const char *from, const char *to, const char *word) {
    check_changed(GOLDEN "digits/tokenizer.json", from, to, word);
}

static void test_unsupported(void **state) {
    (void)state;
    check_refused("\"type\":\"BPE\"", "\"type\":\"Unigram\"", "Unigram");
    check_refused("\"type\":\"Digits\"", "\"type\":\"UnicodeScripts\"", "UnicodeScripts");
    check_refused("\"normalizer\":null", "\"normalizer\":{\"type\":\"BertNormalizer\"}", "BertNormalizer");
    check_refused("\"decoder\":{\"type\":\"ByteLevel\"", "\"decoder\":{\"type\":\"WordPiece\"", "WordPiece");
    check_refused("\"post_processor\":{\"type\":\"ByteLevel\"", "\"post_processor\":{\"type\":\"Other\"", "Other");
    check_refused("\"dropout\":null", "\"dropout\":0.1", "dropout");
    check_refused("\"merges\":[", "\"merges\":[[\"zzzz\",\"q\"],", "merges");
    check_refused("\"<|im_end|>\":2", "\"<|im_end|>\":-2", "im_end");
    check_refused("\"type\":\"BPE\"", "\"type\":\"WordPiece\"", "WordPiece");
    check_refused("\"type\":\"BPE\"", "\"type\":\"WordLevel\"", "WordLevel");
    check_refused("\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":\"##\"",
                  "continuing_subword_prefix");
    check_refused("\"normalizer\":null",
                  "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(a)\\\\1\"},\"content\":\"b\"}",
                  "Replace");
    check_refused("\"version\"", "version", "JSON");
    check_changed(GOLDEN "digits/tokenizer.json", "\"unk_token\":null", "\"unk_token\":\"not there, never needed\"",
                  NULL);
    static const char sentence[] = GOLDEN "sentence/tokenizer.json", metaspace[] = GOLDEN "metaspace/tokenizer.json";
    check_changed(sentence, "{\"type\":\"Fuse\"}", "{\"type\":\"CTC\"}", "CTC");
    check_changed(sentence, "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}",
                  "{\"type\":\"Fuse\"},{\"type\":\"ByteFallback\"}", "ByteFallback");
    check_changed(metaspace, "\"prepend_scheme\":\"first\"", "\"prepend_scheme\":\"last\"", "prepend_scheme");
    check_changed(metaspace, "\"replacement\":\"\xE2\x96\x81\"", "\"replacement\":\"ab\"", "replacement");
}

static void test_truncated_file(void **state) {
    (void)state;
    char *bytes;
    size_t n;
    assert_int_equal(file_read(GOLDEN "digits/tokenizer.json", 0, &bytes, &n), WR_OK);
    for (size_t cut = 0; cut + 2 < n; cut += 997) {
        tokenizer *t = NULL;
        put_file("cut.json", bytes, cut);
        assert_int_equal(tokenizer_load(in_folder("cut.json"), &t), WR_E_FORMAT);
        assert_null(t);
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad_ids), cmocka_unit_test(test_unsupported),
                                       cmocka_unit_test(test_truncated_file)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
