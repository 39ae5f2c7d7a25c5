/* model_forward: the decoder on packed segments. */
#include "model/layer.h"

#include "model/weights/params.h"

wr_status workspace_layer_forward(const model *m, const token_batch *b, workspace *w, size_t l, const layer_buffers *x,
                                  float *lse) {
    wr_status status = WR_OK;
    TRY(layer_qkv(m, &w->linear, l, w->T, w->plan.position, &w->rope, x));
    workspace_items(m, b, w, x, lse);
    const attention_args a = workspace_attention(m, b, w, l);
    kernels()->act[m->precision].attention(&a);
    TRY(layer_rest(m, &w->linear, l, w->T, x));
cleanup:
    return status;
}

wr_status model_forward(const model *m, const token_batch *b, model_workspace *w, bool keep, const float **hidden) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    float *lse = NULL;
    TRY(workspace_prepare(m, b, w, keep));
    TRY(embed_tokens(m, w->T, b->ids, workspace_layer(m, w, 0, &lse).x));
    for (size_t l = 0; l < c->L; l++) {
        const layer_buffers x = workspace_layer(m, w, l, &lse);
        TRY(workspace_layer_forward(m, b, w, l, &x, lse));
    }
    kernels()->act[PRECISION_F32].rmsnorm(w->T, c->C, (float)c->norm_eps, w->last_x.data,
                                          norm_factors(m, index_final_norm(m), workspace_layer(m, w, 0, &lse).factors),
                                          w->hidden.data, w->final_rstd.data);
    *hidden = w->hidden.data;
cleanup:
    if (status < 0) w->kept = false;
    return status;
}
