/* Users of the training side that a run keeps aside to measure itself on. Who they are is a function of their names and
 * the share alone: the same for every seed, objective and number of ranks; those of a smaller share are among those of a
 * larger one. */
#ifndef WR_DATA_SHARD_VALID_USERS_H
#define WR_DATA_SHARD_VALID_USERS_H

#include "data/shard/record_source.h"

/* COLLECTIVE. Reads all records. *aside (n_records), free(): 1 where the record's user is kept aside; a record without
 * user is one's of its own, by its id. *n: how many. */
wr_status valid_users_find(world *w, record_source *s, double share, uint8_t **aside, size_t *n);

#endif
