/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11, "Parallel random numbers: as easy as 1, 2, 3"). A
 * stream is a pure function of its key (seed, purpose, a, b, c), so results depend neither on the number of ranks nor
 * on scheduling. LOCAL; an rng value belongs to one thread and may be copied. */
#ifndef WR_BASE_RNG_H
#define WR_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef enum rng_purpose {
    RNG_INIT = 1,
    RNG_ORDER,
    RNG_SAMPLE,
    RNG_PROMPT,
    RNG_SPLIT,
    RNG_WORLD,
    RNG_BOOTSTRAP,
    RNG_TEST,
    RNG_BPE,
    RNG_RETRY,
    RNG_PAIR,
    RNG_FOLD,
    RNG_STUDY
} rng_purpose;

typedef struct rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    unsigned used; /* words of block already given out */
} rng;

/* a, b, c: e.g. step, prompt, sample. Distinct tuples give independent streams (they are hashed into key and
 * counter). */
rng rng_make(uint64_t seed, rng_purpose purpose, uint64_t a, uint64_t b, uint64_t c);
uint32_t rng_u32(rng *r);
uint64_t rng_u64(rng *r);
double rng_uniform(rng *r);                          /* [0, 1), 53 bits */
double rng_normal(rng *r);                           /* mean 0, variance 1 (Box–Muller) */
uint64_t rng_below(rng *r, uint64_t n);              /* uniform in 0 … n-1, unbiased; n > 0 */
void rng_shuffle(rng *r, uint32_t *items, size_t n); /* Fisher–Yates */

#endif
