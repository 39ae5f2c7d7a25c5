/* Streams that are read: every compression and archive kind, truncation at many offsets, corruption. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/stream.h"
#include "tests/support/asserts.h"
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[PATH_CAP];
    assert_int_equal(path_join(path, folder, name), WR_OK);
    return path;
}

/* Lines "{"n":0,"x":"…"}" up to count as text. */
static void make_text(strbuf *b, int from, int count) {
    for (int i = from; i < from + count; i++) {
        strbuf_printf(b, "{\"n\":%d,\"x\":\"%08x%08x\"}\n", i, (unsigned)i * 2654435761u,
                      (unsigned)i * 40503u ^ 0x5bd1e995u);
    }
}

typedef struct member {
    const char *name;
    const strbuf *text;
} member;

static void write_archive(const char *path, int filter, int format, const member *members, size_t n) {
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format(a, format), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, members[i].name);
        archive_entry_set_perm(e, 0644);
        if (members[i].text) {
            archive_entry_set_filetype(e, AE_IFREG);
            archive_entry_set_size(e, (la_int64_t)members[i].text->len);
        } else {
            archive_entry_set_filetype(e, AE_IFDIR);
            archive_entry_set_size(e, 0);
        }
        if (archive_write_header(a, e) != ARCHIVE_OK) {
            fail_msg("%s: %s", path, archive_error_string(a));
        }
        if (members[i].text) {
            assert_int_equal(archive_write_data(a, members[i].text->data, members[i].text->len), members[i].text->len);
        }
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
}

