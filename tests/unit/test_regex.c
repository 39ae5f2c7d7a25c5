/* Patterns over all kinds of code points, against hashes of what Hugging Face tokenizers makes of them
 * (tests/oracle/regex_codepoints.py), and what a regex does with places and empty matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "model/tokenizer/pretokenize.h"
#include "model/tokenizer/unicode_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static strbuf every_code;

/* As tests/oracle/regex_codepoints.py: of stretches in which all characters are alike their ends, and one in 61. */
static bool is_asked(uint32_t c) {
    static const unicode_range alike[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xAC00, 0xD7A3},
                                          {0xE000, 0xF8FF},   {0x17000, 0x187F7}, {0x18D00, 0x1B16F},
                                          {0x1FC00, 0x2FFFF}, {0x30000, 0xE0000}, {0xE01F0, 0x10FFFF}};
    static const uint32_t ends[] = {0x2A6DF, 0x2A700, 0x2B739, 0x2B740, 0x2B81D, 0x2B820, 0x2CEA1,
                                    0x2CEB0, 0x2EBE0, 0x2EBF0, 0x2EE5D, 0x2F800, 0x2FA1D, 0x3134A,
                                    0x31350, 0x323AF, 0xEFFFF, 0xF0000, 0xFFFFF, 0x100000};
    if (c >= 0xD800 && c < 0xE000) return false;
    if (c % 61 == 0 || getenv("ALL_CODES")) return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (c + 2 >= ends[i] && c <= ends[i] + 2) return true;
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        if (c > alike[i].first + 2 && c < alike[i].last - 2) return false;
    return true;
}

static int fill(void **state) {
    (void)state;
    char bytes[4];
    for (uint32_t code = 0; code < 0x110000; code++)
        if (is_asked(code)) strbuf_append(&every_code, bytes, utf8_encode(code, bytes));
    return every_code.failed;
}

static int drop(void **state) {
    (void)state;
    strbuf_free(&every_code);
    return 0;
}

static uint64_t put(uint64_t h, const char *text) {
    for (; *text; text++) h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001B3);
    return h;
}

/* FNV-1a of the first and last code points of the pieces. */
static uint64_t hash_pieces(const piece_list *pieces) {
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < pieces->n; i++) {
        const char *text = pieces->items[i].text, *last = text + pieces->items[i].n - 1;
        uint32_t a, b;
        char span[32];
        while (((uint8_t)*last & 0xC0) == 0x80) last--;
        utf8_next(text, &a);
        utf8_next(last, &b);
        snprintf(span, sizeof span, "%x-%x;", a, b);
        h = put(h, span);
    }
    return h;
}

static void write_config(strbuf *out, const char *pattern, const char *behavior) {
    json_writer w = json_writer_make(out);
    const bool is_step = strcmp(behavior, "step") == 0;
    json_begin_object(&w);
    json_key(&w, "type");
    json_string(&w, is_step ? pattern : "Split");
    json_key(&w, "behavior");
    json_string(&w, strcmp(behavior, "isolated") == 0 ? "Isolated" : "Removed");
    json_key(&w, "pattern");
    json_begin_object(&w);
    json_key(&w, "Regex");
    json_string(&w, pattern);
    json_end_object(&w);
    json_end_object(&w);
}

static void check_line(char *line, const unicode_table *table) {
    char *behavior = strchr(line, '\t'), *hash = behavior ? strchr(behavior + 1, '\t') : NULL, got[17];
    assert_non_null(hash);
    *behavior++ = *hash++ = '\0';
    arena *a = arena_create();
    strbuf config = {0};
    const json_value *v;
    pretokenizer *p = NULL;
    pretokenize_scratch scratch = {0};
    const piece_list *pieces;
    write_config(&config, line, behavior);
    assert_int_equal(json_parse(a, config.data, config.len, &v), WR_OK);
    if (pretokenizer_load(v, table, &p) < 0) fail_msg("%s: %s", line, wr_error());
    if (pretokenize(p, &scratch, every_code.data, every_code.len, &pieces) < 0) fail_msg("%s: %s", line, wr_error());
    snprintf(got, sizeof got, "%016llx", (unsigned long long)hash_pieces(pieces));
    if (strcmp(got, hash) != 0) print_error("%s (%s): other code points\n", line, behavior);
    assert_string_equal(got, hash);
    pretokenize_scratch_free(&scratch);
    pretokenizer_free(p);
    strbuf_free(&config);
    arena_free(a);
}

static void test_every_code_point(void **state) {
    (void)state;
    char *bytes;
    const char *golden = getenv("CODEPOINTS"); /* another file, made of every code point, with ALL_CODES set */
    size_t n, lines = 0;
    unicode_table *table;
    assert_int_equal(unicode_table_create(&table), WR_OK);
    assert_int_equal(file_read(golden ? golden : "tests/golden/tokenizer/codepoints.tsv", 0, &bytes, &n), WR_OK);
    for (char *line = bytes, *end; (end = memchr(line, '\n', n - (size_t)(line - bytes))); line = end + 1, lines++) {
        *end = '\0';
        check_line(line, table);
    }
    assert_true(lines > 400 || golden);
    free(bytes);
    unicode_table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_code_point)};
    return cmocka_run_group_tests(tests, fill, drop);
}
