/* safetensors: round trip, conversions, and damaged files: truncated at every offset, every header byte changed, and
 * lies. */
#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/weights/safetensors.h"
#include "tests/support/temp_folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[PATH_CAP];

static int set_up(void **state) {
    if (folder_set_up(state) < 0) return -1;
    return path_join(path, test_folder(), "model.safetensors");
}

/* Length, header text and n zero bytes of data. */
static void put_parts(uint64_t length, const char *header, size_t n) {
    const size_t h = strlen(header);
    unsigned char *bytes = mem_calloc(8 + h + n, 1);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(length >> 8 * i);
    memcpy(bytes + 8, header, h);
    put_file("model.safetensors", bytes, 8 + h + n);
    free(bytes);
}

/* Opens, and reads every byte that the file claims. Returns the status. */
static wr_status open_and_read(void) {
    safetensors *s = NULL;
    const wr_status status = safetensors_open(path, &s);
    if (status < 0) {
        assert_null(s);
        assert_true(strlen(wr_error()) > 0 && !strchr(wr_error(), '\n'));
        return status;
    }
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const st_tensor *t = safetensors_at(s, i);
        float *x = mem_calloc(t->bytes + 1, sizeof *x);
        volatile unsigned char sum = 0;
        for (size_t k = 0; k < t->bytes; k++) sum = (unsigned char)(sum + ((const unsigned char *)t->data)[k]);
        st_tensor_to_f32(t, x);
        assert_ptr_equal(safetensors_find(s, t->name), t);
        free(x);
    }
    safetensors_close(s);
    return status;
}

static void write_small(void) {
    static const float a[6] = {1, -2, 3.5f, 0, 1e-30f, 1e30f};
    static const int64_t b[2] = {-1, 1LL << 40};
    const st_tensor t[] = {
        {.name = "a.weight", .dtype = ST_F32, .n_dims = 2, .dims = {2, 3}, .data = a, .bytes = sizeof a},
        {.name = "b", .dtype = ST_I64, .n_dims = 1, .dims = {2}, .data = b, .bytes = sizeof b},
        {.name = "empty", .dtype = ST_F32, .n_dims = 1, .dims = {0}, .data = a, .bytes = 0}};
    static const char *const metadata[] = {"format", "pt", NULL};
    assert_int_equal(safetensors_write(path, t, 3, metadata), WR_OK);
}

static void test_round_trip(void **state) {
    (void)state;
    safetensors *s = NULL;
    float x[6];
    int64_t i[2];
    write_small();
    assert_int_equal(safetensors_open(path, &s), WR_OK);
    assert_int_equal(safetensors_count(s), 3);
    assert_null(safetensors_find(s, "c"));
    const st_tensor *a = safetensors_find(s, "a.weight"), *b = safetensors_find(s, "b");
    assert_int_equal(a->n_dims, 2);
    assert_int_equal(a->dims[1], 3);
    assert_int_equal(st_tensor_to_f32(a, x), WR_OK);
    assert_true(x[0] == 1 && x[1] == -2 && x[2] == 3.5f && x[5] == 1e30f);
    memcpy(i, b->data, sizeof i);
    assert_true(i[0] == -1 && i[1] == 1LL << 40);
    assert_int_equal(st_tensor_to_f32(b, x), WR_E_FORMAT);
    safetensors_close(s);
    const unsigned char half[] = {0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b,
                                  0x01, 0x00, 0x00, 0x7c, 0x01, 0x7c}; /* 1 -2 65504 2^-24 inf nan */
    st_tensor h = {.name = "h", .dtype = ST_F16, .n_dims = 1, .dims = {6}, .data = half, .bytes = sizeof half};
    assert_int_equal(st_tensor_to_f32(&h, x), WR_OK);
    assert_true(x[0] == 1 && x[1] == -2 && x[2] == 65504 && x[3] == 0x1p-24f && isinf(x[4]) && isnan(x[5]));
    const unsigned char brain[] = {0x80, 0x3f, 0x49, 0xc0}; /* 1, -3.140625 */
    h = (st_tensor){.name = "h", .dtype = ST_BF16, .n_dims = 1, .dims = {2}, .data = brain, .bytes = sizeof brain};
    assert_int_equal(st_tensor_to_f32(&h, x), WR_OK);
    assert_true(x[0] == 1 && x[1] == -3.140625f);
}

