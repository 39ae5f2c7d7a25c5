/* Reads DIR/turns.jsonl.zst, one line a follow-up, as prepare writes it (docs/data.md lists the fields). Fields that a
 * file lacks are NULL, 0 or REFUSAL_UNKNOWN, so that files of earlier versions can be read. LOCAL. */
#ifndef WR_DATA_SHARD_TURNS_FILE_H
#define WR_DATA_SHARD_TURNS_FILE_H

#include "base/json.h"

/* What became of a reply: not asked or no refusal phrase in it · a phrase, but it answered · refused a harmless / a
 * harmful query. */
typedef enum turn_refusal { TURN_NO_PHRASE, TURN_ANSWERED, TURN_FALSE, TURN_JUSTIFIED, TURN_REFUSALS } turn_refusal;

typedef struct turn_line {
    const char *conversation, *user;
    int64_t turn;
    int level, final_level; /* 1 … 5; 0: none */
    const char *how, *dropped;
    const char *language, *model, *month; /* NULL where the file has no such field; "" where the turn's is unknown */
    turn_refusal refusal;
    bool refusal_stated; /* the file has the field `refusal`; else TURN_FALSE and _JUSTIFIED are taken from how and
                            final_level */
} turn_line;

typedef wr_status (*turn_fn)(void *context, const turn_line *t);
/* Strings of t live during the call. Lines that are no such rows are skipped and counted in *bad. WR_E_FORMAT when none
 * is good but some are bad. */
wr_status turns_read(const char *path, turn_fn fn, void *context, uint64_t *bad);

#endif
