/* Sources: blocks of every kind of file hold all rows once and in order, whatever the block size and in whatever order
 * they are asked for; arrays, odd lines, archives, cut files. */
#include "base/file.h"
#include "base/rng.h"
#include "data/source/sources.h"
#include "tests/support/seen_rows.h"
#include "tests/support/archives.h"
#include "tests/support/asserts.h"

#include <archive.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Every block on its own, backwards, and at random with one handle: the same rows. */
static void check_blocks(const char *name, size_t block_bytes, const char *expected) {
    sources *s = open_one(name, block_bytes);
    seen all = {0};
    uint64_t bytes = 0;
    size_t blocks = read_all(s, 0, &all, &bytes), told;
    if (strcmp(strbuf_str(&all.ids), expected) != 0)
        fail_msg("%s, blocks of %zu: %s\nnot %s", name, block_bytes, strbuf_str(&all.ids), expected);
    assert_int_equal(sources_blocks(s, 0, &told), WR_OK);
    assert_true(told == SIZE_MAX || told == blocks);
    size_t step = blocks > 400 ? blocks / 40 : 1;
    strbuf joined = {0};
    for (size_t block = 0; block < blocks; block += step) { /* ascending with gaps, and a fresh handle */
        seen one = {0}, again = {0};
        sources *fresh = open_one(name, block_bytes);
        assert_int_equal(sources_read(s, 0, block, note, &one, NULL), WR_OK);
        assert_int_equal(sources_read(fresh, 0, block, note, &again, NULL), WR_OK);
        assert_string_equal(strbuf_str(&one.ids), strbuf_str(&again.ids));
        assert_string_equal(strbuf_str(&one.places), strbuf_str(&again.places));
        strbuf_puts(&joined, strbuf_str(&again.places));
        sources_close(fresh);
        seen_free(&one);
        seen_free(&again);
    }
    if (step == 1) assert_string_equal(strbuf_str(&joined), strbuf_str(&all.places));
    sources *fresh_end = open_one(name, block_bytes); /* behind the last there is nothing */
    seen nothing = {0};
    assert_int_equal(sources_read(fresh_end, 0, blocks, note, &nothing, NULL), WR_END);
    assert_int_equal(nothing.rows, 0);
    sources_close(fresh_end);
    rng r = rng_make(block_bytes, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 5; i++) { /* any order */
        seen one = {0}, again = {0};
        size_t block = rng_below(&r, blocks);
        sources *fresh = open_one(name, block_bytes);
        assert_int_equal(sources_read(s, 0, block, note, &one, NULL), WR_OK);
        assert_int_equal(sources_read(fresh, 0, block, note, &again, NULL), WR_OK);
        assert_string_equal(strbuf_str(&one.places), strbuf_str(&again.places));
        sources_close(fresh);
        seen_free(&one);
        seen_free(&again);
    }
    assert_int_equal(sources_read(s, 0, blocks + 7, note, &all, NULL), WR_END);
    assert_int_equal(sources_read(s, 0, SIZE_MAX, note, &all, NULL), WR_END);
    strbuf_free(&joined);
    seen_free(&all);
    sources_close(s);
}

static const size_t block_sizes[] = {1, 7, 64, 100, 333, 1000, 4096, 70000, 1 << 20, SIZE_MAX};