/* f32 and bf16 both ways, over several blocks of the converters. */
static void test_conversions(void **state) {
    (void)state;
    enum { N = 10000 };
    safetensors *s = NULL;
    float *x = mem_calloc(N, sizeof *x), *back = mem_calloc(N, sizeof *back);
    bf16 *h = mem_calloc(N, sizeof *h);
    int64_t id = 7;
    for (size_t i = 0; i < N; i++) x[i] = sinf((float)i) * (float)(i + 1), h[i] = bf16_from_f32(-x[i]);
    const st_tensor t[] = {
        {.name = "x", .dtype = ST_F32, .n_dims = 2, .dims = {100, N / 100}, .data = x, .bytes = N * 4},
        {.name = "h", .dtype = ST_BF16, .n_dims = 1, .dims = {N}, .data = h, .bytes = N * 2},
        {.name = "id", .dtype = ST_I64, .n_dims = 1, .dims = {1}, .data = &id, .bytes = 8}};
    for (int stored = ST_F32; stored <= ST_OTHER; stored++) {
        if (stored == ST_F16 || stored == ST_I64) continue;
        assert_int_equal(safetensors_write_as(path, t, 3, (st_dtype)stored, NULL), WR_OK);
        assert_int_equal(safetensors_open(path, &s), WR_OK);
        const st_tensor *a = safetensors_find(s, "x"), *b = safetensors_find(s, "h"), *c = safetensors_find(s, "id");
        assert_true(a->dtype == (stored == ST_OTHER ? ST_F32 : (st_dtype)stored) &&
                    b->dtype == (stored == ST_OTHER ? ST_BF16 : (st_dtype)stored));
        assert_true(c->dtype == ST_I64 && memcmp(c->data, &id, 8) == 0);
        assert_int_equal(st_tensor_to_f32(a, back), WR_OK);
        for (size_t i = 0; i < N; i++)
            assert_true(back[i] == (stored == ST_BF16 ? bf16_to_f32(bf16_from_f32(x[i])) : x[i]));
        assert_int_equal(st_tensor_to_f32(b, back), WR_OK);
        for (size_t i = 0; i < N; i++) assert_true(back[i] == bf16_to_f32(h[i]));
        safetensors_close(s);
    }
    bf16 *rounded = mem_calloc(N, sizeof *rounded);
    assert_int_equal(st_tensor_to_bf16(&t[0], rounded), WR_OK);
    for (size_t i = 0; i < N; i++) assert_int_equal(rounded[i], bf16_from_f32(x[i]));
    assert_int_equal(st_tensor_to_bf16(&t[1], rounded), WR_OK);
    assert_memory_equal(rounded, h, N * sizeof *h);
    assert_int_equal(st_tensor_to_bf16(&t[2], rounded), WR_E_FORMAT);
    const st_tensor half = {.name = "half", .dtype = ST_F16, .n_dims = 1, .dims = {1}, .data = "\x00\x3c", .bytes = 2};
    const st_tensor unwritable[] = {half};
    assert_int_equal(safetensors_write(path, unwritable, 1, NULL), WR_E_USAGE);
    free(x), free(back), free(h), free(rounded);
}

static void test_nonfinite(void **state) {
    (void)state;
    static const struct {
        st_dtype type;
        uint32_t largest, infinity, nan;
    } types[] = {{ST_F32, 0x7f7fffff, 0xff800000, 0x7fc00000},
                 {ST_BF16, 0xff7f, 0x7f80, 0xffc1},
                 {ST_F16, 0x7bff, 0xfc00, 0x7c01}};
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        enum { N = 1001 };
        const size_t size = types[k].type == ST_F32 ? 4 : 2;
        unsigned char bytes[N * 4 + 1] = {0};
        /* not aligned */
        const st_tensor t = {
            .name = "t", .dtype = types[k].type, .n_dims = 1, .dims = {N}, .data = bytes + 1, .bytes = N * size};
        size_t at = 0;
        for (size_t i = 0; i < N; i++) memcpy(bytes + 1 + i * size, &types[k].largest, size);
        assert_false(st_tensor_has_nonfinite(&t, &at));
        memcpy(bytes + 1 + 1000 * size, &types[k].infinity, size);
        assert_true(st_tensor_has_nonfinite(&t, &at) && at == 1000);
        memcpy(bytes + 1 + 7 * size, &types[k].nan, size);
        assert_true(st_tensor_has_nonfinite(&t, &at) && at == 7);
    }
}

