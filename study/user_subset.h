/* Which records a cell of the user-count study learns from. For one seed the users stand in one order, and a subset is
 * the first of them: the five are among the ten. All is a function of (users and lengths of the records, seed), so
 * that every rank finds the same. LOCAL. */
#ifndef WR_STUDY_USER_SUBSET_H
#define WR_STUDY_USER_SUBSET_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* The users who have a record that can be learned from, by their hash, each with such records in a row. */
typedef struct study_users {
    size_t records; /* of the side, usable or not */
    size_t n;       /* users */
    uint64_t *user; /* (n) rising */
    size_t *first;  /* (n + 1) into record */
    uint32_t *record;
    size_t nameless; /* records that name no user: nobody's */
} study_users;
/* user: (records) as record_users_find tells; lengths: (records) tokens. Records of 1 to `longest` tokens are
 * usable; users with fewer than `least` of them are left out, 0: as 1. */
wr_status study_users_make(const uint64_t *user, const uint32_t *lengths, size_t records, size_t longest, size_t least,
                           study_users *out);
void study_users_free(study_users *t); /* of one that is all zero, too */

/* order: (n) numbers of users as this seed draws them. */
void user_order(const study_users *t, uint64_t seed, uint32_t *order);
/* Usable records of the first `users` of the order. */
size_t user_records(const study_users *t, const uint32_t *order, size_t users);
/* only: (records), set to 1 for the records of the first `users` of the order, else to 0. instances: 0 for all that
 * they have; else so many of them, dealt out round by round, each user giving one of his records a round while he has
 * one, in an order of his own that the seed draws. WR_E_NOMEM. */
wr_status user_subset(const study_users *t, uint64_t seed, const uint32_t *order, size_t users, size_t instances,
                      uint8_t *only);

/* "5,10,20": rising counts of at least 2, two of them or more. *counts (n), free(). WR_E_USAGE says what is wrong. */
wr_status user_counts_parse(const char *list, size_t **counts, size_t *n);

#endif
