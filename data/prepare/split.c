#include "data/prepare/split.h"

#include "base/mem.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void split_hash(const char *name, size_t n, uint64_t hash[2]) {
    XXH128_hash_t h = XXH3_128bits(n ? name : "", n);
    hash[0] = h.low64, hash[1] = h.high64;
}

/* Whole users go to a side, so labels cannot be dealt out one by one. Users come in a random order; each is taken for
 * the test side unless that would lift a label k above its share there:
 *
 *   test_k + u_k  <=  1.25 target all_k / total + 2        and        test + u  <=  1.25 target,  < total
 *
 * Who has none of a label cannot overfill it, so many small users fit where one large one does not. */
typedef struct keyed {
    uint64_t key;
    split_user *user;
} keyed;

static int by_key(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? 1 : -1;
    for (int k = 0; k < 2; k++) {
        if (x->user->hash[k] != y->user->hash[k]) return x->user->hash[k] > y->user->hash[k] ? 1 : -1;
    }
    return 0;
}

typedef struct balance {
    uint64_t all[SPLIT_STRATA], test[SPLIT_STRATA]; /* instances, by label */
    uint64_t total, taken, target;
} balance;

static void take(balance *b, split_user *u) {
    u->test = true;
    for (int k = 0; k < SPLIT_STRATA; k++) b->test[k] += u->instances[k];
    b->taken += split_instances(u);
}

/* Does u fit on the test side? The total may end at most a quarter above the target, and must not be everything. */
static bool fits(const balance *b, const split_user *u, bool by_label) {
    uint64_t n = split_instances(u);
    if (b->taken >= b->target) return false;
    if (n == 0) return true;
    if (b->taken + n > b->target + b->target / 4 || b->taken + n >= b->total) return false;
    for (int k = 0; by_label && k < SPLIT_STRATA; k++) {
        double share = (double)b->target * (double)b->all[k] / (double)b->total;
        if (u->instances[k] && (double)(b->test[k] + u->instances[k]) > 1.25 * share + 2) return false;
    }
    return true;
}

wr_status split_users(split_user *users, size_t n, uint64_t seed, uint64_t target, uint64_t *test_instances) {
    wr_status status = WR_OK;
    balance b = {.target = target};
    split_user *smallest = NULL;
    size_t with = 0;
    keyed *order = mem_calloc(n + 1, sizeof *order);
    TRY_ALLOC(order);
    for (size_t i = 0; i < n; i++) {
        split_user *u = &users[i];
        rng r = rng_make(seed, RNG_SPLIT, 1, u->hash[0], u->hash[1]);
        order[i] = (keyed){rng_u64(&r), u};
        u->test = false;
        for (int k = 0; k < SPLIT_STRATA; k++) b.all[k] += u->instances[k];
        b.total += split_instances(u);
    }
    qsort(order, n, sizeof *order, by_key);
    for (size_t i = 0; i < n; i++) {
        split_user *u = order[i].user;
        if (split_instances(u)) {
            with++;
            if (!smallest || split_instances(u) < split_instances(smallest)) smallest = u;
        }
        if (fits(&b, u, true)) take(&b, u);
    }
    for (size_t i = 0; i < n && b.taken < target - target / 5; i++) {
        split_user *u = order[i].user;
        if (!u->test && split_instances(u) && fits(&b, u, false)) take(&b, u);
    }
    if (target && b.taken == 0 && with > 1) take(&b, smallest);
    *test_instances = b.taken;
cleanup:
    free(order);
    return status;
}

/* --- table --- */

void user_table_free(user_table *t) {
    free(t->users);
    free(t->slots);
    *t = (user_table){0};
}

static size_t slot_of(const user_table *t, const uint64_t hash[2]) {
    for (size_t k = (size_t)hash[0] & (t->n_slots - 1);; k = (k + 1) & (t->n_slots - 1)) {
        if (!t->slots[k]) return k;
        const split_user *u = &t->users[t->slots[k] - 1];
        if (u->hash[0] == hash[0] && u->hash[1] == hash[1]) return k;
    }
}

static wr_status grow(user_table *t) {
    wr_status status = WR_OK;
    size_t n = t->n_slots ? 2 * t->n_slots : 1024;
    uint32_t *slots = mem_calloc(n, sizeof *slots);
    TRY_ALLOC(slots);
    free(t->slots);
    t->slots = slots;
    t->n_slots = n;
    for (size_t i = 0; i < t->n; i++) t->slots[slot_of(t, t->users[i].hash)] = (uint32_t)i + 1;
cleanup:
    return status;
}

wr_status user_table_get(user_table *t, const char *name, size_t n, split_user **out) {
    wr_status status = WR_OK;
    uint64_t hash[2];
    split_hash(name, n, hash);
    if (t->n + t->n / 2 + 1 > t->n_slots) TRY(grow(t));
    size_t k = slot_of(t, hash);
    if (!t->slots[k]) {
        if (t->n >= UINT32_MAX - 1) TRY(wr_fail(WR_E_USAGE, "over four billion users: prepare them in parts"));
        VEC_PUSH(t->users, t->n, t->capacity, ((split_user){.hash = {hash[0], hash[1]}}));
        t->slots[k] = (uint32_t)t->n;
    }
    *out = &t->users[t->slots[k] - 1];
cleanup:
    return status;
}

split_user *user_table_find(const user_table *t, const char *name, size_t n) {
    uint64_t hash[2];
    if (!t->n_slots) return NULL;
    split_hash(name, n, hash);
    size_t k = slot_of(t, hash);
    return t->slots[k] ? &t->users[t->slots[k] - 1] : NULL;
}

/* --- the test side --- */

static int by_hash(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    for (int k = 0; k < 2; k++) {
        if (x[k] != y[k]) return x[k] > y[k] ? 1 : -1;
    }
    return 0;
}

wr_status test_users_collect(const user_table *t, test_users *out) {
    wr_status status = WR_OK;
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) n += t->users[i].test;
    TRY_ALLOC(out->hashes = mem_calloc(2 * n + 2, sizeof *out->hashes));
    for (size_t i = 0; i < t->n; i++) {
        if (!t->users[i].test) continue;
        memcpy(out->hashes + 2 * out->n++, t->users[i].hash, sizeof t->users[i].hash);
    }
    qsort(out->hashes, out->n, 2 * sizeof *out->hashes, by_hash);
cleanup:
    return status;
}

bool test_users_has(const test_users *t, const char *name) {
    uint64_t hash[2];
    split_hash(name, strlen(name), hash);
    return t->n && bsearch(hash, t->hashes, t->n, sizeof hash, by_hash);
}

void test_users_free(test_users *t) {
    free(t->hashes);
    *t = (test_users){0};
}
