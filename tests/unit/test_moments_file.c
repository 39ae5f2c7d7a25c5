/* Moments of the optimizer in files: written whole or in ranges, read whole or in other ranges. */

#include "base/file.h"
#include "base/mem.h"
#include "model/weights/safetensors.h"
#include "tests/support/temp_folder.h"
#include "trainer/moments_file.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1000 };

static adamw range_of(size_t begin, size_t end) {
    adamw a;
    assert_int_equal(adamw_create_range((float_range){begin, end}, &a), WR_OK);
    for (size_t i = 0; i < a.n; i++) {
        a.m[i] = (float)(begin + i);
        a.v[i] = (float)(begin + i) * 0.5f + 1;
    }
    return a;
}

static void write_range(const char *path, size_t begin, size_t end, size_t of) {
    adamw a = range_of(begin, end);
    assert_int_equal(moments_write(path, &a, of), WR_OK);
    adamw_free(&a);
}

static void check_read(const char *const *paths, size_t n, size_t begin, size_t end) {
    adamw want = range_of(begin, end), got;
    assert_int_equal(adamw_create_range((float_range){begin, end}, &got), WR_OK);
    assert_ok(moments_read(paths, n, N, &got));
    assert_memory_equal(got.m, want.m, got.n * sizeof(float));
    assert_memory_equal(got.v, want.v, got.n * sizeof(float));
    adamw_free(&want), adamw_free(&got);
}

static void check_refused(const char *const *paths, size_t n, size_t of, const char *word) {
    adamw a = range_of(0, of);
    assert_int_equal(moments_read(paths, n, of, &a), WR_E_MISMATCH);
    if (!strstr(wr_error(), word)) fail_msg("%s", wr_error());
    adamw_free(&a);
}

static void test_files(void **state) {
    (void)state;
    char whole[PATH_CAP], part[3][PATH_CAP];
    const char *const all[] = {part[0], part[1], part[2]}, *const one[] = {whole};
    static const size_t cuts[] = {0, 300, 301, N};
    safetensors *s = NULL;
    assert_int_equal(path_join(whole, test_folder(), "whole"), WR_OK);
    write_range(whole, 0, N, N);
    /* as checkpoints have always had it */
    assert_int_equal(safetensors_open(whole, &s), WR_OK);
    assert_int_equal(safetensors_count(s), 2);
    assert_non_null(safetensors_find(s, "m"));
    assert_non_null(safetensors_find(s, "v"));
    safetensors_close(s);
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "part-%d", i);
        assert_int_equal(path_join(part[i], test_folder(), name), WR_OK);
        write_range(part[i], cuts[i], cuts[i + 1], N);
    }
    check_read(one, 1, 0, N);
    check_read(one, 1, 17, 500);
    check_read(all, 3, 0, N);
    check_read(all, 3, 0, 300);
    check_read(all, 3, 299, 302);
    check_read(all, 3, 500, 500);
    check_refused(all, 2, N, "from element 301 on");                                     /* one is not there */
    check_refused((const char *const[]){part[0], part[2]}, 2, N, "from element 300 on"); /* a gap */
    check_refused((const char *const[]){whole, part[1]}, 2, N, "from element 1000 on");  /* twice */
    check_refused(one, 1, N + 1, "another shape");                                       /* of another model */
    check_refused(all, 3, N - 1, "another shape");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
