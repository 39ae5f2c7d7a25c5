#include "cli/evaluate_model.h"

#include "model/host/frozen.h"

wr_status evaluate_open_model(const model_options *o, world *w, model_head head, precision p, shared_block **block,
                              model **m) {
    wr_status status = WR_OK;
    const model_head wanted = head == HEAD_SCORE ? HEAD_NONE : HEAD_LM;
    if (o->adapter) {
        if (world_rank(w) == 0) status = load_model(o, wanted, false, PRECISION_F32, m);
        TRY(world_agree(w, status));
        TRY(model_share(w, p, m));
    } else {
        frozen_model frozen;
        TRY(frozen_load(w, o->dir, wanted, p, o->arithmetic.check_weights, &frozen));
        *m = frozen.m;
        *block = frozen.block;
    }
cleanup:
    return status;
}

wr_status evaluate_agree_head(const model_options *o, world *w, model_head *head) {
    wr_status status = WR_OK;
    double value = 0;
    if (world_rank(w) == 0) {
        model_config config;
        size_t rows = 0;
        status = model_config_load(o->dir, &config);
        if (status >= 0 && o->adapter) status = lora_score_rows(o->adapter, &rows);
        value = status >= 0 && (rows || config.head == HEAD_SCORE);
    }
    TRY(world_agree(w, status));
    world_sum(w, &value, 1);
    *head = value > 0 ? HEAD_SCORE : HEAD_LM;
cleanup:
    return status;
}
