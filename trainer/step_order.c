/* Step s takes positions (s-1)·batch … s·batch-1 of an endless list: each epoch's order of the records that may be
 * trained on, one after another. An epoch that a step reaches is made when it does: nothing of the order is state, so
 * that a resumed run needs the number of its step alone. */
#include "trainer/step_order.h"

#include "base/mem.h"

#include <stdlib.h>

static bool fits(const step_order *o, uint32_t record) {
    uint32_t length = o->index->lengths[record];
    return length >= o->min_length && length <= o->max_length && !(o->aside && o->aside[record]);
}

void step_order_leave_out(step_order *o, const uint8_t *aside) {
    o->aside = aside;
    o->usable = 0;
    for (size_t i = 0; i < o->index->n_records; i++) o->usable += fits(o, (uint32_t)i);
}

wr_status step_order_create(const dataset_index *d, uint64_t seed, size_t min_length, size_t max_length,
                            step_order *out) {
    *out = (step_order){.index = d, .seed = seed, .min_length = min_length, .max_length = max_length};
    step_order_leave_out(out, NULL);
    out->order = mem_calloc(d->n_records ? d->n_records : 1, sizeof *out->order);
    return out->order ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for the order of %zu records", d->n_records);
}

void step_order_free(step_order *o) {
    free(o->order);
    *o = (step_order){0};
}

static wr_status fill(step_order *o, uint64_t epoch) {
    o->filled = false;
    wr_status status = o->continues ? dataset_order_runs(o->index, o->continues, o->seed, epoch, o->order)
                                    : dataset_order(o->index, o->seed, epoch, o->order);
    if (status < 0) return status;
    size_t kept = 0;
    for (size_t i = 0; i < o->index->n_records; i++)
        if (fits(o, o->order[i])) o->order[kept++] = o->order[i];
    o->epoch = epoch;
    o->filled = true;
    return WR_OK;
}

wr_status step_order_take(step_order *o, uint64_t first, size_t n, uint32_t *records) {
    if (!o->usable)
        return wr_fail(WR_E_FORMAT, "no record has between %zu and %zu tokens", o->min_length, o->max_length);
    for (size_t i = 0; i < n; i++) {
        uint64_t epoch = (first + i) / o->usable;
        if (!o->filled || o->epoch != epoch) {
            wr_status status = fill(o, epoch);
            if (status < 0) return status;
        }
        records[i] = o->order[(first + i) % o->usable];
    }
    return WR_OK;
}
