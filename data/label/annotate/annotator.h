/* Annotators: who says how satisfied a follow-up is. One interface for the word lists (data/label/match/lexicon.h), a
 * model behind an HTTP endpoint and a local checkpoint; prepare asks each for what it can do, in batches. An annotator
 * belongs to one thread; the struct is the table of its functions and is extended by its implementation. LOCAL. */
#ifndef WR_DATA_LABEL_ANNOTATE_ANNOTATOR_H
#define WR_DATA_LABEL_ANNOTATE_ANNOTATOR_H

#include "base/json.h"
#include "data/label/mine/mining.h"
#include "data/label/match/refusal.h"
#include "text/chat/chat_template.h"

/* One follow-up and what it answers to. Borrowed: valid during the call. */
typedef struct annotated_turn {
    const char *id; /* conversation_hash */
    int64_t turn;   /* turn_identifier of the follow-up */
    const chat_message *history;
    size_t n_history;          /* before the query, oldest first */
    const chat_message *query; /* NULL: no user message before the reply */
    const chat_message *reply;
    const chat_message *followup;
} annotated_turn;

typedef struct annotator annotator;
struct annotator {
    const char *name; /* "lexicon", "endpoint", "model": what an instance's `how` says */
    /* of everything its answers depend on: rules, prompts, model, temperature. Never of keys, hosts or speed */
    uint64_t fingerprint;
    size_t batch; /* turns it likes to be asked at once (>= 1); more is allowed */
    /* level[i]: 1 … 5, or 0 where it gave no usable answer ("no label", never a default). An error means that it cannot
     * go on. */
    wr_status (*levels)(annotator *a, const annotated_turn *turns, size_t n, int8_t *level);
    /* Of replies that look like refusals: REFUSAL_NONE (it answered), _FALSE, _JUSTIFIED; no usable answer counts as
     * REFUSAL_NONE. May be NULL. */
    wr_status (*refusals)(annotator *a, const annotated_turn *turns, size_t n, refusal_kind *kind);
    /* Topic similarity of n pairs of turns, -1 … 1; NaN where it has none. May be NULL. */
    wr_status (*cosines)(annotator *a, const turn_text *x, const turn_text *y, size_t n, double *cosine);
    /* Members of an open JSON object: requests, retries, tokens, no usable answer, … since the start. May be NULL. */
    void (*counts)(const annotator *a, json_writer *w);
    void (*free)(annotator *a);
};
static inline void annotator_free(annotator *a) {
    if (a) a->free(a);
}

#endif
