/* The watch over the loss: quiet over noise and a falling curve, loud at a spike, once; a new level is got used to. */
#include "base/rng.h"
#include "trainer/loss_watch.h"
#include "tests/support/asserts.h"

#include <math.h>

static void test_quiet(void **state) {
    (void)state;
    loss_watch l = {0};
    rng r = rng_make(1, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 20000; i++) assert_false(loss_watch_note(&l, 1 + 3 * exp(-i / 100.0) + 0.1 * rng_normal(&r)));
    loss_watch flat = {0};
    for (int i = 0; i < 100; i++) assert_false(loss_watch_note(&flat, 0.5));
}

static void test_spike(void **state) {
    (void)state;
    loss_watch l = {0};
    rng r = rng_make(2, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 300; i++) loss_watch_note(&l, 1 + 0.1 * rng_normal(&r));
    assert_true(loss_watch_note(&l, 2.5));
    assert_false(loss_watch_note(&l, 2.5)); /* told already */
    for (int i = 0; i < 40; i++) assert_false(loss_watch_note(&l, 1 + 0.1 * rng_normal(&r)));
    assert_true(loss_watch_note(&l, 4));
}

static void test_new_level(void **state) {
    (void)state;
    loss_watch l = {0};
    rng r = rng_make(3, RNG_TEST, 0, 0, 0);
    int told = 0;
    for (int i = 0; i < 200; i++) loss_watch_note(&l, 1 + 0.1 * rng_normal(&r));
    for (int i = 0; i < 1000; i++) told += loss_watch_note(&l, 3 + 0.1 * rng_normal(&r));
    assert_in_range(told, 1, 3);
}

static void test_early(void **state) {
    (void)state;
    loss_watch l = {0};
    for (int i = 0; i < LOSS_WATCH_WARM - 1; i++) loss_watch_note(&l, 1);
    assert_false(loss_watch_note(&l, 100));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quiet), cmocka_unit_test(test_spike),
                                       cmocka_unit_test(test_new_level), cmocka_unit_test(test_early)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
