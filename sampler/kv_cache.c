#include "sampler/kv_cache.h"

#include "base/mem.h"

#include <stdlib.h>

size_t kv_segment_bytes(const model_config *c, size_t capacity)
{
    return 2 * kv_segment_floats(c, capacity) * sizeof(float);
}

wr_status kv_segment_alloc(const model_config *c, size_t capacity, const kv_segment *prefix, kv_segment *out)
{
    size_t floats = kv_segment_floats(c, capacity);
    *out = (kv_segment){.capacity = capacity, .prefix = prefix};
    if (capacity == 0) return WR_OK;
    out->k = mem_calloc(floats, sizeof *out->k); /* (L, G, capacity, D) */
    out->v = mem_calloc(floats, sizeof *out->v);
    if (out->k && out->v) return WR_OK;
    kv_segment_release(out);
    return wr_fail(WR_E_NOMEM, "no memory for a KV cache of %zu tokens (%.1f MiB)", capacity, 2.0 * (double)floats * sizeof(float) / 1048576.0);
}

void kv_segment_release(kv_segment *s)
{
    free(s->k);
    free(s->v);
    *s = (kv_segment){0};
}
