/* Damage in compressed files and archives: nothing is ever read as other text without an error. Single flipped bits of
 * every format; gzip's members as `gzip -t` judges them; what stands behind the end. */
#include "base/file.h"
#include "base/rng.h"
#include "tests/support/archives.h"
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLIPS = 200 };

static strbuf plain; /* the text that all the files hold */

static wr_status read_anew(const char *path, strbuf *out) {
    strbuf_clear(out);
    return read_lines(path, out);
}

static void archive_text(strbuf *to, int filter, int format, const char *options, const char *text, size_t n) {
    struct archive *a = archive_write_new();
    size_t room = n * 2 + (64 << 10), used = 0;
    char *bytes = malloc(room);
    assert_non_null(bytes);
    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format(a, format), ARCHIVE_OK);
    if (options) assert_int_equal(archive_write_set_options(a, options), ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(a, 1);
    assert_int_equal(archive_write_open_memory(a, bytes, room, &used), ARCHIVE_OK);
    int members = format == ARCHIVE_FORMAT_RAW ? 1 : 3;
    for (int i = 0; i < members; i++) {
        struct archive_entry *e = archive_entry_new();
        char name[32];
        /* At a line's end: lines do not cross members. */
        size_t from = n * (size_t)i / (size_t)members, to_byte = n * (size_t)(i + 1) / (size_t)members;
        while (from > 0 && text[from - 1] != '\n') from++;
        while (to_byte < n && text[to_byte - 1] != '\n') to_byte++;
        snprintf(name, sizeof name, "dir/n%d.jsonl", i);
        archive_entry_set_pathname(e, name);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_size(e, (la_int64_t)(to_byte - from));
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        assert_int_equal(archive_write_data(a, text + from, to_byte - from), to_byte - from);
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    strbuf_append(to, bytes, used);
    free(bytes);
}

/* --- flips --- */

/* Every reading of the file with one bit changed is an error, or the same text. Returns how many were errors. */
static size_t flip(const char *name, const strbuf *file, size_t flips, uint64_t seed) {
    rng r = rng_make(seed, RNG_TEST, 0, 0, 0);
    char path[PATH_CAP];
    strbuf got = {0};
    size_t refused = 0;
    strcpy(path, in_folder(name));
    put_file(name, file->data, file->len);
    if (read_anew(path, &got) != WR_END) fail_msg("%s", wr_error());
    assert_int_equal(got.len, plain.len);
    assert_memory_equal(got.data, plain.data, plain.len);
    for (size_t i = 0; i < flips; i++) {
        size_t bit = (size_t)rng_below(&r, file->len * 8);
        /* The ends, where the headers and directories are, as often as all that lies between. */
        if (i % 3 == 1) bit = (size_t)rng_below(&r, file->len < 200 ? file->len * 8 : 1600);
        if (i % 3 == 2) bit = file->len * 8 - 1 - (size_t)rng_below(&r, file->len < 400 ? file->len * 8 : 3200);
        file->data[bit / 8] ^= (char)(1 << bit % 8);
        put_file(name, file->data, file->len);
        file->data[bit / 8] ^= (char)(1 << bit % 8);
        wr_status status = read_anew(path, &got);
        if (status < 0)
            refused++;
        else if (got.len != plain.len || memcmp(got.data, plain.data, got.len) != 0)
            fail_msg("%s: bit %zu of byte %zu of %zu flipped: other text without an error", name, bit % 8, bit / 8,
                     file->len);
    }
    unlink(path);
    strbuf_free(&got);
    return refused;
}

static void test_flips(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int filter, format;
        const char *options;
    } kinds[] = {
        {"f.tar.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_TAR_USTAR, NULL},
        {"f.tgz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, NULL},
        {"f.jsonl.bz2", ARCHIVE_FILTER_BZIP2, ARCHIVE_FORMAT_RAW, NULL},
        {"f.jsonl.xz", ARCHIVE_FILTER_XZ, ARCHIVE_FORMAT_RAW, NULL},
        {"f.jsonl.lz4", ARCHIVE_FILTER_LZ4, ARCHIVE_FORMAT_RAW, "lz4:stream-checksum"},
        {"f.tar.xz", ARCHIVE_FILTER_XZ, ARCHIVE_FORMAT_TAR_USTAR, NULL},
        {"f.zip", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_ZIP, NULL},
        {"stored.zip", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_ZIP, "zip:compression=store"},
        {"f.7z", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_7ZIP, NULL},
    };
    strbuf file = {0};
    size_t refused = 0, n = sizeof kinds / sizeof *kinds;
    for (size_t k = 0; k < n; k++) {
        strbuf_clear(&file);
        archive_text(&file, kinds[k].filter, kinds[k].format, kinds[k].options, plain.data, plain.len);
        refused += flip(kinds[k].name, &file, FLIPS, 100 + k);
    }
    assert_true(refused > n * FLIPS / 2);
    strbuf_clear(&file); /* members behind one another, with and without names and sums of their headers */
    for (size_t i = 0; i < 4; i++) {
        size_t from = plain.len * i / 4, to = plain.len * (i + 1) / 4;
        append_gzip(&file, plain.data + from, to - from, i & 1 ? "name.jsonl" : NULL, i & 2);
    }
    refused = flip("f.jsonl.gz", &file, 2 * FLIPS, 1);
    strbuf twice = {0};
    append_gzip(&twice, file.data, file.len, NULL, false);
    refused += flip("twice.gz", &twice, FLIPS, 2);
    strbuf_clear(&file);
    for (size_t i = 0; i < 3; i++)
        append_zstd(&file, plain.data + plain.len * i / 3, plain.len * (i + 1) / 3 - plain.len * i / 3, true, 0);
    refused += flip("f.jsonl.zst", &file, 2 * FLIPS, 3);
    strbuf_clear(&twice);
    append_gzip(&twice, file.data, file.len, NULL, false);
    refused += flip("f.zst.gz", &twice, FLIPS, 4);
    assert_true(refused > 6 * FLIPS * 3 / 4);
    strbuf_free(&file);
    strbuf_free(&twice);
}

/* Two members of bzip2, xz and lz4, the second one damaged at its first bytes or cut: libarchive takes that for the
 * end. */
static void test_later_members(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int filter;
    } kinds[] = {{"l.jsonl.bz2", ARCHIVE_FILTER_BZIP2},
                 {"l.jsonl.xz", ARCHIVE_FILTER_XZ},
                 {"l.jsonl.lz4", ARCHIVE_FILTER_LZ4},
                 {"l.jsonl.gz", ARCHIVE_FILTER_GZIP},
                 {"l.jsonl.zst", ARCHIVE_FILTER_ZSTD}};
    strbuf one = {0}, both = {0}, got = {0};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char path[PATH_CAP];
        strcpy(path, in_folder(kinds[k].name));
        strbuf_clear(&one);
        strbuf_clear(&both);
        archive_text(&one, kinds[k].filter, ARCHIVE_FORMAT_RAW, NULL, plain.data, plain.len);
        strbuf_append(&both, one.data, one.len);
        strbuf_append(&both, one.data, one.len);
        put_file(kinds[k].name, both.data, both.len);
        if (read_anew(path, &got) != WR_END) fail_msg("%s", wr_error());
        assert_int_equal(got.len, 2 * plain.len);
        for (size_t bit = 0; bit < 32; bit++) {
            both.data[one.len + bit / 8] ^= (char)(1 << bit % 8);
            put_file(kinds[k].name, both.data, both.len);
            both.data[one.len + bit / 8] ^= (char)(1 << bit % 8);
            wr_status status = read_anew(path, &got);
            bool whole =
                status == WR_END &&
                got.len == 2 * plain.len; /* a bit that says nothing of the text: bzip2's level, gzip's "is text" */
            if (status != WR_E_FORMAT && !(whole && bit >= 24))
                fail_msg("%s: bit %zu of the second member: read", kinds[k].name, bit);
        }
        for (size_t cut = 1; cut < 20; cut++) {
            put_file(kinds[k].name, both.data, one.len + cut);
            if (read_anew(path, &got) != WR_E_FORMAT)
                fail_msg("%s: cut %zu bytes into its second member: read", kinds[k].name, cut);
            assert_error_says(kinds[k].name);
        }
        strbuf_puts(&one, "garbage");
        put_file(kinds[k].name, one.data, one.len);
        assert_int_equal(read_anew(path, &got), WR_E_FORMAT);
    }
    strbuf_free(&one);
    strbuf_free(&both);
    strbuf_free(&got);
}

