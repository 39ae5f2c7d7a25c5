/* Parquet files that pyarrow wrote against the same rows as JSON (tests/oracle/parquet_golden.py made both); what is
 * refused and how; damage anywhere. */
#include "base/file.h"
#include "base/rng.h"
#include "base/stream.h"
#include "data/source/parquet.h"
#include "data/source/parquet/parquet_thrift.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GOLDEN "tests/golden/parquet/"

/* One line a row: everything a conversation says, or the fault. */
static void describe(const conversation *c, row_fault fault, strbuf *out) {
    json_writer w = json_writer_make(out);
    if (!c) {
        strbuf_printf(out, "%s\n", row_fault_name(fault));
        return;
    }
    const char *const texts[] = {c->id, c->user, c->language, c->model, c->timestamp};
    json_begin_array(&w);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) json_string(&w, texts[i]);
    json_bool(&w, c->toxic);
    json_bool(&w, c->redacted);
    for (size_t i = 0; i < c->n; i++) {
        json_string(&w, c->messages[i].role);
        json_int(&w, c->turns[i]);
        json_string_n(&w, c->messages[i].content, c->messages[i].length);
    }
    json_end_array(&w);
    strbuf_putc(out, '\n');
}

typedef struct sink {
    strbuf text;
    size_t rows, limit; /* limit 0: none */
    char where[200];
} sink;

static wr_status take(void *context, const conversation *c, row_fault fault, const char *where) {
    sink *s = context;
    assert_true((c != NULL) == (fault == ROW_GOOD));
    describe(c, fault, &s->text);
    snprintf(s->where, sizeof s->where, "%s", where);
    return ++s->rows == s->limit ? wr_fail(WR_E_FAILED, "enough") : WR_OK;
}

static wr_status read_all(const char *path, const field_map *map, const source_options *o, sink *s) {
    wr_status status = WR_OK;
    parquet_file *f = NULL;
    TRY(parquet_open(path, map, &f));
    for (size_t g = 0; g < parquet_row_groups(f); g++) TRY(parquet_read(f, g, o, take, s));
cleanup:
    parquet_close(f);
    return status;
}

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
        describe(fault == ROW_GOOD ? &c : NULL, fault, out);
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
        assert_ok(read_all(parquet, map, &o, &s));
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
    assert_int_equal(parquet_read(f, 7, &o, take, &s), WR_OK);
    assert_int_equal(s.rows, parquet_rows(f, 7));
    assert_true(parquet_bytes(f, 7) > 0);
    assert_string_equal(s.where, GOLDEN "ten_groups.parquet: row group 7, row 1");
    char *first = strdup(s.text.data);
    strbuf_clear(&s.text);
    assert_int_equal(parquet_read(f, 2, &o, take, &s), WR_OK);
    assert_string_not_equal(first, s.text.data);
    strbuf_clear(&s.text);
    assert_int_equal(parquet_read(f, 7, &o, take, &s), WR_OK);
    assert_string_equal(first, s.text.data);
    assert_int_equal(parquet_read(f, 10, &o, take, &s), WR_END);
    /* An error of the callback comes back, and the handle can go on. */
    s.limit = s.rows + 1;
    assert_int_equal(parquet_read(f, 3, &o, take, &s), WR_E_FAILED);
    strbuf_clear(&s.text);
    assert_int_equal(parquet_read(f, 7, &o, take, &s), WR_OK);
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
    assert_int_equal(read_all(GOLDEN "delta.parquet", NULL, &none, &plain), WR_OK);
    assert_int_equal(read_all(GOLDEN "delta.parquet", NULL, &both, &dropped), WR_OK);
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
        assert_int_equal(read_all(path, NULL, &o, &s), WR_E_FORMAT);
        if (strncmp(wr_error(), path, strlen(path)) != 0) fail_msg("no file in: %s", wr_error());
        for (size_t k = 0; k < 3; k++)
            if (!strstr(wr_error(), cases[i].say[k]))
                fail_msg("%s: no \"%s\" in: %s", cases[i].name, cases[i].say[k], wr_error());
        strbuf_free(&s.text);
    }
    sink s = {0};
    source_options o = {0};
    assert_int_equal(read_all(GOLDEN "refused/list_header.parquet", NULL, &o, &s), WR_OK);
    assert_int_equal(s.rows, 1);
    strbuf_free(&s.text);
    s = (sink){0};
    /* messages may be JSON text, which this is not */
    assert_int_equal(read_all(GOLDEN "refused/no_list.parquet", NULL, &o, &s), WR_OK);
    assert_string_equal(s.text.data, "field missing or of a wrong type\n");
    strbuf_free(&s.text);
    const field_map *map;
    assert_int_equal(field_map_open("openai", &map), WR_OK);
    s = (sink){0};
    assert_int_equal(read_all(GOLDEN "refused/more_rows.parquet", map, &o, &s), WR_E_FORMAT);
    assert_error_says(": more rows than the row group has");
    strbuf_free(&s.text);
    assert_int_equal(read_all(GOLDEN "nothing.parquet", NULL, &o, &s), WR_E_IO);
    assert_error_says("nothing.parquet");
    assert_int_equal(read_all("Makefile", NULL, &o, &s), WR_E_FORMAT);
    assert_error_says("Makefile");
}

