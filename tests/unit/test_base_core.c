/* Status, memory, arena, strbuf, random numbers, hashes, UTF-8. */
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "tests/support/near.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static wr_status divide(int a, int b, int *out) {
    wr_status status = WR_OK;
    TRY(b == 0 ? wr_fail(WR_E_NUMERIC, "cannot divide %d by 0", a) : WR_OK);
    *out = a / b;
cleanup:
    return status;
}

static void test_status(void **state) {
    (void)state;
    int q = 0;
    assert_int_equal(divide(6, 3, &q), WR_OK);
    assert_int_equal(q, 2);
    wr_status s = divide(6, 0, &q);
    assert_int_equal(s, WR_E_NUMERIC);
    assert_string_equal(wr_error(), "cannot divide 6 by 0");
    assert_int_equal(wr_context(s, "record %d", 7), WR_E_NUMERIC);
    assert_string_equal(wr_error(), "record 7: cannot divide 6 by 0");
    assert_int_equal(wr_context(WR_OK, "never"), WR_OK);
    assert_string_equal(wr_error(), "record 7: cannot divide 6 by 0");
    wr_fail(WR_E_IO, "again: %s", wr_error()); /* an argument that is the message itself */
    assert_string_equal(wr_error(), "again: record 7: cannot divide 6 by 0");
    wr_fail(WR_E_IO, "two\nlines\r\n");
    assert_string_equal(wr_error(), "two lines");
    char huge[10000];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    wr_fail(WR_E_IO, "%s", huge);
    for (int i = 0; i < 4; i++) {
        wr_context(WR_E_IO, "%s", huge);
    }
    assert_true(strlen(wr_error()) > 1000 && strlen(wr_error()) < 5000);
}

static void test_memory(void **state) {
    (void)state;
    assert_null(mem_calloc(SIZE_MAX / 2, 3));
    assert_null(mem_realloc(NULL, SIZE_MAX / 2, 3));
    assert_null(mem_aligned(SIZE_MAX / 2, 3));
    assert_null(mem_aligned(SIZE_MAX, 1));
    float *x = mem_aligned(100, sizeof *x);
    assert_int_equal((uintptr_t)x % 64, 0);
    for (int i = 0; i < 100; i++) {
        assert_true(x[i] == 0);
    }
    free(x);
    int *items = NULL;
    size_t count = 0, capacity = 0;
    wr_status status = WR_OK;
    for (int i = 0; i < 1000; i++) {
        VEC_PUSH(items, count, capacity, i);
    }
cleanup:
    assert_int_equal(status, WR_OK);
    assert_int_equal(count, 1000);
    assert_int_equal(items[999], 999);
    free(items);
}

static void test_arena(void **state) {
    (void)state;
    arena *a = arena_create();
    rng r = rng_make(1, RNG_TEST, 0, 0, 0);
    enum { COUNT = 20000 };
    unsigned char **blocks = mem_calloc(COUNT, sizeof *blocks);
    size_t *sizes = mem_calloc(COUNT, sizeof *sizes);
    for (int round = 0; round < 2; round++) {
        size_t sum = 0;
        for (int i = 0; i < COUNT; i++) {
            sizes[i] = rng_below(&r, i % 500 == 0 ? 100000 : 100);
            blocks[i] = arena_alloc(a, sizes[i]);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % 16, 0);
            memset(blocks[i], i & 255, sizes[i]);
            sum += sizes[i];
        }
        for (int i = 0; i < COUNT; i++) {
            for (size_t k = 0; k < sizes[i]; k++) {
                assert_int_equal(blocks[i][k], i & 255);
            }
        }
        assert_true(arena_bytes(a) >= sum && arena_bytes(a) < 4 * sum + (1 << 20));
        arena_reset(a);
        assert_true(arena_bytes(a) <= (size_t)5 << 20);
    }
    char *big = arena_alloc(a, (size_t)50 << 20);
    assert_non_null(big);
    arena_reset(a);
    assert_true(arena_bytes(a) < (size_t)5 << 20); /* a huge request is not held for ever */
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_alloc(a, SIZE_MAX - 40));
    assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(a, NULL, 0), "");
    arena_free(a);
    arena_free(NULL);
    free(blocks);
    free(sizes);
}

static void test_strbuf(void **state) {
    (void)state;
    strbuf b = {0};
    assert_string_equal(strbuf_str(&b), "");
    strbuf_puts(&b, "ab");
    strbuf_putc(&b, '\0');
    strbuf_append(&b, "", 0);
    strbuf_printf(&b, "%05d", 42);
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.data,
                        "ab\0"
                        "00042",
                        9);
    strbuf_clear(&b);
    assert_string_equal(strbuf_str(&b), "");
    for (int i = 0; i < 100000; i++) {
        strbuf_printf(&b, "%d,", i);
    }
    assert_int_equal(b.len, 588890);
    assert_int_equal(strbuf_status(&b), WR_OK);
    strbuf_append(&b, "x", SIZE_MAX - 1);
    assert_int_equal(strbuf_status(&b), WR_E_NOMEM);
    size_t before = b.len;
    strbuf_puts(&b, "ignored after a failure");
    assert_int_equal(b.len, before);
    strbuf_free(&b);
    assert_null(b.data);
}

