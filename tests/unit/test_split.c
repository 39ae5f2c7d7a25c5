/* Split by user: REFERENCE mistake 9 was a split by turn, unseeded, with the same user on both sides. */
#include "base/rng.h"
#include "data/prepare/split.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USERS = 400 };

static split_user user(const char *name, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    split_user u = {.instances = {a, b, c, d}};
    split_hash(name, strlen(name), u.hash);
    return u;
}

static void make(split_user *u, bool reversed) {
    char name[24];
    for (uint32_t i = 0; i < USERS; i++) {
        snprintf(name, sizeof name, "user%u", i);
        u[reversed ? USERS - 1 - i : i] = user(name, i % 2, i % 5, i % 3, i % 29 == 0);
    }
}

static void mistake_09_split_by_user_and_seeded(void **state) {
    (void)state;
    static split_user a[USERS], b[USERS];
    uint64_t n, m, counted = 0;
    make(a, false);
    make(b, true);
    assert_int_equal(split_users(a, USERS, 1, 120, &n), WR_OK);
    assert_int_equal(split_users(b, USERS, 1, 120, &m), WR_OK);
    assert_int_equal(n, m);
    assert_true(n >= 110 && n <= 150);
    for (size_t i = 0; i < USERS; i++) {
        assert_int_equal(a[i].test, b[USERS - 1 - i].test); /* does not depend on the order of the users */
        counted += a[i].test ? split_instances(&a[i]) : 0;
    }
    assert_int_equal(counted, n);
    size_t different = 0;
    assert_int_equal(split_users(b, USERS, 2, 120, &m), WR_OK);
    for (size_t i = 0; i < USERS; i++) different += a[i].test != b[USERS - 1 - i].test;
    assert_true(different > 5);
}

/* Users who say only one thing, in blocks: without strata the test side would be what the key happens to draw. */
static void stratified(void **state) {
    (void)state;
    enum { MANY = 3000 };
    split_user *u = calloc(MANY, sizeof *u);
    char name[24];
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t all[SPLIT_STRATA] = {0}, test[SPLIT_STRATA] = {0}, total = 0, n;
        rng r = rng_make(seed, RNG_TEST, 0, 0, 0);
        for (uint32_t i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "u%u", i);
            uint32_t much = 1 + (uint32_t)rng_below(&r, 4), kind = i % 100 < 3    ? 3
                                                                   : i % 100 < 17 ? 1
                                                                   : i % 100 < 60 ? 0
                                                                                  : 2;
            u[i] = user(name, kind == 0 ? much : 0, kind == 1 ? much : 0, kind == 2 ? much : 0, kind == 3 ? much : 0);
            if (i == 0) u[i].instances[2] = 4000; /* a giant */
        }
        assert_int_equal(split_users(u, MANY, seed, 500, &n), WR_OK);
        for (size_t i = 0; i < MANY; i++) {
            for (int k = 0; k < SPLIT_STRATA; k++)
                all[k] += u[i].instances[k], test[k] += u[i].test ? u[i].instances[k] : 0;
            total += split_instances(&u[i]);
        }
        assert_false(u[0].test);
        assert_true(n >= 400 && n <= 625);
        for (int k = 0; k < SPLIT_STRATA; k++) {
            double share = 500.0 * (double)all[k] / (double)total;
            assert_true((double)test[k] <= 1.25 * share + 2);
        }
        assert_true(test[3] >= 1); /* the rare label is there */
    }
    free(u);
}

static void edges(void **state) {
    (void)state;
    uint64_t n;
    split_user one[] = {user("a", 10, 0, 0, 0)}, two[] = {user("a", 1000, 0, 0, 0), user("b", 3, 0, 0, 0)},
               none[] = {user("a", 0, 0, 0, 0)};
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

static void table(void **state) {
    (void)state;
    user_table t = {0};
    split_user *u;
    char name[24];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            snprintf(name, sizeof name, "name %d", i);
            assert_int_equal(user_table_get(&t, name, strlen(name), &u), WR_OK);
            u->turns++;
        }
    }
    assert_int_equal(t.n, 5000);
    assert_int_equal(user_table_find(&t, "name 77", 7)->turns, 2);
    assert_null(user_table_find(&t, "name 5001", 9));
    user_table_free(&t);
    assert_null(user_table_find(&t, "a", 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mistake_09_split_by_user_and_seeded),
                                       cmocka_unit_test(stratified), cmocka_unit_test(edges), cmocka_unit_test(table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
