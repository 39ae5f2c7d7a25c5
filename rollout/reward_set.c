#include "rollout/reward_function.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

typedef struct opened {
    const reward_function *f;
    void *state;
} opened;

struct reward_set {
    opened *items;
    size_t n;
    strbuf hash;
};

wr_status reward_set_open(world *w, precision p, const rollout_options *o, reward_set **out) {
    wr_status status = WR_OK;
    size_t all = 0;
    while (reward_functions[all]) all++;
    reward_set *s = mem_calloc(1, sizeof *s);
    if (s) s->items = mem_calloc(all, sizeof *s->items);
    TRY(world_agree(w, s && s->items ? WR_OK : WR_E_NOMEM));
    for (size_t i = 0; i < all; i++) {
        const reward_function *f = reward_functions[i];
        void *state = NULL;
        if (f->wanted && !f->wanted(o)) continue;
        if (f->open) TRY(f->open(w, p, o, &state));
        s->items[s->n++] = (opened){f, state};
        if (f->hash) strbuf_puts(&s->hash, f->hash(state));
    }
    TRY(world_agree(w, strbuf_status(&s->hash)));
    *out = s;
    s = NULL;
cleanup:
    reward_set_close(s);
    return status;
}

void reward_set_close(reward_set *s) {
    if (!s) return;
    for (size_t i = s->n; i-- > 0;)
        if (s->items[i].f->close) s->items[i].f->close(s->items[i].state);
    strbuf_free(&s->hash);
    free(s->items);
    free(s);
}

wr_status reward_set_judge(const reward_set *s, const prompt *p, rollout_reply *replies, size_t n) {
    wr_status status = WR_OK;
    bool said[2] = {false, false}; /* by measure */
    double *value = mem_calloc(n, sizeof *value);
    TRY_ALLOC(value);
    for (size_t j = 0; j < n; j++) replies[j].reward = replies[j].quality = NAN;
    for (size_t i = 0; i < s->n; i++) {
        const reward_function *f = s->items[i].f;
        if (f->knows && !f->knows(p)) continue;
        TRY(f->judge(s->items[i].state, p, replies, n, value));
        for (size_t j = 0; j < n; j++) {
            double *number = f->measure == MEASURE_REWARD ? &replies[j].reward : &replies[j].quality;
            *number = said[f->measure] ? *number + value[j] : value[j];
        }
        said[f->measure] = true;
    }
cleanup:
    free(value);
    return status;
}

const char *reward_set_hash(const reward_set *s) { return strbuf_str(&s->hash); }
