/* Any bytes as what another rank observed: merged or refused. The checksum is put right first, so that the reader
 * behind it is reached. */
#include "base/hash.h"
#include "data/label/mine/mining.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { VERSION = 1, HEADER = 13 };
    mining *m = NULL, *again = NULL;
    strbuf out = {0};
    uint8_t *copy = malloc(size + HEADER + 8);
    if (!copy || mining_create(5, &m) < 0 || mining_create(5, &again) < 0) __builtin_trap();
    memcpy(copy, "WRMC\1", 5);
    memset(copy + HEADER, 0, 8);
    copy[HEADER] = 5; /* the seed */
    if (size) memcpy(copy + HEADER + 8, data, size);
    uint64_t sum = hash64(copy + HEADER, size + 8, VERSION);
    for (int i = 0; i < 8; i++) copy[5 + i] = (uint8_t)(sum >> (8 * i));
    if (mining_merge(m, copy, size + HEADER + 8) == WR_OK) {
        if (mining_write(m, &out) < 0 || mining_merge(again, out.data, out.len) < 0) __builtin_trap();
        if (size < 300 && mining_calibrate(m) < 0) __builtin_trap();
    } else if (mining_turns(m)) {
        __builtin_trap();
    }
    strbuf_free(&out);
    mining_free(m);
    mining_free(again);
    free(copy);
    return 0;
}
