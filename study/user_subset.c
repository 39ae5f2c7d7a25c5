#include "study/user_subset.h"

#include "base/mem.h"
#include "base/rng.h"
#include "data/shard/record_users.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What this file draws: the order of the users, and of one user's records. */
enum { DRAW_USERS, DRAW_RECORDS };

typedef struct owned {
    uint64_t user;
    uint32_t record;
} owned;

static int by_user(const void *a, const void *b) {
    const owned *x = a, *y = b;
    if (x->user != y->user) return x->user < y->user ? -1 : 1;
    return x->record < y->record ? -1 : x->record > y->record;
}

wr_status study_users_make(const uint64_t *user, const uint32_t *lengths, size_t records, size_t longest, size_t least,
                           study_users *out) {
    wr_status status = WR_OK;
    size_t n = 0;
    owned *all = mem_calloc(records + 1, sizeof *all);
    *out = (study_users){.records = records};
    TRY_ALLOC(all);
    for (size_t i = 0; i < records; i++) {
        out->nameless += !(user[i] & RECORD_USER_NAMED);
        if ((user[i] & RECORD_USER_NAMED) && lengths[i] >= 1 && lengths[i] <= longest)
            all[n++] = (owned){user[i], (uint32_t)i};
    }
    qsort(all, n, sizeof *all, by_user);
    out->user = mem_calloc(n + 1, sizeof *out->user);
    out->first = mem_calloc(n + 1, sizeof *out->first);
    out->record = mem_calloc(n + 1, sizeof *out->record);
    TRY(out->user && out->first && out->record ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for users of a study"));
    size_t kept = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && all[end].user == all[i].user;) end++;
        if (end - i < least) continue;
        out->user[out->n] = all[i].user;
        out->first[out->n++] = kept;
        for (size_t k = i; k < end; k++) out->record[kept++] = all[k].record;
    }
    out->first[out->n] = kept;
cleanup:
    free(all);
    if (status < 0) study_users_free(out);
    return status;
}

void study_users_free(study_users *t) {
    free(t->user);
    free(t->first);
    free(t->record);
    *t = (study_users){0};
}

void user_order(const study_users *t, uint64_t seed, uint32_t *order) {
    rng random = rng_make(seed, RNG_STUDY, DRAW_USERS, 0, 0);
    for (size_t u = 0; u < t->n; u++) order[u] = (uint32_t)u;
    rng_shuffle(&random, order, t->n);
}

size_t user_records(const study_users *t, const uint32_t *order, size_t users) {
    size_t n = 0;
    for (size_t i = 0; i < users; i++) n += t->first[order[i] + 1] - t->first[order[i]];
    return n;
}

/* How many rounds are dealt out whole, and how many of the round behind them. */
static size_t whole_rounds(const study_users *t, const uint32_t *order, size_t users, size_t instances, size_t *rest) {
    size_t given = 0;
    for (size_t round = 0;; round++) {
        size_t now = 0;
        for (size_t i = 0; i < users; i++) now += t->first[order[i] + 1] - t->first[order[i]] > round;
        if (!now || given + now > instances) {
            *rest = now ? instances - given : 0;
            return round;
        }
        given += now;
    }
}

wr_status user_subset(const study_users *t, uint64_t seed, const uint32_t *order, size_t users, size_t instances,
                      uint8_t *only) {
    wr_status status = WR_OK;
    size_t rest = 0;
    const size_t rounds = instances ? whole_rounds(t, order, users, instances, &rest) : SIZE_MAX;
    uint32_t *own = mem_calloc(t->first[t->n] + 1, sizeof *own);
    memset(only, 0, t->records);
    TRY_ALLOC(own);
    for (size_t i = 0; i < users; i++) {
        const size_t u = order[i], n = t->first[u + 1] - t->first[u];
        const bool more = n > rounds && rest > 0; /* one of the round that is not whole */
        const size_t gives = n > rounds ? rounds + more : n;
        rng random = rng_make(seed, RNG_STUDY, DRAW_RECORDS, t->user[u], 0);
        rest -= more;
        memcpy(own, t->record + t->first[u], n * sizeof *own);
        rng_shuffle(&random, own, n);
        for (size_t k = 0; k < gives; k++) only[own[k]] = 1;
    }
cleanup:
    free(own);
    return status;
}

wr_status user_counts_parse(const char *list, size_t **counts, size_t *n) {
    wr_status status = WR_OK;
    size_t capacity = 0;
    *counts = NULL;
    *n = 0;
    for (const char *at = list;; at++) {
        const size_t digits = strspn(at, "0123456789");
        if (!digits || digits > 9 || *at == '0' || (at[digits] && at[digits] != ','))
            TRY(wr_fail(WR_E_USAGE, "--users '%s': no list of whole numbers; write it like 5,10,20,40", list));
        const size_t count = strtoul(at, NULL, 10);
        if (count < 2) TRY(wr_fail(WR_E_USAGE, "--users %s: one user is no group; give counts from 2 on", list));
        if (*n && count <= (*counts)[*n - 1])
            TRY(wr_fail(WR_E_USAGE, "--users %s: counts must rise, each given once; %zu stands behind %zu", list, count,
                        (*counts)[*n - 1]));
        VEC_PUSH(*counts, *n, capacity, count);
        at += digits;
        if (!*at) break;
    }
    if (*n < 2) TRY(wr_fail(WR_E_USAGE, "--users %s: give at least two counts, to compare", list));
cleanup:
    if (status < 0) {
        free(*counts);
        *counts = NULL;
    }
    return status;
}
