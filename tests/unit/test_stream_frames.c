/* Frames of zstd behind one another: one text in whatever pieces it is read; damage with and without checksums. */
#include "base/file.h"
#include "base/rng.h"
#include "base/stream.h"
#include "tests/support/archives.h"
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* A flipped byte in a checksummed stream never yields other text. */
static void test_corruption(void **state) {
    (void)state;
    strbuf text = {0}, got = {0};
    append_rows(&text, 0, 2000);
    char path[PATH_CAP];
    strcpy(path, in_folder("c.jsonl.zst"));
    outstream *out = NULL;
    assert_int_equal(outstream_create(path, &out), WR_OK);
    assert_int_equal(outstream_write(out, text.data, text.len), WR_OK);
    assert_int_equal(outstream_commit(&out), WR_OK);
    char *bytes;
    size_t n;
    assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
    for (size_t at = 0; at < n; at += 1 + n / 300) {
        bytes[at] ^= 0x10;
        put_file("c.jsonl.zst", bytes, n);
        bytes[at] ^= 0x10;
        strbuf_clear(&got);
        wr_status status = read_lines(path, &got);
        if (status == WR_END && (got.len != text.len || memcmp(got.data, text.data, text.len) != 0)) {
            fail_msg("byte %zu flipped: other text without an error", at);
        }
    }
    free(bytes);
    strbuf_free(&text);
    strbuf_free(&got);
}

/* Frames behind one another are one text, in whatever pieces it is read; with one frame cut, damaged or followed by
 * something else, nothing is. */
static void test_frames(void **state) {
    (void)state;
    strbuf text = {0}, file = {0}, got = {0};
    char path[PATH_CAP];
    size_t n, ends[5];
    strcpy(path, in_folder("frames.jsonl.zst"));
    append_rows(&text, 0, 40000);
    /* the third is empty; the others end in the middle of lines; the last is larger than the text read at once */
    for (size_t i = 0; i < 5; i++) {
        static const size_t from[] = {0, 5001, 400001, 400001, 400100};
        size_t to = i < 4 ? from[i + 1] : text.len;
        append_zstd(&file, text.data + from[i], to - from[i], i % 2 == 0, 0);
        ends[i] = file.len;
    }
    put_file("frames.jsonl.zst", file.data, file.len);
    assert_int_equal(read_lines(path, &got), WR_END);
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
        put_file("frames.jsonl.zst", file.data, ends[i] - 1); /* of the checksum or the last block */
        assert_int_equal(read_lines(path, &got), WR_E_FORMAT);
        assert_error_says("frames.jsonl.zst");
    }
    file.data[ends[0] - 1] ^= 1; /* the first frame's checksum */
    put_file("frames.jsonl.zst", file.data, file.len);
    assert_int_equal(read_lines(path, &got), WR_E_FORMAT);
    file.data[ends[0] - 1] ^= 1;
    strbuf_puts(&file, "more");
    put_file("frames.jsonl.zst", file.data, file.len);
    assert_int_equal(read_lines(path, &got), WR_E_FORMAT);
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
    append_rows(&text, 0, 60);
    for (int i = 0; i < 3; i++)
        append_zstd(&file, text.data + text.len * i / 3, text.len * (i + 1) / 3 - text.len * i / 3, 0, 0);
    for (int flip = 0; flip < 1000; flip++) {
        const size_t bit = rng_below(&r, file.len * 8);
        instream *s = NULL;
        strbuf_clear(&got);
        file.data[bit / 8] ^= (char)(1 << bit % 8);
        put_file("nosum.jsonl.zst", file.data, file.len);
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corruption), cmocka_unit_test(test_frames),
                                       cmocka_unit_test(test_without_sum)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