/* --- gzip --- */

static wr_status read_bytes(const char *name, const strbuf *file) {
    char path[PATH_CAP];
    strbuf got = {0};
    strcpy(path, in_folder(name));
    put_file(name, file->data, file->len);
    wr_status status = read_anew(path, &got);
    unlink(path);
    strbuf_free(&got);
    return status;
}

static void test_gzip(void **state) {
    (void)state;
    enum { ROWS = 300 };
    strbuf good = {0}, file = {0};
    append_gzip(&good, plain.data, ROWS, "a name", true);
    size_t first = good.len;
    append_gzip(&good, plain.data + ROWS, ROWS, NULL, false);
    assert_int_equal(read_bytes("g.jsonl.gz", &good), WR_END);
    for (size_t zeros = 1; zeros < 70000; zeros *= 9) { /* padding; but no member may stand behind it */
        strbuf_clear(&file);
        strbuf_append(&file, good.data, good.len);
        for (size_t i = 0; i < zeros; i++) strbuf_putc(&file, '\0');
        assert_int_equal(read_bytes("g.jsonl.gz", &file), WR_END);
        strbuf_append(&file, good.data, first);
        assert_int_equal(read_bytes("g.jsonl.gz", &file), WR_E_FORMAT);
    }
    static const struct {
        size_t from_start, from_end; /* which byte: one of the two */
        char flip;
        const char *word;
    } damage[] = {
        {0, 1, 1, "length"},      {0, 4, 64, "length"},    {0, 5, 1, "data check"},
        {0, 8, 16, "data check"}, {3, 0, 1 << 5, "flags"}, {3, 0, (char)(1 << 7), "flags"},
        {2, 0, 1, "method"},      {5, 0, 1, "header crc"},
    };
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        strbuf_clear(&file);
        append_gzip(&file, plain.data, ROWS, "a name", true);
        file.data[damage[i].from_end ? file.len - damage[i].from_end : damage[i].from_start] ^= damage[i].flip;
        assert_int_equal(read_bytes("g.jsonl.gz", &file), WR_E_FORMAT);
        if (!strstr(wr_error(), damage[i].word)) fail_msg("\"%s\" says nothing of %s", wr_error(), damage[i].word);
        strbuf later = {0}; /* and as a later member */
        strbuf_append(&later, good.data, good.len);
        strbuf_append(&later, file.data, file.len);
        assert_int_equal(read_bytes("g.jsonl.gz", &later), WR_E_FORMAT);
        strbuf_free(&later);
    }
    strbuf_free(&good);
    strbuf_free(&file);
}