static void test_truncated_everywhere(void **state) {
    (void)state;
    char *bytes = NULL;
    size_t n = 0;
    write_small();
    assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
    for (size_t k = 0; k < n; k++) {
        put_file("model.safetensors", bytes, k);
        if (open_and_read() >= 0) fail_msg("accepted when truncated to %zu of %zu bytes", k, n);
    }
    put_file("model.safetensors", bytes, n);
    assert_int_equal(open_and_read(), WR_OK);
    free(bytes);
}

static void test_changed_header_bytes(void **state) {
    (void)state;
    char *bytes = NULL;
    size_t n = 0, refused = 0;
    uint64_t header = 0;
    write_small();
    assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
    memcpy(&header, bytes, 8);
    for (size_t k = 0; k < 8 + header; k++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[k] = (char)(bytes[k] ^ (1 << bit));
            put_file("model.safetensors", bytes, n);
            refused += open_and_read() < 0;
            bytes[k] = (char)(bytes[k] ^ (1 << bit));
        }
    assert_true(refused > header); /* most of them: a changed letter of a name or of metadata is still a file */
    free(bytes);
}

static void refuse(const char *header, size_t data, const char *word) {
    put_parts(strlen(header), header, data);
    if (open_and_read() >= 0) fail_msg("accepted: %s", header);
    assert_error_says(word);
}

static void test_lies(void **state) {
    (void)state;
    refuse("[]", 0, "object");
    refuse("{\"a\":1}", 0, "object");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} x", 4, "header");
    refuse("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype");
    refuse("{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "F33");
    refuse("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "shape");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "shape");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "dimensions");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, "overflow");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "elements");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "data_offsets");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "data_offsets");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "data_offsets");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "truncated");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}", 4, "truncated");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "elements");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "hole");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "no tensor");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
           "\"data_offsets\":[4,8]}}",
           8, "overlaps");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],"
           "\"data_offsets\":[4,8]}}",
           8, "hole"); /* the later one counts */
    refuse("{\"__metadata__\":[]}", 0, "__metadata__");
    refuse("{\"__metadata__\":{\"format\":1}}", 0, "__metadata__");
    refuse("{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "NUL");
    put_parts(UINT64_MAX, "{}", 0);
    assert_true(open_and_read() < 0);
    put_parts(1000, "{}", 0);
    assert_true(open_and_read() < 0);
    char *bomb = mem_calloc(200001, 1); /* nesting far beyond the bound */
    memset(bomb, '[', 200000);
    put_parts(200000, bomb, 0);
    assert_true(open_and_read() < 0);
    for (size_t i = 0; i + 5 <= 200000; i += 5) memcpy(bomb + i, "{\"a\":", 5);
    put_parts(200000, bomb, 0);
    assert_true(open_and_read() < 0);
    free(bomb);
    put_parts(2, "{}", 0); /* no tensors: a valid file */
    assert_int_equal(open_and_read(), WR_OK);
    unlink(path);
    assert_true(open_and_read() < 0);
}

/* What the Rust package (safetensors 0.8, by its Python wheel) refuses and takes beyond what is plain: numbers that are
 * no integer literals, white space, members that are there twice, what a JSON parser may read or not. */
#define ENTRY(name, type, shape, offsets)                                                                              \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

#define F32(shape, offsets) "{" ENTRY("a", "F32", shape, offsets) "}"

