/* model_decode against model_forward: the same bits, whatever the split into calls, the company and the prefix. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/decode.h"
#include "tests/support/asserts.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED 3u
#define T_ALL 150

static model *make_with(size_t C, size_t H, size_t G, norm_place place, qk_norm norms) {
    model_config c = {.norm_place = place,
                      .qk_norm = norms,
                      .C = C,
                      .H = H,
                      .G = G,
                      .D = C / H,
                      .F = 72,
                      .V = 60,
                      .L = 3,
                      .max_positions = 512,
                      .rope_theta = 10000,
                      .norm_eps = 1e-5,
                      .tied = true,
                      .head = HEAD_LM,
                      .init_std = 0.2,
                      .bos_id = -1,
                      .eos_id = -1,
                      .pad_id = -1};
    return tiny_model(c, SEED);
}

static model *make(size_t C, size_t H, size_t G) { return make_with(C, H, G, NORM_BEFORE, QK_NORM_NONE); }

/* The first and the last layer see `window` positions, the second all. */
static model *make_windowed(size_t C, size_t H, size_t G, size_t window) {
    model *m = make(C, H, G);
    m->config.window = window;
    m->config.layers[0].windowed = m->config.layers[2].windowed = true;
    return m;
}

/* Layers without rotary embedding, and a part of each head turned. */
static model *make_turned(size_t C, size_t H, size_t G) {
    model *m = make(C, H, G);
    m->config.layers[1].rope = LAYER_ROPE_NONE;
    m->config.rope_share = 0.75;
    return m;
}

/* What Gemma's layers add: norms on both sides that count from 1, scaled embeddings, gelu, caps, two rotary tables. */
static model *make_gemma(void) {
    model *m = make_with(64, 4, 2, NORM_BOTH, QK_NORM_HEAD);
    model_config *c = &m->config;
    c->norm_from_one = c->scaled_embedding = true;
    c->gate = GATE_GELU, c->query_scale = 5, c->attention_cap = 3, c->rope_local_theta = 50, c->window = 20;
    c->layers[0] = c->layers[2] = (layer_kind){.windowed = true, .rope = 1};
    return m;
}

static kv_segment segment_make(const model *m, size_t capacity, const kv_segment *prefix) {
    const size_t n = kv_segment_size(&m->config, m->precision, capacity);
    return (kv_segment){.capacity = capacity, .k = mem_calloc(n, 1), .v = mem_calloc(n, 1), .prefix = prefix};
}

static void segment_free(kv_segment *s) { free(s->k), free(s->v); }

static void random_ids(uint64_t which, int32_t *ids) {
    rng r = rng_make(SEED, RNG_TEST, which, 0, 0);
    for (size_t t = 0; t < T_ALL; t++) ids[t] = (int32_t)rng_below(&r, 60);
}

/* hidden states (T_ALL, C) of one sequence, fresh memory */
static float *forward_all(const model *m, const int32_t *ids) {
    const size_t offsets[2] = {0, T_ALL};
    token_batch b = {.B = 1, .offsets = offsets, .ids = ids};
    model_workspace *w = NULL;
    const float *hidden = NULL;
    float *copy = mem_calloc(T_ALL * m->config.C, sizeof *copy);
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    assert_int_equal(model_forward(m, &b, w, false, &hidden), WR_OK);
    memcpy(copy, hidden, T_ALL * m->config.C * sizeof *copy);
    model_workspace_free(w);
    return copy;
}

static void check_row(const model *m, const float *all, size_t t, const float *row) {
    if (memcmp(all + t * m->config.C, row, m->config.C * sizeof *row) != 0)
        fail_msg("hidden state of token %zu differs", t);
}

static void check_split(model *m) {
    const size_t C = m->config.C;
    decode_scratch *s = NULL;
    int32_t ids[T_ALL];
    float *row = mem_calloc(C, sizeof *row);
    random_ids(1, ids);
    float *all = forward_all(m, ids);
    assert_int_equal(decode_scratch_create(m, &s), WR_OK);
    kv_segment seg = segment_make(m, T_ALL, NULL);
    const size_t steps[] = {7, 1, 1, 60, 1, 33, 1, 1, 45};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        decode_item item = {.segment = &seg, .ids = ids + seg.length, .n = steps[i]};
        assert_int_equal(model_decode(m, s, 1, &item, row), WR_OK);
        check_row(m, all, seg.length - 1, row);
    }
    assert_int_equal(seg.length, T_ALL);
    decode_item full = {.segment = &seg, .ids = ids, .n = 1};
    assert_true(model_decode(m, s, 1, &full, row) < 0); /* no room */
    segment_free(&seg);
    decode_scratch_free(s);
    free(all), free(row);
    model_free(m);
}

