/* Gradients: central differences through the model in double against the f32 backward pass (gradient_problem.h):
 * language modelling, the ordinal loss and the sigmoid DPO loss; biases, norms, scaled RoPE, trees of segments; with
 * and without recomputation. */
#include "tests/support/gradient_problem.h"

static void test_lm_tied(void **state) {
    (void)state;
    check_shape((shape){.C = 16, .L = 2, .H = 4, .G = 2, .F = 24, .tied = true, LENGTHS(5, 9, 2)}, check_elements);
}

static void test_lm_untied(void **state) {
    (void)state;
    check_shape((shape){.C = 12, .L = 1, .H = 2, .G = 1, .F = 20, LENGTHS(7, 4)}, check_elements);
}

static void test_ordinal(void **state) {
    (void)state;
    check_shape(
        (shape){.C = 16, .L = 2, .H = 4, .G = 2, .F = 24, .tied = true, .kind = LOSS_ORDINAL, LENGTHS(5, 1, 8, 3)},
        check_elements);
}

static void test_dpo(void **state) {
    (void)state;
    check_shape((shape){.C = 16, .L = 2, .H = 4, .G = 2, .F = 24, .tied = true, .kind = LOSS_DPO, LENGTHS(9, 7)},
                check_elements);
}

static void test_qkv_bias(void **state) {
    (void)state;
    check_shape((shape){.C = 12, .L = 2, .H = 3, .G = 1, .F = 18, .bias = true, LENGTHS(6, 1, 9)}, check_elements);
}

static void test_qk_norm(void **state) {
    (void)state;
    check_shape((shape){.C = 10, .L = 2, .H = 4, .G = 2, .D = 6, .F = 18, .norms = QK_NORM_HEAD, LENGTHS(6, 1, 9)},
                check_elements);
    check_shape(
        (shape){.C = 8, .L = 1, .H = 2, .G = 2, .D = 4, .F = 10, .norms = QK_NORM_HEAD, .bias = true, LENGTHS(7, 3)},
        check_elements);
}

/* x + norm(f(x)), and norms over all heads together: several blocks of rows, trees, adapters. */
static void test_norms_after(void **state) {
    (void)state;
    const shape s = {.C = 10, .L = 2, .H = 4, .G = 2, .D = 6, .F = 18, .place = NORM_AFTER, LENGTHS(6, 1, 9)};
    shape all = s, biased = s, lora = s;
    all.norms = biased.norms = lora.norms = QK_NORM_ALL;
    biased.bias = true, biased.place = NORM_BEFORE;
    lora.lora = "all-linear", lora.kind = LOSS_ORDINAL;
    check_shape(s, check_elements);
    check_shape(all, check_elements);
    check_shape(biased, check_elements);
    check_shape(lora, check_elements);
    check_shape((shape){.C = 16,
                        .L = 2,
                        .H = 4,
                        .G = 1,
                        .F = 24,
                        .norms = QK_NORM_ALL,
                        .place = NORM_AFTER,
                        .kind = LOSS_DPO,
                        LENGTHS(6, 4, 5),
                        PARENTS(-1, 0, 0)},
                check_elements);
}

/* q, k, v in one matrix, gate and up in another, a part of each head turned: with adapters, in trees. */
static void test_fused(void **state) {
    (void)state;
    const shape s = {.C = 12, .L = 2, .H = 3, .G = 1, .D = 8, .F = 18, .fused = true, .share = 0.75, LENGTHS(6, 1, 9)};
    shape odd = s, lora = s, some = s;
    odd.share = 0.45; /* of 8: 3.6, so that 3 make the frequencies and 4 are turned */
    lora.lora = "all-linear", lora.kind = LOSS_ORDINAL;
    some.lora = "qkv_proj,down_proj";
    check_shape(s, check_elements);
    check_shape(odd, check_elements);
    check_shape(lora, check_elements);
    check_shape(some, check_elements);
    check_shape((shape){.C = 16,
                        .L = 2,
                        .H = 4,
                        .G = 2,
                        .F = 24,
                        .fused = true,
                        .share = 0.5,
                        .tied = true,
                        .kind = LOSS_DPO,
                        LENGTHS(6, 4, 5),
                        PARENTS(-1, 0, 0)},
                check_elements);
}

