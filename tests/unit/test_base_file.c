#include "base/file.h"
#include "tests/support/temp_folder.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *at(const char *name, char path[PATH_CAP]) {
    assert_int_equal(path_join(path, test_folder(), name), WR_OK);
    return path;
}

static void expect_content(const char *path, const char *text) {
    char *bytes;
    size_t n;
    if (file_read(path, 0, &bytes, &n) < 0) {
        fail_msg("%s", wr_error());
    }
    assert_string_equal(bytes, text);
    assert_int_equal(n, strlen(text));
    free(bytes);
}

static void test_files(void **state) {
    (void)state;
    char path[PATH_CAP], other[PATH_CAP], *bytes;
    size_t n;
    at("a.txt", path);
    assert_false(file_exists(path));
    assert_int_equal(file_write_atomic(path, "one", 3), WR_OK);
    assert_int_equal(file_write_atomic(path, "three", 5), WR_OK);
    expect_content(path, "three");
    assert_true(file_exists(path) && !dir_exists(path));
    assert_int_equal(file_read(path, 5, &bytes, &n), WR_OK);
    free(bytes);
    assert_int_equal(file_read(path, 4, &bytes, &n), WR_E_FORMAT);
    assert_null(bytes);
    assert_int_equal(file_read("/dev/zero", 100000, &bytes, &n), WR_E_FORMAT); /* a limit holds without a known size */
    assert_int_equal(file_read(at("absent", other), 0, &bytes, &n), WR_E_IO);
    assert_error_says(other);
    assert_int_equal(file_read(test_folder(), 0, &bytes, &n), WR_E_IO);
    assert_int_equal(file_read("/proc/self/status", 0, &bytes, &n), WR_OK); /* says it has 0 bytes */
    assert_true(n > 100);
    free(bytes);
    assert_int_equal(file_copy(path, at("b.txt", other)), WR_OK);
    expect_content(other, "three");
    assert_int_equal(file_copy("/nonexistent", other), WR_E_IO);
    expect_content(other, "three");
    assert_int_equal(file_append_line(other, "+"), WR_OK);
    assert_int_equal(file_append_line(other, "-"), WR_OK);
    expect_content(other, "three+\n-\n");
    assert_int_equal(file_append_line("/dev/full", "x"), WR_E_IO);
    assert_error_says("/dev/full");
    assert_int_equal(file_write_atomic("/proc/nothing", "x", 1), WR_E_IO);
    assert_error_says("/proc/nothing");
    assert_int_equal(file_write_atomic(at("a.txt/below", other), "x", 1), WR_E_IO);
    assert_int_equal(file_write_atomic("", "x", 1), WR_E_USAGE);
    char **names;
    assert_int_equal(dir_list(test_folder(), ".", "", &names, &n), WR_OK);
    assert_int_equal(n, 0);
    names_free(names, n);
}

static void test_map(void **state) {
    (void)state;
    char path[PATH_CAP];
    file_map m;
    assert_int_equal(file_write_atomic(at("map", path), "mapped", 6), WR_OK);
    assert_int_equal(file_map_open(path, &m), WR_OK);
    assert_int_equal(m.n, 6);
    assert_memory_equal(m.bytes, "mapped", 6);
    file_map_close(&m);
    file_map_close(&m);
    assert_int_equal(file_write_atomic(path, "", 0), WR_OK);
    assert_int_equal(file_map_open(path, &m), WR_OK);
    assert_true(m.n == 0 && m.bytes == NULL);
    file_map_close(&m);
    assert_int_equal(file_map_open(test_folder(), &m), WR_E_IO);
    assert_int_equal(file_map_open("/nonexistent", &m), WR_E_IO);
}

static void test_folders(void **state) {
    (void)state;
    char path[PATH_CAP], deep[PATH_CAP], **names;
    size_t n;
    assert_int_equal(dir_make(at("x/y//z/", path)), WR_OK);
    assert_int_equal(dir_make(path), WR_OK);
    assert_true(dir_exists(path));
    assert_int_equal(dir_make("/proc/x"), WR_E_IO);
    assert_int_equal(dir_make(""), WR_E_USAGE);
    at("x", path);
    static const char *const files[] = {"part-10.wrs", "part-2.wrs", "part-1.txt", "other.wrs", ".hidden", "part.wrs"};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(path_join(deep, path, files[i]), WR_OK);
        assert_int_equal(file_write_atomic(deep, "x", 1), WR_OK);
    }
    assert_int_equal(dir_list(path, "part-", ".wrs", &names, &n), WR_OK);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "part-10.wrs");
    assert_string_equal(names[1], "part-2.wrs");
    names_free(names, n);
    assert_int_equal(dir_list(path, "", "", &names, &n), WR_OK);
    assert_int_equal(n, 7);
    names_free(names, n);
    assert_int_equal(dir_list(path, "nothing", "", &names, &n), WR_OK);
    assert_int_equal(n, 0);
    names_free(names, n);
    assert_int_equal(dir_list("/nonexistent", "", "", &names, &n), WR_E_IO);
    /* A link to a folder is removed, what it points to stays. */
    char outside[PATH_CAP], link_name[PATH_CAP], kept[PATH_CAP];
    assert_int_equal(dir_make(at("outside", outside)), WR_OK);
    assert_int_equal(file_write_atomic(at("outside/kept", kept), "k", 1), WR_OK);
    assert_int_equal(symlink(outside, at("x/link", link_name)), 0);
    assert_int_equal(dir_remove_tree(path), WR_OK);
    assert_false(dir_exists(path));
    assert_true(file_exists(kept));
    assert_int_equal(dir_remove_tree(path), WR_OK);
    char huge[PATH_CAP + 10];
    memset(huge, 'h', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_int_equal(path_join(deep, huge, "x"), WR_E_USAGE);
    assert_int_equal(path_join(deep, "a/", "b"), WR_OK);
    assert_string_equal(deep, "a/b");
}

static void test_commit(void **state) {
    (void)state;
    char tmp[PATH_CAP], final[PATH_CAP], path[PATH_CAP];
    at("step-1.tmp", tmp);
    at("step-1", final);
    for (int round = 0; round < 2; round++) { /* the second replaces the first */
        assert_int_equal(dir_make(at("step-1.tmp/sub", path)), WR_OK);
        assert_int_equal(file_write_atomic(at("step-1.tmp/sub/f", path), round ? "new" : "old", 3), WR_OK);
        assert_int_equal(dir_commit(tmp, final), WR_OK);
        assert_false(dir_exists(tmp));
        expect_content(at("step-1/sub/f", path), round ? "new" : "old");
    }
    assert_int_equal(dir_commit(tmp, final), WR_E_IO);
    expect_content(at("step-1/sub/f", path), "new");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files), cmocka_unit_test(test_map),
                                       cmocka_unit_test(test_folders), cmocka_unit_test(test_commit)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