static void test_as_reference(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        bool taken;
    } cases[] = {
        {F32("[2]", "[0.0,8]"), 8, false},
        {F32("[2]", "[0e0,8]"), 8, false},
        {F32("[2]", "[-0,8]"), 8, false},
        {F32("[2]", "[0,8.0]"), 8, false},
        {F32("[2]", "[0,8e0]"), 8, false},
        {F32("[2]", "[0,0.8e1]"), 8, false},
        {F32("[2]", "[0,\"8\"]"), 8, false},
        {F32("[2]", "[0,08]"), 8, false},
        {F32("[2]", "[0,8,8]"), 8, false},
        {F32("[2]", "[0,null]"), 8, false},
        {F32("[2]", "[0,18446744073709551624]"), 8, false},
        {F32("[2.0]", "[0,8]"), 8, false},
        {F32("[2e0]", "[0,8]"), 8, false},
        {F32("[\"2\"]", "[0,8]"), 8, false},
        {F32("[-2]", "[0,8]"), 8, false},
        {F32("[ 2 ]", "[ 0 , 8 ]"), 8, true},
        {F32("[]", "[0,4]"), 4, true},
        {F32("[0]", "[0,0]"), 0, true},
        {" " F32("[2]", "[0,8]"), 8, true},
        {"\n\t" F32("[2]", "[0,8]") "  ", 8, true},
        {"\xef\xbb\xbf" F32("[2]", "[0,8]"), 8, false},
        {F32("[2]", "[0,8]") "x", 8, false},
        {F32("[2]", "[0,8]"), 9, false},
        {F32("[2]", "[0,8]"), 7, false},
        {" {}", 0, true},
        {"null", 0, false},
        {"{\"a\":null}", 0, false},
        {"{" ENTRY("a", "F32", "[1]", "[0,8]") "," ENTRY("a", "F32", "[1]", "[0,4]") "}", 4, true},
        {"{" ENTRY("a", "F33", "[1]", "[0,4]") "," ENTRY("a", "F32", "[1]", "[0,4]") "}", 4, false},
        {"{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("b", "F32", "[1]", "[0,4]") "}", 4, false},
        {"{" ENTRY("b", "F32", "[1]", "[4,8]") "," ENTRY("a", "F32", "[1]", "[0,4]") "}", 8, true},
        {"{" ENTRY("a", "U8", "[1]", "[0,1]") "," ENTRY("b", "F32", "[1]", "[1,5]") "}", 5, true},
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[0]", "[4,4]") "}", 8, false},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, false},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4, false},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9],\"data_offsets\":[0,4]}}", 4, false},
        {"{\"a\":{\"dtype\":\"F32\",\"x\":1,\"x\":{},\"shape\":[1],\"data_offsets\":[0,4]}}", 4, true},
        {"{\"a\":{\"dtype\":\"F32\",\"x\":1e400,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, false},
        {"{\"a\":[\"F32\",[1],[0,4]]}", 4, true},
        {"{\"__metadata__\":null}", 0, true},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, false},
        {"{\"__metadata__\":{\"a\":null}}", 0, false},
        {"{" ENTRY("\\ud83d", "F32", "[1]", "[0,4]") "}", 4, false},
        {"{" ENTRY("\\ud83d\\ude00", "F32", "[1]", "[0,4]") "}", 4, true},
        {"{" ENTRY("\\\\ud83d", "F32", "[1]", "[0,4]") "}", 4, true},
        {"{" ENTRY("a", "F8_E8M0", "[4]", "[0,4]") "}", 4, true},
        {"{" ENTRY("a", "C64", "[1]", "[0,8]") "}", 8, true},
        {"{" ENTRY("a", "F4", "[8]", "[0,4]") "}", 4, true},
        {"{" ENTRY("a", "F4", "[7]", "[0,4]") "}", 4, false},
        {"{" ENTRY("a", "F6_E2M3", "[4]", "[0,3]") "}", 3, true},
        {"{" ENTRY("a", "f32", "[1]", "[0,4]") "}", 4, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_parts(strlen(cases[i].header), cases[i].header, cases[i].data);
        const bool taken = open_and_read() >= 0;
        if (taken != cases[i].taken) fail_msg("%s: %s", cases[i].header, taken ? "taken" : wr_error());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_conversions),
                                       cmocka_unit_test(test_nonfinite),
                                       cmocka_unit_test(test_truncated_everywhere),
                                       cmocka_unit_test(test_changed_header_bytes),
                                       cmocka_unit_test(test_lies),
                                       cmocka_unit_test(test_as_reference)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
