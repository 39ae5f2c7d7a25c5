/* Split by user. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/split.h"

#include <stdio.h>
#include <string.h>

enum { USERS = 200 };
static char names[USERS][16];

static void make(split_user *u, bool reversed) {
    for (size_t i = 0; i < USERS; i++) {
        size_t k = reversed ? USERS - 1 - i : i;
        snprintf(names[k], sizeof names[k], "user%zu", k);
        u[i] = (split_user){names[k], k % 7, false};
    }
}

static void by_user(void **state) {
    (void)state;
    split_user a[USERS], b[USERS];
    uint64_t n, m, counted = 0;
    make(a, false);
    make(b, true);
    assert_int_equal(split_users(a, USERS, 1, 60, &n), WR_OK);
    assert_int_equal(split_users(b, USERS, 1, 60, &m), WR_OK);
    assert_int_equal(n, m);
    assert_true(n >= 60 && n <= 75);
    for (size_t i = 0; i < USERS; i++) {
        assert_int_equal(a[i].test, b[USERS - 1 - i].test); /* does not depend on the order of the users */
        counted += a[i].test ? a[i].instances : 0;
    }
    assert_int_equal(counted, n);
    size_t different = 0;
    assert_int_equal(split_users(b, USERS, 2, 60, &m), WR_OK);
    for (size_t i = 0; i < USERS; i++) different += a[i].test != b[USERS - 1 - i].test;
    assert_true(different > 5);
}

static void edges(void **state) {
    (void)state;
    uint64_t n;
    split_user one[] = {{"a", 10, false}}, two[] = {{"a", 1000, false}, {"b", 3, false}}, none[] = {{"a", 0, false}};
    assert_int_equal(split_users(one, 1, 1, 1, &n), WR_OK);
    assert_int_equal(n, 0); /* the only user stays on the train side */
    assert_int_equal(split_users(two, 2, 1, 100, &n), WR_OK);
    assert_int_equal(n, 3);
    assert_true(two[1].test && !two[0].test);
    assert_int_equal(split_users(two, 2, 1, 0, &n), WR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(split_users(none, 1, 1, 5, &n), WR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(split_users(NULL, 0, 1, 5, &n), WR_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_user), cmocka_unit_test(edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
