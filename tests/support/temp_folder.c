#include "tests/support/temp_folder.h"

#include "base/file.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[64];

int folder_set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/wildreward-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

int folder_tear_down(void **state) {
    (void)state;
    return dir_remove_tree(folder) < 0 ? -1 : 0;
}

const char *test_folder(void) { return folder; }

const char *in_folder(const char *name) {
    static char path[PATH_CAP];
    assert_int_equal(path_join(path, folder, name), WR_OK);
    return path;
}

void put_file(const char *name, const void *bytes, size_t n) {
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}
