#include "data/prepare/turns.h"

const char *turn_level_name(int level) {
    static const char *const names[] = {"none",      "1 rejection",           "2 correction",
                                        "3 neutral", "4 positive engagement", "5 explicit satisfaction"};
    return names[level];
}

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

const char *how_text(const annotator_panel *p, how h) {
    switch (h) {
    case HOW_ANNOTATOR:
        return p->n > 1 ? "consensus" : p->annotators[0]->name;
    case HOW_MINED:
        return "mined";
    case HOW_REFUSAL:
        return "refusal";
    default:
        return NULL;
    }
}
