/* Damage in compressed files and archives: nothing is ever read as other text without an error. Single flipped bits of
 * every format; gzip's members as `gzip -t` judges them; what stands behind the end; files that are not what they look
 * like. */
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
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { FLIPS = 200 };
static char folder[64];
static strbuf plain; /* the text that all the files hold */

static const char *in_folder(const char *name) {
    static char path[PATH_CAP];
    assert_int_equal(path_join(path, folder, name), WR_OK);
    return path;
}

static void write_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static wr_status read_lines(const char *path, strbuf *out) {
    instream *s = NULL;
    const char *line;
    size_t n;
    strbuf_clear(out);
    wr_status status = instream_open(path, &s);
    while (status == WR_OK && (status = instream_line(s, &line, &n)) == WR_OK) {
        strbuf_append(out, line, n);
        strbuf_putc(out, '\n');
    }
    instream_close(s);
    return status;
}

/* --- files of each kind --- */

/* One member of gzip. name: NULL, or in its header; sum: a checksum of the header, and right. */
static void put_member(strbuf *to, const char *text, size_t n, const char *name, bool sum) {
    z_stream z = {0};
    gz_header h = {.name = (Bytef *)(uintptr_t)name, .hcrc = sum, .os = 3};
    size_t bound = n + n / 100 + 200;
    char *packed = malloc(bound);
    assert_non_null(packed);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflateSetHeader(&z, &h), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text, z.avail_in = (uInt)n;
    z.next_out = (Bytef *)packed, z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    strbuf_append(to, packed, z.total_out);
    deflateEnd(&z);
    free(packed);
}

static void put_zstd(strbuf *to, const char *text, size_t n, int window) {
    ZSTD_CCtx *z = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(n);
    char *packed = malloc(room);
    ZSTD_inBuffer in = {text, n, 0};
    ZSTD_outBuffer out = {packed, room, 0};
    assert_non_null(packed);
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    if (window) ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window);
    if (window)
        assert_false(ZSTD_isError(ZSTD_compressStream2(z, &out, &in, ZSTD_e_flush))); /* its length is not known yet */
    assert_int_equal(ZSTD_compressStream2(z, &out, &in, ZSTD_e_end), 0);
    strbuf_append(to, packed, out.pos);
    free(packed);
    ZSTD_freeCCtx(z);
}

static void put_archive(strbuf *to, int filter, int format, const char *options, const char *text, size_t n) {
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
    write_file(path, file->data, file->len);
    if (read_lines(path, &got) != WR_END) fail_msg("%s", wr_error());
    assert_int_equal(got.len, plain.len);
    assert_memory_equal(got.data, plain.data, plain.len);
    for (size_t i = 0; i < flips; i++) {
        size_t bit = (size_t)rng_below(&r, file->len * 8);
        /* The ends, where the headers and directories are, as often as all that lies between. */
        if (i % 3 == 1) bit = (size_t)rng_below(&r, file->len < 200 ? file->len * 8 : 1600);
        if (i % 3 == 2) bit = file->len * 8 - 1 - (size_t)rng_below(&r, file->len < 400 ? file->len * 8 : 3200);
        file->data[bit / 8] ^= (char)(1 << bit % 8);
        write_file(path, file->data, file->len);
        file->data[bit / 8] ^= (char)(1 << bit % 8);
        wr_status status = read_lines(path, &got);
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
        put_archive(&file, kinds[k].filter, kinds[k].format, kinds[k].options, plain.data, plain.len);
        refused += flip(kinds[k].name, &file, FLIPS, 100 + k);
    }
    assert_true(refused > n * FLIPS / 2);
    strbuf_clear(&file); /* members behind one another, with and without names and sums of their headers */
    for (size_t i = 0; i < 4; i++) {
        size_t from = plain.len * i / 4, to = plain.len * (i + 1) / 4;
        put_member(&file, plain.data + from, to - from, i & 1 ? "name.jsonl" : NULL, i & 2);
    }
    refused = flip("f.jsonl.gz", &file, 2 * FLIPS, 1);
    strbuf twice = {0};
    put_member(&twice, file.data, file.len, NULL, false);
    refused += flip("twice.gz", &twice, FLIPS, 2);
    strbuf_clear(&file);
    for (size_t i = 0; i < 3; i++)
        put_zstd(&file, plain.data + plain.len * i / 3, plain.len * (i + 1) / 3 - plain.len * i / 3, 0);
    refused += flip("f.jsonl.zst", &file, 2 * FLIPS, 3);
    strbuf_clear(&twice);
    put_member(&twice, file.data, file.len, NULL, false);
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
        put_archive(&one, kinds[k].filter, ARCHIVE_FORMAT_RAW, NULL, plain.data, plain.len);
        strbuf_append(&both, one.data, one.len);
        strbuf_append(&both, one.data, one.len);
        write_file(path, both.data, both.len);
        if (read_lines(path, &got) != WR_END) fail_msg("%s", wr_error());
        assert_int_equal(got.len, 2 * plain.len);
        for (size_t bit = 0; bit < 32; bit++) {
            both.data[one.len + bit / 8] ^= (char)(1 << bit % 8);
            write_file(path, both.data, both.len);
            both.data[one.len + bit / 8] ^= (char)(1 << bit % 8);
            wr_status status = read_lines(path, &got);
            bool whole =
                status == WR_END &&
                got.len == 2 * plain.len; /* a bit that says nothing of the text: bzip2's level, gzip's "is text" */
            if (status != WR_E_FORMAT && !(whole && bit >= 24))
                fail_msg("%s: bit %zu of the second member: read", kinds[k].name, bit);
        }
        for (size_t cut = 1; cut < 20; cut++) {
            write_file(path, both.data, one.len + cut);
            if (read_lines(path, &got) != WR_E_FORMAT)
                fail_msg("%s: cut %zu bytes into its second member: read", kinds[k].name, cut);
            assert_error_says(kinds[k].name);
        }
        strbuf_puts(&one, "garbage");
        write_file(path, one.data, one.len);
        assert_int_equal(read_lines(path, &got), WR_E_FORMAT);
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
    write_file(path, file->data, file->len);
    wr_status status = read_lines(path, &got);
    unlink(path);
    strbuf_free(&got);
    return status;
}

