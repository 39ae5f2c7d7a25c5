/* The tensors of a model folder: missing, unexpected, of another shape; one file and several. */
#include "base/file.h"
#include "model/model.h"
#include "model/weights/safetensors.h"
#include "tests/support/temp_folder.h"

#include <unistd.h>

static char path[PATH_CAP];

static int set_up(void **state) {
    if (folder_set_up(state) < 0) return -1;
    return path_join(path, test_folder(), "model.safetensors");
}

/* --- model directories -------------------------------------------------------------------------------------------- */

static void put_config(void) {
    static const char config[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":4,\"num_hidden_layers\":1,"
        "\"num_attention_heads\":2,\"intermediate_size\":3,\"vocab_size\":5,\"tie_word_embeddings\":true}";
    put_text("config.json", config);
}

static size_t table(const model *m, st_tensor *t, const float *data) {
    for (size_t i = 0; i < m->n_tensors; i++)
        t[i] = (st_tensor){.name = m->tensors[i].name,
                           .dtype = ST_F32,
                           .n_dims = m->tensors[i].n_dims,
                           .dims = {m->tensors[i].dims[0], m->tensors[i].dims[1]},
                           .data = data,
                           .bytes = 4 * m->tensors[i].count};
    return m->n_tensors;
}

static wr_status load(model **m) {
    const model_load_options o = {.head = HEAD_LM, .quiet = true};
    return model_load(test_folder(), &o, m);
}

static void refuse_load(const char *word) {
    model *m = NULL;
    assert_true(load(&m) < 0);
    assert_null(m);
    assert_error_says(word);
}

static void test_model_tensors(void **state) {
    (void)state;
    static const float data[64] = {1.25f};
    st_tensor t[16];
    model_config c;
    model *m = NULL, *loaded = NULL;
    char shard[PATH_CAP];
    put_config();
    assert_int_equal(model_config_load(test_folder(), &c), WR_OK);
    assert_int_equal(model_create(&c, &m), WR_OK);
    const size_t n = table(m, t, data);
    assert_int_equal(safetensors_write(path, t, n, NULL), WR_OK);
    assert_int_equal(load(&loaded), WR_OK);
    assert_true(loaded->params[0] == 1.25f);
    model_free(loaded);

    assert_int_equal(safetensors_write(path, t, n - 1, NULL), WR_OK);
    refuse_load("\"model.norm.weight\" is missing");
    t[n] = (st_tensor){.name = "model.layers.7.x", .dtype = ST_F32, .n_dims = 1, .dims = {1}, .data = data, .bytes = 4};
    assert_int_equal(safetensors_write(path, t, n + 1, NULL), WR_OK);
    refuse_load("unexpected tensor \"model.layers.7.x\"");
    t[n].name = "model.layers.0.self_attn.rotary_emb.inv_freq";
    t[n + 1] = t[0];
    t[n + 1].name = "lm_head.weight"; /* a tied checkpoint may repeat it */
    assert_int_equal(safetensors_write(path, t, n + 2, NULL), WR_OK);
    assert_int_equal(load(&loaded), WR_OK);
    model_free(loaded);
    t[1].dims[0] = 2, t[1].n_dims = 2, t[1].dims[1] = 2;
    assert_int_equal(safetensors_write(path, t, n, NULL), WR_OK);
    refuse_load("input_layernorm.weight");
    table(m, t, data);

    /* two shards */
    unlink(path);
    refuse_load("model.safetensors");
    assert_int_equal(path_join(shard, test_folder(), "part-1.safetensors"), WR_OK);
    assert_int_equal(safetensors_write(shard, t, 3, NULL), WR_OK);
    assert_int_equal(path_join(shard, test_folder(), "part-2.safetensors"), WR_OK);
    assert_int_equal(safetensors_write(shard, t + 3, n - 3, NULL), WR_OK);
    const char good[] =
        "{\"weight_map\":{\"a\":\"part-2.safetensors\",\"b\":\"part-1.safetensors\",\"c\":\"part-2.safetensors\"}}";
    put_text("model.safetensors.index.json", good);
    assert_int_equal(load(&loaded), WR_OK);
    model_free(loaded);
    const char escape[] = "{\"weight_map\":{\"a\":\"../part-1.safetensors\"}}";
    put_text("model.safetensors.index.json", escape);
    refuse_load("file name");
    const char absent[] = "{\"weight_map\":{\"a\":\"part-3.safetensors\"}}";
    put_text("model.safetensors.index.json", absent);
    refuse_load("part-3.safetensors");
    const char empty[] = "{}";
    put_text("model.safetensors.index.json", empty);
    refuse_load("weight_map");
    assert_int_equal(safetensors_write(shard, t + 2, n - 2, NULL), WR_OK); /* the third tensor is in both */
    put_text("model.safetensors.index.json", good);
    refuse_load("twice");
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model_tensors)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
