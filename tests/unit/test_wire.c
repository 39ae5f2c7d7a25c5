/* Framing: round trips, every truncation, every flipped byte, hostile lengths. */
#include "tests/support/asserts.h"
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "mpi/wire.h"

static void sample_body(strbuf *out, size_t ids) {
    msgpack_packer pk;
    int32_t *x = malloc((ids + 1) * sizeof *x);
    for (size_t i = 0; i < ids; i++) x[i] = (int32_t)(i * 2654435761u);
    wire_packer(&pk, out);
    msgpack_pack_map(&pk, 6);
    wire_pack_str(&pk, "kind");
    wire_pack_str(&pk, "SAMPLE");
    wire_pack_str(&pk, "ids");
    wire_pack_ids(&pk, x, ids);
    wire_pack_str(&pk, "n");
    msgpack_pack_int64(&pk, -7);
    wire_pack_str(&pk, "big");
    msgpack_pack_uint64(&pk, UINT64_MAX);
    wire_pack_str(&pk, "x");
    msgpack_pack_double(&pk, 0.25);
    wire_pack_str(&pk, "empty");
    wire_pack_strn(&pk, "", 0);
    free(x);
}

static void check_body(const msgpack_object *map, size_t ids) {
    const char *s;
    size_t n;
    int64_t i;
    double d;
    int32_t *x = NULL;
    assert_true(wire_get_str(map, "kind", &s, &n) && n == 6 && memcmp(s, "SAMPLE", 6) == 0);
    assert_true(wire_get_str(map, "empty", &s, &n) && n == 0 && s);
    assert_true(wire_get_int(map, "n", &i) && i == -7);
    assert_true(wire_get_double(map, "n", &d) && d == -7);
    assert_true(wire_get_double(map, "x", &d) && d == 0.25);
    assert_false(wire_get_int(map, "big", &i)); /* does not fit */
    assert_false(wire_get_int(map, "x", &i));
    assert_false(wire_get_int(map, "absent", &i));
    assert_false(wire_get_str(map, "n", &s, &n));
    assert_null(wire_get(map, "kin"));
    assert_null(wire_get(NULL, "kind"));
    assert_int_equal(wire_get_ids(map, "ids", &x, &n), WR_OK);
    assert_int_equal(n, ids);
    for (size_t k = 0; k < ids; k++) assert_int_equal(x[k], (int32_t)(k * 2654435761u));
    free(x);
    x = NULL;
    assert_int_equal(wire_get_ids(map, "kind", &x, &n), WR_E_FORMAT);
    assert_null(x);
}

static void test_round_trip(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 818, 2000, 100000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        strbuf body = {0}, framed = {0}, back = {0};
        msgpack_unpacked u;
        sample_body(&body, sizes[k]);
        strbuf_puts(&framed, "prefix"); /* encode appends */
        assert_int_equal(wire_encode(body.data, body.len, &framed), WR_OK);
        assert_int_equal(wire_decode(framed.data + 6, framed.len - 6, &back, &u), WR_OK);
        assert_int_equal(back.len, body.len);
        assert_memory_equal(back.data, body.data, body.len);
        check_body(&u.data, sizes[k]);
        if (body.len <= WIRE_COMPRESS_ABOVE) assert_int_equal(framed.len, 6 + 8 + body.len);
        msgpack_unpacked_destroy(&u);
        strbuf_free(&body);
        strbuf_free(&framed);
        strbuf_free(&back);
    }
}

static void test_compresses(void **state) {
    (void)state;
    strbuf body = {0}, framed = {0};
    msgpack_packer pk;
    wire_packer(&pk, &body);
    msgpack_pack_str(&pk, 100000);
    for (int i = 0; i < 100000; i++) msgpack_pack_str_body(&pk, "a", 1);
    assert_int_equal(wire_encode(body.data, body.len, &framed), WR_OK);
    assert_true(framed.len < 1000);
    strbuf_free(&body);
    strbuf_free(&framed);
}

