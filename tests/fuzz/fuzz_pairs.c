/* Any bytes as a file of preference pairs: refused with a message, or shards whose records are pairs that can be trained
 * on: two texts of at least one token, with a margin that is a number. The first byte chooses who writes chats. */
#include "base/file.h"
#include "base/log.h"
#include "data/shard/shard.h"
#include "trainer/pair_shards.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const char *dir) {
    char path[PATH_CAP];
    shard_reader *r = NULL;
    snprintf(path, sizeof path, "%s/reward-train-00000.wrs", dir);
    if (shard_reader_open(path, &r) < 0) abort();
    for (size_t f = 0; f < shard_reader_frames(r); f++) {
        arena *a = arena_create();
        instance *x;
        size_t n;
        if (shard_read_instances(r, f, a, &x, &n) < 0) abort();
        for (size_t i = 0; i < n; i++)
            if (!x[i].n_chosen || x[i].n_chosen >= x[i].n_ids || !isfinite(x[i].margin) || x[i].n_chosen > 40 ||
                x[i].n_ids - x[i].n_chosen > 40)
                abort();
        arena_free(a);
    }
    shard_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char written[] = "/dev/shm/wildreward-fuzz-template.txt", words[] = "{history}Q{query}R{response}";
    char dir[64], file[64];
    if (!size) return 0;
    snprintf(dir, sizeof dir, "/dev/shm/wildreward-pairs-%ld", (long)getpid());
    snprintf(file, sizeof file, "/dev/shm/wildreward-rows-%ld", (long)getpid());
    const pair_input in = {.file = file,
                           .from = "tests/golden/tokenizer/digits",
                           .template_file = data[0] & 1 ? written : NULL,
                           .max_length = 40,
                           .per_grade = 0.5};
    if (file_write_atomic(written, words, sizeof words - 1) >= 0 && dir_make(dir) >= 0 &&
        file_write_atomic(file, data + 1, size - 1) >= 0) {
        if (pair_shards_make(&in, dir) >= 0)
            look(dir);
        else if (!*wr_error())
            abort();
    }
    unlink(file);
    dir_remove_tree(dir);
    return 0;
}
