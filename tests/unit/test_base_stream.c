/* Streams that are read: every compression and archive kind, truncation at many offsets, corruption. */
#include "base/file.h"
#include "base/mem.h"
#include "base/stream.h"
#include "tests/support/archives.h"
#include <archive.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads all of a file; appends the lines with '\n'. */
static wr_status read_all(const char *path, strbuf *out, size_t *lines, char name[256]) {
    instream *s = NULL;
    const char *line;
    size_t n;
    *lines = 0;
    wr_status status = instream_open(path, &s);
    if (status < 0) {
        return status;
    }
    while ((status = instream_line(s, &line, &n)) == WR_OK) {
        strbuf_append(out, line, n);
        strbuf_putc(out, '\n');
        ++*lines;
        if (name) {
            snprintf(name, 256, "%s#%zu", instream_name(s), instream_line_number(s));
        }
    }
    assert_int_equal(instream_line(s, &line, &n), status); /* stays so */
    instream_close(s);
    return status;
}

static const struct {
    const char *name;
    int filter, format;
} raw_kinds[] = {
    {"t.jsonl.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_RAW},
    {"t.jsonl.zst", ARCHIVE_FILTER_ZSTD, ARCHIVE_FORMAT_RAW},
    {"t.jsonl.xz", ARCHIVE_FILTER_XZ, ARCHIVE_FORMAT_RAW},
    {"t.jsonl.bz2", ARCHIVE_FILTER_BZIP2, ARCHIVE_FORMAT_RAW},
};

/* Members as bytes: whole, in order, in pieces of any size; an error stays. */
static void test_members_as_bytes(void **state) {
    (void)state;
    strbuf one = {0}, two = {0}, got = {0};
    append_rows(&one, 0, 30000);
    append_rows(&two, 30000, 10);
    char path[PATH_CAP], piece[4096];
    strcpy(path, in_folder("bytes.tar.gz"));
    put_archive("bytes.tar.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_TAR_USTAR,
                (archive_member[]){{"a", one.data, one.len}, {"b", two.data, two.len}}, 2);
    static const size_t rooms[] = {1, 7, 4096};
    for (size_t k = 0; k < 3; k++) {
        instream *s;
        size_t n;
        assert_int_equal(instream_open(path, &s), WR_OK);
        for (int m = 0; m < 2; m++) {
            const strbuf *expected = m ? &two : &one;
            strbuf_clear(&got);
            assert_int_equal(instream_member(s), WR_OK);
            assert_non_null(strstr(instream_name(s), m ? ": b" : ": a"));
            while (instream_read(s, piece, rooms[k], &n) == WR_OK) {
                assert_true(n > 0 && n <= rooms[k]);
                strbuf_append(&got, piece, n);
            }
            assert_int_equal(got.len, expected->len);
            assert_memory_equal(got.data, expected->data, got.len);
        }
        assert_int_equal(instream_member(s), WR_END);
        assert_int_equal(instream_member(s), WR_END);
        instream_close(s);
    }
    char *bytes;
    size_t total, n;
    instream *s;
    assert_int_equal(file_read(path, 0, &bytes, &total), WR_OK);
    put_file("bytes.tar.gz", bytes, total / 2);
    assert_int_equal(instream_open(path, &s), WR_OK);
    assert_int_equal(instream_member(s), WR_OK);
    wr_status status;
    while ((status = instream_read(s, piece, sizeof piece, &n)) == WR_OK) {
    }
    assert_int_equal(status, WR_E_FORMAT);
    assert_int_equal(instream_read(s, piece, sizeof piece, &n), WR_E_FORMAT);
    assert_int_equal(instream_member(s), WR_E_FORMAT);
    instream_close(s);
    free(bytes);
    put_file("bytes.jsonl", "{}\n", 3); /* a plain file is one member */
    assert_int_equal(instream_open(in_folder("bytes.jsonl"), &s), WR_OK);
    assert_int_equal(instream_member(s), WR_OK);
    assert_int_equal(instream_read(s, piece, 2, &n), WR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(instream_read(s, piece, 2, &n), WR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(instream_read(s, piece, 2, &n), WR_END);
    assert_int_equal(instream_member(s), WR_END);
    instream_close(s);
    strbuf_free(&one);
    strbuf_free(&two);
    strbuf_free(&got);
}

static void test_compressed_and_truncated(void **state) {
    (void)state;
    strbuf text = {0}, got = {0};
    size_t lines;
    append_rows(&text, 0, 5000);
    for (size_t k = 0; k < sizeof raw_kinds / sizeof *raw_kinds; k++) {
        char path[PATH_CAP];
        strcpy(path, in_folder(raw_kinds[k].name));
        put_archive(raw_kinds[k].name, raw_kinds[k].filter, raw_kinds[k].format,
                    &(archive_member){"x", text.data, text.len}, 1);
        strbuf_clear(&got);
        if (read_all(path, &got, &lines, NULL) != WR_END) {
            fail_msg("%s", wr_error());
        }
        assert_int_equal(lines, 5000);
        assert_int_equal(got.len, text.len);
        assert_memory_equal(got.data, text.data, text.len);
        char *bytes;
        size_t n;
        assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
        for (size_t i = 0; i < 120; i++) {
            size_t cut = i < 40 ? i : i < 80 ? n - (i - 39) : n / 40 * (i - 80);
            put_file(raw_kinds[k].name, bytes, cut);
            strbuf_clear(&got);
            wr_status status = read_all(path, &got, &lines, NULL);
            if (status != WR_E_FORMAT || !strstr(wr_error(), raw_kinds[k].name)) {
                fail_msg("%s cut to %zu of %zu: status %d, %zu lines (%s)", raw_kinds[k].name, cut, n, status, lines,
                         wr_error());
            }
            assert_true(got.len == 0 || memcmp(got.data, text.data, got.len > text.len ? 0 : got.len / 2) == 0);
        }
        free(bytes);
    }
    strbuf_free(&text);
    strbuf_free(&got);
}

static void test_archives(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int filter, format;
    } kinds[] = {
        {"a.tar", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED},
        {"a.tar.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_TAR_USTAR},
        {"a.tar.zst", ARCHIVE_FILTER_ZSTD, ARCHIVE_FORMAT_TAR_GNUTAR},
        {"a.zip", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_ZIP},
        {"a.7z", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_7ZIP},
        {"a.cpio", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_CPIO_POSIX},
    };
    strbuf one = {0}, two = {0}, junk = {0}, all = {0}, got = {0};
    append_rows(&one, 0, 3000);
    append_rows(&two, 3000, 2000);
    strbuf_append(&all, one.data, one.len);
    strbuf_append(&all, two.data, two.len);
    one.len--; /* a member without a last newline does not run into the next one */
    strbuf_puts(&junk, "not data");
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const archive_member members[] = {{"d", NULL, 0},
                                          {"d/._one.jsonl", junk.data, junk.len},
                                          {"d/one.jsonl", one.data, one.len},
                                          {"d/none.jsonl", "", 0},
                                          {"two.jsonl", two.data, two.len}};
        char path[PATH_CAP], name[256], expected[PATH_CAP + 64];
        strcpy(path, in_folder(kinds[k].name));
        put_archive(kinds[k].name, kinds[k].filter, kinds[k].format, members, 5);
        size_t lines;
        strbuf_clear(&got);
        if (read_all(path, &got, &lines, name) != WR_END) {
            fail_msg("%s", wr_error());
        }
        assert_int_equal(lines, 5000);
        assert_string_equal(strbuf_str(&got), strbuf_str(&all));
        snprintf(expected, sizeof expected, "%s: two.jsonl#2000", path);
        assert_string_equal(name, expected);
        char *bytes;
        size_t n;
        assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
        for (size_t i = 0; i < 60; i++) {
            size_t cut = i < 20 ? n / 20 * i : i < 40 ? n - 1 - (i - 20) * 11 : i - 40;
            put_file(kinds[k].name, bytes, cut);
            strbuf_clear(&got);
            wr_status status = read_all(path, &got, &lines, NULL);
            /* Cut within its end mark an archive still gives every line. */
            if (status != WR_E_FORMAT && !(status == WR_END && strcmp(strbuf_str(&got), all.data) == 0)) {
                if (!(strcmp(kinds[k].name, "a.cpio") == 0)) {
                    fail_msg("%s cut to %zu of %zu: status %d, %zu lines", kinds[k].name, cut, n, status, lines);
                }
            }
        }
        free(bytes);
    }
    strbuf_free(&one);
    strbuf_free(&two);
    strbuf_free(&junk);
    strbuf_free(&all);
    strbuf_free(&got);
}

static void expect_lines(const char *name, const char *bytes, size_t n, const char *expected, size_t count) {
    char path[PATH_CAP];
    strcpy(path, in_folder(name));
    put_file(name, bytes, n);
    strbuf got = {0};
    size_t lines;
    if (read_all(path, &got, &lines, NULL) != WR_END) {
        fail_msg("%s", wr_error());
    }
    assert_int_equal(lines, count);
    assert_string_equal(strbuf_str(&got), expected);
    strbuf_free(&got);
}

/* Text is text, whatever it starts with. */
static void test_plain(void **state) {
    (void)state;
#define EXPECT(text, expected, count) expect_lines("p.jsonl", text, sizeof text - 1, expected, count)
    EXPECT("", "", 0);
    EXPECT("\n", "\n", 1);
    EXPECT("a", "a\n", 1);
    EXPECT("{\"a\":1}\r\n\r\n{}", "{\"a\":1}\n\n{}\n", 3);
    EXPECT("\xEF\xBB\xBF{\"a\":1}\nb\n", "{\"a\":1}\nb\n", 2);
    EXPECT("#mtree\n/set type=file\n./a size=3\n", "#mtree\n/set type=file\n./a size=3\n", 3);
    EXPECT("begin 644 x\n#0V%T\n`\nend\n", "begin 644 x\n#0V%T\n`\nend\n", 4);
    EXPECT("WARC/1.0\r\nWARC-Type: x\r\n", "WARC/1.0\nWARC-Type: x\n", 2);
    EXPECT("!<arch>\nx\n", "!<arch>\nx\n", 2);
    EXPECT("{\"-lh5-\":1}\n", "{\"-lh5-\":1}\n", 1);
    EXPECT("[1]\n\"s\"\n7\n", "[1]\n\"s\"\n7\n", 3);
    EXPECT("PK is a name\n", "PK is a name\n", 1);
    EXPECT("  \n {\"a\":1}\n", "  \n {\"a\":1}\n", 2);
    instream *s = NULL;
    assert_int_equal(instream_open(in_folder("absent"), &s), WR_E_IO);
    assert_error_says("absent");
    assert_int_equal(instream_open(test_folder(), &s), WR_E_IO);
    assert_int_equal(instream_open("/dev/null", &s), WR_OK);
    const char *line;
    size_t n;
    assert_int_equal(instream_line(s, &line, &n), WR_END);
    instream_close(s);
    instream_close(NULL);
    put_file("fake.jsonl.zst", "{\"a\":1}\n", 8); /* text under a compressed name is text */
    strbuf got = {0};
    assert_int_equal(read_all(in_folder("fake.jsonl.zst"), &got, &n, NULL), WR_END);
    assert_string_equal(strbuf_str(&got), "{\"a\":1}\n");
    strbuf_free(&got);
}

static void test_long_line(void **state) {
    (void)state;
    enum { SIZE = 60 << 20 };
    char *text = mem_realloc(NULL, SIZE, 1);
    memset(text, 'y', SIZE);
    memcpy(text, "{\"a\":\"", 6);
    text[SIZE - 10] = '\n';
    for (int zst = 0; zst < 2; zst++) {
        char path[PATH_CAP];
        strcpy(path, in_folder(zst ? "long.jsonl.zst" : "long.jsonl"));
        outstream *out = NULL;
        assert_int_equal(outstream_create(path, &out), WR_OK);
        assert_int_equal(outstream_write(out, text, SIZE), WR_OK);
        assert_int_equal(outstream_commit(&out), WR_OK);
        instream *s = NULL;
        const char *line;
        size_t n;
        uint64_t done, total;
        assert_int_equal(instream_open(path, &s), WR_OK);
        assert_int_equal(instream_line(s, &line, &n), WR_OK);
        assert_int_equal(n, SIZE - 10);
        assert_int_equal(instream_line(s, &line, &n), WR_OK);
        assert_int_equal(n, 9);
        assert_int_equal(instream_line(s, &line, &n), WR_END);
        instream_position(s, &done, &total);
        assert_true(done == total && total > 0 && (zst ? total < SIZE / 100 : total == SIZE));
        instream_close(s);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_members_as_bytes),
                                       cmocka_unit_test(test_compressed_and_truncated), cmocka_unit_test(test_archives),
                                       cmocka_unit_test(test_plain), cmocka_unit_test(test_long_line)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
