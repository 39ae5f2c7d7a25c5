/* Preference pairs as records: kept and read again; refused where they are damaged; packed as two texts each, with a row
 * of each for the head, between records of one text, too. */
#include "base/mem.h"
#include "tests/support/near.h"
#include "tests/support/shards.h"
#include "trainer/packing/sequence.h"

#include <math.h>

static const int32_t ids[7] = {5, 6, 7, 0, 8, 9, 0}; /* 0 is padding */
static const sequence_rule rule = {.kind = SHARD_REWARD, .max_length = 16, .classes = 2};

static instance pair_of(size_t n_chosen, double margin) {
    instance x = reward_record("p", "u", "q", "r", 2);
    x.ids = ids;
    x.n_ids = 7;
    x.n_chosen = n_chosen;
    x.margin = margin;
    return x;
}

static wr_status through_bytes(const instance *x, arena *a, sequence *out) {
    strbuf bytes = {0};
    msgpack_packer pk;
    wire_packer(&pk, &bytes);
    assert_ok(instance_pack(x, &pk));
    const wr_status status = sequence_decode(&rule, bytes.data, bytes.len, a, out);
    strbuf_free(&bytes);
    return status;
}

static void test_records(void **state) {
    (void)state;
    arena *a = arena_create();
    sequence s;
    instance x = pair_of(4, -1.5);
    assert_ok(through_bytes(&x, a, &s));
    assert_int_equal(s.n, 7);
    assert_int_equal(s.n_chosen, 4);
    assert_near(s.margin, -1.5, 0);
    x = pair_of(0, 3); /* one text */
    assert_ok(through_bytes(&x, a, &s));
    assert_int_equal(s.n_chosen, 0);
    assert_near(s.margin, 0, 0);
    x = pair_of(7, 0);
    assert_int_equal(through_bytes(&x, a, &s), WR_E_FORMAT);
    assert_error_says("\"chosen\"");
    x = pair_of(3, NAN);
    assert_int_equal(through_bytes(&x, a, &s), WR_E_FORMAT);
    assert_error_says("\"margin\"");
    arena_free(a);
}

static void test_packing(void **state) {
    (void)state;
    arena *a = arena_create();
    packed p = {0};
    sequence s[3];
    const instance x[3] = {pair_of(4, 0), pair_of(0, 0), pair_of(2, 0)};
    for (int i = 0; i < 3; i++) assert_ok(through_bytes(&x[i], a, &s[i]));
    assert_ok(packed_fill(&p, &rule, s, 3, 0));
    static const size_t offsets[6] = {0, 4, 7, 14, 16, 21}, rows[5] = {2, 5, 12, 15, 19};
    assert_int_equal(p.batch.B, 5);
    assert_int_equal(p.N, 5);
    for (int b = 0; b < 6; b++) assert_int_equal(p.batch.offsets[b], offsets[b]);
    for (int r = 0; r < 5; r++) assert_int_equal(p.rows[r], rows[r]); /* of each text the last that is no padding */
    for (int t = 0; t < 21; t++) assert_int_equal(p.batch.ids[t], ids[t % 7]);
    packed_free(&p);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_records), cmocka_unit_test(test_packing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