/* A damaged message is an error, never a crash. (A flipped byte inside an uncompressed body may still be valid msgpack:
 * transport is MPI's business.) */
static void damage(size_t ids, int compressed) {
    strbuf body = {0}, framed = {0}, back = {0};
    msgpack_unpacked u;
    sample_body(&body, ids);
    assert_int_equal(wire_encode(body.data, body.len, &framed), WR_OK);
    assert_int_equal(framed.data[3], compressed);
    size_t step = framed.len > 3000 ? framed.len / 1500 : 1;
    for (size_t n = 0; n < framed.len; n += step) {
        char *exact = malloc(n + 1); /* so that a sanitizer sees reads beyond n */
        memcpy(exact, framed.data, n);
        assert_int_equal(wire_decode(exact, n, &back, &u), WR_E_FORMAT);
        msgpack_unpacked_destroy(&u);
        free(exact);
    }
    for (size_t i = 0; i < framed.len; i += step) {
        for (int bit = 0; bit < 8; bit++) {
            framed.data[i] = (char)(framed.data[i] ^ (1 << bit));
            wr_status s = wire_decode(framed.data, framed.len, &back, &u);
            assert_true(i >= 8 || s == WR_E_FORMAT);
            msgpack_unpacked_destroy(&u);
            framed.data[i] = (char)(framed.data[i] ^ (1 << bit));
        }
    }
    strbuf_free(&body);
    strbuf_free(&framed);
    strbuf_free(&back);
}

static void test_damage(void **state) {
    (void)state;
    damage(5, 0);
    damage(20000, 1);
}

/* Claims of more than there is must not lead to memory being taken for it. */
static void test_hostile(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"", 0},
        {"\xdd\xff\xff\xff\xff", 5},   /* array of 4 G items */
        {"\xdf\xff\xff\xff\xff", 5},   /* map of 4 G pairs */
        {"\xdb\x40\x00\x00\x00zz", 7}, /* string of 1 GiB */
        {"\xc6\xff\xff\xff\xff", 5},   /* bin of 4 GiB */
        {"\xc1", 1},                   /* never used */
        {"\xc7\x01\x01x", 4},          /* extension */
        {"\x01\x02", 2},               /* two values */
        {"\xcf\x01\x02", 3},           /* cut integer */
        {"\x81\xa1k", 3},              /* pair without value */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *exact = malloc(bad[i].n + 1);
        memcpy(exact, bad[i].bytes, bad[i].n);
        assert_int_equal(wire_check(exact, bad[i].n), WR_E_FORMAT);
        free(exact);
    }
    char deep[100];
    memset(deep, '\x91', sizeof deep);
    deep[99] = 1;
    assert_int_equal(wire_check(deep, sizeof deep), WR_E_FORMAT);
    assert_int_equal(wire_check(deep + 80, 20), WR_OK);
    /* Random bytes: check says yes only to what msgpack unpacks whole. */
    rng r = rng_make(11, RNG_TEST, 0, 0, 0);
    print_message("seed 11\n");
    for (int k = 0; k < 200000; k++) {
        unsigned char b[24];
        size_t n = 1 + rng_below(&r, sizeof b);
        for (size_t i = 0; i < n; i++) b[i] = (unsigned char)rng_u32(&r);
        if (rng_below(&r, 2)) b[0] = (unsigned char)(0x80 + rng_below(&r, 0x30));
        if (wire_check(b, n) != WR_OK) continue;
        msgpack_unpacked u;
        size_t used = 0;
        msgpack_unpacked_init(&u);
        assert_int_equal(msgpack_unpack_next(&u, (const char *)b, n, &used), MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(used, n);
        msgpack_unpacked_destroy(&u);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_compresses),
                                       cmocka_unit_test(test_damage), cmocka_unit_test(test_hostile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
