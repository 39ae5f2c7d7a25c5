/* Remembers the ids of short words, which most words of a text are. One slot a hash, the newest word stays: bounded, no
 * bookkeeping. LOCAL; belongs to one thread. */
#ifndef WR_TEXT_TOKENIZER_WORD_CACHE_H
#define WR_TEXT_TOKENIZER_WORD_CACHE_H

#include <stdint.h>
#include <string.h>

enum { WORD_MAX_BYTES = 15, WORD_MAX_IDS = 3, WORD_CACHE_SLOTS = 1 << 15 }; /* 1 MiB */
typedef struct word_entry {
    uint64_t key[2];
    uint32_t n;
    int32_t ids[WORD_MAX_IDS];
} word_entry; /* key 0: free */

/* The bytes of a word of 1 to 15 and, on top, their number; the loads overlap where the word is shorter than they
 * are. */
static inline void word_key(const char *word, size_t n, uint64_t key[2]) {
    uint64_t low = 0, high = 0;
    if (n >= 8) {
        memcpy(&low, word, 8);
        memcpy(&high, word + n - 8, 8);
        high = high >> 1 >> (127 - 8 * n); /* the n - 8 last bytes */
    } else if (n >= 4) {
        uint32_t a, b;
        memcpy(&a, word, 4);
        memcpy(&b, word + n - 4, 4);
        low = a | (uint64_t)b << (8 * (n - 4));
    } else {
        low = (uint8_t)word[0] | (uint64_t)(uint8_t)word[n / 2] << (8 * (n / 2)) |
              (uint64_t)(uint8_t)word[n - 1] << (8 * (n - 1));
    }
    key[0] = low;
    key[1] = high | (uint64_t)n << 56;
}

static inline word_entry *word_slot(word_entry *slots, const uint64_t key[2]) {
    uint64_t h = (key[0] ^ key[1] * UINT64_C(0xC2B2AE3D27D4EB4F)) * UINT64_C(0x9E3779B97F4A7C15);
    return &slots[(h ^ h >> 29) >> 20 & (WORD_CACHE_SLOTS - 1)];
}

#endif