static int memory_file(const char *bytes, size_t n, char path[64]) {
    int fd = memfd_create("parquet", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* Damaged bytes: an error with a message, or rows; of a cut file never all of them. Returns the status. */
static wr_status read_damaged(const char *bytes, size_t n, strbuf *out) {
    char path[64];
    sink s = {.limit = 5000};
    source_options o = {.user_key_header = true};
    int fd = memory_file(bytes, n, path);
    wr_status status = read_all(path, NULL, &o, &s);
    if (status < 0) assert_true(strlen(wr_error()) > 0);
    close(fd);
    if (out)
        *out = s.text;
    else
        strbuf_free(&s.text);
    return status;
}

static const char *const damaged_names[] = {"many_pages_v1", "zstd_v2_dictionary", "delta", "delta_length",
                                            "few_columns"};

static void test_truncation(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof damaged_names / sizeof *damaged_names; k++) {
        char path[PATH_CAP], *bytes;
        size_t n;
        snprintf(path, sizeof path, GOLDEN "%s.parquet", damaged_names[k]);
        assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
        for (size_t cut = 0; cut < n; cut++) {
            wr_status status = read_damaged(bytes, cut, NULL);
            if (status != WR_E_FORMAT && status != WR_E_IO)
                fail_msg("%s cut to %zu bytes: status %d", damaged_names[k], cut, status);
        }
        free(bytes);
    }
}

static void test_byte_flips(void **state) {
    (void)state;
    rng r = rng_make(11, RNG_TEST, 0, 0, 0);
    for (size_t k = 0; k < sizeof damaged_names / sizeof *damaged_names; k++) {
        char path[PATH_CAP], *bytes;
        size_t n, refused = 0;
        snprintf(path, sizeof path, GOLDEN "%s.parquet", damaged_names[k]);
        assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
        for (size_t i = 0; i < n; i++) {
            char was = bytes[i];
            bytes[i] ^= (char)(1 + rng_below(&r, 255));
            refused += read_damaged(bytes, n, NULL) < 0;
            bytes[i] = was;
        }
        assert_true(refused > n / 10);
        free(bytes);
    }
}

/* A page whose bytes have changed is found by its checksum. Its header is no part of that, but what must stand in it
 * does, and the pages of a chunk end where the chunk does. */
static void test_checksum(void **state) {
    (void)state;
    char *bytes;
    size_t n, refused = 0, other = 0;
    strbuf good = {0};
    assert_int_equal(file_read(GOLDEN "zstd_v2_dictionary.parquet", 0, &bytes, &n), WR_OK);
    assert_true(read_damaged(bytes, n, &good) >= 0);
    uint32_t footer;
    memcpy(&footer, bytes + n - 8, 4);
    for (size_t i = 4; i < n - 8 - footer; i++) {
        strbuf text = {0};
        bytes[i] ^= 0x20;
        if (read_damaged(bytes, n, &text) < 0)
            refused += strstr(wr_error(), "checksum") != NULL;
        else
            other += strcmp(strbuf_str(&text), strbuf_str(&good)) != 0;
        strbuf_free(&text);
        bytes[i] ^= 0x20;
    }
    if (refused < (n - footer) / 3 || other > 0)
        fail_msg("%zu bytes: %zu found by checksum, %zu give other rows", n - footer, refused, other);
    strbuf_free(&good);
    free(bytes);
}

/* Where the footer of the file begins, and in it the value of a field of FileMetaData. */
static char *footer_field(char *bytes, size_t n, int id) {
    uint32_t length;
    memcpy(&length, bytes + n - 8, 4);
    const uint8_t *start = (const uint8_t *)bytes + n - 8 - length;
    thrift t = {.at = start, .end = start + length};
    for (thrift_field f = {0}; thrift_next(&t, &f);) {
        if (f.id == id) return bytes + (t.at - (const uint8_t *)bytes);
        thrift_skip(&t, f.type);
    }
    return bytes + (t.at - (const uint8_t *)bytes) - 1; /* its end */
}

/* What a footer says twice must agree: rows of the file and of its groups, names and types of columns and of their
 * chunks. */
static void test_footer_agrees(void **state) {
    (void)state;
    char *bytes;
    size_t n, found = 0;
    assert_int_equal(file_read(GOLDEN "ten_groups.parquet", 0, &bytes, &n), WR_OK);
    char *rows = footer_field(bytes, n, 3);
    *rows ^= 2;
    assert_int_equal(read_damaged(bytes, n, NULL), WR_E_FORMAT);
    assert_error_says("rows in the file");
    *rows ^= 2;
    assert_true(read_damaged(bytes, n, NULL) >= 0);
    free(bytes);
    assert_int_equal(file_read(GOLDEN "many_pages_v1.parquet", 0, &bytes, &n), WR_OK);
    static const char *const columns[] = {"hashed_ip", "toxic", "language", "timestamp"};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) { /* of the schema, where it comes first */
        char *schema = footer_field(bytes, n, 2),
             *name = memmem(schema, (size_t)(bytes + n - schema), columns[i], strlen(columns[i]));
        if (!name) continue;
        name[1] ^= 1;
        assert_int_equal(read_damaged(bytes, n, NULL), WR_E_FORMAT);
        assert_error_says("footer is damaged");
        name[1] ^= 1;
        found++;
    }
    assert_true(found >= 2);
    free(bytes);
}

