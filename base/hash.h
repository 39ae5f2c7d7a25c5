/* Content hashes (XXH3 from libxxhash): not cryptographic; they tell versions apart and find corruption. LOCAL. */
#ifndef WR_BASE_HASH_H
#define WR_BASE_HASH_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

#define HASH_HEX 33 /* 32 hex digits + NUL */
uint64_t hash64(const void *bytes, size_t n, uint64_t seed);
void hash_hex(const void *bytes, size_t n, char out[HASH_HEX]); /* 128 bits as hex */
wr_status hash_file_hex(const char *path, char out[HASH_HEX]);

#endif