/* Layers without rotary embedding, alone and with norms and biases. */
static void test_unturned(void **state) {
    (void)state;
    const shape s = {.C = 12, .L = 2, .H = 3, .G = 1, .F = 18, .unturned = true, LENGTHS(6, 1, 9)};
    shape norms = s, window = s;
    norms.norms = QK_NORM_HEAD, norms.bias = true;
    window.window = 3, window.tied = true, window.kind = LOSS_ORDINAL;
    check_shape(s, check_elements);
    check_shape(norms, check_elements);
    check_shape(window, check_elements);
}

/* Rows on both sides of the original length (8), packed together; trees of one side. */
static void test_longrope(void **state) {
    (void)state;
    const shape s = {.C = 16,
                     .L = 2,
                     .H = 2,
                     .G = 1,
                     .F = 18,
                     .fused = true,
                     .share = 0.75,
                     .rope = ROPE_LONGROPE,
                     LENGTHS(6, 8, 9, 1, 12)};
    check_shape(s, check_elements);
    check_shape((shape){.C = 16,
                        .L = 1,
                        .H = 2,
                        .G = 2,
                        .F = 24,
                        .rope = ROPE_LONGROPE,
                        .kind = LOSS_DPO,
                        LENGTHS(6, 4, 3, 5, 2, 3),
                        PARENTS(-1, 0, 0, -1, 3, 3)},
                check_elements);
}

static void test_rope_scaling(void **state) {
    (void)state;
    const shape s = {.C = 12, .L = 1, .H = 2, .G = 1, .D = 16, .F = 16, .tied = true, LENGTHS(40, 3)};
    shape linear = s, llama3 = s;
    linear.rope = ROPE_LINEAR, llama3.rope = ROPE_LLAMA3;
    check_shape(linear, check_elements);
    check_shape(llama3, check_elements);
}

/* A prompt, two replies to it, and another sequence with a reply of one token. */
static void test_tree(void **state) {
    (void)state;
    check_shape((shape){.C = 12,
                        .L = 2,
                        .H = 4,
                        .G = 2,
                        .D = 4,
                        .F = 20,
                        .norms = QK_NORM_HEAD,
                        .bias = true,
                        LENGTHS(6, 4, 5, 3, 1),
                        PARENTS(-1, 0, 0, -1, 3)},
                check_elements);
    check_shape(
        (shape){.C = 16, .L = 2, .H = 4, .G = 1, .F = 24, .kind = LOSS_DPO, LENGTHS(6, 4, 5), PARENTS(-1, 0, 0)},
        check_elements);
    check_shape(
        (shape){.C = 16, .L = 1, .H = 2, .G = 2, .F = 24, .kind = LOSS_ORDINAL, LENGTHS(6, 4, 5), PARENTS(-1, 0, 0)},
        check_elements);
}

/* Layers with and without a window: shorter than a segment, reaching from replies into their prompt, several key
 * tiles. */
static void test_windows(void **state) {
    (void)state;
    check_shape((shape){.C = 16, .L = 3, .H = 4, .G = 2, .F = 24, .tied = true, .window = 3, LENGTHS(9, 2, 5)},
                check_elements);
    check_shape(
        (shape){
            .C = 12, .L = 2, .H = 2, .G = 1, .F = 20, .window = 4, LENGTHS(6, 4, 5, 3, 1), PARENTS(-1, 0, 0, -1, 3)},
        check_elements);
    check_shape((shape){.C = 12, .L = 1, .H = 2, .G = 2, .F = 20, .window = 2, .kind = LOSS_DPO, LENGTHS(6, 4)},
                check_elements);
    check_shape((shape){.C = 24,
                        .L = 1,
                        .H = 3,
                        .G = 1,
                        .D = 32,
                        .F = 40,
                        .window = 50,
                        LENGTHS(133, 70, 1, 66),
                        PARENTS(-1, 0, 0, 1)},
                check_directions);
}

/* What Gemma's layers add, each alone and together: norms on both sides that count from 1, scaled embeddings, gelu,
 * caps, another scale, a rotary table of the layers with a window. */