/* Known answers of Random123's kat_vectors: "philox4x32 10". */
static void test_philox(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t v = 0; v < 3; v++) {
        rng r = {.used = 4};
        memcpy(r.counter, vectors[v].counter, sizeof r.counter);
        memcpy(r.key, vectors[v].key, sizeof r.key);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(rng_u32(&r), vectors[v].out[i]);
        }
    }
}

static void test_rng(void **state) {
    (void)state;
    rng a = rng_make(7, RNG_TEST, 1, 2, 3), b = rng_make(7, RNG_TEST, 1, 2, 3);
    for (int i = 0; i < 100; i++) {
        assert_true(rng_u64(&a) == rng_u64(&b));
    }
    /* Each part of the key matters, also when parts change places. */
    rng streams[] = {rng_make(7, RNG_TEST, 1, 2, 3), rng_make(8, RNG_TEST, 1, 2, 3), rng_make(7, RNG_INIT, 1, 2, 3),
                     rng_make(7, RNG_TEST, 2, 1, 3), rng_make(7, RNG_TEST, 1, 3, 2), rng_make(7, RNG_TEST, 3, 2, 1),
                     rng_make(7, RNG_TEST, 1, 2, 4), rng_make(0, RNG_TEST, 0, 0, 0)};
    uint64_t first[8];
    for (int i = 0; i < 8; i++) {
        first[i] = rng_u64(&streams[i]);
        for (int j = 0; j < i; j++) {
            assert_true(first[i] != first[j]);
        }
    }
    enum { COUNT = 200000 };
    double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0;
    size_t buckets[6] = {0};
    for (int i = 0; i < COUNT; i++) {
        double u = rng_uniform(&a), z = rng_normal(&a);
        assert_true(u >= 0 && u < 1 && isfinite(z));
        sum += u;
        squares += u * u;
        normal_sum += z;
        normal_squares += z * z;
        buckets[rng_below(&a, 6)]++;
    }
    assert_true(fabs(sum / COUNT - 0.5) < 0.003 && fabs(squares / COUNT - 1.0 / 3) < 0.003);
    assert_true(fabs(normal_sum / COUNT) < 0.01 && fabs(normal_squares / COUNT - 1) < 0.015);
    for (int i = 0; i < 6; i++) {
        assert_near((double)buckets[i] / COUNT, 1.0 / 6, 0.004);
    }
    assert_int_equal(rng_below(&a, 1), 0);
    for (int i = 0; i < 1000; i++) {
        assert_true(rng_below(&a, (1ull << 63) + 1) <= 1ull << 63);
    }
    uint32_t items[100];
    for (uint32_t i = 0; i < 100; i++) {
        items[i] = i;
    }
    rng_shuffle(&a, items, 100);
    bool seen[100] = {false};
    size_t moved = 0;
    for (uint32_t i = 0; i < 100; i++) {
        assert_false(seen[items[i]]);
        seen[items[i]] = true;
        moved += items[i] != i;
    }
    assert_true(moved > 80);
}

static void test_hash(void **state) {
    (void)state;
    char hex[HASH_HEX], file[HASH_HEX];
    hash_hex("", 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f"); /* XXH3-128 of nothing, seed 0 */
    assert_true(hash64("", 0, 0) == 0x2d06800538d394c2ull);       /* XXH3-64 of nothing, seed 0 */
    assert_true(hash64("a", 1, 0) != hash64("a", 1, 1));
    assert_int_equal(hash_file_hex("/dev/null", file), WR_OK);
    assert_string_equal(file, hex);
    assert_int_equal(hash_file_hex("/nonexistent/file", file), WR_E_IO);
    assert_error_says("/nonexistent/file");
}

static void test_utf8(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "plain",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF",
                                       "eight888\xE4\xBD\xA0\xE5\xA5\xBDtail"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(utf8_valid_prefix(good[i], strlen(good[i])), strlen(good[i]));
    }
    static const struct {
        const char *bytes;
        size_t valid;
    } bad[] = {
        {"\x80", 0},
        {"a\xC0\x80", 1},
        {"\xC1\xBF", 0},
        {"\xE0\x9F\xBF", 0},
        {"\xED\xA0\x80", 0},
        {"\xED\xBF\xBF", 0},
        {"\xF0\x8F\xBF\xBF", 0},
        {"\xF4\x90\x80\x80", 0},
        {"\xF5\x80\x80\x80", 0},
        {"12345678\xFF", 8},
        {"1234567\xE4\xBD", 7},
        {"\xC2", 0},
        {"\xC2"
         "a",
         0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(utf8_valid_prefix(bad[i].bytes, strlen(bad[i].bytes)), bad[i].valid);
    }
    /* Every scalar value goes round. */
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        if (code >= 0xD800 && code <= 0xDFFF) {
            continue;
        }
        char bytes[4];
        int32_t back;
        size_t n = utf8_encode(code, bytes);
        if (utf8_decode(bytes, n, &back) != n || back != (int32_t)code ||
            (n > 1 && utf8_valid_prefix(bytes, n - 1) != 0)) {
            fail_msg("U+%04X", code);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status), cmocka_unit_test(test_memory), cmocka_unit_test(test_arena),
        cmocka_unit_test(test_strbuf), cmocka_unit_test(test_philox), cmocka_unit_test(test_rng),
        cmocka_unit_test(test_hash),   cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
