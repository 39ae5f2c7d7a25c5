/* Figures of a reward model: what is divided by terms of the loss, what by records, and means by label beyond 32
 * classes; told with an objective of the test's own, whose records have unequal terms. */
#include "base/file.h"
#include "base/mem.h"
#include "data/shard/shard.h"
#include "evaluate/evaluate.h"
#include "tests/support/temp_folder.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static world *w;
enum { CLASSES = 40, RECORDS = 100 };

static size_t one_output(int classes) {
    (void)classes;
    return 1;
}

/* The score head is all zero: outputs say nothing, labels all. */
static double loss_of_label(const objective_use *u, size_t n, const float *z, const int *labels, float scale,
                            float *dz) {
    double sum = 0;
    (void)u, (void)scale;
    for (size_t i = 0; i < n; i++) {
        sum += 3.0 * labels[i] + z[i];
        if (dz) dz[i] = 0;
    }
    return sum;
}

static size_t terms_of_label(const objective_use *u, int label) {
    (void)u;
    return (size_t)label;
}

static double score_two(const objective_use *u, const float *z) {
    (void)u;
    return 2 + (double)z[0];
}

static int class_three(const objective_use *u, const float *z) {
    (void)z;
    assert_int_equal(u->classes, CLASSES);
    return 3;
}

static objective unequal = {.name = "unequal",
                            .outputs = one_output,
                            .loss = loss_of_label,
                            .terms = terms_of_label,
                            .scores_classes = true,
                            .score = score_two,
                            .class = class_three};

static int label_of(int i) { return 1 + i % 37; } /* three labels have no record */

static void write_shard(void) {
    const shard_meta meta = {.kind = SHARD_REWARD, .classes = CLASSES, .tokenizer_hash = "t", .template_hash = "p"};
    shard_writer *s;
    assert_int_equal(shard_writer_create(in_folder("reward-test-00000.wrs"), &meta, &s), WR_OK);
    for (int i = 0; i < RECORDS; i++) {
        const int32_t ids[3] = {1, 2, i % 20};
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        const instance x = {.id = id,
                            .user = "u",
                            .language = "English",
                            .model = "m",
                            .how = "given",
                            .turn = -1,
                            .label = label_of(i),
                            .query = "q",
                            .query_length = 1,
                            .response = "r",
                            .response_length = 1,
                            .ids = ids,
                            .n_ids = 3};
        assert_int_equal(shard_writer_add_instance(s, &x), WR_OK);
    }
    assert_int_equal(shard_writer_commit(&s), WR_OK);
}

static model *make_model(size_t outputs) {
    model_config c;
    model *m;
    assert_int_equal(model_config_from_spec("layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=32", &c),
                     WR_OK);
    c.V = 20;
    c.bos_id = c.eos_id = c.pad_id = -1;
    model_config_set_head(&c, HEAD_SCORE, outputs);
    assert_int_equal(model_create(&c, &m), WR_OK);
    assert_int_equal(model_alloc_params(m), WR_OK);
    return m;
}

static wr_status evaluate(const objective *kind, size_t outputs, reward_figures *f) {
    record_source *source;
    model_workspace *work;
    model *m = make_model(outputs);
    assert_int_equal(record_source_open(w, test_folder(), "reward-test-", &source), WR_OK);
    assert_int_equal(model_workspace_create(m, &work), WR_OK);
    const evaluate_options o = {.max_length = 32, .max_tokens = 64, .objective = {.kind = kind}};
    const wr_status status = evaluate_reward(w, m, work, source, &o, f);
    model_workspace_free(work);
    record_source_close(source);
    model_free(m);
    return status;
}

static void test_counts(void **state) {
    (void)state;
    reward_figures f;
    double terms = 0, right = 0, error = 0;
    size_t count[CLASSES] = {0};
    for (int i = 0; i < RECORDS; i++) {
        terms += label_of(i);
        right += label_of(i) == 3;
        error += fabs(2.0 - label_of(i));
        count[label_of(i) - 1]++;
    }
    assert_int_equal(evaluate(&unequal, 1, &f), WR_OK);
    assert_int_equal(f.records, RECORDS);
    assert_true(fabs(f.loss - 3) < 1e-12); /* a mean over terms, not records */
    assert_true(fabs(f.accuracy - right / RECORDS) < 1e-12);
    assert_true(fabs(f.mae - error / RECORDS) < 1e-12);
    assert_int_equal(f.classes, CLASSES);
    for (int k = 0; k < CLASSES; k++) {
        assert_int_equal(f.count[k], count[k]);
        assert_true(count[k] ? fabs(f.mean_score[k] - 2) < 1e-12 : isnan(f.mean_score[k]));
    }
    reward_figures_free(&f);
    reward_figures_free(&f);
}

/* What an objective does not give is no number, rather than a wrong one. */
static void test_neither(void **state) {
    (void)state;
    reward_figures f;
    objective rank_only = unequal;
    rank_only.class = NULL;
    rank_only.scores_classes = false;
    assert_int_equal(evaluate(&rank_only, 1, &f), WR_OK);
    assert_true(isnan(f.accuracy) && isnan(f.kappa) && isnan(f.mae));
    assert_true(isfinite(f.loss) && f.count[0] > 0);
    reward_figures_free(&f);
}

static void test_outputs(void **state) {
    (void)state;
    reward_figures f;
    assert_int_equal(evaluate(&unequal, 2, &f), WR_E_MISMATCH);
    assert_error_says("has 2 outputs");
    assert_error_says("objective unequal");
    reward_figures_free(&f);
    assert_int_equal(evaluate(&ordinal_objective, CLASSES - 1, &f), WR_OK);
    reward_figures_free(&f);
}

static int set_up(void **state) {
    const int failed = folder_set_up(state);
    if (!failed) write_shard();
    return failed;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_neither),
                                       cmocka_unit_test(test_outputs)};
    if (world_create(&argc, &argv, &w) < 0) return 1;
    const int failed = cmocka_run_group_tests(tests, set_up, folder_tear_down);
    world_free(w);
    return failed;
}
