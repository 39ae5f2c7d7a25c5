/* Split by user, seeded and stratified: all records of a user are on one side, and the test side has of every label
 * about the share it has of all. Memory: 40 bytes a user and 24 while splitting. LOCAL. */
#ifndef WR_DATA_PREPARE_SPLIT_H
#define WR_DATA_PREPARE_SPLIT_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPLIT_STRATA = 4 };

typedef struct split_user {
    uint64_t hash[2]; /* of the name: split_hash */
    uint32_t turns;
    uint32_t instances[SPLIT_STRATA]; /* by stratum: by label, where there are no more than SPLIT_STRATA */
    bool test, listed;                /* listed: for the caller, who writes each user once */
} split_user;

void split_hash(const char *name, size_t n, uint64_t hash[2]);
/* Stratum of label 1 … classes: as many neighbouring labels in each as the next. */
static inline int split_stratum(int label, int classes) {
    return classes <= SPLIT_STRATA ? label - 1 : (int)((int64_t)(label - 1) * SPLIT_STRATA / classes);
}
static inline uint64_t split_instances(const split_user *u) {
    uint64_t n = 0;
    for (int k = 0; k < SPLIT_STRATA; k++) n += u->instances[k];
    return n;
}

/* How many instances the test side is to have: as asked (-1: not), or the smaller of 5000 and 10 %. */
static inline uint64_t split_target(int64_t asked, uint64_t instances) {
    return asked >= 0 ? (uint64_t)asked : instances / 10 < 5000 ? instances / 10 : 5000;
}

/* Users are asked in the order of a random key (a function of seed and hash alone), until the test side has `target`
 * instances. A user is taken when no label gets far above its share by that: above 1.25 x what the label should have on
 * the test side, plus two. So a giant user never fills the test side. Who has no instances follows the key alone. If
 * all that leaves less than 0.8 x target, the users passed over are asked once more with the total as the only limit.
 * With two or more users who have instances and target > 0, both sides get some. Sets .test. *test_instances: how many
 * there are. */
wr_status split_users(split_user *users, size_t n, uint64_t seed, uint64_t target, uint64_t *test_instances);

/* Users by hash, made when new, in the order of their first mention. */
typedef struct user_table {
    split_user *users;
    size_t n, capacity;
    uint32_t *slots; /* number + 1; 0: free */
    size_t n_slots;
} user_table;
void user_table_free(user_table *t);
/* valid until the next new one */
wr_status user_table_get(user_table *t, const char *name, size_t n, split_user **out);
split_user *user_table_find(const user_table *t, const char *name, size_t n); /* NULL: unknown */

/* The users of the test side: all that writing a record needs to know of a split. */
typedef struct test_users {
    uint64_t *hashes; /* (n, 2) sorted */
    size_t n;
} test_users;
wr_status test_users_collect(const user_table *t, test_users *out);
bool test_users_has(const test_users *t, const char *name);
void test_users_free(test_users *t);

#endif
