/* record_source on 1 to 4 ranks: whichever ranks hold which shards, every rank gets the records it wants, and the index
 * is that of the whole folder. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/shard/shard.h"
#include "data/shard/record_source.h"
#include "tests/support/shards.h"
#include "tests/support/temp_folder.h"

#include <unistd.h>

static world *the_world;
#include "mpi_check.h"

static char root[PATH_CAP];         /* root/all: the whole folder; root/MODE-RANK: what a rank sees */
enum { SHARDS = 5, RECORDS = 300 }; /* of a shard: two frames */

static void write_shard(const char *dir, int s, int salt) {
    char path[4 * PATH_CAP];
    shard_meta meta = {.kind = SHARD_REWARD, .classes = 4, .tokenizer_hash = "t", .template_hash = "p"};
    static instance x[RECORDS];
    static int32_t ids[RECORDS][40];
    static char id[RECORDS][40];
    snprintf(path, sizeof path, "%s/reward-train-%05d.wrs", dir, s);
    for (int i = 0; i < RECORDS; i++) {
        const int n = 1 + (s * 31 + i * 7) % 40;
        for (int k = 0; k < n; k++) ids[i][k] = s * RECORDS + i + k;
        snprintf(id[i], sizeof id[i], "record-%d", s * RECORDS + i + salt);
        x[i] = reward_record(id[i], "u", "q", "r", 1 + i % 4);
        x[i].ids = ids[i], x[i].n_ids = (size_t)n;
    }
    put_reward_shard(path, &meta, x, RECORDS);
}

typedef bool (*holds_fn)(int rank, int ranks, int shard);
static bool everything(int rank, int ranks, int shard) { return (void)rank, (void)ranks, (void)shard, true; }
static bool nothing(int rank, int ranks, int shard) { return (void)rank, (void)ranks, (void)shard, false; }
static bool last_only(int rank, int ranks, int shard) { return (void)shard, rank == ranks - 1; }
static bool scattered(int rank, int ranks, int shard) { return shard % ranks == (rank + 1) % ranks; }
static bool overlapping(int rank, int ranks, int shard) { return shard % 2 == rank % 2 || rank == ranks / 2; }

/* This rank's folder of a mode; absent where it would be empty. */
static void view(const char *mode, holds_fn holds, char out[2 * PATH_CAP]) {
    snprintf(out, 2 * PATH_CAP, "%s/%s-%d", root, mode, world_rank(the_world));
    for (int s = 0; s < SHARDS; s++) {
        char from[2 * PATH_CAP], to[4 * PATH_CAP];
        if (!holds(world_rank(the_world), world_size(the_world), s)) continue;
        CHECK(dir_make(out) == WR_OK);
        snprintf(from, sizeof from, "%s/all/reward-train-%05d.wrs", root, s);
        snprintf(to, sizeof to, "%s/reward-train-%05d.wrs", out, s);
        CHECK(symlink(from, to) == 0);
    }
}

static void check_fetch(record_source *s, uint64_t key) {
    enum { MOST = 200 };
    uint32_t wanted[MOST];
    record_bytes got[MOST];
    arena *a = arena_create();
    rng r = rng_make(7, RNG_TEST, key, (uint64_t)world_rank(the_world), 0);
    size_t n = (size_t)rng_below(&r, MOST);
    if (key % 3 == (uint64_t)world_rank(the_world)) n = 0;
    for (size_t i = 0; i < n; i++) wanted[i] = (uint32_t)rng_below(&r, SHARDS * RECORDS);
    CHECK(record_source_fetch(s, wanted, n, got) == WR_OK);
    for (size_t i = 0; i < n; i++) {
        instance x;
        char id[40];
        snprintf(id, sizeof id, "record-%u", wanted[i]);
        CHECK(instance_decode(got[i].bytes, got[i].n, a, &x) == WR_OK);
        CHECK(strcmp(x.id, id) == 0);
        CHECK(x.n_ids == record_source_index(s)->lengths[wanted[i]]);
        CHECK(x.ids[0] == (int32_t)wanted[i]);
    }
    arena_free(a);
}

