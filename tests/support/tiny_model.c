#include "tests/support/tiny_model.h"

#include "base/rng.h"
#include "model/weights/weight_mapping.h"

#include <stdio.h>

model_config tiny_config(const char *spec, size_t V) {
    model_config c;
    assert_ok(model_config_from_spec(spec, &c));
    c.V = V;
    return c;
}

static model *allocated(const model_config *c) {
    model *m = NULL;
    assert_ok(model_create(c, &m));
    assert_ok(model_alloc_params(m));
    return m;
}

model *tiny_model(model_config c, uint64_t seed) {
    model *m = allocated(&c);
    model_init_params(m, seed);
    return m;
}

model *tiny_random_model(model_config c) {
    model *m = allocated(&c);
    rng g = rng_make(1, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < m->n_params; i++) m->params[i] = (float)rng_normal(&g);
    return m;
}

model *tiny_family_model(const char *type, model_head head, bool tied) {
    char spec[128];
    snprintf(spec, sizeof spec, "layers=2,hidden=16,heads=4,kv-heads=2,head-dim=6,ffn=20,type=%s,tied=%d", type, tied);
    model_config c = tiny_config(spec, 23);
    c.bos_id = 1, c.eos_id = c.eos_ids[0] = 2, c.n_eos = 1;
    model_config_set_head(&c, head, 3);
    return tiny_random_model(c);
}

model *checkpoint_model(uint64_t seed) {
    model_config c = tiny_config("layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=32", 20);
    c.bos_id = c.eos_id = c.pad_id = -1;
    return tiny_model(c, seed);
}

float weight_at(const model *m, size_t i, size_t k) {
    return weight_precision(m, i) == PRECISION_BF16 ? bf16_to_f32(((const bf16 *)m->weights[i])[k])
                                                    : ((const float *)m->weights[i])[k];
}

void assert_weights_of(const model *want, const model *got, precision stored) {
    assert_int_equal(got->n_tensors, want->n_tensors);
    for (size_t i = 0; i < got->n_tensors; i++)
        for (size_t k = 0; k < got->tensors[i].count; k++) {
            float x = want->params[want->tensors[i].offset + k];
            if (stored == PRECISION_BF16 || weight_precision(got, i) == PRECISION_BF16)
                x = bf16_to_f32(bf16_from_f32(x));
            if (weight_at(got, i, k) != x)
                fail_msg("%s: %s[%zu] is %g, not %g", want->config.model_type, got->tensors[i].name, k,
                         (double)weight_at(got, i, k), (double)x);
        }
}
