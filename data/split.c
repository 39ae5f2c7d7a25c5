#include "data/split.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

typedef struct keyed {
    uint64_t key;
    split_user *user;
} keyed;

static int by_key(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? 1 : -1;
    return strcmp(x->user->name, y->user->name);
}

wr_status split_users(split_user *users, size_t n, uint64_t seed, uint64_t target, uint64_t *test_instances) {
    wr_status status = WR_OK;
    uint64_t total = 0, test = 0;
    split_user *smallest = NULL;
    size_t with = 0;
    keyed *order = mem_calloc(n + 1, sizeof *order);
    TRY_ALLOC(order);
    for (size_t i = 0; i < n; i++) {
        rng r = rng_make(seed, RNG_SPLIT, 1, hash64(users[i].name, strlen(users[i].name), 1),
                         hash64(users[i].name, strlen(users[i].name), 2));
        order[i] = (keyed){rng_u64(&r), &users[i]};
        users[i].test = false;
        total += users[i].instances;
    }
    qsort(order, n, sizeof *order, by_key);
    uint64_t most = target + target / 4;
    for (size_t i = 0; i < n; i++) {
        split_user *u = order[i].user;
        if (u->instances) {
            with++;
            if (!smallest || u->instances < smallest->instances) smallest = u;
        }
        if (test >= target || (u->instances && (test + u->instances > most || test + u->instances >= total))) continue;
        u->test = true;
        test += u->instances;
    }
    if (target && test == 0 && with > 1) {
        smallest->test = true;
        test = smallest->instances;
    }
    *test_instances = test;
cleanup:
    free(order);
    return status;
}
