/* Parquet files that pyarrow wrote against the same rows as JSON (tests/oracle/parquet_golden.py made both); what is
 * refused and how. */
#include "base/file.h"
#include "base/stream.h"
#include "data/source/parquet.h"
#include "tests/support/parquet_text.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/parquet/"

static void expect_json(const char *path, const field_map *map, bool header, strbuf *out) {
    instream *in;
    const char *line;
    size_t n;
    arena *a = arena_create();
    assert_int_equal(instream_open(path, &in), WR_OK);
    while (instream_line(in, &line, &n) == WR_OK) {
        conversation c;
        row_fault fault;
        arena_reset(a);
        assert_int_equal(conversation_parse(a, line, n, map, header, &c, &fault), WR_OK);
        describe_row(fault == ROW_GOOD ? &c : NULL, fault, out);
    }
    instream_close(in);
    arena_free(a);
}

static void check_golden(const char *name, const char *fields) {
    char parquet[PATH_CAP], json[PATH_CAP];
    const field_map *map;
    assert_int_equal(field_map_open(fields, &map), WR_OK);
    snprintf(parquet, sizeof parquet, GOLDEN "%s.parquet", name);
    snprintf(json, sizeof json, GOLDEN "%s.jsonl.zst", name);
    for (int header = 0; header < 2; header++) {
        sink s = {0};
        strbuf want = {0};
        source_options o = {.user_key_header = header};
        assert_ok(read_parquet(parquet, map, &o, &s));
        expect_json(json, map, header, &want);
        assert_true(s.rows > 0 || !fields);
        if (strcmp(strbuf_str(&s.text), strbuf_str(&want)) != 0) {
            size_t at = 0, from;
            while (s.text.data[at] == want.data[at]) at++;
            from = at < 40 ? 0 : at - 40;
            fail_msg("%s, header %d, byte %zu:\n  got  %.100s\n  want %.100s", name, header, at, s.text.data + from,
                     want.data + from);
        }
        strbuf_free(&s.text);
        strbuf_free(&want);
    }
}

static void test_golden(void **state) {
    (void)state;
    char **names;
    size_t n;
    assert_int_equal(dir_list(GOLDEN, "", ".parquet", &names, &n), WR_OK);
    assert_true(n >= 18);
    for (size_t i = 0; i < n; i++) {
        names[i][strlen(names[i]) - strlen(".parquet")] = '\0';
        check_golden(names[i], NULL);
    }
    names_free(names, n);
}

/* Logs of other field maps; and a file that is none of the map's. */
static void test_fields(void **state) {
    (void)state;
    const field_map *map;
    parquet_file *f;
    check_golden("fields/lmsys", "lmsys");
    check_golden("fields/sharegpt", "sharegpt");
    assert_int_equal(field_map_open("lmsys", &map), WR_OK);
    assert_int_equal(parquet_open(GOLDEN "fields/sharegpt.parquet", map, &f), WR_E_FORMAT);
    assert_error_says("no column conversation");
    assert_int_equal(parquet_open(GOLDEN "fields/lmsys.parquet", NULL, &f), WR_E_FORMAT);
    assert_error_says("no column conversation_hash");
}

static void test_groups(void **state) {
    (void)state;
    parquet_file *f;
    sink s = {0};
    source_options o = {0};
    assert_int_equal(parquet_open(GOLDEN "ten_groups.parquet", NULL, &f), WR_OK);
    assert_int_equal(parquet_row_groups(f), 10);
    /* In any order, and one twice. */
    assert_int_equal(parquet_read(f, 7, &o, take_row, &s), WR_OK);
    assert_int_equal(s.rows, parquet_rows(f, 7));
    assert_true(parquet_bytes(f, 7) > 0);
    assert_string_equal(s.where, GOLDEN "ten_groups.parquet: row group 7, row 1");
    char *first = strdup(s.text.data);
    strbuf_clear(&s.text);
    assert_int_equal(parquet_read(f, 2, &o, take_row, &s), WR_OK);
    assert_string_not_equal(first, s.text.data);
    strbuf_clear(&s.text);
    assert_int_equal(parquet_read(f, 7, &o, take_row, &s), WR_OK);
    assert_string_equal(first, s.text.data);
    assert_int_equal(parquet_read(f, 10, &o, take_row, &s), WR_END);
    /* An error of the callback comes back, and the handle can go on. */
    s.limit = s.rows + 1;
    assert_int_equal(parquet_read(f, 3, &o, take_row, &s), WR_E_FAILED);
    strbuf_clear(&s.text);
    assert_int_equal(parquet_read(f, 7, &o, take_row, &s), WR_OK);
    assert_string_equal(first, s.text.data);
    free(first);
    strbuf_free(&s.text);
    parquet_close(f);
}

static size_t occurrences(const char *text, const char *what) {
    size_t n = 0;
    while ((text = strstr(text, what))) n++, text++;
    return n;
}

static void test_toxic_redacted(void **state) {
    (void)state;
    sink plain = {0}, dropped = {0};
    source_options none = {0}, both = {.drop_toxic = true, .drop_redacted = true};
    assert_int_equal(read_parquet(GOLDEN "delta.parquet", NULL, &none, &plain), WR_OK);
    assert_int_equal(read_parquet(GOLDEN "delta.parquet", NULL, &both, &dropped), WR_OK);
    size_t toxic = occurrences(plain.text.data, ",true,false,") + occurrences(plain.text.data, ",true,true,");
    assert_true(toxic > 0 && occurrences(plain.text.data, ",false,true,") > 0);
    assert_int_equal(occurrences(dropped.text.data, "toxic\n"), toxic);
    assert_int_equal(occurrences(dropped.text.data, "redacted\n"), occurrences(plain.text.data, ",false,true,"));
    strbuf_free(&plain.text);
    strbuf_free(&dropped.text);
}