static void test_split(void **state) {
    (void)state;
    check_split(make(48, 3, 1));
    check_split(make(64, 4, 2));
    check_split(make(64, 2, 2));
    check_split(make_with(48, 3, 1, NORM_AFTER, QK_NORM_HEAD));
    check_split(make_with(64, 4, 2, NORM_AFTER, QK_NORM_ALL));
    check_split(make_turned(64, 4, 2));
    check_split(make_windowed(64, 4, 2, 20));
    check_split(make_windowed(48, 3, 1, 1));
    check_split(make_windowed(64, 4, 2, 64));
    check_split(make_gemma());
}

static model *make_longrope(size_t original) {
    model *m = make(64, 4, 2);
    model_config *c = &m->config;
    c->rope = ROPE_LONGROPE;
    c->rope_original_positions = (double)original;
    for (size_t i = 0; i < 8; i++) c->rope_short[i] = 1 + 0.2 * (double)i, c->rope_long[i] = 2 + (double)i;
    return m;
}

/* A sequence that is longer than the original length is one from its first token on, whatever company it has; caches of
 * another length, and trees whose branches lie on both sides, are refused. */
static void test_longrope(void **state) {
    (void)state;
    enum { SHORT = 90 };
    model *m = make_longrope(100), *near = make_longrope(T_ALL), *far = make_longrope(2);
    const size_t C = 64;
    int32_t ids[T_ALL];
    float row[64];
    random_ids(1, ids);
    /* the scale of cos and sin follows from the original length: the three must have one */
    m->config.rope_attention_factor = near->config.rope_attention_factor = far->config.rope_attention_factor = 1.1;
    float *whole = forward_all(m, ids), *other = forward_all(near, ids), *always = forward_all(far, ids);
    assert_memory_equal(whole, always, T_ALL * C * sizeof *whole);
    assert_memory_not_equal(whole, other, T_ALL * C * sizeof *whole);
    int32_t both[T_ALL + SHORT];
    memcpy(both, ids, sizeof ids), memcpy(both + T_ALL, ids, SHORT * sizeof *ids);
    const size_t offsets[] = {0, T_ALL, T_ALL + SHORT}, cut[] = {0, SHORT, SHORT + 5, T_ALL};
    const int32_t tree[] = {-1, 0, 0};
    token_batch b = {.B = 2, .offsets = offsets, .ids = both};
    model_workspace *w = NULL;
    const float *hidden = NULL;
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    assert_int_equal(model_forward(m, &b, w, false, &hidden), WR_OK);
    assert_memory_equal(hidden, whole, T_ALL * C * sizeof *whole);
    assert_memory_equal(hidden + T_ALL * C, other, SHORT * C * sizeof *whole);
    b = (token_batch){.B = 3, .offsets = cut, .ids = ids, .parent = tree};
    assert_int_equal(model_forward(m, &b, w, false, &hidden), WR_E_USAGE);
    assert_error_says("original_max_position_embeddings");
    model_workspace_free(w);

    decode_scratch *s = NULL;
    assert_int_equal(decode_scratch_create(m, &s), WR_OK);
    for (int kind = 0; kind < 2; kind++) {
        kv_segment seg = segment_make(m, T_ALL, NULL);
        seg.far = kind;
        const float *want = kind ? whole : other;
        for (const size_t end = kind ? T_ALL : 100; seg.length < end;) {
            decode_item item = {.segment = &seg, .ids = ids + seg.length, .n = seg.length ? 1 : 40};
            assert_int_equal(model_decode(m, s, 1, &item, row), WR_OK);
            check_row(m, want, seg.length - 1, row);
        }
        decode_item more = {.segment = &seg, .ids = ids, .n = 1};
        assert_int_equal(model_decode(m, s, 1, &more, row), WR_E_USAGE);
        segment_free(&seg);
    }
    decode_scratch_free(s);
    free(whole), free(other), free(always);
    model_free(m), model_free(near), model_free(far);
}

/* With one layer, the tokens before a window change nothing; with the window's first one they change. */
static void test_window_reach(void **state) {
    (void)state;
    model *m = make_windowed(64, 4, 2, 40);
    m->config.layers[1].windowed = true;
    int32_t a[T_ALL], b[T_ALL];
    random_ids(1, a);
    memcpy(b, a, sizeof a);
    const size_t reach = 3 * 39; /* each of three layers sees 39 tokens back */
    b[T_ALL - 1 - reach - 1] = (a[T_ALL - 1 - reach - 1] + 1) % 60;
    float *ha = forward_all(m, a), *hb = forward_all(m, b);
    assert_memory_equal(ha + (T_ALL - 1) * 64, hb + (T_ALL - 1) * 64, 64 * sizeof *ha);
    assert_memory_not_equal(ha + (T_ALL - 2) * 64, hb + (T_ALL - 2) * 64, 64 * sizeof *ha);
    free(ha), free(hb), model_free(m);
}

