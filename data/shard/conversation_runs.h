/* Which records of a dataset are turns of one conversation. */
#ifndef WR_DATA_SHARD_CONVERSATION_RUNS_H
#define WR_DATA_SHARD_CONVERSATION_RUNS_H

#include "data/shard/record_source.h"

/* COLLECTIVE. (*continues)[i], for every record of a source of rated replies: 1 where it is of the conversation that
 * the record before it in its frame is of, as their ids say ("conversation:turn"), else 0. Reads all records once,
 * each rank its share of the frames. A fresh array, the same on every rank. */
wr_status conversation_runs_find(world *w, record_source *s, uint8_t **continues);

#endif