static void test_gemma(void **state) {
    (void)state;
    const shape s = {.C = 10, .L = 3, .H = 4, .G = 2, .D = 6, .F = 18, .tied = true, LENGTHS(6, 1, 9)};
    shape both = s, one = s, caps = s, gelu = s, rope = s, gemma2, gemma3, lora;
    both.place = NORM_BOTH;
    one.from_one = one.scaled = true, one.norms = QK_NORM_HEAD;
    caps.attention_cap = 0.7, caps.final_cap = 1.5, caps.query_scale = 2;
    gelu.gate = GATE_GELU;
    rope.window = 4, rope.local_theta = 50;
    gemma2 = caps, gemma2.place = NORM_BOTH, gemma2.from_one = gemma2.scaled = true, gemma2.gate = GATE_GELU,
    gemma2.window = 3;
    gemma3 = rope, gemma3.place = NORM_BOTH, gemma3.from_one = gemma3.scaled = true, gemma3.gate = GATE_GELU,
    gemma3.norms = QK_NORM_HEAD, gemma3.kind = LOSS_ORDINAL;
    lora = gemma2, lora.lora = "all-linear", lora.kind = LOSS_DPO;
    const shape all[] = {both, one, caps, gelu, rope, gemma2, gemma3, lora};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_shape(all[i], check_elements);
    check_shape((shape){.C = 24,
                        .L = 2,
                        .H = 3,
                        .G = 1,
                        .D = 32,
                        .F = 40,
                        .place = NORM_BOTH,
                        .from_one = true,
                        .window = 50,
                        .attention_cap = 2,
                        LENGTHS(133, 70, 1, 66),
                        PARENTS(-1, 0, 0, 1)},
                check_directions);
}

/* Three levels; children not beside their parents. */
static void test_deep_tree(void **state) {
    (void)state;
    check_shape(
        (shape){.C = 12, .L = 2, .H = 2, .G = 1, .F = 20, LENGTHS(5, 2, 3, 4, 1, 2, 3), PARENTS(-1, -1, 0, 0, 2, 1, 2)},
        check_elements);
}

/* Scores read inside a tree: at its root, at inner nodes and at leaves, as turns of a conversation are; layers with a
 * window that reaches over several segments; adapters. */
static void test_turns(void **state) {
    (void)state;
    const shape s = {.C = 16,
                     .L = 2,
                     .H = 4,
                     .G = 2,
                     .F = 20,
                     .kind = LOSS_ORDINAL,
                     LENGTHS(5, 2, 3, 4, 1, 2, 3, 2),
                     PARENTS(-1, 0, 0, 2, 2, 4, -1, 6)};
    shape window = s, lora = s, norms = s;
    window.window = 4, window.tied = true;
    lora.lora = "all-linear", lora.window = 6;
    norms.norms = QK_NORM_HEAD, norms.bias = true, norms.window = 3;
    check_shape(s, check_elements);
    check_shape(window, check_elements);
    check_shape(lora, check_elements);
    check_shape(norms, check_elements);
}

/* Several key tiles, several lane blocks, head_dim 32, 3 heads to a key/value head. */
static void test_long_sequences(void **state) {
    (void)state;
    const shape s = {.C = 96, .L = 1, .H = 3, .G = 1, .F = 72, .tied = true, LENGTHS(133, 40)};
    check_shape(s, check_directions);
    check_shape(
        (shape){.C = 24, .L = 1, .H = 3, .G = 1, .D = 32, .F = 40, LENGTHS(133, 70, 1, 66), PARENTS(-1, 0, 0, 1)},
        check_directions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lm_tied),     cmocka_unit_test(test_lm_untied),      cmocka_unit_test(test_ordinal),
        cmocka_unit_test(test_dpo),         cmocka_unit_test(test_qkv_bias),       cmocka_unit_test(test_qk_norm),
        cmocka_unit_test(test_norms_after), cmocka_unit_test(test_rope_scaling),   cmocka_unit_test(test_fused),
        cmocka_unit_test(test_longrope),    cmocka_unit_test(test_unturned),       cmocka_unit_test(test_tree),
        cmocka_unit_test(test_deep_tree),   cmocka_unit_test(test_long_sequences), cmocka_unit_test(test_windows),
        cmocka_unit_test(test_gemma),       cmocka_unit_test(test_turns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
