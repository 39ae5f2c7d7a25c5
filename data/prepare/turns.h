/* Follow-ups: the unit of labelling. A follow-up is a user's message behind a reply; query, reply and follow-up make a
 * turn. What the phases know of one, how they see it in its conversation, and who said its level. LOCAL. */
#ifndef WR_DATA_PREPARE_TURNS_H
#define WR_DATA_PREPARE_TURNS_H

#include "data/label/annotate/annotator.h"
#include "data/label/mine/mining.h"
#include "data/source/conversation.h"

enum { CLASSES = 4 };

/* Who gave a turn its final level. */
typedef enum how { HOW_NONE, HOW_ANNOTATOR, HOW_MINED, HOW_REFUSAL } how;

/* NONE: no phrase of a refusal */
typedef enum refusal_mark { MARK_NONE, MARK_ANSWERED, MARK_FALSE, MARK_JUSTIFIED } refusal_mark;

/* The fate of one follow-up. */
typedef struct turn_state {
    int8_t level, final;  /* 0: none */
    uint8_t how, dropped; /* filter */
    uint8_t refusal;      /* refusal_mark */
    double weight;
    uint64_t match; /* hash of the text that a filter matched; 0: none */
} turn_state;

/* Label 1 … CLASSES of a final level; 0 of a neutral one and of none: they make no instance. */
static inline int turn_label(int level) {
    static const int label_of[] = {0, 1, 2, 0, 3, 4};
    return label_of[level];
}
const char *turn_level_name(int level); /* "none", "1 rejection", …: level 0 … 5 */

/* The annotators that answered, in the order of their columns; n >= 1. Borrowed. */
typedef struct annotator_panel {
    annotator *const *annotators;
    size_t n;
} annotator_panel;
const char *how_text(const annotator_panel *p, how h); /* NULL for HOW_NONE */

/* Positions of a conversation's follow-ups, in order. */
wr_status followups(const conversation *c, size_t **at, size_t *capacity, size_t *n);
turn_text turn_texts(const conversation *c, size_t at);
annotated_turn turn_view(const conversation *c, size_t at);

#endif
