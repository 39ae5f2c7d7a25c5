#include "sampler/stops.h"

bool stop_tokens_have(const stop_tokens *s, int32_t id) {
    for (size_t i = 0; s && i < s->n; i++)
        if (s->ids[i] == id) return true;
    return false;
}

void stop_tokens_add(stop_tokens *s, int32_t id) {
    if (id >= 0 && s->n < MOST_STOPS && !stop_tokens_have(s, id)) s->ids[s->n++] = id;
}

stop_tokens stop_tokens_of(const model_config *c) {
    stop_tokens s = {.n = 0};
    for (size_t i = 0; i < c->n_eos; i++) stop_tokens_add(&s, c->eos_ids[i]);
    if (c->n_eos == 0) stop_tokens_add(&s, c->eos_id);
    return s;
}
