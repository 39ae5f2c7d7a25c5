#include "tests/support/tiny_lora.h"

#include "base/mem.h"
#include "base/rng.h"

#include <string.h>

static const int32_t ids[LORA_T] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
static const size_t offsets[3] = {0, 7, LORA_T};
const token_batch lora_batch = {2, offsets, ids, NULL};

model *lora_model(model_head head) {
    model_config c = tiny_config("layers=2,hidden=32,heads=4,kv-heads=2,ffn=48,max-positions=32,type=qwen2", 24);
    c.bos_id = c.eos_id = c.pad_id = -1;
    c.init_std = 0.2;
    model_config_set_head(&c, head, 3);
    return tiny_model(c, 1);
}

void attach(model *m, size_t rank, const char *targets) {
    assert_ok(lora_attach(m, &(lora_options){.rank = rank, .alpha = 12.5, .targets = targets, .seed = 7}));
}

void randomize(model *m) {
    rng r = rng_make(5, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < m->lora->n; i++) m->lora->values[i] = 0.15f * (float)rng_normal(&r);
    model_round_weights(m);
}

float *hidden_of(const model *m) {
    model_workspace *w;
    const float *hidden;
    float *out = mem_calloc(LORA_T * m->config.C, sizeof *out);
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    assert_int_equal(model_forward(m, &lora_batch, w, false, &hidden), WR_OK);
    memcpy(out, hidden, LORA_T * m->config.C * sizeof *out);
    model_workspace_free(w);
    return out;
}

const tensor_info *adapter_tensor(const model *m, const char *name) {
    for (size_t i = 0; i < m->lora->n_tensors; i++)
        if (strcmp(m->lora->tensors[i].name, name) == 0) return &m->lora->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}
