/* Keys and values of a segment are two blocks (L, G, capacity, D): a layer's and a key head's rows lie together, one
 * row a token, so that attention over a reply reads them in order. Both blocks come zeroed from the system and are
 * touched as tokens are written: a reply that may have 4,096 tokens and ends after 50 has used the memory of 50. */
#include "sampler/kv_cache.h"

#include "base/mem.h"

#include <stdlib.h>

size_t kv_segment_bytes(const model *m, size_t capacity) {
    return 2 * kv_segment_size(&m->config, m->precision, capacity);
}

wr_status kv_segment_alloc(const model *m, size_t capacity, const kv_segment *prefix, kv_segment *out) {
    const size_t bytes = kv_segment_size(&m->config, m->precision, capacity);
    *out = (kv_segment){.capacity = capacity, .prefix = prefix};
    if (capacity == 0) return WR_OK;
    out->k = mem_calloc(bytes, 1); /* (L, G, capacity, D) */
    out->v = mem_calloc(bytes, 1);
    if (out->k && out->v) return WR_OK;
    kv_segment_release(out);
    return wr_fail(WR_E_NOMEM, "no memory for a KV cache of %zu tokens (%.1f MiB)", capacity,
                   2.0 * (double)bytes / 1048576.0);
}

void kv_segment_release(kv_segment *s) {
    free(s->k);
    free(s->v);
    *s = (kv_segment){0};
}
