/* Whose the records of a side are. */
#ifndef WR_DATA_SHARD_RECORD_USERS_H
#define WR_DATA_SHARD_RECORD_USERS_H

#include "data/shard/record_source.h"

/* A user is told by a hash of his name. Its last bit says that there is one: a record without user is one's of its own,
 * by its id, and has it cleared. Never 0 where it is set. */
enum { RECORD_USER_NAMED = 1 };

/* COLLECTIVE. Reads all records. *users: (n_records), free(); the same on every rank, for any number of them. */
wr_status record_users_find(world *w, record_source *s, uint64_t **users);

#endif
