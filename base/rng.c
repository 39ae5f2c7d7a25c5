/* Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11, section 3.2 and
 * table 2. */
#include "base/rng.h"

#include <math.h>

static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA'14, with Stafford's constants): a bijection of 64 bits. */
static uint64_t mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* The tuple becomes 128 bits: 64 for the key and 64 for the upper half of the counter; the lower half counts blocks, so
 * two streams with different upper halves never meet. */
rng rng_make(uint64_t seed, rng_purpose purpose, uint64_t a, uint64_t b, uint64_t c) {
    const uint64_t words[5] = {seed, (uint64_t)purpose, a, b, c};
    uint64_t h = 0x9E3779B97F4A7C15u, g = 0xD1B54A32D192ED03u;
    for (int i = 0; i < 5; i++) {
        h = mix(h + words[i] + 0x9E3779B97F4A7C15u);
        g = mix((g ^ words[i]) + 0xD1B54A32D192ED03u * (uint64_t)(i + 1));
    }
    return (rng){
        .key = {(uint32_t)h, (uint32_t)(h >> 32)}, .counter = {0, 0, (uint32_t)g, (uint32_t)(g >> 32)}, .used = 4};
}

uint32_t rng_u32(rng *r) {
    if (r->used >= 4) {
        philox(r->counter, r->key, r->block);
        r->used = 0;
        if (++r->counter[0] == 0 && ++r->counter[1] == 0 && ++r->counter[2] == 0) {
            ++r->counter[3];
        }
    }
    return r->block[r->used++];
}

uint64_t rng_u64(rng *r) {
    uint64_t low = rng_u32(r);
    return low | (uint64_t)rng_u32(r) << 32;
}

double rng_uniform(rng *r) { return (double)(rng_u64(r) >> 11) * 0x1p-53; }

double rng_normal(rng *r) {
    double radius = sqrt(-2.0 * log(1.0 - rng_uniform(r))); /* 1 - u is in (0, 1] */
    return radius * cos(2.0 * 3.14159265358979323846 * rng_uniform(r));
}

/* Lemire, "Fast random integer generation in an interval", TOMACS 2019: the high half of x*n is uniform once the x
 * whose low half falls below 2^64 mod n are rejected. */
uint64_t rng_below(rng *r, uint64_t n) {
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)rng_u64(r) * n;
    if ((uint64_t)product < n) {
        uint64_t threshold = (0 - n) % n;
        while ((uint64_t)product < threshold) {
            product = (u128)rng_u64(r) * n;
        }
    }
    return (uint64_t)(product >> 64);
}

void rng_shuffle(rng *r, uint32_t *items, size_t n) {
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(r, i);
        uint32_t swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}