static void check_mode(const char *mode, holds_fn holds) {
    char dir[2 * PATH_CAP], whole[2 * PATH_CAP];
    record_source *s;
    dataset_index all;
    uint32_t order[SHARDS * RECORDS], want[SHARDS * RECORDS];
    view(mode, holds, dir);
    CHECK(record_source_open(the_world, dir, "reward-train-", &s) == WR_OK);
    snprintf(whole, sizeof whole, "%s/all", root);
    CHECK(dataset_index_load(whole, "reward-train-", &all) == WR_OK);
    const dataset_index *d = record_source_index(s);
    CHECK(strcmp(d->hash, all.hash) == 0 && d->n_records == all.n_records && d->n_frames == all.n_frames &&
          d->meta.classes == 4);
    CHECK(memcmp(d->lengths, all.lengths, all.n_records * sizeof *all.lengths) == 0);
    CHECK(dataset_order(d, 1, 2, order) == WR_OK && dataset_order(&all, 1, 2, want) == WR_OK);
    CHECK(memcmp(order, want, sizeof want) == 0);
    for (uint64_t key = 0; key < 6; key++) check_fetch(s, key);
    if (holds == everything) CHECK(record_source_received(s) == 0);
    if (holds == last_only && world_rank(the_world) < world_size(the_world) - 1) CHECK(record_source_received(s) > 0);
    dataset_index_free(&all);
    record_source_close(s);
}

static void test_everything(void **state) {
    (void)state;
    check_mode("everything", everything);
}
static void test_last_only(void **state) {
    (void)state;
    check_mode("last-only", last_only);
}
static void test_scattered(void **state) {
    (void)state;
    check_mode("scattered", scattered);
}
static void test_overlapping(void **state) {
    (void)state;
    check_mode("overlapping", overlapping);
}

static void test_nobody(void **state) {
    (void)state;
    char dir[2 * PATH_CAP];
    record_source *s;
    view("nothing", nothing, dir);
    CHECK(record_source_open(the_world, dir, "reward-train-", &s) == WR_E_IO);
    CHECK(strstr(wr_error(), "nothing"));
}

static void test_stale_copy(void **state) {
    (void)state;
    char dir[2 * PATH_CAP];
    record_source *s;
    if (world_size(the_world) == 1) skip();
    view("stale", everything, dir);
    if (world_rank(the_world) == 1) {
        char path[4 * PATH_CAP];
        snprintf(path, sizeof path, "%s/reward-train-00003.wrs", dir);
        CHECK(unlink(path) == 0);
        write_shard(dir, 3, 1000);
    }
    wr_status status = record_source_open(the_world, dir, "reward-train-", &s);
    CHECK(status == WR_E_MISMATCH);
    CHECK(strstr(wr_error(), "reward-train-00003.wrs"));
}

static void test_damaged_frame(void **state) {
    (void)state;
    char dir[2 * PATH_CAP], path[4 * PATH_CAP];
    record_source *s;
    bool mine = world_rank(the_world) == world_size(the_world) - 1;
    view("damaged", last_only, dir);
    if (mine) {
        snprintf(path, sizeof path, "%s/reward-train-00002.wrs", dir);
        CHECK(unlink(path) == 0);
        write_shard(dir, 2, 0);
        FILE *f = fopen(path, "r+b");
        CHECK(f && fseek(f, 400, SEEK_SET) == 0);
        int c = fgetc(f);
        CHECK(fseek(f, 400, SEEK_SET) == 0 && fputc(c ^ 4, f) != EOF && fclose(f) == 0);
    }
    CHECK(record_source_open(the_world, dir, "reward-train-", &s) == WR_OK);
    uint32_t wanted[1] = {2 * RECORDS + 5};
    record_bytes got[1];
    wr_status status = record_source_fetch(s, wanted, 1, got);
    CHECK(status == (mine ? WR_E_FORMAT : WR_E_PEER));
    CHECK(strstr(wr_error(), "reward-train-00002.wrs"));
    wanted[0] = 3 * RECORDS; /* the others are still to be had */
    CHECK(record_source_fetch(s, wanted, 1, got) == WR_OK);
    record_source_close(s);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),    cmocka_unit_test(test_last_only), cmocka_unit_test(test_scattered),
        cmocka_unit_test(test_overlapping),   cmocka_unit_test(test_nobody),    cmocka_unit_test(test_stale_copy),
        cmocka_unit_test(test_damaged_frame),
    };
    if (world_create(&argc, &argv, &the_world) < 0) return 1;
    folder_set_up_shared(the_world);
    strcpy(root, test_folder());
    if (world_rank(the_world) == 0) {
        CHECK(dir_make(in_folder("all")) == WR_OK);
        for (int s = 0; s < SHARDS; s++) write_shard(in_folder("all"), s, 0);
    }
    world_barrier(the_world);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    folder_tear_down_shared(the_world);
    world_free(the_world);
    return failed;
}
