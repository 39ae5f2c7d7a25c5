/* Tensor data of a safetensors file as numbers. Data may start at any byte, so elements are copied out of it rather
 * than dereferenced. */
#include "model/weights/safetensors.h"

#include "model/kernels/kernels.h"

#define BLOCK 4096 /* elements that a thread converts at a time */

static float from_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float f16_to_f32(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) return from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent > 0) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float magnitude = (float)fraction * 0x1p-24f; /* zero and subnormals */
    return sign ? -magnitude : magnitude;
}

static wr_status elements_of(const st_tensor *t, size_t *n) {
    if (t->dtype != ST_F32 && t->dtype != ST_F16 && t->dtype != ST_BF16)
        return wr_fail(WR_E_FORMAT, "tensor \"%.200s\": its dtype is not F32, F16 or BF16", t->name);
    *n = t->bytes / (t->dtype == ST_F32 ? 4 : 2);
    return WR_OK;
}

/* Elements at … at + n, n <= BLOCK. */
static void convert_block(const st_tensor *t, size_t at, size_t n, float *out) {
    const unsigned char *p = (const unsigned char *)t->data + at * (t->dtype == ST_F32 ? 4 : 2);
    if (t->dtype == ST_F32) {
        memcpy(out, p, n * sizeof *out);
        return;
    }
    uint16_t halves[BLOCK];
    memcpy(halves, p, n * sizeof *halves);
    if (t->dtype == ST_BF16)
        kernels()->to_f32(n, halves, out);
    else
        for (size_t i = 0; i < n; i++) out[i] = f16_to_f32(halves[i]);
}

wr_status st_tensor_to_f32(const st_tensor *t, float *out) {
    size_t n = 0;
    wr_status s = elements_of(t, &n);
    if (s < 0) return s;
#pragma omp parallel for schedule(static) if (n > BLOCK)
    for (size_t at = 0; at < n; at += BLOCK) convert_block(t, at, n - at < BLOCK ? n - at : BLOCK, out + at);
    return WR_OK;
}

wr_status st_tensor_to_bf16(const st_tensor *t, bf16 *out) {
    size_t n = 0;
    wr_status s = elements_of(t, &n);
    if (s < 0) return s;
#pragma omp parallel for schedule(static) if (n > BLOCK)
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t m = n - at < BLOCK ? n - at : BLOCK;
        float values[BLOCK];
        if (t->dtype == ST_BF16) {
            memcpy(out + at, (const unsigned char *)t->data + 2 * at, 2 * m);
        } else {
            convert_block(t, at, m, values);
            kernels()->to_bf16(m, values, out + at);
        }
    }
    return WR_OK;
}

/* An exponent of all ones is an infinity or a NaN. */
static bool block_is_finite(const st_tensor *t, size_t at, size_t n) {
    bool bad = false;
    if (t->dtype == ST_F32) {
        uint32_t words[BLOCK];
        memcpy(words, (const unsigned char *)t->data + 4 * at, 4 * n);
        for (size_t i = 0; i < n; i++) bad |= (words[i] & 0x7f800000u) == 0x7f800000u;
    } else {
        const uint16_t exponent = t->dtype == ST_BF16 ? 0x7f80 : 0x7c00;
        uint16_t halves[BLOCK];
        memcpy(halves, (const unsigned char *)t->data + 2 * at, 2 * n);
        for (size_t i = 0; i < n; i++) bad |= (halves[i] & exponent) == exponent;
    }
    return !bad;
}

bool st_tensor_has_nonfinite(const st_tensor *t, size_t *index) {
    size_t n = 0, first = SIZE_MAX;
    if (elements_of(t, &n) < 0) return false;
#pragma omp parallel for schedule(static) reduction(min : first) if (n > BLOCK)
    for (size_t at = 0; at < n; at += BLOCK)
        if (at < first && !block_is_finite(t, at, n - at < BLOCK ? n - at : BLOCK)) first = at;
    if (first == SIZE_MAX) return false;
    while (block_is_finite(t, first, 1)) first++;
    *index = first;
    return true;
}
