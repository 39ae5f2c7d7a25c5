#include "cli/memory_check.h"

#include "base/strbuf.h"
#include "base/memory_room.h"

#include <math.h>
#include <string.h>

static double gib(uint64_t bytes) { return (double)bytes / (double)(1 << 30); }

/* One decimal, never rounded to what would make the sentence wrong. */
static double gib_up(uint64_t bytes) { return ceil(gib(bytes) * 10) / 10; }
static double gib_down(uint64_t bytes) { return floor(gib(bytes) * 10) / 10; }

wr_status memory_decide(const memory_question *q) {
    wr_status status = WR_OK;
    strbuf text = {0};
    const char *option = q->precision_option ? q->precision_option : "--precision";
    if (!q->available || q->need <= q->available) return WR_OK;
    const bool half = q->p == PRECISION_F32 && q->need_bf16 && q->need_bf16 < q->need,
               lora = q->need_lora && q->need_lora < q->need, half_fits = half && q->need_bf16 <= q->available,
               lora_fits = lora && q->need_lora <= q->available;
    strbuf_printf(&text, "%s: ", q->what);
    if (q->ranks > 1) strbuf_printf(&text, "the %d ranks of this host need ", q->ranks);
    strbuf_printf(&text, "%.1f GiB of memory%s beside the files in %s, and %.1f GiB are available", gib_up(q->need),
                  q->ranks > 1 ? "" : " are needed", precision_name(q->p), gib_down(q->available));
    if (half && (half_fits || !lora_fits))
        strbuf_printf(&text, "; %s%s bf16 needs %.1f GiB", half_fits ? "" : "even ", option, gib_up(q->need_bf16));
    if (lora && (lora_fits || !half_fits))
        strbuf_printf(&text, "; %s--lora-rank N needs %.1f GiB", lora_fits ? "" : "even ", gib_up(q->need_lora));
    if (!half_fits && !lora_fits)
        strbuf_printf(&text, "; give it %sa host with more memory", q->ranks > 1 ? "fewer ranks a host, or " : "");
    status = strbuf_status(&text);
    if (status >= 0) status = wr_fail(WR_E_NOMEM, "%s", strbuf_str(&text));
    strbuf_free(&text);
    return status;
}

typedef struct need {
    uint64_t rank, host;
} need;

/* Of all parts in p; training only adapters where lora. */
static need need_of(const memory_plan *plan, int ranks, precision p, bool lora) {
    need all = {0};
    for (size_t i = 0; i < plan->n; i++) {
        const memory_part *part = &plan->parts[i];
        model_load_options load = part->load;
        model_memory m;
        load.precision = p;
        if (!part->dir || model_memory_of(part->dir, &load, &m) < 0) continue;
        if (part->use & MEMORY_LOADED) all.rank += m.loaded;
        if (part->use & MEMORY_LOADED_HOST) all.host += m.loaded;
        if (part->use & MEMORY_PACKED) all.rank += m.packed;
        if (part->use & MEMORY_IMAGE_HOST && !lora) all.host += m.image;
        train_memory state = {0};
        if (part->use & MEMORY_TRAINED && !lora) train_memory_state(m.parameters, plan->update, ranks, &state);
        all.rank += train_memory_sum(&state);
    }
    return all;
}

enum { AS_TOLD, IN_BF16, WITH_LORA, WAYS };

/* Rank 0's figures on every rank: it is the one that is sure to have the folders. */
static void find_needs(world *w, const memory_plan *plan, need out[WAYS]) {
    double figures[2 * WAYS] = {0};
    const int ranks = w ? world_size(w) : 1;
    if (!w || world_rank(w) == 0) {
        out[AS_TOLD] = need_of(plan, ranks, plan->p, false);
        if (plan->p == PRECISION_F32) out[IN_BF16] = need_of(plan, ranks, PRECISION_BF16, false);
        if (plan->may_lora) out[WITH_LORA] = need_of(plan, ranks, plan->p, true);
    }
    if (!w) return;
    for (int i = 0; i < WAYS; i++) figures[2 * i] = (double)out[i].rank, figures[2 * i + 1] = (double)out[i].host;
    world_sum(w, figures, 2 * WAYS);
    for (int i = 0; i < WAYS; i++) out[i] = (need){(uint64_t)figures[2 * i], (uint64_t)figures[2 * i + 1]};
}

wr_status memory_check(world *w, const memory_plan *plan) {
    wr_status status = WR_OK;
    need needs[WAYS] = {{0}};
    strbuf what = {0};
    const int ranks = w ? world_local_size(w) : 1;
    const uint64_t n = (uint64_t)ranks;
    find_needs(w, plan, needs);
    for (size_t i = 0; i < plan->n; i++)
        if (plan->parts[i].dir) strbuf_printf(&what, "%s%s", what.len ? " and " : "", plan->parts[i].dir);
    status = strbuf_status(&what);
    if (status >= 0 && (!w || world_local_rank(w) == 0)) {
        const memory_room room = memory_room_find("");
        status = memory_decide(&(memory_question){.what = strbuf_str(&what),
                                                  .precision_option = plan->precision_option,
                                                  .ranks = ranks,
                                                  .p = plan->p,
                                                  .need = n * needs[AS_TOLD].rank + needs[AS_TOLD].host,
                                                  .available = room.with_swap,
                                                  .need_bf16 = n * needs[IN_BF16].rank + needs[IN_BF16].host,
                                                  .need_lora = n * needs[WITH_LORA].rank + needs[WITH_LORA].host});
    }
    strbuf_free(&what);
    return w ? world_agree(w, status) : status;
}
