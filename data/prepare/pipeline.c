/* prepare --format wildchat as a whole (data/prepare/pipeline.h says how), and small things the phases share. */
#include "data/prepare/pipeline.h"

#include <stdlib.h>

wr_status followups(const conversation *c, size_t **at, size_t *capacity, size_t *n) {
    wr_status status = WR_OK;
    size_t k;
    *n = 0;
    for (size_t from = 0; conversation_followup(c, from, &k); from = k + 1) {
        TRY(mem_reserve((void **)at, capacity, *n + 1, sizeof **at));
        (*at)[(*n)++] = k;
    }
cleanup:
    return status;
}

turn_text turn_texts(const conversation *c, size_t at) {
    const chat_message *q = NULL, *f = &c->messages[at];
    turn_text t = {"", 0, f->content, f->length};
    if (conversation_query(c, at, &q)) t.query = q->content, t.query_length = q->length;
    return t;
}

annotated_turn turn_view(const conversation *c, size_t at) {
    const chat_message *query = NULL;
    conversation_query(c, at, &query);
    return (annotated_turn){.id = c->id,
                            .turn = c->turns[at],
                            .history = c->messages,
                            .n_history = query ? at - 2 : at - 1,
                            .query = query,
                            .reply = &c->messages[at - 1],
                            .followup = &c->messages[at]};
}

const char *how_text(const pipeline *p, how h) {
    switch (h) {
    case HOW_ANNOTATOR:
        return p->n_annotators > 1 ? "consensus" : p->annotators[0]->name;
    case HOW_MINED:
        return "mined";
    case HOW_REFUSAL:
        return "refusal";
    default:
        return NULL;
    }
}

wr_status prepare_wildchat(pipeline *p) {
    static wr_status (*const phases[])(pipeline *) = {phase_read,  phase_dedupe, phase_count,   phase_label,
                                                      phase_split, phase_write,  phase_assemble};
    wr_status status = WR_OK;
    if (p->w && world_size(p->w) > 1) TRY(coordinator_create(p->w, &p->workers));
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        TRY(phases[i](p));
        TRY(pipeline_agree(p, world_stop_requested() ? wr_fail(WR_E_INTERRUPTED, "stopped by a signal") : WR_OK));
    }
cleanup:
    coordinator_free(p->workers);
    p->workers = NULL;
    return status;
}
