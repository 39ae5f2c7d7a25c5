/* The rows of a .read file (data/prepare/unit_file.h): packed conversations, some at a time, and the annotators'
 * answers to their follow-ups. LOCAL. */
#ifndef WR_DATA_PREPARE_UNIT_ROWS_H
#define WR_DATA_PREPARE_UNIT_ROWS_H

#include "data/prepare/unit_file.h"
#include "data/source/conversation.h"

typedef struct spilled {
    size_t number; /* of the conversation in its unit */
    conversation c;
} spilled;
typedef struct spill_reader spill_reader;
/* dir: where the working files are. */
wr_status spill_reader_open(const char *dir, unit_id id, size_t n_annotators, spill_reader **out);
void spill_reader_close(spill_reader *r);
/* The next conversations, some at a time; valid until the next call. WR_END after the last. */
wr_status spill_reader_next(spill_reader *r, const spilled **rows, size_t *n);
/* The annotators' answers to all follow-ups of the unit, in order: (turns, annotators). */
const uint8_t *spill_reader_answers(const spill_reader *r, size_t *turns);
/* Appends one block of conversations: rows holds n records, each u32 number, u32 bytes, conversation_pack. */
wr_status rows_append(unit_writer *u, const strbuf *rows, size_t n);

#endif
