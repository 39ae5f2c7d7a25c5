/* Working files of prepare: what is cut or changed is found, whatever the place; nothing is read past its end. */
#include "data/shard/bytes.h"
#include "data/prepare/unit_file.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[PATH_CAP];

static int set_up(void **state) {
    if (folder_set_up(state) < 0) return -1;
    return unit_path(path, test_folder(), (unit_id){3, 12}, ".read") < 0 ? -1 : 0;
}

static void put(void) {
    unit_writer *u;
    strbuf table = {0};
    unlink(path);
    for (uint32_t i = 0; i < 40; i++) bytes_put_u32(&table, i * 2654435761u);
    assert_int_equal(unit_create(path, &u), WR_OK);
    assert_int_equal(unit_append(u, "the body", 8), WR_OK);
    assert_int_equal(unit_written(u), 8);
    assert_false(file_exists(path)); /* not before it is whole */
    assert_int_equal(unit_commit(&u, &table), WR_OK);
    strbuf_free(&table);
}

static void overwrite(const char *bytes, size_t n) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void round_trip(void **state) {
    (void)state;
    unit_reader *u;
    size_t n;
    char body[8];
    put();
    assert_true(unit_present(path));
    assert_non_null(strstr(path, "/00003-000012.read"));
    assert_int_equal(unit_open(path, &u), WR_OK);
    bytes_reader r = bytes_reader_make(unit_table(u, &n), 160);
    assert_int_equal(n, 160);
    for (uint32_t i = 0; i < 40; i++) assert_int_equal(bytes_get_u32(&r), i * 2654435761u);
    assert_int_equal(bytes_get_u32(&r), 0); /* past the end */
    assert_true(r.bad);
    assert_int_equal(unit_body(u), 8);
    assert_int_equal(unit_read_at(u, body, 8, 0), WR_OK);
    assert_memory_equal(body, "the body", 8);
    unit_close(u);
    unit_writer *w;
    assert_int_equal(unit_create(path, &w), WR_OK);
    unit_discard(w); /* leaves what was there, and nothing else */
    char **names;
    assert_int_equal(dir_list(test_folder(), "", "", &names, &n), WR_OK);
    assert_int_equal(n, 1);
    names_free(names, n);
}

static void cut_anywhere(void **state) {
    (void)state;
    char *bytes;
    size_t n;
    unit_reader *u;
    put();
    assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
    for (size_t k = 0; k < n; k++) {
        overwrite(bytes, k);
        assert_int_equal(unit_open(path, &u), WR_E_FORMAT);
        assert_null(u);
        assert_error_says("00003-000012.read");
        assert_false(unit_present(path)); /* and is removed, so that it is made again */
        assert_false(file_exists(path));
    }
    free(bytes);
}

static void flipped_anywhere(void **state) {
    (void)state;
    char *bytes;
    size_t n;
    unit_reader *u;
    put();
    assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
    for (size_t k = 8; k < n; k++) { /* the body has sums of its own */
        bytes[k] = (char)(bytes[k] ^ 0x41);
        overwrite(bytes, n);
        assert_int_equal(unit_open(path, &u), WR_E_FORMAT);
        bytes[k] = (char)(bytes[k] ^ 0x41);
    }
    free(bytes);
}

static void counts_that_lie(void **state) {
    (void)state;
    strbuf b = {0};
    bytes_put_u64(&b, UINT64_MAX);
    bytes_put_u32(&b, 1u << 31);
    bytes_reader r = bytes_reader_make(b.data, b.len);
    assert_int_equal(bytes_get_count(&r, 1), 0);
    assert_true(r.bad);
    r = bytes_reader_make(b.data + 8, 4);
    assert_string_equal(bytes_get_string(&r, NULL), "");
    assert_true(r.bad);
    strbuf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(cut_anywhere),
                                       cmocka_unit_test(flipped_anywhere), cmocka_unit_test(counts_that_lie)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
