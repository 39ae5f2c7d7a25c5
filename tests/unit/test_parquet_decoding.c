/* What pages of Parquet are decoded with: snappy against its library, runs of levels and indices, sizes that lie. */
#include "base/rng.h"
#include "data/source/parquet/parquet_encoding.h"
#include "data/source/parquet/parquet_page.h"
#include "data/source/parquet/parquet_snappy.h"
#include "tests/support/asserts.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

static void test_snappy(void **state) {
    (void)state;
    rng r = rng_make(3, RNG_TEST, 0, 0, 0);
    for (int round = 0; round < 400; round++) {
        /* Words again and again, runs, and noise: literals and copies of every form. */
        size_t n = round < 4 ? (size_t)round : (size_t)rng_below(&r, round % 50 == 0 ? 300000 : 3000),
               packed = snappy_max_compressed_length(n), length = n;
        char *text = malloc(n + 1), *stored = malloc(packed), *got = malloc(n + SNAPPY_SLACK),
             *reference = malloc(n + 1);
        assert_true(text && stored && got && reference);
        for (size_t i = 0; i < n;) {
            size_t part = 1 + (size_t)rng_below(&r, 90), kind = (size_t)rng_below(&r, 3),
                   back = i ? 1 + (size_t)rng_below(&r, i < 70000 ? i : 70000) : 0;
            for (; part > 0 && i < n; part--, i++)
                text[i] = kind == 0 || !back ? (char)rng_below(&r, 256) : kind == 1 ? text[i - back] : text[i - 1];
        }
        assert_int_equal(snappy_compress(text, n, stored, &packed), SNAPPY_OK);
        assert_true(snappy_decode(stored, packed, got, n));
        assert_memory_equal(got, text, n);
        assert_false(snappy_decode(stored, packed, got, n + 1));
        if (packed > 1) assert_false(snappy_decode(stored, packed - 1, got, n));
        /* Damaged: as the reference decoder judges it. */
        for (int flip = 0; flip < 40 && packed > 0; flip++) {
            size_t at = (size_t)rng_below(&r, packed);
            char was = stored[at];
            stored[at] ^= (char)(1 + rng_below(&r, 255));
            size_t stated = 0;
            bool fits = snappy_uncompressed_length(stored, packed, &stated) == SNAPPY_OK && stated == n;
            length = n;
            bool good = fits && snappy_uncompress(stored, packed, reference, &length) == SNAPPY_OK;
            assert_int_equal(snappy_decode(stored, packed, got, n), good);
            if (good) assert_memory_equal(got, reference, n);
            stored[at] = was;
        }
        free(text), free(stored), free(got), free(reference);
    }
}

static void test_hybrid(void **state) {
    (void)state;
    /* The specification's example: 0 to 7 in 3 bits; then a run of 5 sevens; then a cut group. */
    const uint8_t packed[] = {0x03, 0x88, 0xC6, 0xFA, 0x0A, 0x07, 0x03, 0x88};
    const uint32_t want[] = {0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7, 0, 1};
    uint32_t got[16];
    hybrid_reader r = hybrid_reader_make(packed, sizeof packed, 3);
    assert_true(hybrid_read(&r, got, 5));
    assert_true(hybrid_read(&r, got + 5, 10));
    assert_memory_equal(got, want, sizeof want);
    assert_false(hybrid_read(&r, got, 1));
    r = hybrid_reader_make(NULL, 0, 0);
    assert_true(hybrid_read(&r, got, 16));
    for (int i = 0; i < 16; i++) assert_int_equal(got[i], 0);
    /* A run of a value that has more bits than the width, an endless header, nothing. */
    const uint8_t wide[] = {0x04, 0x08}, endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
    r = hybrid_reader_make(wide, 2, 3);
    assert_false(hybrid_read(&r, got, 1));
    r = hybrid_reader_make(endless, 8, 3);
    assert_false(hybrid_read(&r, got, 1));
    r = hybrid_reader_make(NULL, 0, 1);
    assert_false(hybrid_read(&r, got, 1));
}

/* A page that says it is huge is believed only as far as its bytes can carry it. */
static void test_lying_sizes(void **state) {
    (void)state;
    assert_true(page_size_possible(1, 100, 2000));
    assert_false(page_size_possible(1, 100, 100000));
    assert_false(page_size_possible(2, 100, 1 << 30));
    assert_false(page_size_possible(0, 100, 101));
    page_pool p = {0};
    page_buffer *b, *c;
    assert_int_equal(page_pool_take(&p, (size_t)PAGE_MEMORY_LIMIT + 1, &b), WR_E_FORMAT);
    assert_int_equal(page_pool_take(&p, (size_t)600 << 20, &b), WR_OK);
    assert_int_equal(page_pool_take(&p, (size_t)600 << 20, &c), WR_E_FORMAT);
    page_pool_give(&p, b);
    assert_int_equal(page_pool_take(&p, (size_t)700 << 20, &b), WR_OK);
    page_pool_give(&p, b);
    page_pool_free(&p);
    assert_int_equal(p.held, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_snappy), cmocka_unit_test(test_hybrid),
                                       cmocka_unit_test(test_lying_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
