/* Any bytes as a shard, as one record, or as a dataset index message: refused with a message, or readable from end to
 * end. The first byte chooses; shards get their checksums made right first, so that mutation reaches what lies behind
 * them. */
#include "data/shard/dataset.h"
#include "data/shard/shard_layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(unsigned char *b, size_t n) {
    if (n < SHARD_HEADER_FIXED + 8 + SHARD_TRAILER_BYTES) return;
    uint64_t meta = get_le(b + 12, 4), offset = get_le(b + n - 32, 8), bytes = get_le(b + n - 24, 8);
    if (SHARD_HEADER_FIXED + meta + 8 <= n)
        put_le(b + SHARD_HEADER_FIXED + meta, XXH64(b, SHARD_HEADER_FIXED + meta, 0), 8);
    if (offset <= n - 32 && bytes <= n - 32 - offset) put_le(b + n - 16, XXH64(b + offset, bytes, 0), 8);
}

static void read_shard(const uint8_t *data, size_t size) {
    char path[64];
    shard_reader *r = NULL;
    unsigned char *copy = malloc(size + 1);
    int fd = memfd_create("fuzz", 0);
    if (!copy || fd < 0) goto out;
    memcpy(copy, data, size);
    mend(copy, size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, copy, size) != (ssize_t)size || shard_reader_open(path, &r) < 0) goto out;
    for (size_t f = 0; f < shard_reader_frames(r); f++) {
        arena *a = arena_create();
        instance *x;
        chat_record *c;
        size_t n;
        if (shard_reader_meta(r)->kind == SHARD_REWARD)
            (void)shard_read_instances(r, f, a, &x, &n);
        else
            (void)shard_read_chats(r, f, a, &c, &n);
        arena_free(a);
    }
out:
    shard_reader_close(r);
    if (fd >= 0) close(fd);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    arena *a = arena_create();
    instance x;
    chat_record c;
    dataset_index d = {0};
    switch (data[0] % 4) {
    case 0:
        read_shard(data + 1, size - 1);
        break;
    case 1:
        (void)instance_decode(data + 1, size - 1, a, &x);
        break;
    case 2:
        (void)chat_decode(data + 1, size - 1, a, &c);
        break;
    default:
        if (dataset_index_unpack(data + 1, size - 1, &d) >= 0) {
            uint32_t *order = malloc((d.n_records + 1) * sizeof *order);
            if (order) (void)dataset_order(&d, 1, 0, order);
            free(order);
            dataset_index_free(&d);
        }
    }
    arena_free(a);
    return 0;
}
