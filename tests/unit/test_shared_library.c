/* Libraries loaded at first use: all of a table is filled or nothing, and what is missing is named with the package. */
#include "base/shared_library.h"
#include "tests/support/asserts.h"

typedef struct table {
    void *first, *second;
} table;
static const shared_function known[] = {
    {"zlibVersion", offsetof(table, first)}, {"crc32", offsetof(table, second)}, {0}};
static const shared_function strange[] = {
    {"csv_init", offsetof(table, first)}, {"csv_no_such", offsetof(table, second)}, {0}};

static void test_fills_all(void **state) {
    (void)state;
    table t = {0};
    const shared_library l = {.name = "zlib", .package = "zlib1g", .files = {"libz.so.1"}, .functions = known};
    assert_int_equal(shared_library_load(&l, &t), WR_OK);
    assert_non_null(t.first);
    assert_non_null(t.second);
    const table before = t;
    assert_int_equal(shared_library_load(&l, &t), WR_OK);
    assert_memory_equal(&t, &before, sizeof t);
}

static void test_missing_function(void **state) {
    (void)state;
    table t = {0};
    const shared_library l = {.name = "libcsv", .package = "libcsv3", .files = {"libcsv.so.3"}, .functions = strange};
    assert_int_equal(shared_library_load(&l, &t), WR_E_FAILED);
    assert_string_equal(wr_error(), "libcsv lacks csv_no_such; install libcsv3");
    assert_null(t.first);
}

static void test_missing_file(void **state) {
    (void)state;
    table t = {0};
    static const shared_function nowhere[] = {{"wr_no_such_function", offsetof(table, first)}, {0}};
    const shared_library l = {
        .name = "libnone", .package = "libnone1", .files = {"libnone.so.1", "libnone.so.2"}, .functions = nowhere};
    assert_int_equal(shared_library_load(&l, &t), WR_E_FAILED);
    assert_error_says("libnone cannot be loaded: libnone.so.1: ");
    assert_error_says("; install libnone1");
    assert_null(t.first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_all),
        cmocka_unit_test(test_missing_function),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
