#include "trainer/train_fit.h"

#include "model/weights/lora.h"

#include <math.h>
#include <stdio.h>

enum { MOST_HOSTS = 1024, LEAST_MICRO = 64, ADAPTER_RANK = 16 };

wr_status train_host_need(const train_case *c, const train_host *h, uint64_t *need) {
    train_memory memory;
    const wr_status status = train_memory_of(c, &memory);
    memory.copy = 0; /* without room for it what is saved is written at once */
    *need = (uint64_t)h->ranks * (train_memory_sum(&memory) + h->program);
    return status;
}

/* What is tried, and the text of what was found so far. */
typedef struct search {
    const train_host *host;
    strbuf *out;
    size_t found;
} search;

static bool fits(const search *s, const train_case *c, uint64_t *need) {
    return train_host_need(c, s->host, need) >= 0 && *need <= s->host->available;
}

static void tell(search *s, const char *what, uint64_t need) {
    strbuf_printf(s->out, "%s%s (%.1f GiB)", s->found++ ? "; " : "", what, ceil((double)need / (1 << 30) * 10) / 10);
}

/* The least number of hosts like this one on which sharing the optimizer's state is enough; 0: none is. */
static int hosts_for(const search *s, const train_case *c, update_options *u, train_case *with, uint64_t *need) {
    *u = *c->update;
    *with = *c;
    u->zero = true;
    with->update = u;
    for (int hosts = 1; hosts <= MOST_HOSTS; hosts *= 2) {
        with->ranks = s->host->ranks * hosts > c->ranks ? s->host->ranks * hosts : c->ranks;
        if (u->same_bits && u->parts < (size_t)with->ranks) return 0;
        if (fits(s, with, need)) return hosts;
    }
    return 0;
}

/* Smaller micro-batches, but for a longest text, which is never cut. */
static bool shrink(const search *s, const train_case *c, train_case *with, uint64_t *need) {
    *with = *c;
    while (with->load.tokens > LEAST_MICRO && with->load.tokens > with->load.longest) {
        size_t *tokens = &with->load.tokens;
        const size_t half = *tokens / 2 > with->load.longest ? *tokens / 2 : with->load.longest;
        with->load.head_rows = with->load.head_rows * half / *tokens;
        *tokens = half;
        if (with->load.tested > half) with->load.tested = half;
        if (fits(s, with, need)) return true;
    }
    return false;
}

static void try_one_by_one(search *s, const train_case *c, model *m) {
    char text[96];
    uint64_t need;
    update_options u = *c->update;
    train_case with = *c;
    if (c->update->same_bits) {
        u.same_bits = false;
        with.update = &u;
        if (fits(s, &with, &need)) tell(s, "without --same-bits-any-ranks", need);
    }
    with = *c;
    with.recompute = true;
    if (!c->recompute && fits(s, &with, &need)) tell(s, "--recompute", need);
    if (shrink(s, c, &with, &need)) {
        snprintf(text, sizeof text, "--micro-tokens %zu", with.load.tokens);
        tell(s, text, need);
    }
    const int hosts = hosts_for(s, c, &u, &with, &need);
    if (hosts && !(c->update->zero && with.ranks == c->ranks)) {
        snprintf(text, sizeof text, "--zero 1 on %d ranks, %d a host", with.ranks, s->host->ranks);
        tell(s, text, need);
    }
    if (!m->lora && lora_attach_shape(m, &(lora_options){.rank = ADAPTER_RANK, .alpha = ADAPTER_RANK}) >= 0) {
        if (fits(s, c, &need)) tell(s, "--lora-rank 16", need);
        lora_free(m->lora);
        m->lora = NULL;
    }
}

static void try_together(search *s, const train_case *c) {
    char text[128];
    uint64_t need;
    update_options u;
    train_case least = *c, with;
    least.recompute = true;
    if (shrink(s, &least, &with, &need)) {
        snprintf(text, sizeof text, "--recompute --micro-tokens %zu", with.load.tokens);
        tell(s, text, need);
        return;
    }
    least = with; /* as small as they come */
    const int hosts = hosts_for(s, &least, &u, &with, &need);
    if (!hosts) return;
    snprintf(text, sizeof text, "--recompute --micro-tokens %zu --zero 1 on %d ranks, %d a host", with.load.tokens,
             with.ranks, s->host->ranks);
    tell(s, text, need);
}

wr_status train_fit_changes(const train_case *c, model *m, const train_host *h, strbuf *out) {
    search s = {.host = h, .out = out};
    try_one_by_one(&s, c, m);
    if (!s.found) try_together(&s, c);
    return strbuf_status(out);
}
