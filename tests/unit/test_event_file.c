/* TensorBoard event files, byte by byte: records, their first checksum as TensorFlow writes it, which numbers of a line
 * have which tag. That the tensorboard package reads them is tests/oracle/tensorboard_read.py's. */
#include "base/file.h"
#include "trainer/event_file.h"
#include "tests/support/temp_folder.h"

#include <stdlib.h>
#include <string.h>

static unsigned char *bytes;
static size_t n_bytes, at;

static void write_lines(int64_t first, const char *const *lines) {
    event_file *e = NULL;
    char **names = NULL;
    size_t n = 0;
    folder_empty();
    assert_ok(event_file_create(test_folder(), "host", first, &e));
    for (; *lines; lines++) assert_ok(event_file_add(e, *lines, strlen(*lines)));
    event_file_close(e);
    assert_ok(dir_list(test_folder(), "events.out.tfevents.", ".wildreward", &names, &n));
    assert_int_equal(n, 1);
    bytes = (unsigned char *)get_file(names[0], &n_bytes);
    names_free(names, n);
    at = 0;
}

static uint64_t little(const unsigned char *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* The next record's event; NULL at the end. */
static const unsigned char *next_event(size_t *n) {
    if (at == n_bytes) return NULL;
    assert_true(n_bytes - at >= 16);
    *n = little(bytes + at, 8);
    assert_true(n_bytes - at - 16 >= *n);
    const unsigned char *event = bytes + at + 12;
    at += *n + 16;
    assert_int_equal(event[0], 1 << 3 | 1); /* the time */
    return event;
}

static bool holds(const unsigned char *event, size_t n, const void *wanted, size_t k) {
    for (size_t i = 0; i + k <= n; i++)
        if (memcmp(event + i, wanted, k) == 0) return true;
    return false;
}

/* Summary.Value {tag, simple_value}: its bytes. */
static bool has_scalar(const unsigned char *event, size_t n, const char *tag, float v) {
    unsigned char wanted[300] = {1 << 3 | 2, (unsigned char)strlen(tag)};
    size_t k = 2 + strlen(tag);
    memcpy(wanted + 2, tag, strlen(tag));
    wanted[k++] = 2 << 3 | 5;
    memcpy(wanted + k, &v, 4); /* little-endian machines alone build this program's kernels */
    return holds(event, n, wanted, k + 4);
}

static void test_begins_as_tensorflow(void **state) {
    (void)state;
    static const unsigned char begins[] = {24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22};
    size_t n;
    write_lines(0, (const char *const[]){NULL});
    assert_memory_equal(bytes, begins, sizeof begins);
    const unsigned char *event = next_event(&n);
    assert_memory_equal(event + 9,
                        "\x1a\x0d"
                        "brain.Event:2",
                        15);
    assert_null(next_event(&n));
    free(bytes);
}

static void test_scalars(void **state) {
    (void)state;
    size_t n;
    write_lines(0,
                (const char *const[]){
                    "{\"step\":300,\"loss\":0.5,\"lr\":1e-3,\"step_s\":2,\"note\":\"x\",\"ok\":true,\"none\":null,"
                    "\"gone\":NaN,\"list\":[1],\"by_label\":{\"1\":0.25,\"deep\":{\"n\":-7}}}",
                    "{\"step\":300,\"eval_loss\":3,\"eval_time_s\":1}", "{\"step\":301,\"note\":\"no number\"}", NULL});
    next_event(&n);
    const unsigned char *event = next_event(&n);
    assert_memory_equal(event + 9, "\x10\xac\x02", 3); /* step 300 */
    assert_true(has_scalar(event, n, "train/loss", 0.5f));
    assert_true(has_scalar(event, n, "train/lr", 1e-3f));
    assert_true(has_scalar(event, n, "time/step_s", 2));
    assert_true(has_scalar(event, n, "train/by_label/1", 0.25f));
    assert_true(has_scalar(event, n, "train/by_label/deep/n", -7));
    assert_false(holds(event, n, "note", 4) || holds(event, n, "gone", 4) || holds(event, n, "train/step", 10));
    event = next_event(&n);
    assert_true(has_scalar(event, n, "eval/loss", 3));
    assert_true(has_scalar(event, n, "eval/time_s", 1));
    assert_null(next_event(&n)); /* nothing to show of step 301 */
    free(bytes);
}

/* Behind a resume: from step 9 on everything earlier is void. */
static void test_resumed(void **state) {
    (void)state;
    size_t n;
    write_lines(9, (const char *const[]){"{\"step\":9,\"loss\":1}", NULL});
    next_event(&n);
    const unsigned char *event = next_event(&n);
    assert_int_equal(n, 15);
    assert_memory_equal(event + 9, "\x10\x09\x3a\x02\x08\x01", 6);
    event = next_event(&n);
    assert_true(has_scalar(event, n, "train/loss", 1));
    free(bytes);
}

static void test_refused(void **state) {
    (void)state;
    event_file *e = NULL;
    assert_int_equal(event_file_create(in_folder("none"), "host", 0, &e), WR_E_IO);
    assert_null(e);
    assert_ok(event_file_create(test_folder(), "host", 0, &e));
    assert_int_equal(event_file_add(e, "{\"loss\":1}", 10), WR_E_FORMAT);
    event_file_close(e);
    event_file_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_begins_as_tensorflow), cmocka_unit_test(test_scalars),
                                       cmocka_unit_test(test_resumed), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
