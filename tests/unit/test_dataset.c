/* A folder of shards as one list of records: index, its message form, order, reading. */
#include "base/file.h"
#include "data/shard/dataset.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS = 3, EACH = 600, TOTAL = SHARDS * EACH };

static void write_shard(int s, int classes) {
    char name[64], path[PATH_CAP], id[32];
    shard_meta meta = {SHARD_REWARD, classes, "t", "p"};
    shard_writer *w;
    int32_t ids[2] = {1, 2};
    snprintf(name, sizeof name, "reward-train-%05d.wrs", s);
    path_join(path, test_folder(), name);
    assert_int_equal(shard_writer_create(path, &meta, &w), WR_OK);
    for (int i = 0; i < EACH; i++) {
        snprintf(id, sizeof id, "%d", s * EACH + i);
        instance x = {.id = id,
                      .user = "u",
                      .language = "",
                      .model = "",
                      .how = "given",
                      .turn = -1,
                      .label = 1,
                      .query = "",
                      .response = "",
                      .ids = ids,
                      .n_ids = (size_t)(i % 3)};
        assert_int_equal(shard_writer_add_instance(w, &x), WR_OK);
    }
    assert_int_equal(shard_writer_commit(&w), WR_OK);
}

static int set_up(void **state) {
    if (folder_set_up(state) < 0) return -1;
    for (int s = 0; s < SHARDS; s++) write_shard(s, 4);
    return 0;
}

static int id_of(dataset_reader *r, uint32_t record, arena *a) {
    const void *bytes;
    size_t n;
    instance x;
    assert_int_equal(dataset_read(r, record, &bytes, &n), WR_OK);
    assert_int_equal(instance_decode(bytes, n, a, &x), WR_OK);
    return atoi(x.id);
}

static void index_and_read(void **state) {
    (void)state;
    dataset_index d, e;
    dataset_reader *r;
    strbuf packed = {0};
    arena *a = arena_create();
    assert_int_equal(dataset_index_load(test_folder(), "reward-train-", &d), WR_OK);
    assert_int_equal(d.n_records, TOTAL);
    assert_int_equal(d.n_frames, SHARDS * 3);
    for (size_t i = 0; i < TOTAL; i++) assert_int_equal(d.lengths[i], i % EACH % 3);
    assert_int_equal(dataset_reader_open(test_folder(), &d, &r), WR_OK);
    for (uint32_t i = 0; i < TOTAL; i += 37) assert_int_equal(id_of(r, i, a), (int)i);
    for (uint32_t i = TOTAL; i-- > TOTAL - 50;) assert_int_equal(id_of(r, i, a), (int)i);
    const void *bytes;
    size_t n;
    assert_int_equal(dataset_read(r, TOTAL, &bytes, &n), WR_E_USAGE);
    dataset_reader_close(r);

    assert_int_equal(dataset_index_pack(&d, &packed), WR_OK);
    assert_int_equal(dataset_index_unpack(packed.data, packed.len, &e), WR_OK);
    assert_string_equal(d.hash, e.hash);
    assert_int_equal(e.n_records, d.n_records);
    assert_memory_equal(e.lengths, d.lengths, TOTAL * sizeof *d.lengths);
    assert_string_equal(e.names[2], d.names[2]);
    assert_int_equal(e.frames[4].first_record, d.frames[4].first_record);
    dataset_index_free(&e);
    for (size_t cut = 0; cut < packed.len; cut += 11) assert_true(dataset_index_unpack(packed.data, cut, &e) < 0);

    /* A stale copy of a shard is found when it is opened. */
    assert_int_equal(dataset_reader_open(test_folder(), &d, &r), WR_OK);
    write_shard(1, 5);
    assert_int_equal(dataset_read(r, EACH, &bytes, &n), WR_E_MISMATCH);
    dataset_reader_close(r);
    assert_int_equal(dataset_index_load(test_folder(), "reward-train-", &e), WR_E_MISMATCH);
    write_shard(1, 4);
    strbuf_free(&packed);
    dataset_index_free(&d);
    arena_free(a);
}

static void order(void **state) {
    (void)state;
    dataset_index d;
    static uint32_t x[TOTAL], y[TOTAL];
    static bool met[TOTAL];
    assert_int_equal(dataset_index_load(test_folder(), "reward-train-", &d), WR_OK);
    assert_int_equal(dataset_order(&d, 3, 0, x), WR_OK);
    assert_int_equal(dataset_order(&d, 3, 0, y), WR_OK);
    assert_memory_equal(x, y, sizeof x);
    size_t moved = 0;
    for (size_t i = 0; i < TOTAL; i++) {
        assert_true(x[i] < TOTAL && !met[x[i]]);
        met[x[i]] = true;
        moved += x[i] != i;
    }
    assert_true(moved > TOTAL / 2);
    assert_int_equal(dataset_order(&d, 3, 1, y), WR_OK);
    assert_memory_not_equal(x, y, sizeof x);
    assert_int_equal(dataset_order(&d, 4, 0, y), WR_OK);
    assert_memory_not_equal(x, y, sizeof x);
    dataset_index_free(&d);
}

/* Runs are mixed as records are, and their records follow one another. */
static void order_of_runs(void **state) {
    (void)state;
    dataset_index d;
    static uint32_t x[TOTAL], y[TOTAL];
    static uint8_t continues[TOTAL];
    static bool met[TOTAL];
    assert_int_equal(dataset_index_load(test_folder(), "reward-train-", &d), WR_OK);
    assert_int_equal(dataset_order_runs(&d, NULL, 3, 0, x), WR_OK);
    assert_int_equal(dataset_order(&d, 3, 0, y), WR_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(dataset_order_runs(&d, continues, 3, 0, y), WR_OK);
    assert_memory_equal(x, y, sizeof x);
    for (size_t i = 0; i < TOTAL; i++) continues[i] = i % 7 != 0 && i % 7 != 4;
    for (size_t f = 0; f < d.n_frames; f++) continues[d.frames[f].first_record] = 0;
    assert_int_equal(dataset_order_runs(&d, continues, 3, 0, x), WR_OK);
    size_t parted = 0;
    for (size_t i = 0; i < TOTAL; i++) {
        assert_true(x[i] < TOTAL && !met[x[i]]);
        met[x[i]] = true;
        if (continues[x[i]]) assert_true(i > 0 && x[i - 1] + 1 == x[i]);
        parted += i > 0 && x[i - 1] + 1 != x[i];
    }
    assert_true(parted > TOTAL / 8);
    assert_int_equal(dataset_order_runs(&d, continues, 3, 1, y), WR_OK);
    assert_memory_not_equal(x, y, sizeof x);
    dataset_index_free(&d);
}

static void nothing_there(void **state) {
    (void)state;
    dataset_index d;
    assert_int_equal(dataset_index_load(test_folder(), "chats-test-", &d), WR_E_IO);
    assert_error_says("prepare");
    dataset_index_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(index_and_read), cmocka_unit_test(order),
                                       cmocka_unit_test(order_of_runs), cmocka_unit_test(nothing_there)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
