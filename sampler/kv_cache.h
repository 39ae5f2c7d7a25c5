/* Memory of KV segments (model/decode.h). LOCAL. */
#ifndef WR_SAMPLER_KV_CACHE_H
#define WR_SAMPLER_KV_CACHE_H

#include "model/decode.h"

/* Room for `capacity` tokens behind `prefix` (may be NULL, is only referred to). Pages are touched as tokens come, not
 * here: a reply that ends early costs only what it used. */
wr_status kv_segment_alloc(const model *m, size_t capacity, const kv_segment *prefix, kv_segment *out);
void kv_segment_release(kv_segment *s);
size_t kv_segment_bytes(const model *m, size_t capacity);

#endif