/* Three sequences: two continue one prefix, one is alone, with ragged numbers of new tokens. */
static void check_prefix_and_company(model *m) {
    const size_t C = 64, shared = 67; /* not a multiple of the key tile: a tile straddles prefix and continuation */
    decode_scratch *s = NULL;
    int32_t a[T_ALL], b[T_ALL], c[T_ALL];
    random_ids(1, a), random_ids(2, b), random_ids(3, c);
    memcpy(b, a, shared * sizeof *a);
    float *ha = forward_all(m, a), *hb = forward_all(m, b), *hc = forward_all(m, c);
    float rows[3 * 64];
    assert_int_equal(decode_scratch_create(m, &s), WR_OK);
    kv_segment prefix = segment_make(m, shared, NULL);
    decode_item first = {.segment = &prefix, .ids = a, .n = shared};
    assert_int_equal(model_decode(m, s, 1, &first, rows), WR_OK);
    check_row(m, ha, shared - 1, rows);
    kv_segment sa = segment_make(m, 100, &prefix), sb = segment_make(m, 90, &prefix), sc = segment_make(m, T_ALL, NULL);
    for (size_t step = 0; step < 20; step++) {
        decode_item items[3] = {{.segment = &sa, .ids = a + shared + sa.length, .n = 1 + step % 3},
                                {.segment = &sc, .ids = c + sc.length, .n = 1 + step % 5},
                                {.segment = &sb, .ids = b + shared + sb.length, .n = 1 + step % 2}};
        assert_int_equal(model_decode(m, s, 3, items, rows), WR_OK);
        check_row(m, ha, shared + sa.length - 1, rows);
        check_row(m, hc, sc.length - 1, rows + C);
        check_row(m, hb, shared + sb.length - 1, rows + 2 * C);
    }
    int32_t bad = 60;
    decode_item wrong = {.segment = &sc, .ids = &bad, .n = 1};
    assert_int_equal(model_decode(m, s, 1, &wrong, rows), WR_E_MISMATCH);
    segment_free(&prefix), segment_free(&sa), segment_free(&sb), segment_free(&sc);
    decode_scratch_free(s);
    free(ha), free(hb), free(hc);
    model_free(m);
}

static void test_prefix_and_company(void **state) {
    (void)state;
    check_prefix_and_company(make(64, 4, 2));
    check_prefix_and_company(make_windowed(64, 4, 2, 30));
    check_prefix_and_company(make_windowed(64, 4, 2, 75));
}

/* A sequence's hidden states do not depend on the others of its batch, nor on keep. */
static void test_packing(void **state) {
    (void)state;
    model *m = make(64, 4, 2);
    int32_t ids[2 * T_ALL];
    random_ids(1, ids), random_ids(2, ids + T_ALL);
    float *first = forward_all(m, ids), *second = forward_all(m, ids + T_ALL);
    const size_t offsets[3] = {0, T_ALL, 2 * T_ALL}, broken[3] = {0, 0, T_ALL};
    token_batch b = {.B = 2, .offsets = offsets, .ids = ids};
    model_workspace *w = NULL;
    const float *hidden = NULL;
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    for (int keep = 0; keep < 2; keep++) {
        assert_int_equal(model_forward(m, &b, w, keep, &hidden), WR_OK);
        assert_memory_equal(hidden, first, T_ALL * 64 * sizeof *hidden);
        assert_memory_equal(hidden + T_ALL * 64, second, T_ALL * 64 * sizeof *hidden);
    }
    b.offsets = broken;
    assert_true(model_forward(m, &b, w, false, &hidden) < 0);
    b.offsets = offsets;
    ids[3] = -1;
    assert_int_equal(model_forward(m, &b, w, false, &hidden), WR_E_MISMATCH);
    model_workspace_free(w);
    free(first), free(second);
    model_free(m);
}

/* Segments that continue others, in model_forward: in f32 the bits of the whole sequences, in bf16 within 2 % of the
 * largest value (other products' shapes). */
