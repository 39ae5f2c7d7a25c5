/* Damaged Parquet files: cut, bits flipped, checksums and footers that do not agree with the pages. */
#include "base/file.h"
#include "base/rng.h"
#include "data/source/parquet.h"
#include "data/source/parquet/parquet_thrift.h"
#include "tests/support/parquet_text.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GOLDEN "tests/golden/parquet/"

static int memory_file(const char *bytes, size_t n, char path[64]) {
    int fd = memfd_create("parquet", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* Damaged bytes: an error with a message, or rows; of a cut file never all of them. Returns the status. */
static wr_status read_damaged(const char *bytes, size_t n, strbuf *out) {
    char path[64];
    sink s = {.limit = 5000};
    source_options o = {.user_key_header = true};
    int fd = memory_file(bytes, n, path);
    wr_status status = read_parquet(path, NULL, &o, &s);
    if (status < 0) assert_true(strlen(wr_error()) > 0);
    close(fd);
    if (out)
        *out = s.text;
    else
        strbuf_free(&s.text);
    return status;
}

static const char *const damaged_names[] = {"many_pages_v1", "zstd_v2_dictionary", "delta", "delta_length",
                                            "few_columns"};

static void test_truncation(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof damaged_names / sizeof *damaged_names; k++) {
        char path[PATH_CAP], *bytes;
        size_t n;
        snprintf(path, sizeof path, GOLDEN "%s.parquet", damaged_names[k]);
        assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
        for (size_t cut = 0; cut < n; cut++) {
            wr_status status = read_damaged(bytes, cut, NULL);
            if (status != WR_E_FORMAT && status != WR_E_IO)
                fail_msg("%s cut to %zu bytes: status %d", damaged_names[k], cut, status);
        }
        free(bytes);
    }
}

static void test_byte_flips(void **state) {
    (void)state;
    rng r = rng_make(11, RNG_TEST, 0, 0, 0);
    for (size_t k = 0; k < sizeof damaged_names / sizeof *damaged_names; k++) {
        char path[PATH_CAP], *bytes;
        size_t n, refused = 0;
        snprintf(path, sizeof path, GOLDEN "%s.parquet", damaged_names[k]);
        assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
        for (size_t i = 0; i < n; i++) {
            char was = bytes[i];
            bytes[i] ^= (char)(1 + rng_below(&r, 255));
            refused += read_damaged(bytes, n, NULL) < 0;
            bytes[i] = was;
        }
        assert_true(refused > n / 10);
        free(bytes);
    }
}

/* A page whose bytes have changed is found by its checksum. Its header is no part of that, but what must stand in it
 * does, and the pages of a chunk end where the chunk does. */
static void test_checksum(void **state) {
    (void)state;
    char *bytes;
    size_t n, refused = 0, other = 0;
    strbuf good = {0};
    assert_int_equal(file_read(GOLDEN "zstd_v2_dictionary.parquet", 0, &bytes, &n), WR_OK);
    assert_true(read_damaged(bytes, n, &good) >= 0);
    uint32_t footer;
    memcpy(&footer, bytes + n - 8, 4);
    for (size_t i = 4; i < n - 8 - footer; i++) {
        strbuf text = {0};
        bytes[i] ^= 0x20;
        if (read_damaged(bytes, n, &text) < 0)
            refused += strstr(wr_error(), "checksum") != NULL;
        else
            other += strcmp(strbuf_str(&text), strbuf_str(&good)) != 0;
        strbuf_free(&text);
        bytes[i] ^= 0x20;
    }
    if (refused < (n - footer) / 3 || other > 0)
        fail_msg("%zu bytes: %zu found by checksum, %zu give other rows", n - footer, refused, other);
    strbuf_free(&good);
    free(bytes);
}

/* Where the footer of the file begins, and in it the value of a field of FileMetaData. */
static char *footer_field(char *bytes, size_t n, int id) {
    uint32_t length;
    memcpy(&length, bytes + n - 8, 4);
    const uint8_t *start = (const uint8_t *)bytes + n - 8 - length;
    thrift t = {.at = start, .end = start + length};
    for (thrift_field f = {0}; thrift_next(&t, &f);) {
        if (f.id == id) return bytes + (t.at - (const uint8_t *)bytes);
        thrift_skip(&t, f.type);
    }
    return bytes + (t.at - (const uint8_t *)bytes) - 1; /* its end */
}

/* What a footer says twice must agree: rows of the file and of its groups, names and types of columns and of their
 * chunks. */
static void test_footer_agrees(void **state) {
    (void)state;
    char *bytes;
    size_t n, found = 0;
    assert_int_equal(file_read(GOLDEN "ten_groups.parquet", 0, &bytes, &n), WR_OK);
    char *rows = footer_field(bytes, n, 3);
    *rows ^= 2;
    assert_int_equal(read_damaged(bytes, n, NULL), WR_E_FORMAT);
    assert_error_says("rows in the file");
    *rows ^= 2;
    assert_true(read_damaged(bytes, n, NULL) >= 0);
    free(bytes);
    assert_int_equal(file_read(GOLDEN "many_pages_v1.parquet", 0, &bytes, &n), WR_OK);
    static const char *const columns[] = {"hashed_ip", "toxic", "language", "timestamp"};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) { /* of the schema, where it comes first */
        char *schema = footer_field(bytes, n, 2),
             *name = memmem(schema, (size_t)(bytes + n - schema), columns[i], strlen(columns[i]));
        if (!name) continue;
        name[1] ^= 1;
        assert_int_equal(read_damaged(bytes, n, NULL), WR_E_FORMAT);
        assert_error_says("footer is damaged");
        name[1] ^= 1;
        found++;
    }
    assert_true(found >= 2);
    free(bytes);
}

/* fastparquet writes an empty list without a type of its elements. */
static void test_empty_list(void **state) {
    (void)state;
    char *bytes;
    size_t n;
    strbuf file = {0}, good = {0}, got = {0};
    assert_int_equal(file_read(GOLDEN "few_columns.parquet", 0, &bytes, &n), WR_OK);
    assert_true(read_damaged(bytes, n, &good) >= 0);
    char *end = footer_field(bytes, n, 99);
    strbuf_append(&file, bytes, (size_t)(end - bytes));
    strbuf_append(&file, "\x09\x0A\x00\x00", 4); /* field 5, key-value metadata: a list of none; and the end */
    uint32_t length;
    memcpy(&length, bytes + n - 8, 4);
    length += 3;
    strbuf_append(&file, (const char *)&length, 4);
    strbuf_puts(&file, "PAR1");
    assert_ok(read_damaged(file.data, file.len, &got));
    assert_string_equal(strbuf_str(&got), strbuf_str(&good));
    file.data[file.len - 10] = 0x10; /* one element of no type is no list */
    assert_int_equal(read_damaged(file.data, file.len, NULL), WR_E_FORMAT);
    strbuf_free(&file);
    strbuf_free(&good);
    strbuf_free(&got);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_truncation), cmocka_unit_test(test_byte_flips),
                                       cmocka_unit_test(test_checksum), cmocka_unit_test(test_footer_agrees),
                                       cmocka_unit_test(test_empty_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
