/* Folders whose config.json and weights say different things about the head: tied matrices stored under one name or
 * two, in one file or several, and models of one kind given where another is needed. What transformers 5.24 computes of
 * the first kind was seen there (tie_weights at load). */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/params.h"
#include "model/weights/safetensors.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static model *make(model_head head, bool tied) {
    model_config c = tiny_config("layers=1,hidden=16,heads=4,kv-heads=2,head-dim=6,ffn=20", 23);
    c.tied = tied;
    c.bos_id = 1, c.eos_id = c.eos_ids[0] = 2, c.n_eos = 1;
    model_config_set_head(&c, head, 3);
    return tiny_random_model(c);
}

/* config.json of c, whatever the weights beside it are. */
static void write_config(const model_config *c) {
    strbuf text = {0};
    assert_int_equal(model_config_json(c, PRECISION_F32, NULL, &text), WR_OK);
    put_file("config.json", text.data, text.len);
    strbuf_free(&text);
}

/* The weights of an untied model under the config of a tied one. */
static void write_tied(const model *m, size_t shard_bytes) {
    model_config c = m->config;
    folder_empty();
    assert_int_equal(write_weights(m, test_folder(), PRECISION_F32, shard_bytes), WR_OK);
    c.tied = true;
    write_config(&c);
}

static model *load(model_head head, bool frozen, precision p) {
    model *m = NULL;
    if (model_load(test_folder(),
                   &(model_load_options){.quiet = true, .head = head, .frozen = frozen, .precision = p, .n_outputs = 2},
                   &m) < 0)
        fail_msg("%s", wr_error());
    return m;
}

static void refuse(model_head head, const char *word, const char *other) {
    model *m = NULL;
    assert_true(model_load(test_folder(), &(model_load_options){.quiet = true, .head = head}, &m) < 0);
    if (!strstr(wr_error(), word) || !strstr(wr_error(), other))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", wr_error(), word, other);
}

static float weight(const model *m, size_t i, size_t k) {
    return m->precision == PRECISION_BF16 ? bf16_to_f32(((const bf16 *)m->weights[i])[k])
                                          : ((const float *)m->weights[i])[k];
}

static float rounded(const model *m, float x) {
    return m->precision == PRECISION_BF16 ? bf16_to_f32(bf16_from_f32(x)) : x;
}

/* Does `got` compute with the embedding and the head that `want` has? */
static void check_ends(const model *want, const model *got, bool tied) {
    assert_int_equal(got->config.tied, tied);
    assert_int_equal(got->n_tensors, want->n_tensors - tied);
    for (size_t k = 0; k < 23 * 16; k++) {
        assert_true(weight(got, index_embedding(got), k) == rounded(got, want->params[offset_embedding(want) + k]));
        assert_true(weight(got, index_head(got), k) == rounded(got, want->params[offset_head(want) + k]));
    }
}

static void check_all_ways(const model *want, bool tied) {
    for (int way = 0; way < 6; way++) {
        model *got = load(way % 2 ? HEAD_LM : HEAD_NONE, way >= 2, way >= 4 ? PRECISION_BF16 : PRECISION_F32);
        check_ends(want, got, tied);
        model_free(got);
    }
}

static void copy_head(model *m, bool negative_zero) {
    float *embedding = m->params + offset_embedding(m), *head = m->params + offset_head(m);
    if (negative_zero) embedding[5] = 0;
    memcpy(head, embedding, (size_t)23 * 16 * sizeof *head);
    if (negative_zero) head[5] = -0.0f;
}

/* A head of its own beside a tied config is used, saved again, and the new config says so; equal ones are one matrix.
 */
static void test_other_head(void **state) {
    (void)state;
    model *m = make(HEAD_LM, false);
    for (int shards = 0; shards < 2; shards++) {
        write_tied(m, shards ? 700 : SIZE_MAX);
        check_all_ways(m, false);
    }
    model *got = load(HEAD_LM, false, PRECISION_F32);
    assert_int_equal(model_save(got, test_folder(), NULL, NULL, PRECISION_F32), WR_OK);
    model_config c;
    assert_int_equal(model_config_load(test_folder(), &c), WR_OK);
    assert_false(c.tied);
    check_all_ways(m, false);
    model_free(got);

    m->params[offset_embedding(m) + 22 * 16 + 3] = NAN; /* the same bytes are the same matrix, as far as numbers go */
    copy_head(m, false);
    write_tied(m, SIZE_MAX);
    got = load(HEAD_LM, false, PRECISION_F32);
    assert_true(got->config.tied);
    model_free(got);
    model_free(m);
}

static void test_equal_head(void **state) {
    (void)state;
    model *m = make(HEAD_LM, false);
    for (int shards = 0; shards < 2; shards++)
        for (int zero = 0; zero < 2; zero++) {
            copy_head(m, zero);
            write_tied(m, shards ? 700 : SIZE_MAX);
            check_all_ways(m, true);
        }
    m->params[offset_head(m) + 23 * 16 - 1] += 1; /* the last number differs */
    write_tied(m, 700);
    check_all_ways(m, false);
    model_free(m);
}