static void check_all(const char *name, const char *expected) {
    for (size_t i = 0; i < sizeof block_sizes / sizeof *block_sizes; i++) {
        /* One byte a block means a block for every byte: only where that is few. */
        struct stat info;
        assert_int_equal(stat(in_folder(name), &info), 0);
        if (info.st_size / (off_t)(block_sizes[i] < 1 << 20 ? block_sizes[i] : 1 << 20) < 3000)
            check_blocks(name, block_sizes[i], expected);
    }
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* count rows with lengths from 0 to some thousand. `between` stands behind each but the last. */
static void many_rows(strbuf *out, strbuf *expected, int from, int count, const char *between) {
    for (int i = from; i < from + count; i++) {
        char id[16];
        snprintf(id, sizeof id, "r%d", i);
        append_row(out, id, i % 50 == 49 ? 3000 : (size_t)(i * 37 % 120));
        if (i + 1 < from + count) strbuf_puts(out, between);
        strbuf_printf(expected, "%s ", id);
    }
}

static void plain_lines(void **state) {
    (void)state;
    strbuf text = {0}, expected = {0};
    many_rows(&text, &expected, 0, 220, "\n");
    for (int newline = 0; newline < 2; newline++) {
        if (newline) strbuf_puts(&text, "\n");
        put_file("a.jsonl", text.data, text.len);
        check_all("a.jsonl", expected.data);
        put_archive("a.jsonl.zst", ARCHIVE_FILTER_ZSTD, ARCHIVE_FORMAT_RAW, &(archive_member){"x", text.data, text.len},
                    1);
        put_archive("a.jsonl.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_RAW, &(archive_member){"x", text.data, text.len},
                    1);
        put_archive("a.jsonl.xz", ARCHIVE_FILTER_XZ, ARCHIVE_FORMAT_RAW, &(archive_member){"x", text.data, text.len},
                    1);
        check_all("a.jsonl.zst", expected.data);
        check_blocks("a.jsonl.gz", 1000, expected.data);
        check_blocks("a.jsonl.xz", 5000, expected.data);
    }
    /* Blocks of a compressed file are those of the same text uncompressed. */
    sources *s = open_one("a.jsonl", 1000), *z = open_one("a.jsonl.zst", 1000);
    uint64_t s_bytes = 0, z_bytes = 0;
    for (size_t block = 0;; block++) {
        seen a = {0}, b = {0};
        wr_status status = sources_read(s, 0, block, note, &a, &s_bytes);
        assert_int_equal(sources_read(z, 0, block, note, &b, &z_bytes), status);
        assert_string_equal(strbuf_str(&a.ids), strbuf_str(&b.ids));
        seen_free(&a);
        seen_free(&b);
        if (status == WR_END) break;
    }
    assert_int_equal(s_bytes, text.len);
    assert_int_equal(z_bytes, text.len);
    sources_close(s);
    sources_close(z);
    strbuf_free(&text);
    strbuf_free(&expected);
}

static void odd_lines(void **state) {
    (void)state;
    strbuf text = {0}, expected = {0};
    many_rows(&text, &expected, 0, 3, "\r\n");
    strbuf_puts(&text, "\r\n\n  \t\r\n\n[1,2]\nnot json\n{\"a\":\"\xff\"}\n  ");
    strbuf_puts(&expected, "not an object not JSON invalid UTF-8 ");
    many_rows(&text, &expected, 3, 1, "");
    strbuf_puts(&text, "  \r\n\n\r\n   \n");
    put_file("odd.jsonl", text.data, text.len);
    check_all("odd.jsonl", expected.data);
    put_archive("odd.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_RAW, &(archive_member){"x", text.data, text.len}, 1);
    check_all("odd.gz", expected.data);
    /* Places: lines as an editor counts them; bytes beyond the first block of a plain file. */
    seen all = {0};
    sources *s = open_one("odd.jsonl", 0);
    read_all(s, 0, &all, NULL);
    sources_close(s);
    static const int lines[] = {1, 2, 3, 7, 8, 9, 10};
    strbuf places = {0};
    for (size_t i = 0; i < 7; i++) strbuf_printf(&places, "%s:%d\n", in_folder("odd.jsonl"), lines[i]);
    assert_string_equal(all.places.data, places.data);
    seen_free(&all);
    s = open_one("odd.jsonl", 200);
    size_t at = 0;
    while (strncmp(text.data + at, "not json", 8) != 0) at++;
    read_all(s, 0, &all, NULL);
    strbuf_clear(&places);
    strbuf_printf(&places, "%s: byte %zu\n", in_folder("odd.jsonl"), at + 1);
    assert_non_null(strstr(all.places.data, places.data));
    sources_close(s);
    seen_free(&all);
    /* A byte order mark; nothing at all; nothing but blanks; a first line that is no JSON. */
    strbuf_clear(&text);
    strbuf_clear(&expected);
    strbuf_puts(&text, "\xEF\xBB\xBF");
    many_rows(&text, &expected, 0, 5, "\n");
    put_file("mark.jsonl", text.data, text.len);
    check_all("mark.jsonl", expected.data);
    put_archive("mark.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_RAW, &(archive_member){"x", text.data, text.len}, 1);
    check_all("mark.gz", expected.data);
    put_file("none.jsonl", "", 0);
    s = open_one("none.jsonl", 0);
    assert_int_equal(read_all(s, 0, &all, NULL), 0);
    sources_close(s);
    put_file("blank.jsonl", "\n \n\t", 4);
    check_all("blank.jsonl", "");
    put_file("words.jsonl", "once upon\n{\"x\":1}", 17);
    check_all("words.jsonl", "not JSON field missing or of a wrong type ");
    strbuf_free(&places);
    strbuf_free(&text);
    strbuf_free(&expected);
}

static void arrays(void **state) {
    (void)state;
    strbuf text = {0}, expected = {0}, lines = {0};
    strbuf_puts(&text, " \n[\n  ");
    many_rows(&text, &expected, 0, 120, " ,\n  ");
    strbuf_puts(&text, "\n]\n");
    put_file("array.json", text.data, text.len);
    check_all("array.json", expected.data);
    sources *s = open_one("array.json", 0);
    seen all = {0};
    uint64_t bytes = 0;
    size_t told;
    read_all(s, 0, &all, &bytes);
    assert_true(bytes <= text.len && bytes > text.len * 9 / 10);
    assert_int_equal(sources_blocks(s, 0, &told), WR_OK);
    assert_int_equal(told, SIZE_MAX);
    strbuf_printf(&lines, "%s:3\n%s:4\n", in_folder("array.json"), in_folder("array.json"));
    assert_int_equal(strncmp(all.places.data, lines.data, lines.len), 0);
    sources_close(s);
    seen_free(&all);
    put_archive("array.json.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_RAW, &(archive_member){"x", text.data, text.len},
                1);
    check_all("array.json.gz", expected.data);
    /* On one line, and pretty-printed. */
    strbuf_clear(&text);
    strbuf_clear(&expected);
    strbuf_puts(&text, "[");
    many_rows(&text, &expected, 0, 60, ",");
    strbuf_puts(&text, "]");
    put_file("line.json", text.data, text.len);
    check_all("line.json", expected.data);
    static const char pretty[] = "\xEF\xBB\xBF[\n  {\n    \"conversation_hash\": \"a\",\n    \"conversation\": [\n     "
                                 " {\"role\": \"user\", \"content\": \"],{[\\\\\\\"\"}\n    ]\n  },\n  "
                                 "7,\n  \"x]\",\n  {\"conversation_hash\": \"b\", \"conversation\": [{\"role\": "
                                 "\"user\", \"content\": \"x\"}]}\n]\n";
    put_file("pretty.json", pretty, sizeof pretty - 1);
    check_all("pretty.json", "a not an object not an object b ");
    s = open_one("pretty.json", 0);
    read_all(s, 0, &all, NULL);
    strbuf_clear(&lines);
    static const int at[] = {2, 8, 9, 10};
    for (size_t i = 0; i < 4; i++) strbuf_printf(&lines, "%s:%d\n", in_folder("pretty.json"), at[i]);
    assert_string_equal(all.places.data, lines.data);
    sources_close(s);
    seen_free(&all);
    /* Empty, with a comma too many, not closed, two of them, lines behind one. */
#define A "{\"conversation_hash\":\"a\",\"conversation\":[{\"role\":\"user\",\"content\":\"x\"}]}"
    static const struct {
        const char *text, *ids;
    } odd[] = {{"[]", ""},
               {" [ \n ] ", ""},
               {"[" A "]", "a "},
               {"[" A ",]", "a not JSON "},
               {"[" A ",," A "]", "a not JSON a "},
               {"[" A, "not JSON "},
               {"[" A ",", "a not JSON "},
               {"[" A ", \n", "a not JSON "},
               {"[" A "," A " ", "a not JSON "},
               {"[\n", "not JSON "},
               {"[{\"x\": \"" A "]", "not JSON "},
               {"[" A "}," A "]", "not JSON a "},
               {"[" A " x " A "]", "not JSON "},
               {"[" A "]\n[" A "," A "]", "a a a "},
               {"[" A "]\n" A "\n" A, "a a a "}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        put_file("odd.json", odd[i].text, strlen(odd[i].text));
        check_all("odd.json", odd[i].ids);
    }
    strbuf_free(&text);
    strbuf_free(&lines);
    strbuf_free(&expected);
}

static void archives(void **state) {
    (void)state;
    strbuf one = {0}, two = {0}, expected = {0}, places = {0};
    many_rows(&one, &expected, 0, 40, "\n"); /* no newline at its end */
    strbuf_puts(&two, "[");
    many_rows(&two, &expected, 40, 30, ",\n");
    strbuf_puts(&two, "]");
    strbuf three = {0};
    strbuf_puts(&three, "\xEF\xBB\xBF");
    many_rows(&three, &expected, 70, 30, "\n");
    const archive_member members[] = {{"b/one.jsonl", one.data, one.len},
                                      {"none.jsonl", "", 0},
                                      {"a/two.json", two.data, two.len},
                                      {"three.jsonl", three.data, three.len}};
    static const struct {
        const char *name;
        int filter, format;
    } kinds[] = {{"chats.tar", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED},
                 {"chats.tar.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED},
                 {"chats.tar.zst", ARCHIVE_FILTER_ZSTD, ARCHIVE_FORMAT_TAR_USTAR},
                 {"chats.zip", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_ZIP},
                 {"chats.7z", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_7ZIP}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        put_archive(kinds[k].name, kinds[k].filter, kinds[k].format, members, 4);
        bool sorted_last = strstr(kinds[k].name, ".7z") != NULL; /* libarchive puts empty members at a 7z's end */
        static const size_t few[] = {100, 1000, 4096, 1 << 20};
        for (size_t i = 0; i < 4; i++) check_blocks(kinds[k].name, few[i], expected.data);
        if (sorted_last) continue;
        sources *s = open_one(kinds[k].name, 500);
        seen all = {0};
        read_all(s, 0, &all, NULL);
        strbuf_clear(&places);
        for (int i = 0; i < 40; i++) strbuf_printf(&places, "%s: b/one.jsonl:%d\n", in_folder(kinds[k].name), i + 1);
        for (int i = 0; i < 30; i++) strbuf_printf(&places, "%s: a/two.json:%d\n", in_folder(kinds[k].name), i + 1);
        for (int i = 0; i < 30; i++) strbuf_printf(&places, "%s: three.jsonl:%d\n", in_folder(kinds[k].name), i + 1);
        assert_string_equal(all.places.data, places.data);
        seen_free(&all);
        sources_close(s);
    }
    strbuf_free(&one);
    strbuf_free(&two);
    strbuf_free(&three);
    strbuf_free(&expected);
    strbuf_free(&places);
}

/* Cut anywhere, a container gives its first rows and then an error that names it, or (a plain file) a bad last row.
 * Never wrong rows. */
static void truncated(void **state) {
    (void)state;
    strbuf text = {0}, expected = {0};
    many_rows(&text, &expected, 0, 300, "\n");
    const archive_member m[] = {{"one.jsonl", text.data, text.len}, {"two.jsonl", text.data, text.len}};
    static const struct {
        const char *name;
        int filter, format;
        size_t members;
    } kinds[] = {{"t.jsonl.zst", ARCHIVE_FILTER_ZSTD, ARCHIVE_FORMAT_RAW, 1},
                 {"t.jsonl.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_RAW, 1},
                 {"t.jsonl.xz", ARCHIVE_FILTER_XZ, ARCHIVE_FORMAT_RAW, 1},
                 {"t.tar", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_USTAR, 2},
                 {"t.zip", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_ZIP, 2},
                 {"t.7z", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_7ZIP, 2}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char *bytes;
        size_t n;
        put_archive(kinds[k].name, kinds[k].filter, kinds[k].format, m, kinds[k].members);
        assert_int_equal(file_read(in_folder(kinds[k].name), 0, &bytes, &n), WR_OK);
        for (size_t i = 0; i < 120; i++) {
            size_t cut = i < 40 ? i : i < 80 ? n - (i - 39) : n / 41 * (i - 79);
            put_file(kinds[k].name, bytes, cut);
            sources *s = open_one(kinds[k].name, 4096);
            seen all = {0};
            wr_status status = WR_OK;
            for (size_t block = 0; status == WR_OK; block++) status = sources_read(s, 0, block, note, &all, NULL);
            bool whole = all.rows == 300 * kinds[k].members; /* cut behind the last row: in the padding of a tar, say */
            if (status == WR_END && !whole)
                fail_msg("%s cut to %zu of %zu: %zu rows and no error", kinds[k].name, cut, n, all.rows);
            if (status < 0) {
                assert_true(status == WR_E_FORMAT || status == WR_E_IO);
                assert_error_says(kinds[k].name);
                if (status == WR_E_FORMAT && kinds[k].members > 1 && all.rows > 300 &&
                    !strstr(wr_error(), "two.jsonl") && !strstr(kinds[k].name, "tar"))
                    fail_msg("%s cut to %zu: %s", kinds[k].name, cut, wr_error());
            }
            /* What came before the error is the beginning of what there is. */
            size_t one = all.ids.len < expected.len ? all.ids.len : expected.len;
            if (one) assert_memory_equal(all.ids.data, expected.data, one);
            seen_free(&all);
            sources_close(s);
        }
        free(bytes);
    }
    sources *s;
    put_file("plain.jsonl", text.data, text.len - 5);
    s = open_one("plain.jsonl", 1000);
    seen all = {0};
    read_all(s, 0, &all, NULL);
    assert_string_equal(all.ids.data + all.ids.len - 9, "not JSON ");
    seen_free(&all);
    /* It became shorter after it was opened: that is said, and not taken for its end. */
    assert_int_equal(truncate(in_folder("plain.jsonl"), 3000), 0);
    assert_int_equal(sources_read(s, 0, 5, note, &all, NULL), WR_E_IO);
    assert_error_says("became shorter");
    sources_close(s);
    seen_free(&all);
    strbuf_free(&text);
    strbuf_free(&expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain_lines), cmocka_unit_test(odd_lines),
                                       cmocka_unit_test(arrays), cmocka_unit_test(archives),
                                       cmocka_unit_test(truncated)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
