#include "tests/support/temp_folder.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[PATH_CAP];

static int make_in(const char *parent) {
    return path_join(folder, parent, "wildreward-test-XXXXXX") == WR_OK && mkdtemp(folder) ? 0 : -1;
}

int folder_set_up(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    return make_in(tmp && *tmp ? tmp : "/tmp");
}

int folder_set_up_in_memory(void **state) {
    return access("/dev/shm", W_OK) == 0 ? make_in("/dev/shm") : folder_set_up(state);
}

void folder_set_up_shared(world *w) {
    strbuf name = {0};
    if (world_rank(w) == 0) {
        assert_int_equal(folder_set_up(NULL), 0);
        strbuf_puts(&name, folder);
    }
    assert_ok(world_bcast(w, 0, &name));
    snprintf(folder, sizeof folder, "%s", strbuf_str(&name));
    strbuf_free(&name);
}

void folder_tear_down_shared(world *w) {
    world_barrier(w);
    if (world_rank(w) == 0) assert_int_equal(folder_tear_down(NULL), 0);
    world_barrier(w);
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

void put_changed(const char *name, const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    strbuf changed = {0};
    if (!at) fail_msg("no %s in %s", from, text);
    strbuf_append(&changed, text, (size_t)(at - text));
    strbuf_puts(&changed, to);
    strbuf_puts(&changed, at + strlen(from));
    put_file(name, changed.data, changed.len);
    strbuf_free(&changed);
}

char *get_file(const char *name, size_t *n) {
    char *bytes = NULL;
    size_t length = 0;
    assert_ok(file_read(in_folder(name), 0, &bytes, &length));
    if (n) *n = length;
    return bytes;
}