/* Each refusal names the file, the column and what it is. */
static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *say[3];
        bool header;
    } cases[] = {
        {"lz4_raw", {"LZ4_RAW", "row group 0, column ", "snappy"}, false},
        {"brotli", {"Brotli", "column ", ""}, false},
        {"lzo", {"LZO", "column ", ""}, false},
        {"codec_99", {"number 99", "column ", ""}, false},
        {"other_file", {"another file", "column ", ""}, false},
        {"column_key", {"encryption", "column ", ""}, false},
        {"encrypted", {"encryption", "", ""}, false},
        {"no_conversation", {"no column conversation", "", ""}, false},
        {"no_hash", {"no column conversation_hash", "", ""}, false},
        {"no_content", {"no column conversation[].content", "", ""}, false},
        {"number_hash", {"column conversation_hash is INT64, not text", "", ""}, false},
        {"number_toxic", {"column toxic is INT64, not BOOLEAN", "", ""}, false},
        {"list_header", {"column header.a", "user key", ""}, true},
        {"decimal_call", {"tool_calls.list.element.n is DECIMAL", "write it as text", ""}, false},
        {"date_call", {"tool_calls.list.element.n is DATE", "", ""}, false},
        {"time_call", {"tool_calls.list.element.n is TIME", "", ""}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[PATH_CAP];
        sink s = {0};
        source_options o = {.user_key_header = cases[i].header};
        snprintf(path, sizeof path, GOLDEN "refused/%s.parquet", cases[i].name);
        assert_int_equal(read_parquet(path, NULL, &o, &s), WR_E_FORMAT);
        if (strncmp(wr_error(), path, strlen(path)) != 0) fail_msg("no file in: %s", wr_error());
        for (size_t k = 0; k < 3; k++)
            if (!strstr(wr_error(), cases[i].say[k]))
                fail_msg("%s: no \"%s\" in: %s", cases[i].name, cases[i].say[k], wr_error());
        strbuf_free(&s.text);
    }
    sink s = {0};
    source_options o = {0};
    assert_int_equal(read_parquet(GOLDEN "refused/list_header.parquet", NULL, &o, &s), WR_OK);
    assert_int_equal(s.rows, 1);
    strbuf_free(&s.text);
    s = (sink){0};
    /* messages may be JSON text, which this is not */
    assert_int_equal(read_parquet(GOLDEN "refused/no_list.parquet", NULL, &o, &s), WR_OK);
    assert_string_equal(s.text.data, "field missing or of a wrong type\n");
    strbuf_free(&s.text);
    const field_map *map;
    assert_int_equal(field_map_open("openai", &map), WR_OK);
    s = (sink){0};
    assert_int_equal(read_parquet(GOLDEN "refused/more_rows.parquet", map, &o, &s), WR_E_FORMAT);
    assert_error_says(": more rows than the row group has");
    strbuf_free(&s.text);
    assert_int_equal(read_parquet(GOLDEN "nothing.parquet", NULL, &o, &s), WR_E_IO);
    assert_error_says("nothing.parquet");
    assert_int_equal(read_parquet("Makefile", NULL, &o, &s), WR_E_FORMAT);
    assert_error_says("Makefile");
}

static wr_status count_row(void *context, const conversation *c, row_fault fault, const char *where) {
    (void)c, (void)fault, (void)where;
    ++*(size_t *)context;
    return WR_OK;
}

static wr_status read_as_source(const char *path, size_t *rows) {
    wr_status status = WR_OK;
    sources *s = NULL;
    source_options o = {0};
    *rows = 0;
    TRY(sources_open(&path, 1, &o, &s));
    for (size_t block = 0; (status = sources_read(s, 0, block, count_row, rows, NULL)) == WR_OK; block++) {
    }
    TRY(status);
cleanup:
    sources_close(s);
    return status;
}

/* A file that is called Parquet is never taken for text: not an empty one, a pointer to one, or one whose first bytes
 * are damaged. */
static void test_by_name(void **state) {
    (void)state;
    char path[PATH_CAP], *bytes;
    size_t n, rows;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n";
    assert_int_equal(path_join(path, test_folder(), "x.parquet"), WR_OK);
    assert_int_equal(file_write_atomic(path, "", 0), WR_OK);
    assert_int_equal(read_as_source(path, &rows), WR_E_FORMAT);
    assert_error_says("0 bytes");
    assert_int_equal(file_write_atomic(path, pointer, sizeof pointer - 1), WR_OK);
    assert_int_equal(read_as_source(path, &rows), WR_E_FORMAT);
    assert_error_says("git lfs pull");
    assert_int_equal(file_read(GOLDEN "few_columns.parquet", 0, &bytes, &n), WR_OK);
    assert_int_equal(file_write_atomic(path, bytes, n), WR_OK);
    assert_int_equal(read_as_source(path, &rows), WR_END);
    assert_true(rows > 0);
    for (size_t bit = 0; bit < 32; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(file_write_atomic(path, bytes, n), WR_OK);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(read_as_source(path, &rows), WR_E_FORMAT);
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden),  cmocka_unit_test(test_fields),
                                       cmocka_unit_test(test_groups),  cmocka_unit_test(test_toxic_redacted),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_by_name)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