static void check_tree(precision p, model *m) {
    enum { PROMPT = 67, SECOND = 20 };
    int32_t a[T_ALL], b[T_ALL], ids[2 * T_ALL];
    random_ids(1, a), random_ids(2, b);
    memcpy(b, a, (PROMPT + SECOND) * sizeof *a);
    if (p == PRECISION_BF16) assert_int_equal(model_set_precision(m, p), WR_OK);
    float *ha = forward_all(m, a), *hb = forward_all(m, b);
    /* prompt; its continuation; two that continue that; one more that continues the prompt alone */
    const size_t rest = T_ALL - PROMPT - SECOND,
                 offsets[] = {0, PROMPT, PROMPT + SECOND, T_ALL, T_ALL + rest, T_ALL + rest + 9};
    const int32_t parent[] = {-1, 0, 1, 1, 0};
    memcpy(ids, a, T_ALL * sizeof *ids);
    memcpy(ids + T_ALL, b + PROMPT + SECOND, rest * sizeof *ids);
    memcpy(ids + T_ALL + rest, a + PROMPT, 9 * sizeof *ids);
    token_batch batch = {.B = 5, .offsets = offsets, .ids = ids, .parent = parent};
    model_workspace *w = NULL;
    const float *hidden = NULL;
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    for (int keep = 0; keep < 2; keep++) {
        assert_int_equal(model_forward(m, &batch, w, keep, &hidden), WR_OK);
        const struct {
            const float *got, *want;
            size_t n;
        } parts[] = {{hidden, ha, T_ALL},
                     {hidden + T_ALL * 64, hb + (PROMPT + SECOND) * 64, rest},
                     {hidden + (T_ALL + rest) * 64, ha + PROMPT * 64, 9}};
        for (size_t i = 0; i < 3; i++)
            for (size_t k = 0; k < parts[i].n * 64; k++) {
                const float got = parts[i].got[k], want = parts[i].want[k];
                if (p == PRECISION_F32 ? memcmp(&got, &want, sizeof got) != 0 : !(fabsf(got - want) <= 0.05f))
                    fail_msg("part %zu, element %zu: %.9g, alone %.9g", i, k, (double)got, (double)want);
            }
    }
    const int32_t late[] = {-1, 0, 3, 1, 0};
    batch.parent = late;
    assert_int_equal(model_forward(m, &batch, w, false, &hidden), WR_E_USAGE);
    model_workspace_free(w);
    free(ha), free(hb);
    model_free(m);
}
static void test_tree(void **state) {
    (void)state;
    check_tree(PRECISION_F32, make(64, 4, 2));
    check_tree(PRECISION_F32, make_windowed(64, 4, 2, 25));
}
static void test_tree_bf16(void **state) {
    precision p;
    (void)state;
    if (precision_choose("bf16", &p, NULL) < 0) skip();
    check_tree(PRECISION_BF16, make(64, 4, 2));
    check_tree(PRECISION_BF16, make_windowed(64, 4, 2, 25));
}

/* Packed weights and a bf16 cache against model_forward in bf16: hidden states, whose values are near 1, within
 * 0.05. */
static void test_bf16_cache(void **state) {
    precision p;
    (void)state;
    if (precision_choose("bf16", &p, NULL) < 0) skip();
    model *m = make(64, 4, 2);
    decode_scratch *s = NULL;
    int32_t ids[T_ALL];
    float row[64];
    assert_int_equal(model_set_precision(m, PRECISION_BF16), WR_OK);
    random_ids(1, ids);
    float *all = forward_all(m, ids);
    assert_int_equal(decode_scratch_create(m, &s), WR_OK);
    for (int packed = 0; packed < 2; packed++) {
        if (packed) assert_int_equal(decode_pack(m, s), WR_OK);
        kv_segment seg = segment_make(m, T_ALL, NULL);
        while (seg.length < T_ALL) {
            const size_t left = T_ALL - seg.length, n = seg.length == 0 ? 70 : 3 < left ? 3 : left;
            decode_item item = {.segment = &seg, .ids = ids + seg.length, .n = n};
            assert_int_equal(model_decode(m, s, 1, &item, row), WR_OK);
            for (size_t k = 0; k < 64; k++)
                if (!(fabsf(all[(seg.length - 1) * 64 + k] - row[k]) <= 0.05f))
                    fail_msg("token %zu: %.9g, model_forward says %.9g", seg.length - 1, (double)row[k],
                             (double)all[(seg.length - 1) * 64 + k]);
        }
        segment_free(&seg);
    }
    decode_scratch_free(s);
    free(all);
    model_free(m);
}

int main(void) {
    print_message("# seed %u\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_split),      cmocka_unit_test(test_prefix_and_company),
                                       cmocka_unit_test(test_packing),    cmocka_unit_test(test_longrope),
                                       cmocka_unit_test(test_tree),       cmocka_unit_test(test_tree_bf16),
                                       cmocka_unit_test(test_bf16_cache), cmocka_unit_test(test_window_reach)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
