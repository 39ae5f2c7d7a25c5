/* New files and folders beside their place: what is somebody's stays, what a dead run left goes, two writers never
 * share a name. */
#include "base/fresh.h"
#include "base/stream.h"
#include "tests/support/temp_folder.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void holds(const char *name, const char *text) {
    char *bytes;
    size_t n;
    assert_ok(file_read(in_folder(name), 0, &bytes, &n));
    assert_string_equal(bytes, text);
    free(bytes);
}

static bool is_link(const char *name) {
    struct stat info;
    return lstat(in_folder(name), &info) == 0 && S_ISLNK(info.st_mode);
}

static size_t entries(void) {
    char **names;
    size_t n;
    assert_int_equal(dir_list(test_folder(), "", "", &names, &n), WR_OK);
    names_free(names, n);
    return n;
}

static wr_status write_text(const char *path, const char *text) { return file_write_atomic(path, text, strlen(text)); }

static void test_devices(void **state) {
    (void)state;
    struct stat after;
    char got[16] = "";
    if (mknod(in_folder("null"), S_IFCHR | 0600, makedev(1, 3)) == 0 &&
        access(in_folder("null"), W_OK) == 0) { /* never the machine's own */
        assert_int_equal(write_text(in_folder("null"), "gone"), WR_OK);
        assert_int_equal(stat(in_folder("null"), &after), 0);
        assert_true(S_ISCHR(after.st_mode));
    }
    unlink(in_folder("null"));
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    int fd = open(in_folder("pipe"), O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(write_text(in_folder("pipe"), "through"), WR_OK);
    assert_int_equal(read(fd, got, sizeof got - 1), 7);
    assert_string_equal(got, "through");
    close(fd);
    assert_int_equal(symlink(in_folder("pipe"), in_folder("to-pipe")), 0);
    assert_int_equal(stat(in_folder("to-pipe"), &after), 0);
    assert_true(S_ISFIFO(after.st_mode));
    assert_int_equal(entries(), 2); /* nothing beside them */
    /* An open descriptor is written where it stands. */
    put_text("open", "head ");
    fd = open(in_folder("open"), O_WRONLY | O_APPEND);
    char name[64];
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    assert_int_equal(write_text(name, "tail"), WR_OK);
    close(fd);
    holds("open", "head tail");
    assert_int_equal(entries(), 3);
}

static void test_links(void **state) {
    (void)state;
    put_text("kept", "old");
    assert_int_equal(symlink("kept", in_folder("link")), 0);
    assert_int_equal(symlink(in_folder("link"), in_folder("link2")), 0);
    assert_int_equal(write_text(in_folder("link2"), "new"), WR_OK);
    assert_true(is_link("link") && is_link("link2"));
    holds("kept", "new");
    assert_int_equal(symlink("not-yet", in_folder("dangling")), 0);
    assert_int_equal(write_text(in_folder("dangling"), "made"), WR_OK);
    assert_true(is_link("dangling"));
    holds("not-yet", "made");
    assert_int_equal(symlink("loop-b", in_folder("loop-a")), 0);
    assert_int_equal(symlink("loop-a", in_folder("loop-b")), 0);
    assert_int_equal(write_text(in_folder("loop-a"), "x"), WR_E_IO);
    assert_int_equal(symlink(".", in_folder("here")), 0);
    assert_int_equal(write_text(in_folder("here"), "x"), WR_E_USAGE);
    assert_int_equal(write_text(in_folder("nothing/"), "x"), WR_E_USAGE);
}

/* Whatever stands under the temporary name is not written through, and goes only if it is a dead run's. */
static void test_temporary_names(void **state) {
    (void)state;
    const char *first = ".a.wildreward.tmp";
    put_text("target", "precious");
    assert_int_equal(symlink("target", in_folder(first)), 0);
    assert_int_equal(write_text(in_folder("a"), "one"), WR_OK);
    holds("a", "one");
    holds("target", "precious");
    assert_true(is_link(first));
    assert_int_equal(unlink(in_folder(first)), 0);
    assert_int_equal(mkdir(in_folder(first), 0700), 0); /* a folder of that name */
    assert_int_equal(write_text(in_folder("a"), "two"), WR_OK);
    assert_true(dir_exists(in_folder(first)));
    assert_int_equal(rmdir(in_folder(first)), 0);
    put_text(first, "a dead run's");
    assert_int_equal(link(in_folder(first), in_folder("second-name")), 0); /* has another name: somebody's */
    assert_int_equal(write_text(in_folder("a"), "three"), WR_OK);
    holds("second-name", "a dead run's");
    assert_true(file_exists(in_folder(first)));
    assert_int_equal(unlink(in_folder("second-name")), 0);
    int fd = open(in_folder(first), O_RDWR); /* a living writer's */
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(write_text(in_folder("a"), "four"), WR_OK);
    assert_true(file_exists(in_folder(first)));
    close(fd);
    assert_int_equal(write_text(in_folder("a"), "five"), WR_OK);
    assert_false(file_exists(in_folder(first)));
    holds("a", "five");
    assert_int_equal(entries(), 2);
}

static void test_two_writers(void **state) {
    (void)state;
    fresh_file x, y;
    assert_int_equal(fresh_file_open(in_folder("one"), &x), WR_OK);
    assert_int_equal(fresh_file_open(in_folder("one"), &y), WR_OK);
    assert_string_not_equal(x.temporary, y.temporary);
    assert_int_equal(write(x.fd, "x", 1), 1);
    assert_int_equal(write(y.fd, "y", 1), 1);
    assert_int_equal(fresh_file_commit(&x, true), WR_OK);
    holds("one", "x");
    assert_int_equal(fresh_file_commit(&y, false), WR_OK);
    holds("one", "y");
    assert_int_equal(fresh_file_open(in_folder("one"), &x), WR_OK);
    fresh_file_discard(&x);
    fresh_file_discard(&x);
    holds("one", "y");
    assert_int_equal(entries(), 1);
    outstream *out = NULL; /* the same for streams */
    assert_int_equal(outstream_create(in_folder("one"), &out), WR_OK);
    assert_int_equal(write_text(in_folder("one"), "z"), WR_OK);
    assert_int_equal(outstream_write(out, "stream", 6), WR_OK);
    assert_int_equal(outstream_commit(&out), WR_OK);
    holds("one", "stream");
    assert_int_equal(entries(), 1);
}

static void test_folders(void **state) {
    (void)state;
    fresh_folder x, y;
    struct stat info;
    put_text("file", "kept");
    assert_int_equal(symlink("nowhere", in_folder("link")), 0);
    assert_int_equal(mkdir(in_folder("full"), 0700), 0);
    put_text("full/kept", "kept");
    assert_int_equal(mkdir(in_folder("empty"), 0700), 0);
    assert_int_equal(fresh_folder_make(in_folder("file"), &x), WR_E_USAGE);
    assert_int_equal(fresh_folder_make(in_folder("link"), &x), WR_E_USAGE);
    assert_int_equal(fresh_folder_make(in_folder("full/"), &x), WR_E_USAGE);
    assert_error_says("not empty");
    assert_int_equal(entries(), 4);
    assert_int_equal(fresh_folder_make(in_folder("empty/"), &x), WR_OK);
    assert_int_equal(fresh_folder_make(in_folder("empty"), &y), WR_OK);
    assert_string_not_equal(x.temporary, y.temporary);
    char path[PATH_CAP];
    assert_int_equal(path_join(path, x.temporary, "a"), WR_OK);
    assert_int_equal(write_text(path, "x"), WR_OK);
    assert_int_equal(path_join(path, y.temporary, "a"), WR_OK);
    assert_int_equal(write_text(path, "y"), WR_OK);
    assert_int_equal(fresh_folder_commit(&x), WR_OK);
    holds("empty/a", "x");
    assert_int_equal(fresh_folder_commit(&y), WR_E_USAGE); /* taken by now */
    holds("empty/a", "x");
    assert_int_equal(entries(), 4);
    /* What stands under the temporary name: a dead run's folder goes, another one stays. */
    assert_int_equal(mkdir(in_folder(".new.wildreward.tmp"), 0700), 0);
    put_text(".new.wildreward.tmp/somebody's", "kept");
    assert_int_equal(mkdir(in_folder(".new.wildreward.tmp.1"), 0700), 0);
    put_text(".new.wildreward.tmp.1/.wildreward-unfinished", "");
    put_text(".new.wildreward.tmp.1/part", "dead");
    assert_int_equal(fresh_folder_make(in_folder("new"), &x), WR_OK);
    assert_non_null(strstr(x.temporary, ".tmp.1"));
    assert_int_equal(path_join(path, x.temporary, "part"), WR_OK);
    assert_int_not_equal(lstat(path, &info), 0);
    fresh_folder_discard(&x);
    holds(".new.wildreward.tmp/somebody's", "kept");
    assert_int_equal(entries(), 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_devices), TEST(test_links), TEST(test_temporary_names),
                                       TEST(test_two_writers), TEST(test_folders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