/* The same from a pipe, where nothing can be looked at twice, and of a tar whose end mark lies before the damage. */
static void test_gzip_from_pipe(void **state) {
    (void)state;
    int saved = dup(STDIN_FILENO), ends[2];
    strbuf tar = {0}, file = {0}, got = {0};
    archive_text(&tar, ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_USTAR, NULL, plain.data, 6000);
    append_gzip(&file, tar.data, tar.len, NULL, false);
    for (int damaged = 0; damaged < 2; damaged++) {
        if (damaged) file.data[file.len - 6] ^= 4;
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], file.data, file.len), (ssize_t)file.len); /* less than a pipe holds */
        close(ends[1]);
        assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
        close(ends[0]);
        assert_int_equal(read_anew("-", &got), damaged ? WR_E_FORMAT : WR_END);
        if (damaged) assert_error_says("standard input");
    }
    dup2(saved, STDIN_FILENO);
    close(saved);
    strbuf_free(&tar);
    strbuf_free(&file);
    strbuf_free(&got);
}

/* --- archives --- */

static void test_joined_tars(void **state) {
    (void)state;
    strbuf tar = {0}, two = {0};
    archive_text(&tar, ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_USTAR, NULL, plain.data, 6000);
    strbuf_append(&two, tar.data, tar.len);
    strbuf_append(&two, tar.data, tar.len);
    assert_int_equal(read_bytes("one.tar", &tar), WR_END);
    assert_int_equal(read_bytes("two.tar", &two), WR_E_FORMAT);
    assert_error_says("end mark");
    strbuf packed = {0};
    append_gzip(&packed, two.data, two.len, NULL, false);
    assert_int_equal(read_bytes("two.tar.gz", &packed), WR_E_FORMAT);
    strbuf_free(&tar);
    strbuf_free(&two);
    strbuf_free(&packed);
}

/* An archive within an archive is no text, nor is what needs a look at its end and comes from a pipe. */
static void test_within(void **state) {
    (void)state;
    strbuf inner = {0}, outer = {0};
    append_gzip(&inner, plain.data, 900, NULL, false);
    strbuf_putc(&inner, '\n');
    archive_text(&outer, ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_USTAR, NULL, inner.data, inner.len);
    assert_int_equal(read_bytes("outer.tar", &outer), WR_E_FORMAT);
    assert_error_says("gzip within an archive");
    static const int formats[] = {ARCHIVE_FORMAT_ZIP, ARCHIVE_FORMAT_7ZIP};
    for (int i = 0; i < 2; i++) {
        strbuf_clear(&inner);
        strbuf_clear(&outer);
        archive_text(&inner, ARCHIVE_FILTER_NONE, formats[i], NULL, plain.data, 6000);
        append_gzip(&outer, inner.data, inner.len, NULL, false);
        assert_int_equal(read_bytes(i ? "x.7z.gz" : "x.zip.gz", &outer), WR_E_FORMAT);
        assert_non_null(strstr(wr_error(), i ? "7z archives" : "zip archives"));
    }
    strbuf_free(&inner);
    strbuf_free(&outer);
}

static int set_up(void **state) {
    append_rows(&plain, 0, 400);
    return folder_set_up(state);
}

static int tear_down(void **state) {
    strbuf_free(&plain);
    return folder_tear_down(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_flips),       cmocka_unit_test(test_later_members),
                                       cmocka_unit_test(test_gzip),        cmocka_unit_test(test_gzip_from_pipe),
                                       cmocka_unit_test(test_joined_tars), cmocka_unit_test(test_within)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