static void write_plain(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_true(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

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
    make_text(&one, 0, 30000);
    make_text(&two, 30000, 10);
    char path[PATH_CAP], piece[4096];
    strcpy(path, in_folder("bytes.tar.gz"));
    write_archive(path, ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_TAR_USTAR, (member[]){{"a", &one}, {"b", &two}}, 2);
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
    write_plain(path, bytes, total / 2);
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
    write_plain(in_folder("bytes.jsonl"), "{}\n", 3); /* a plain file is one member */
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
    make_text(&text, 0, 5000);
    for (size_t k = 0; k < sizeof raw_kinds / sizeof *raw_kinds; k++) {
        char path[PATH_CAP];
        strcpy(path, in_folder(raw_kinds[k].name));
        member m = {"x", &text};
        write_archive(path, raw_kinds[k].filter, raw_kinds[k].format, &m, 1);
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
            write_plain(path, bytes, cut);
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
    strbuf one = {0}, two = {0}, none = {0}, junk = {0}, all = {0}, got = {0};
    make_text(&one, 0, 3000);
    make_text(&two, 3000, 2000);
    strbuf_append(&all, one.data, one.len);
    strbuf_append(&all, two.data, two.len);
    one.len--; /* a member without a last newline does not run into the next one */
    strbuf_puts(&junk, "not data");
    strbuf_puts(&none, "");
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const member members[] = {
            {"d", NULL}, {"d/._one.jsonl", &junk}, {"d/one.jsonl", &one}, {"d/none.jsonl", &none}, {"two.jsonl", &two}};
        char path[PATH_CAP], name[256], expected[PATH_CAP + 64];
        strcpy(path, in_folder(kinds[k].name));
        write_archive(path, kinds[k].filter, kinds[k].format, members, 5);
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
            write_plain(path, bytes, cut);
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
    strbuf_free(&none);
    strbuf_free(&junk);
    strbuf_free(&all);
    strbuf_free(&got);
}

static void expect_lines(const char *name, const char *bytes, size_t n, const char *expected, size_t count) {
    char path[PATH_CAP];
    strcpy(path, in_folder(name));
    write_plain(path, bytes, n);
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
    assert_int_equal(instream_open(folder, &s), WR_E_IO);
    assert_int_equal(instream_open("/dev/null", &s), WR_OK);
    const char *line;
    size_t n;
    assert_int_equal(instream_line(s, &line, &n), WR_END);
    instream_close(s);
    instream_close(NULL);
    write_plain(in_folder("fake.jsonl.zst"), "{\"a\":1}\n", 8); /* text under a compressed name is text */
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

/* A flipped byte in a checksummed stream never yields other text. */
static void test_corruption(void **state) {
    (void)state;
    strbuf text = {0}, got = {0};
    make_text(&text, 0, 2000);
    char path[PATH_CAP];
    strcpy(path, in_folder("c.jsonl.zst"));
    outstream *out = NULL;
    assert_int_equal(outstream_create(path, &out), WR_OK);
    assert_int_equal(outstream_write(out, text.data, text.len), WR_OK);
    assert_int_equal(outstream_commit(&out), WR_OK);
    char *bytes;
    size_t n, lines;
    assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
    for (size_t at = 0; at < n; at += 1 + n / 300) {
        bytes[at] ^= 0x10;
        write_plain(path, bytes, n);
        bytes[at] ^= 0x10;
        strbuf_clear(&got);
        wr_status status = read_all(path, &got, &lines, NULL);
        if (status == WR_END && (got.len != text.len || memcmp(got.data, text.data, text.len) != 0)) {
            fail_msg("byte %zu flipped: other text without an error", at);
        }
    }
    free(bytes);
    strbuf_free(&text);
    strbuf_free(&got);
}

/* One frame of zstd; sum: with a checksum. */
static void put_frame(strbuf *to, const char *text, size_t n, int sum) {
    ZSTD_CCtx *z = ZSTD_createCCtx();
    size_t bound = ZSTD_compressBound(n);
    char *packed = malloc(bound);
    assert_non_null(z);
    assert_non_null(packed);
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, sum);
    size_t bytes = ZSTD_compress2(z, packed, bound, text, n);
    assert_false(ZSTD_isError(bytes));
    strbuf_append(to, packed, bytes);
    free(packed);
    ZSTD_freeCCtx(z);
}

/* Frames behind one another are one text, in whatever pieces it is read; with one frame cut, damaged or followed by
 * something else, nothing is. */
static void test_frames(void **state) {
    (void)state;
    strbuf text = {0}, file = {0}, got = {0};
    char path[PATH_CAP];
    size_t lines, n, ends[5];
    strcpy(path, in_folder("frames.jsonl.zst"));
    make_text(&text, 0, 40000);
    /* the third is empty; the others end in the middle of lines; the last is larger than the text read at once */
    for (size_t i = 0; i < 5; i++) {
        static const size_t from[] = {0, 5001, 400001, 400001, 400100};
        size_t to = i < 4 ? from[i + 1] : text.len;
        put_frame(&file, text.data + from[i], to - from[i], i % 2 == 0);
        ends[i] = file.len;
    }
    write_plain(path, file.data, file.len);
    assert_int_equal(read_all(path, &got, &lines, NULL), WR_END);
    assert_int_equal(lines, 40000);
    assert_int_equal(got.len, text.len);
    assert_memory_equal(got.data, text.data, text.len);
    static const size_t rooms[] = {1, 4096, 1 << 18};
    char *piece = malloc(1 << 18);
    assert_non_null(piece);
    for (size_t k = 0; k < 3; k++) {
        instream *s;
        uint64_t done, total;
        strbuf_clear(&got);
        assert_int_equal(instream_open(path, &s), WR_OK);
        assert_int_equal(instream_member(s), WR_OK);
        assert_string_equal(instream_name(s), path);
        while (instream_read(s, piece, rooms[k], &n) == WR_OK) strbuf_append(&got, piece, n);
        assert_int_equal(got.len, text.len);
        assert_memory_equal(got.data, text.data, text.len);
        instream_position(s, &done, &total);
        assert_int_equal(done, file.len);
        assert_int_equal(total, file.len);
        assert_int_equal(instream_member(s), WR_END);
        instream_close(s);
    }
    free(piece);
    for (size_t i = 0; i < 5; i++) {
        write_plain(path, file.data, ends[i] - 1); /* of the checksum or the last block */
        assert_int_equal(read_all(path, &got, &lines, NULL), WR_E_FORMAT);
        assert_error_says("frames.jsonl.zst");
    }
    file.data[ends[0] - 1] ^= 1; /* the first frame's checksum */
    write_plain(path, file.data, file.len);
    assert_int_equal(read_all(path, &got, &lines, NULL), WR_E_FORMAT);
    file.data[ends[0] - 1] ^= 1;
    strbuf_puts(&file, "more");
    write_plain(path, file.data, file.len);
    assert_int_equal(read_all(path, &got, &lines, NULL), WR_E_FORMAT);
    strbuf_free(&text);
    strbuf_free(&file);
    strbuf_free(&got);
}

/* As `zstd -t` judges a file: frames to their ends, and a window of 128 MiB at most. */
static bool zstd_takes(const strbuf *file, strbuf *out) {
    ZSTD_DCtx *z = ZSTD_createDCtx();
    static char room[1 << 17];
    ZSTD_inBuffer in = {file->data, file->len, 0};
    size_t left = 1;
    bool good = z != NULL;
    strbuf_clear(out);
    while (good && (in.pos < in.size || left)) {
        ZSTD_outBuffer to = {room, sizeof room, 0};
        const size_t before = in.pos;
        left = ZSTD_decompressStream(z, &to, &in);
        strbuf_append(out, room, to.pos);
        good = !ZSTD_isError(left) && (in.pos > before || to.pos > 0 || left == 0);
    }
    ZSTD_freeDCtx(z);
    return good;
}

/* Without a checksum damage can be seen where the format shows it, and there only: just what zstd takes is taken, and
 * as the same text. */
static void test_without_sum(void **state) {
    (void)state;
    strbuf text = {0}, file = {0}, got = {0}, want = {0};
    rng r = rng_make(5, RNG_TEST, 0, 0, 0);
    char path[PATH_CAP], *piece = malloc(1 << 16);
    size_t refused = 0, n;
    assert_non_null(piece);
    strcpy(path, in_folder("nosum.jsonl.zst"));
    make_text(&text, 0, 60);
    for (int i = 0; i < 3; i++)
        put_frame(&file, text.data + text.len * i / 3, text.len * (i + 1) / 3 - text.len * i / 3, 0);
    for (int flip = 0; flip < 1000; flip++) {
        const size_t bit = rng_below(&r, file.len * 8);
        instream *s = NULL;
        strbuf_clear(&got);
        file.data[bit / 8] ^= (char)(1 << bit % 8);
        write_plain(path, file.data, file.len);
        wr_status status = instream_open(path, &s);
        if (status == WR_OK) status = instream_member(s);
        while (status == WR_OK && (status = instream_read(s, piece, 1 << 16, &n)) == WR_OK)
            strbuf_append(&got, piece, n);
        if (status == WR_END) status = instream_member(s);
        instream_close(s);
        if (zstd_takes(&file, &want) != (status == WR_END))
            fail_msg("bit %zu: %s", bit, status == WR_END ? "taken" : wr_error());
        if (status == WR_END)
            assert_true(got.len == want.len && memcmp(strbuf_str(&got), strbuf_str(&want), got.len) == 0);
        refused += status != WR_END;
        file.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(refused > 100 && refused < 1000);
    free(piece);
    strbuf_free(&text);
    strbuf_free(&file);
    strbuf_free(&got);
    strbuf_free(&want);
}

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/wildreward-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return dir_remove_tree(folder) < 0 ? -1 : 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_as_bytes), cmocka_unit_test(test_compressed_and_truncated),
        cmocka_unit_test(test_archives),         cmocka_unit_test(test_plain),
        cmocka_unit_test(test_long_line),        cmocka_unit_test(test_corruption),
        cmocka_unit_test(test_frames),           cmocka_unit_test(test_without_sum),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
