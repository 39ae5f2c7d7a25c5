#include "model/host/model_share.h"

#include "base/strbuf.h"

#include "mpi/reduce.h"

#include <string.h>

/* *m of rank 0 to all, others without weights. */
static wr_status share_table(world *w, model **m) {
    typedef struct shared_model {
        model_config config;
        char parent_hash[33];
    } shared_model; /* plain bytes of one program */
    wr_status status = WR_OK;
    strbuf bytes = {0};
    bool root = world_rank(w) == 0;
    if (root) {
        shared_model s;
        memset(&s, 0, sizeof s);
        s.config = (*m)->config;
        memcpy(s.parent_hash, (*m)->parent_hash, sizeof s.parent_hash);
        strbuf_append(&bytes, &s, sizeof s);
    }
    TRY(world_agree(w, strbuf_status(&bytes)));
    TRY(world_bcast(w, 0, &bytes));
    if (!root) {
        const shared_model *s = (const void *)bytes.data;
        status = model_create(&s->config, m);
        if (status >= 0) memcpy((*m)->parent_hash, s->parent_hash, sizeof s->parent_hash);
    }
    TRY(world_agree(w, status));
cleanup:
    strbuf_free(&bytes);
    return status;
}

wr_status model_share(world *w, precision p, model **m) {
    wr_status status = WR_OK;
    TRY(share_table(w, m));
    TRY(world_agree(w, world_rank(w) == 0 ? WR_OK : model_alloc_params(*m)));
    TRY(reduce_bcast(w, 0, (*m)->params, (*m)->n_params));
    TRY(world_agree(w, model_set_precision(*m, p)));
cleanup:
    return status;
}

wr_status model_share_shape(world *w, precision p, model **m) {
    const wr_status status = share_table(w, m);
    if (status >= 0) (*m)->precision = p;
    return status;
}
