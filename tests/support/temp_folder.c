#include "tests/support/temp_folder.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[PATH_CAP];

int folder_set_up(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    if (path_join(folder, tmp && *tmp ? tmp : "/tmp", "wildreward-test-XXXXXX") < 0) return -1;
    return mkdtemp(folder) ? 0 : -1;
}

int folder_tear_down(void **state) {
    (void)state;
    return dir_remove_tree(folder) < 0 ? -1 : 0;
}

void folder_empty(void) {
    assert_ok(dir_remove_tree(folder));
    assert_ok(dir_make(folder));
}

const char *test_folder(void) { return folder; }

const char *in_folder(const char *name) {
    static char paths[16][PATH_CAP];
    static unsigned turn;
    char *path = paths[turn++ % 16];
    assert_ok(path_join(path, folder, name));
    return path;
}

void put_file(const char *name, const void *bytes, size_t n) {
    const char *path = in_folder(name);
    unlink(path); /* writing over an old file makes some file systems flush it first */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

void put_text(const char *name, const char *text) { put_file(name, text, strlen(text)); }

char *get_file(const char *name, size_t *n) {
    char *bytes = NULL;
    size_t length = 0;
    assert_ok(file_read(in_folder(name), 0, &bytes, &length));
    if (n) *n = length;
    return bytes;
}