static void test_gzip(void **state) {
    (void)state;
    enum { ROWS = 300 };
    strbuf good = {0}, file = {0};
    put_member(&good, plain.data, ROWS, "a name", true);
    size_t first = good.len;
    put_member(&good, plain.data + ROWS, ROWS, NULL, false);
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
        put_member(&file, plain.data, ROWS, "a name", true);
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
    put_archive(&tar, ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_USTAR, NULL, plain.data, 6000);
    put_member(&file, tar.data, tar.len, NULL, false);
    for (int damaged = 0; damaged < 2; damaged++) {
        if (damaged) file.data[file.len - 6] ^= 4;
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], file.data, file.len), (ssize_t)file.len); /* less than a pipe holds */
        close(ends[1]);
        assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
        close(ends[0]);
        assert_int_equal(read_lines("-", &got), damaged ? WR_E_FORMAT : WR_END);
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
    put_archive(&tar, ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_USTAR, NULL, plain.data, 6000);
    strbuf_append(&two, tar.data, tar.len);
    strbuf_append(&two, tar.data, tar.len);
    assert_int_equal(read_bytes("one.tar", &tar), WR_END);
    assert_int_equal(read_bytes("two.tar", &two), WR_E_FORMAT);
    assert_error_says("end mark");
    strbuf packed = {0};
    put_member(&packed, two.data, two.len, NULL, false);
    assert_int_equal(read_bytes("two.tar.gz", &packed), WR_E_FORMAT);
    strbuf_free(&tar);
    strbuf_free(&two);
    strbuf_free(&packed);
}

/* An archive within an archive is no text, nor is what needs a look at its end and comes from a pipe. */
static void test_within(void **state) {
    (void)state;
    strbuf inner = {0}, outer = {0};
    put_member(&inner, plain.data, 900, NULL, false);
    strbuf_putc(&inner, '\n');
    put_archive(&outer, ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_USTAR, NULL, inner.data, inner.len);
    assert_int_equal(read_bytes("outer.tar", &outer), WR_E_FORMAT);
    assert_error_says("gzip within an archive");
    static const int formats[] = {ARCHIVE_FORMAT_ZIP, ARCHIVE_FORMAT_7ZIP};
    for (int i = 0; i < 2; i++) {
        strbuf_clear(&inner);
        strbuf_clear(&outer);
        put_archive(&inner, ARCHIVE_FILTER_NONE, formats[i], NULL, plain.data, 6000);
        put_member(&outer, inner.data, inner.len, NULL, false);
        assert_int_equal(read_bytes(i ? "x.7z.gz" : "x.zip.gz", &outer), WR_E_FORMAT);
        assert_non_null(strstr(wr_error(), i ? "7z archives" : "zip archives"));
    }
    strbuf_free(&inner);
    strbuf_free(&outer);
}

/* --- what files are --- */

#define TEXT(name, text) expect_text(name, text, sizeof text - 1)
static void expect_text(const char *name, const char *text, size_t n) {
    strbuf got = {0};
    write_file(in_folder(name), text, n);
    if (read_lines(in_folder(name), &got) != WR_END) fail_msg("%s: %s", name, wr_error());
    assert_int_equal(got.len, n);
    assert_memory_equal(got.data, text, n);
    strbuf_free(&got);
}

#define REFUSED(name, bytes, word) expect_refused(name, bytes, sizeof bytes - 1, word)
static void expect_refused(const char *name, const char *bytes, size_t n, const char *word) {
    strbuf got = {0};
    write_file(in_folder(name), bytes, n);
    assert_int_equal(read_lines(in_folder(name), &got), WR_E_FORMAT);
    if (!strstr(wr_error(), word)) fail_msg("%s: \"%s\" says nothing of %s", name, wr_error(), word);
    assert_error_says(name);
    strbuf_free(&got);
}

