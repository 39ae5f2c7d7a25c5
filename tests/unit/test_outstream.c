/* Streams that are written: whole or not there, full disks, names kept clean. */
#include "base/file.h"
#include "base/mem.h"
#include "base/stream.h"
#include "tests/support/temp_folder.h"
#include "tests/support/asserts.h"
#include <stdlib.h>
#include <string.h>

static wr_status read_all(const char *path, strbuf *out, size_t *lines) {
    instream *s = NULL;
    const char *line;
    size_t n;
    *lines = 0;
    wr_status status = instream_open(path, &s);
    while (status == WR_OK && (status = instream_line(s, &line, &n)) == WR_OK) {
        strbuf_append(out, line, n);
        strbuf_putc(out, '\n');
        ++*lines;
    }
    instream_close(s);
    return status;
}

static void test_output(void **state) {
    (void)state;
    char path[PATH_CAP], **names;
    size_t n;
    strbuf line = {0}, got = {0}, all = {0};
    static const char *const outputs[] = {"out.jsonl", "out.jsonl.zst"};
    for (size_t k = 0; k < 2; k++) {
        strcpy(path, in_folder(outputs[k]));
        outstream *out = NULL;
        assert_int_equal(outstream_create(path, &out), WR_OK);
        strbuf_clear(&all);
        for (int i = 0; i < 50000; i++) {
            strbuf_clear(&line);
            strbuf_printf(&line, "{\"i\":%d}", i * 7919 % 65521);
            assert_int_equal(outstream_line(out, &line), WR_OK);
            strbuf_append(&all, line.data, line.len);
            strbuf_putc(&all, '\n');
        }
        assert_int_equal(outstream_flush(out), WR_OK);
        assert_false(file_exists(path)); /* not before it is whole */
        assert_int_equal(outstream_commit(&out), WR_OK);
        assert_null(out);
        strbuf_clear(&got);
        assert_int_equal(read_all(path, &got, &n), WR_END);
        assert_string_equal(strbuf_str(&got), strbuf_str(&all));
        assert_int_equal(outstream_create(path, &out), WR_OK);
        assert_int_equal(outstream_line(out, &line), WR_OK);
        outstream_discard(out); /* the earlier file stays */
        strbuf_clear(&got);
        assert_int_equal(read_all(path, &got, &n), WR_END);
        assert_int_equal(n, 50000);
    }
    assert_int_equal(dir_list(test_folder(), ".", "", &names, &n), WR_OK);
    assert_int_equal(n, 0); /* no temporary files left */
    names_free(names, n);
    outstream_discard(NULL);
    strbuf_free(&line);
    strbuf_free(&got);
    strbuf_free(&all);
}

static void test_output_errors(void **state) {
    (void)state;
    outstream *out = NULL;
    char block[4096];
    memset(block, 'z', sizeof block);
    wr_status status = outstream_create("/dev/full", &out);
    assert_int_equal(status, WR_OK);
    for (int i = 0; i < 1000 && status >= 0; i++) {
        status = outstream_write(out, block, sizeof block);
    }
    assert_int_equal(status, WR_E_IO);
    assert_error_says("/dev/full");
    assert_error_says("No space left");
    outstream_discard(out);
    assert_int_equal(outstream_create("/dev/full", &out), WR_OK);
    assert_int_equal(outstream_write(out, "x", 1), WR_OK);
    assert_int_equal(outstream_commit(&out), WR_E_IO); /* found when the last bytes go out */
    assert_null(out);
    assert_int_equal(file_write_atomic(in_folder("plain"), "x", 1), WR_OK);
    assert_int_equal(outstream_create(in_folder("plain/under.jsonl"), &out), WR_E_IO);
    assert_error_says("plain/under.jsonl");
    assert_int_equal(outstream_create("/proc/nothing-here.jsonl.zst", &out), WR_E_IO);
    assert_error_says("/proc/nothing-here.jsonl.zst");
    assert_int_equal(outstream_create(in_folder("absent/x"), &out), WR_E_IO);
    assert_int_equal(outstream_create(test_folder(), &out), WR_E_USAGE);
    assert_int_equal(outstream_create("", &out), WR_E_USAGE);
    assert_null(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_output), cmocka_unit_test(test_output_errors)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
