/* What a record counts: by class, by user, by certainty, and all of them together; counts of the whole side, whatever
 * shards it lies in; labels of one class. */
#include "tests/support/asserts.h"
#include "tests/support/mpi_leaks.h"
#include "tests/support/near.h"
#include "tests/support/shards.h"
#include "tests/support/temp_folder.h"
#include "trainer/record_weights.h"
#include "trainer/side_counts.h"

#include <math.h>

static world *w;
enum { CLASSES = 4 };

/* Label 1: 6 records of a, 3 of b; label 2: 1 of b; label 4: 2 of c. In two shards. */
static int set_up(void **state) {
    static const struct {
        const char *user;
        int label;
    } rows[] = {{"a", 1}, {"a", 1}, {"a", 1}, {"b", 1}, {"b", 2}, {"c", 4},
                {"a", 1}, {"a", 1}, {"a", 1}, {"b", 1}, {"b", 1}, {"c", 4}};
    const shard_meta meta = {.kind = SHARD_REWARD, .classes = CLASSES, .tokenizer_hash = "t", .template_hash = "t"};
    static const int32_t ids[3] = {1, 2, 3};
    instance x[12];
    if (folder_set_up(state) != 0) return 1;
    for (int i = 0; i < 12; i++) {
        x[i] = reward_record("id", rows[i].user, "q", "r", rows[i].label);
        x[i].ids = ids;
        x[i].n_ids = 3;
    }
    put_reward_shard(in_folder("reward-train-00000.wrs"), &meta, x, 6);
    put_reward_shard(in_folder("reward-train-00001.wrs"), &meta, x + 6, 6);
    return 0;
}

static record_weights *weights_of(const weight_options *o) {
    dataset_index d;
    record_weights *r = NULL;
    assert_ok(dataset_index_load(test_folder(), "reward-train-", &d));
    assert_ok(record_weights_create(w, o, test_folder(), &d, &r));
    dataset_index_free(&d);
    return r;
}

static void test_counts(void **state) {
    (void)state;
    dataset_index d;
    side_counts c;
    assert_ok(dataset_index_load(test_folder(), "reward-train-", &d));
    assert_ok(side_counts_read(w, test_folder(), &d, true, &c));
    static const size_t labels[CLASSES] = {9, 1, 0, 2};
    for (int k = 0; k < CLASSES; k++) assert_int_equal(c.labels[k], labels[k]);
    assert_int_equal(tally_count(c.users), 3);
    const tally_row *users = tally_by_name(c.users);
    assert_int_equal(users[0].counts[0], 6);
    assert_int_equal(users[1].counts[0], 4);
    assert_int_equal(users[2].counts[0], 2);
    side_counts_free(&c);
    dataset_index_free(&d);
}

static void test_classes(void **state) {
    (void)state;
    assert_null(weights_of(&(weight_options){0}));
    assert_near(record_weight(NULL, 1, "a", 0.5), 1, 0);
    record_weights *r = weights_of(&(weight_options){.classes = CLASS_WEIGHTS_INVERSE});
    /* the mean over records is 1: n / (K n_y), of the three classes that there are */
    assert_near(record_weight(r, 1, "a", 1), 12.0 / (3 * 9), 1e-12);
    assert_near(record_weight(r, 2, "b", 1), 12.0 / 3, 1e-12);
    assert_near(record_weight(r, 4, "c", 0.5), 12.0 / (3 * 2), 1e-12);
    record_weights_free(r);
    r = weights_of(&(weight_options){.classes = CLASS_WEIGHTS_EFFECTIVE, .beta = 0.9});
    const double one = 1 / (1 - pow(0.9, 9)), two = 1 / (1 - 0.9), four = 1 / (1 - 0.81),
                 mean = (9 * one + two + 2 * four) / 12;
    assert_near(record_weight(r, 1, "a", 1), one / mean, 1e-12);
    assert_near(record_weight(r, 2, "a", 1), two / mean, 1e-12);
    assert_near(record_weight(r, 4, "a", 1), four / mean, 1e-12);
    record_weights_free(r);
    r = weights_of(&(weight_options){.classes = CLASS_WEIGHTS_EFFECTIVE, .beta = 0});
    for (int k = 1; k <= 4; k += k < 2 ? 1 : 2) assert_near(record_weight(r, k, "a", 1), 1, 1e-12);
    record_weights_free(r);
}

static void test_users(void **state) {
    (void)state;
    record_weights *r = weights_of(&(weight_options){.users = USER_WEIGHTS_INVERSE});
    assert_near(record_weight(r, 1, "a", 0.5), 1.0 / 6, 1e-12);
    assert_near(record_weight(r, 2, "b", 1), 1.0 / 4, 1e-12);
    record_weights_free(r);
    r = weights_of(&(weight_options){.users = USER_WEIGHTS_SQRT, .classes = CLASS_WEIGHTS_INVERSE, .posterior = true});
    assert_near(record_weight(r, 4, "c", 0.75), 0.75 * 2 / sqrt(2), 1e-12);
    record_weights_free(r);
    r = weights_of(&(weight_options){.posterior = true});
    assert_near(record_weight(r, 4, "c", 0.75), 0.75, 1e-12);
    record_weights_free(r);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_classes),
                                       cmocka_unit_test(test_users)};
    if (world_create(&argc, &argv, &w) < 0) return 1;
    const int failed = cmocka_run_group_tests(tests, set_up, folder_tear_down);
    world_free(w);
    return failed;
}
