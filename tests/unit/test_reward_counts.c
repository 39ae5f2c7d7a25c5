/* What is divided by what in training and evaluating a reward model: losses by their terms, accuracy by records, means
 * by label beyond 32 classes; with an objective of the test's own, whose records have unequal terms. */
#include "base/mem.h"
#include "evaluate/evaluate.h"
#include "reward/template.h"
#include "tests/support/asserts.h"
#include "tests/support/near.h"
#include "tests/support/shards.h"
#include "tests/support/mpi_leaks.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tiny_tokenizer.h"
#include "trainer/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static world *w;
enum { CLASSES = 40, RECORDS = 100, BATCH = 60 };

/* What the training's loss was asked for. */
static struct {
    double loss, terms, right;
    size_t records;
    float scale;
} seen;

static size_t one_output(int classes) {
    (void)classes;
    return 1;
}

static double loss_of_label(const objective_use *u, size_t n, const float *z, const int *labels, float scale,
                            float *dz) {
    double sum = 0;
    assert_int_equal(u->classes, CLASSES);
    assert_int_equal(u->outputs, 1);
    for (size_t i = 0; i < n; i++) sum += 3.0 * labels[i] + (double)z[i];
    for (size_t i = 0; i < n && dz; i++) {
        dz[i] = 0;
        seen.terms += labels[i];
        seen.right += labels[i] == 3;
    }
    if (!dz) return sum;
    seen.loss += sum;
    seen.records += n;
    seen.scale = scale;
    return sum;
}

static size_t terms_of_label(const objective_use *u, int label) {
    assert_int_equal(u->classes, CLASSES);
    return (size_t)label;
}

static double score_two(size_t N, const float *z) {
    (void)N;
    return 2 + (double)z[0];
}
static const score_rule two = {.name = "two", .least = 1, .most = 1, .score = score_two};

static int class_three(const objective_use *u, const float *z) {
    (void)z;
    assert_int_equal(u->classes, CLASSES);
    return 3;
}

static const option_spec no_options[] = {{0}};
static const objective unequal = {.name = "unequal",
                                  .options = no_options,
                                  .outputs = one_output,
                                  .loss = loss_of_label,
                                  .terms = terms_of_label,
                                  .scores_classes = true,
                                  .rule = &two,
                                  .class = class_three};

static int label_of(int i) { return 1 + i % 37; } /* three labels have no record */

/* A folder of shards with what belongs to them. */
static int set_up(void **state) {
    const char *texts[] = {"good bread is baked slowly", "water and flour", "rain in the morning"};
    if (folder_set_up(state) != 0) return 1;
    tokenizer *t = tiny_tokenizer(test_folder(), 280, texts, 3);
    reward_template *template;
    assert_ok(reward_template_load(NULL, &template));
    put_text("template.txt", reward_template_text(template));
    shard_meta meta = {.kind = SHARD_REWARD, .classes = CLASSES};
    snprintf(meta.tokenizer_hash, sizeof meta.tokenizer_hash, "%s", tokenizer_hash(t));
    snprintf(meta.template_hash, sizeof meta.template_hash, "%s", reward_template_hash(template));
    instance x[RECORDS];
    int32_t ids[RECORDS][3];
    char names[RECORDS][16];
    for (int i = 0; i < RECORDS; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        for (int k = 0; k < 3; k++) ids[i][k] = k < 2 ? k + 1 : i % 20;
        x[i] = reward_record(names[i], "u", "q", "r", label_of(i));
        x[i].ids = ids[i];
        x[i].n_ids = 3;
    }
    put_reward_shard(in_folder("reward-train-00000.wrs"), &meta, x, RECORDS);
    put_reward_shard(in_folder("reward-test-00000.wrs"), &meta, x, RECORDS);
    reward_template_free(template);
    tokenizer_free(t);
    return 0;
}

