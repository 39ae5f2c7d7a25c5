/* Split by user, seeded: all records of a user are on one side. LOCAL. */
#ifndef WR_DATA_SPLIT_H
#define WR_DATA_SPLIT_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct split_user {
    const char *name;
    uint64_t instances;
    bool test;
} split_user;

/* Users in the order of a random key (a function of seed and name alone) go to the test side until it has `target`
 * instances. A user so large that the test side would become 1.25 × target is passed over. With two or more users who
 * have instances and target > 0, both sides get some. Sets .test. *test_instances: how many there are. */
wr_status split_users(split_user *users, size_t n, uint64_t seed, uint64_t target, uint64_t *test_instances);

#endif
