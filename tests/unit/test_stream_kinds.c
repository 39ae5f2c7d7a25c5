/* What files are, whatever their names say: text that looks like more, what is refused by name, zstd of every kind. */
#include "base/file.h"
#include "base/stream.h"
#include "tests/support/archives.h"
#include <string.h>

static strbuf plain; /* the text that all the files hold */

static wr_status read_anew(const char *path, strbuf *out) {
    strbuf_clear(out);
    return read_lines(path, out);
}

/* --- what files are --- */

#define TEXT(name, text) expect_text(name, text, sizeof text - 1)

static void expect_text(const char *name, const char *text, size_t n) {
    strbuf got = {0};
    put_file(name, text, n);
    if (read_lines(in_folder(name), &got) != WR_END) fail_msg("%s: %s", name, wr_error());
    assert_int_equal(got.len, n);
    assert_memory_equal(got.data, text, n);
    strbuf_free(&got);
}

#define REFUSED(name, bytes, word) expect_refused(name, bytes, sizeof bytes - 1, word)

static void expect_refused(const char *name, const char *bytes, size_t n, const char *word) {
    strbuf got = {0};
    put_file(name, bytes, n);
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
    append_gzip(&file, "some text\n", 10, NULL, false);
    expect_refused("y.tar.gz", file.data, file.len, "not what its name says");
    strbuf_free(&file);
}

/* zstd: a window that is not taken, a dictionary that is not there, frames of user data in front. */
static void test_zstd(void **state) {
    (void)state;
    strbuf file = {0}, got = {0};
    append_zstd(&file, plain.data, plain.len, true, 28);
    expect_refused("w.jsonl.zst", file.data, file.len, "zstd -dc --long=31");
    strbuf_clear(&file);
    append_zstd(&file, plain.data, plain.len, true, 27);
    put_file("w.jsonl.zst", file.data, file.len);
    assert_int_equal(read_anew(in_folder("w.jsonl.zst"), &got), WR_END);
    assert_int_equal(got.len, plain.len);
    REFUSED("d.jsonl.zst", "\x28\xB5\x2F\xFD\1\x50\7\x19\0\0{}\n", "zstd -dc -D");
    strbuf framed = {0};
    strbuf_append(&framed, "\x50\x2A\x4D\x18\3\0\0\0abc", 11);
    strbuf_append(&framed, file.data, file.len);
    put_file("s.jsonl.zst", framed.data, framed.len);
    assert_int_equal(read_anew(in_folder("s.jsonl.zst"), &got), WR_END);
    assert_int_equal(got.len, plain.len);
    strbuf empty = {0}; /* no text at all is a frame */
    assert_int_equal(zstd_frame_append(&empty, "", 0, 1), WR_OK);
    assert_true(empty.data[4] & 4); /* with a checksum */
    put_file("n.jsonl.zst", empty.data, empty.len);
    assert_int_equal(read_anew(in_folder("n.jsonl.zst"), &got), WR_END);
    assert_int_equal(got.len, 0);
    strbuf_free(&empty);
    strbuf_free(&framed);
    strbuf_free(&file);
    strbuf_free(&got);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text_that_looks_like_more), cmocka_unit_test(test_named),
                                       cmocka_unit_test(test_zstd)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