/* The score head says nothing: outputs are 0. */
static wr_status evaluate(const objective *kind, size_t outputs, reward_figures *f) {
    record_source *source;
    model_workspace *work;
    model_config c = tiny_config("layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=32", 20);
    model_config_set_head(&c, HEAD_SCORE, outputs);
    model *m = tiny_model(c, 1);
    const tensor_info *head = &m->tensors[m->n_tensors - 1];
    memset(m->params + head->offset, 0, head->count * sizeof *m->params);
    assert_ok(record_source_open(w, test_folder(), "reward-test-", &source));
    assert_ok(model_workspace_create(m, &work));
    const evaluate_options o = {.max_length = 32, .max_tokens = 64, .objective = {.kind = kind}};
    const wr_status status = evaluate_reward(w, m, work, source, &o, f);
    model_workspace_free(work);
    record_source_close(source);
    model_free(m);
    return status;
}

static void test_evaluation(void **state) {
    (void)state;
    reward_figures f;
    double right = 0, error = 0;
    size_t count[CLASSES] = {0};
    for (int i = 0; i < RECORDS; i++) {
        right += label_of(i) == 3;
        error += fabs(2.0 - label_of(i));
        count[label_of(i) - 1]++;
    }
    assert_ok(evaluate(&unequal, 1, &f));
    assert_int_equal(f.records, RECORDS);
    assert_near(f.loss, 3, 1e-12); /* a mean over terms, not records */
    assert_near(f.accuracy, right / RECORDS, 1e-12);
    assert_near(f.mae, error / RECORDS, 1e-12);
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
    assert_ok(evaluate(&rank_only, 1, &f));
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
    assert_ok(evaluate(&ordinal_objective, CLASSES - 1, &f));
    reward_figures_free(&f);
}

static double metric(const char *text, const char *key) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(text, quoted);
    return at ? strtod(at + strlen(quoted), NULL) : NAN;
}

static wr_status same_options(const void *context, const char *path, const char *hash) {
    (void)context, (void)path, (void)hash;
    return WR_OK;
}

/* One step, its first line of metrics in *line. */
static void train(const objective *kind, const char *run, char **line) {
    const run_terms terms = {.config_yaml = "a: 1\n", .arithmetic = "f32", .hash = "hash", .same = same_options};
    char data[1024], out[1024], metrics[64];
    snprintf(data, sizeof data, "%s", test_folder());
    snprintf(out, sizeof out, "%s", in_folder(run));
    memset(&seen, 0, sizeof seen);
    const train_options o = {.data = data,
                             .spec = "layers=1,hidden=16,heads=2,kv-heads=1,ffn=24",
                             .terms = &terms,
                             .objective = {.kind = kind},
                             .run = {.out = out, .steps = 1, .keep = 1},
                             .global_batch = BATCH,
                             .update = {.adam = {1e-3, 0.9, 0.999, 1e-8, 0}},
                             .max_length = 32,
                             .micro_tokens = 40,
                             .eval_records = RECORDS};
    assert_ok(train_reward(w, &o));
    snprintf(metrics, sizeof metrics, "%s/metrics.jsonl", run);
    *line = get_file(metrics, NULL);
}

static void test_training(void **state) {
    (void)state;
    char *line;
    train(&unequal, "whole", &line);
    assert_int_equal(seen.records, BATCH);
    assert_true(seen.terms > 2 * BATCH);
    assert_near(metric(line, "loss"), seen.loss / seen.terms, 1e-6);
    assert_near(metric(line, "accuracy"), seen.right / BATCH, 1e-8);
    assert_true(seen.scale == (float)(1 / seen.terms));
    assert_near(metric(line, "eval_loss"), 3, 0.2);
    assert_near(metric(line, "eval_accuracy"), 3.0 / RECORDS, 1e-8);
    free(line);
    objective rank_only = unequal;
    rank_only.class = NULL;
    train(&rank_only, "rank", &line);
    assert_true(isnan(metric(line, "accuracy")) && isnan(metric(line, "eval_accuracy")));
    assert_true(isfinite(metric(line, "loss")) && isfinite(metric(line, "eval_loss")));
    free(line);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_evaluation), cmocka_unit_test(test_neither),
                                       cmocka_unit_test(test_outputs), cmocka_unit_test(test_training)};
    if (world_create(&argc, &argv, &w) < 0) return 1;
    const int failed = cmocka_run_group_tests(tests, set_up, folder_tear_down);
    world_free(w);
    return failed;
}
