#include "base/hash.h"

#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static void to_hex(XXH128_hash_t h, char out[HASH_HEX]) {
    snprintf(out, HASH_HEX, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

uint64_t hash64(const void *bytes, size_t n, uint64_t seed) { return XXH3_64bits_withSeed(n ? bytes : "", n, seed); }

void hash_hex(const void *bytes, size_t n, char out[HASH_HEX]) { to_hex(XXH3_128bits(n ? bytes : "", n), out); }

wr_status hash_file_hex(const char *path, char out[HASH_HEX]) {
    enum { CHUNK = 1 << 20 };
    wr_status status = WR_OK;
    char *buffer = NULL;
    XXH3_state_t *state = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        TRY(wr_fail(WR_E_IO, "cannot open %s: %s", path, strerror(errno)));
    }
    TRY_ALLOC(state = XXH3_createState());
    TRY_ALLOC(buffer = mem_realloc(NULL, CHUNK, 1));
    XXH3_128bits_reset(state);
    for (;;) {
        ssize_t n = read(fd, buffer, CHUNK);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            TRY(wr_fail(WR_E_IO, "cannot read %s: %s", path, strerror(errno)));
        }
        if (n == 0) {
            break;
        }
        XXH3_128bits_update(state, buffer, (size_t)n);
    }
    to_hex(XXH3_128bits_digest(state), out);
cleanup:
    free(buffer);
    XXH3_freeState(state);
    if (fd >= 0) {
        close(fd);
    }
    return status;
}
