/* Lines of turns.jsonl.zst and audit.jsonl.zst. LOCAL. */
#ifndef WR_DATA_PREPARE_TURN_LINES_H
#define WR_DATA_PREPARE_TURN_LINES_H

#include "data/prepare/turns.h"

/* Append one line. answers: (annotators). */
void turn_line(const annotator_panel *p, const conversation *c, size_t at, const turn_state *t, const uint8_t *answers,
               strbuf *out);
void audit_line(const conversation *c, size_t at, const turn_state *t, strbuf *out);

#endif