static void test_text_that_looks_like_more(void **state) {
    (void)state;
    TEXT("k.jsonl", "070707 is a number\n{\"a\":1}\n");
    TEXT("k.jsonl", "0707070707070707070707070707070707070707070707070707070707070707070707070707070707070707 {}\n");
    TEXT("k.jsonl", "07070100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
                    "0000000000000000000000\n");
    TEXT("k.jsonl", "q\xC7\x8E is a letter\n{\"a\":1}\nand so on and on\n");
    TEXT("k.jsonl", "BZh9 is not bzip2\n");
    TEXT("k.jsonl", "PAR\n{}\n");
    TEXT("k.jsonl", "version https://example.org\n");
    TEXT("k.jsonl", "7z and zip and Rar!\n");
}

static void test_named(void **state) {
    (void)state;
    static const char pointer[] =
        "version https://git-lfs.github.com/spec/v1\noid "
        "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    char *bytes;
    size_t n;
    file_map m;
    REFUSED("p.jsonl", pointer, "git lfs pull");
    REFUSED("p.jsonl.gz", pointer, "git lfs pull");
    REFUSED("p.tar", pointer, "git lfs pull");
    assert_int_equal(file_read(in_folder("p.jsonl"), 0, &bytes, &n), WR_E_FORMAT);
    assert_error_says("git lfs pull");
    assert_int_equal(file_map_open(in_folder("p.jsonl"), &m), WR_E_FORMAT);
    assert_null(m.bytes);
    REFUSED("u.jsonl", "\xFF\xFE{\0\"\0a\0\"\0:\0", "UTF-16");
    REFUSED("u.jsonl", "\xFE\xFF\0{\0\"\0a\0\"\0:", "UTF-16");
    REFUSED("u.jsonl", "{\0\"\0a\0\"\0:\0001\0}\0\n\0", "UTF-16");
    REFUSED("u.jsonl", "\0{\0\"\0a\0\"\0:\0001\0}\0\n", "UTF-16");
    REFUSED("u.jsonl", "\xFF\xFE\0\0{\0\0\0\"\0\0\0", "UTF-32");
    REFUSED("u.jsonl", "\0\0\0{\0\0\0\"\0\0\0a\0\0\0\"", "UTF-32");
    REFUSED("q.jsonl", "PAR1\x15\4\x15\x10\x15\x14", "Parquet");
    REFUSED("e.parquet", "", "empty");
    REFUSED("x.jsonl.gz", "some text\n", "not what its name says");
    REFUSED("x.tar", "some text\n", "not what its name says");
    REFUSED("x.zip", "some text that is long enough to be a zip\n", "zip");
    static const char zeros[2048];
    expect_refused("z.jsonl", zeros, sizeof zeros, "zeros");
    strbuf file = {0};
    put_member(&file, "some text\n", 10, NULL, false);
    expect_refused("y.tar.gz", file.data, file.len, "not what its name says");
    strbuf_free(&file);
}

/* zstd: a window that is not taken, a dictionary that is not there, frames of user data in front. */
static void test_zstd(void **state) {
    (void)state;
    strbuf file = {0}, got = {0};
    put_zstd(&file, plain.data, plain.len, 28);
    expect_refused("w.jsonl.zst", file.data, file.len, "zstd -dc --long=31");
    strbuf_clear(&file);
    put_zstd(&file, plain.data, plain.len, 27);
    write_file(in_folder("w.jsonl.zst"), file.data, file.len);
    assert_int_equal(read_lines(in_folder("w.jsonl.zst"), &got), WR_END);
    assert_int_equal(got.len, plain.len);
    REFUSED("d.jsonl.zst", "\x28\xB5\x2F\xFD\1\x50\7\x19\0\0{}\n", "zstd -dc -D");
    strbuf framed = {0};
    strbuf_append(&framed, "\x50\x2A\x4D\x18\3\0\0\0abc", 11);
    strbuf_append(&framed, file.data, file.len);
    write_file(in_folder("s.jsonl.zst"), framed.data, framed.len);
    assert_int_equal(read_lines(in_folder("s.jsonl.zst"), &got), WR_END);
    assert_int_equal(got.len, plain.len);
    strbuf empty = {0}; /* no text at all is a frame */
    assert_int_equal(zstd_frame_append(&empty, "", 0, 1), WR_OK);
    assert_true(empty.data[4] & 4); /* with a checksum */
    write_file(in_folder("n.jsonl.zst"), empty.data, empty.len);
    assert_int_equal(read_lines(in_folder("n.jsonl.zst"), &got), WR_END);
    assert_int_equal(got.len, 0);
    strbuf_free(&empty);
    strbuf_free(&framed);
    strbuf_free(&file);
    strbuf_free(&got);
}

static int set_up(void **state) {
    (void)state;
    for (int i = 0; i < 400; i++)
        strbuf_printf(&plain, "{\"n\":%d,\"x\":\"%08x%08x\"}\n", i, (unsigned)i * 2654435761u,
                      (unsigned)i * 40503u ^ 0x5bd1e995u);
    strcpy(folder, "/tmp/wildreward-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    strbuf_free(&plain);
    return dir_remove_tree(folder) < 0 ? -1 : 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_later_members),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_gzip_from_pipe),
        cmocka_unit_test(test_joined_tars),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_text_that_looks_like_more),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_zstd),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