static void write_tensors(const model *m, bool embedding, bool head, st_dtype head_type, size_t head_rows) {
    static const char *const metadata[] = {"format", "pt", NULL};
    st_tensor t[16];
    bf16 small[23 * 16];
    size_t n = 0;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor_info *x = &m->tensors[i];
        const bool is_head = i == index_head(m);
        if ((i == index_embedding(m) && !embedding) || (is_head && !head)) continue;
        t[n] = (st_tensor){.name = x->name,
                           .dtype = ST_F32,
                           .n_dims = x->n_dims,
                           .dims = {x->dims[0], x->dims[1]},
                           .data = m->params + x->offset,
                           .bytes = x->count * 4};
        if (is_head) t[n].dims[0] = head_rows, t[n].bytes = head_rows * 16 * 4;
        if (is_head && head_type == ST_BF16) {
            for (size_t k = 0; k < head_rows * 16; k++) small[k] = bf16_from_f32(m->params[x->offset + k]);
            t[n].dtype = ST_BF16, t[n].data = small, t[n].bytes = head_rows * 16 * 2;
        }
        n++;
    }
    assert_int_equal(safetensors_write(in_folder("model.safetensors"), t, n, metadata), WR_OK);
}

/* Stored once under either name, in another type, in another shape, or not at all. */
static void test_relatives(void **state) {
    (void)state;
    model *m = make(HEAD_LM, false);
    copy_head(m, false);
    write_tied(m, SIZE_MAX);
    write_tensors(m, false, true, ST_F32, 23); /* transformers: what is there is tied to what is not */
    check_all_ways(m, true);
    write_tensors(m, true, false, ST_F32, 23);
    check_all_ways(m, true);
    write_tensors(m, false, false, ST_F32, 23);
    refuse(HEAD_LM, "model.embed_tokens.weight", "missing");
    write_tensors(m, true, true, ST_F32, 20);
    refuse(HEAD_LM, "lm_head.weight", "(20, 16)");

    write_tensors(m, true, true, ST_BF16, 23); /* rounded: other numbers, so another head */
    model *got = load(HEAD_LM, false, PRECISION_F32);
    assert_false(got->config.tied);
    for (size_t k = 0; k < 23 * 16; k++)
        assert_true(got->params[offset_head(got) + k] == bf16_to_f32(bf16_from_f32(m->params[offset_head(m) + k])));
    model_free(got);

    write_config(&m->config); /* tied false */
    write_tensors(m, true, false, ST_F32, 23);
    refuse(HEAD_LM, "lm_head.weight", "missing");
    write_tensors(m, false, true, ST_F32, 23);
    refuse(HEAD_LM, "model.embed_tokens.weight", "missing");
    model_free(m);

    m = make(HEAD_LM, false); /* a reward model needs no head of its base: config and weights stay as they are */
    write_tied(m, SIZE_MAX);
    got = load(HEAD_SCORE, false, PRECISION_F32);
    assert_int_equal(got->config.n_outputs, 2);
    model_free(got);
    model_free(m);
}

/* One kind of model where another is needed: by the architecture, or by the weights where that says nothing or
 * something else. */
static void test_kinds(void **state) {
    (void)state;
    for (int tied = 0; tied < 2; tied++) {
        model *m = make(HEAD_SCORE, tied);
        assert_int_equal(model_save(m, test_folder(), NULL, NULL, PRECISION_F32), WR_OK);
        refuse(HEAD_LM, test_folder(), "reward model");
        refuse(HEAD_LM, "--reward", "score");
        model_config c = m->config;
        model_config_set_head(&c, HEAD_LM, 0);
        write_config(&c);
        refuse(HEAD_LM, test_folder(), "score head");
        refuse(HEAD_NONE, "ForSequenceClassification", "score head");
        model_free(m);

        m = make(HEAD_LM, tied);
        assert_int_equal(model_save(m, test_folder(), NULL, NULL, PRECISION_F32), WR_OK);
        refuse(HEAD_SCORE, test_folder(), "no reward model");
        refuse(HEAD_SCORE, "train reward --model", test_folder());
        model_free(m);
    }
}

/* The embedding's row of pad_token_id is trained where a text holds that token, which transformers never does:
 * docs/models.md says why. */
static void test_pad_row(void **state) {
    (void)state;
    static const int32_t ids[5] = {3, 7, 4, 7, 5};
    static const size_t offsets[2] = {0, 5};
    const token_batch batch = {1, offsets, ids, NULL};
    model *m = make(HEAD_LM, false);
    model_workspace *w = NULL;
    const float *hidden;
    float dhidden[5 * 16], *grads = mem_calloc(m->n_params, sizeof *grads);
    m->config.pad_id = 7;
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    assert_int_equal(model_forward(m, &batch, w, true, &hidden), WR_OK);
    for (size_t i = 0; i < 5 * 16; i++) dhidden[i] = (float)(i % 7) - 3;
    assert_int_equal(model_backward(m, &batch, w, dhidden, grads), WR_OK);
    for (int32_t id = 0; id < 23; id++) {
        double norm = 0;
        for (size_t k = 0; k < 16; k++) norm += fabs((double)grads[offset_embedding(m) + (size_t)id * 16 + k]);
        assert_int_equal(norm > 0, id == 3 || id == 4 || id == 5 || id == 7);
    }
    model_workspace_free(w);
    free(grads);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_other_head), cmocka_unit_test(test_equal_head),
                                       cmocka_unit_test(test_relatives), cmocka_unit_test(test_kinds),
                                       cmocka_unit_test(test_pad_row)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