/* fastparquet writes an empty list without a type of its elements. */
static void test_empty_list(void **state) {
    (void)state;
    char *bytes;
    size_t n;
    strbuf file = {0}, good = {0}, got = {0};
    assert_int_equal(file_read(GOLDEN "few_columns.parquet", 0, &bytes, &n), WR_OK);
    assert_true(read_damaged(bytes, n, &good) >= 0);
    char *end = footer_field(bytes, n, 99);
    strbuf_append(&file, bytes, (size_t)(end - bytes));
    strbuf_append(&file, "\x09\x0A\x00\x00", 4); /* field 5, key-value metadata: a list of none; and the end */
    uint32_t length;
    memcpy(&length, bytes + n - 8, 4);
    length += 3;
    strbuf_append(&file, (const char *)&length, 4);
    strbuf_puts(&file, "PAR1");
    assert_ok(read_damaged(file.data, file.len, &got));
    assert_string_equal(strbuf_str(&got), strbuf_str(&good));
    file.data[file.len - 10] = 0x10; /* one element of no type is no list */
    assert_int_equal(read_damaged(file.data, file.len, NULL), WR_E_FORMAT);
    strbuf_free(&file);
    strbuf_free(&good);
    strbuf_free(&got);
    free(bytes);
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
    char folder[] = "/tmp/wildreward-test-XXXXXX", path[PATH_CAP], *bytes;
    size_t n, rows;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(path_join(path, folder, "x.parquet"), WR_OK);
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
    assert_int_equal(dir_remove_tree(folder), WR_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),         cmocka_unit_test(test_fields),   cmocka_unit_test(test_groups),
        cmocka_unit_test(test_toxic_redacted), cmocka_unit_test(test_refused),  cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_byte_flips),     cmocka_unit_test(test_checksum), cmocka_unit_test(test_footer_agrees),
        cmocka_unit_test(test_empty_list),     cmocka_unit_test(test_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
