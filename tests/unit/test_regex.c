/* Patterns over all kinds of code points, against hashes of what Hugging Face tokenizers makes of them
 * (tests/oracle/regex_codepoints.py), and what a regex does with places and empty matches. */
#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "text/tokenizer/pretokenize.h"
#include "text/tokenizer/unicode_data.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static strbuf every_code, *contexts; /* contexts: parts of a text, each of up to 4,096 code points among others */
static size_t n_contexts;

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

static void append_context(strbuf *out, const char *bytes, size_t n) {
    for (const char *around = "a# #\n#1#'#'s##.#\r\n"; *around; around++)
        strbuf_append(out, *around == '#' ? bytes : around, *around == '#' ? n : 1);
}

static int fill(void **state) {
    (void)state;
    char bytes[4];
    size_t n = 0;
    contexts = calloc(0x110000 / 4096, sizeof *contexts);
    for (uint32_t code = 0; code < 0x110000 && contexts; code++) {
        if (!is_asked(code)) continue;
        const size_t len = utf8_encode(code, bytes);
        strbuf_append(&every_code, bytes, len);
        if (code >= 0x3000 && code % 13 != 0 && !getenv("ALL_CODES")) continue;
        append_context(&contexts[n / 4096], bytes, len);
        n_contexts = n++ / 4096 + 1;
    }
    return every_code.failed || !contexts;
}

static int drop(void **state) {
    (void)state;
    strbuf_free(&every_code);
    for (size_t i = 0; i < n_contexts; i++) strbuf_free(&contexts[i]);
    free(contexts);
    return 0;
}

static const uint64_t FNV_BASIS = UINT64_C(0xCBF29CE484222325);

static uint64_t put(uint64_t h, const char *text) {
    for (; *text; text++) h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001B3);
    return h;
}

/* FNV-1a of the first and last code points of the pieces. */
static uint64_t hash_pieces(const piece_list *pieces) {
    uint64_t h = FNV_BASIS;
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

/* The same of the pieces' lengths, for texts in which all is in some piece. */
static uint64_t hash_lengths(uint64_t h, const piece_list *pieces) {
    for (size_t i = 0; i < pieces->n; i++) h = (h ^ pieces->items[i].n) * UINT64_C(0x100000001B3);
    return h;
}

static void write_config(strbuf *out, const char *pattern, const char *behavior) {
    json_writer w = json_writer_make(out);
    const bool is_step = strcmp(behavior, "step") == 0;
    json_begin_object(&w);
    json_member_string(&w, "type", is_step ? pattern : "Split");
    json_member_string(&w, "behavior",
                       strcmp(behavior, "isolated") == 0 || strcmp(behavior, "context") == 0 ? "Isolated" : "Removed");
    json_member_object(&w, "pattern");
    json_member_string(&w, "Regex", pattern);
    json_end_object(&w);
    json_end_object(&w);
}

static bool check_line(char *line, const unicode_table *table) {
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
    if (pretokenizer_load(v, table, &p) < 0) {
        print_error("%s: %s\n", line, wr_error());
        strbuf_free(&config);
        arena_free(a);
        return false;
    }
    const bool in_context = strcmp(behavior, "context") == 0;
    const strbuf *texts = in_context ? contexts : &every_code;
    uint64_t h = FNV_BASIS;
    for (size_t i = 0; i < (in_context ? n_contexts : 1); i++) {
        if (pretokenize(p, &scratch, texts[i].data, texts[i].len, &pieces) < 0) fail_msg("%s: %s", line, wr_error());
        h = in_context ? hash_lengths(h, pieces) : hash_pieces(pieces);
    }
    snprintf(got, sizeof got, "%016llx", (unsigned long long)h);
    const bool same = strcmp(got, hash) == 0;
    if (!same) print_error("%s (%s): other code points\n", line, behavior);
    pretokenize_scratch_free(&scratch);
    pretokenizer_free(p);
    strbuf_free(&config);
    arena_free(a);
    return same;
}

static void test_every_code_point(void **state) {
    (void)state;
    char *bytes;
    const char *golden = getenv("CODEPOINTS"); /* another file, made of every code point, with ALL_CODES set */
    size_t n, lines = 0, different = 0;
    unicode_table *table;
    assert_int_equal(unicode_table_create(&table), WR_OK);
    assert_int_equal(file_read(golden ? golden : "tests/golden/tokenizer/codepoints.tsv", 0, &bytes, &n), WR_OK);
    for (char *line = bytes, *end; (end = memchr(line, '\n', n - (size_t)(line - bytes))); line = end + 1, lines++) {
        *end = '\0';
        different += !check_line(line, table);
    }
    assert_int_equal(different, 0);
    assert_true(lines > 400 || golden);
    free(bytes);
    unicode_table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_code_point)};
    return cmocka_run_group_tests(tests, fill, drop);
}
