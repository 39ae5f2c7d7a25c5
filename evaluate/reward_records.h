/* Evaluated records of a reward model, one by one: what they were rated, what the model said, whose they are. Behind
 * the figures that need more than sums: intervals, calibration, curves, comparison. */
#ifndef WR_EVALUATE_REWARD_RECORDS_H
#define WR_EVALUATE_REWARD_RECORDS_H

#include "data/shard/record_source.h"
#include "evaluate/statistics/predictions.h"

typedef struct reward_records {
    arena *memory;      /* of all that follows */
    predictions p;      /* points into the arrays; those that are not known are NULL there */
    const char **id;    /* (n) */
    const char **users; /* (n_users) by p.user */
    const uint8_t *own; /* (n_users) the model was trained on records of this user; NULL: not known, and why: */
    const char *own_why;
    double *score, *above, *length; /* (n), (n, K-1), (n) */
    int *label, *class;
    uint32_t *user, *prompt;
} reward_records;

/* Room for n records of K classes; zeroed first. with_class, with_above: rows of these are told. WR_E_NOMEM. LOCAL. */
wr_status reward_records_create(reward_records *r, size_t n, int classes, bool with_class, bool with_above);
void reward_records_free(reward_records *r); /* of one that is all zero, too */

/* Names a record's user and prompt: numbered in the order in which they appear. A user "" is one of this record's own;
 * prompt NULL: not known. LOCAL. */
typedef struct name_maps name_maps;
wr_status name_maps_create(name_maps **out);
void name_maps_free(name_maps *m); /* NULL is fine */
wr_status reward_records_name(reward_records *r, name_maps *m, size_t i, const char *id, const char *user,
                              const char *prompt);

/* COLLECTIVE. Rank 0: id, user, prompt and length of the n records of these indices, read from the shards once more.
 * Others: n is 0. A prompt is what stands before the reply; length: characters of the reply, not known where a text was
 * ready made. */
wr_status reward_records_read(world *w, record_source *s, const uint32_t *records, size_t n, reward_records *r);

#endif
