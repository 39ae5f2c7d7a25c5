/* The objectives against coral-pytorch and torch's autograd (tests/oracle/objectives.py; WILDREWARD_OBJECTIVES: another
 * file of cases): loss, gradient, class, probabilities and score of logits, and of heads with parameters beside
 * score.weight their logits and gradient. */
#include "base/file.h"
#include "base/json.h"
#include "reward/objective.h"
#include "tests/support/near.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 6, MOST = ROWS * OBJECTIVE_CLASSES_MAX };

typedef struct golden {
    const json_value *o;
    objective_use u;
    int labels[ROWS];
} golden;

static size_t numbers(const json_value *o, const char *key, double *out) {
    const json_value *list = json_get(o, key);
    size_t n = 0;
    for (const json_value *e = list ? list->first : NULL; e; e = e->next) {
        assert_true(n < MOST);
        assert_true(json_to_double(e, &out[n++]));
    }
    return n;
}

static void near_all(const golden *g, const char *key, size_t n, const double *got, double tolerance) {
    double want[MOST];
    assert_int_equal(numbers(g->o, key, want), n);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * fmax(1, fabs(want[i]))))
            fail_msg("%s, %d classes, %s[%zu]: %.9g, wanted %.9g", g->u.kind->name, g->u.classes, key, i, got[i],
                     want[i]);
}

static void check_logits(const golden *g) {
    const objective_use *u = &g->u;
    double z64[MOST], loss = 0, grad[MOST], score[ROWS], spread[ROWS], passes[MOST], terms = 0;
    float z[MOST], dz[MOST];
    const size_t n = numbers(g->o, "logits", z64), K1 = (size_t)u->classes - 1;
    assert_int_equal(n, ROWS * u->outputs);
    for (size_t i = 0; i < n; i++) z[i] = (float)z64[i];
    for (int i = 0; i < ROWS; i++) terms += (double)u->kind->terms(u, g->labels[i]);
    loss = u->kind->loss(u, ROWS, z, g->labels, (float)(1 / terms), dz) / terms;
    near_all(g, "loss", 1, &loss, 1e-9);
    for (size_t i = 0; i < n; i++) grad[i] = (double)dz[i];
    near_all(g, "grad", n, grad, 1e-7);
    for (size_t i = 0; i < ROWS; i++) {
        const float *row = z + i * u->outputs;
        score[i] = u->kind->rule->score(u->outputs, row);
        const json_value *class = json_at(json_get(g->o, "class"), i), *rises = json_at(json_get(g->o, "violates"), i);
        assert_int_equal(u->kind->class(u, row), atoi(class->text));
        if (u->kind->passes) u->kind->passes(u, row, passes + i * K1);
        assert_int_equal(objective_violates(u, row), rises && rises->boolean);
        if (u->kind->spread) spread[i] = u->kind->spread(u, row);
    }
    near_all(g, "score", ROWS, score, 1e-9);
    if (u->kind->passes) near_all(g, "passes", ROWS * K1, passes, 1e-9);
    if (u->kind->spread) near_all(g, "spread", ROWS, spread, 1e-7);
    assert_true(!u->kind->passes == !json_get(g->o, "passes") && !u->kind->spread == !json_get(g->o, "spread"));
}

static void check_pairs(golden *g) {
    double z64[MOST], margins64[MOST], grad[MOST], loss;
    float z[ROWS], dz[ROWS], margins[ROWS / 2];
    assert_int_equal(numbers(g->o, "logits", z64), ROWS);
    assert_int_equal(numbers(g->o, "margins", margins64), ROWS / 2);
    for (int i = 0; i < ROWS; i++) z[i] = (float)z64[i];
    for (int i = 0; i < ROWS / 2; i++) margins[i] = (float)margins64[i];
    g->u.margins = margins;
    loss = g->u.kind->loss(&g->u, ROWS, z, g->labels, 2.0f / ROWS, dz) * 2 / ROWS;
    near_all(g, "loss", 1, &loss, 1e-9);
    for (int i = 0; i < ROWS; i++) grad[i] = (double)dz[i];
    near_all(g, "grad", ROWS, grad, 1e-7);
}

/* A head of hidden states s e_0 and row e_0: what it adds to s is the parameters' alone. */
static void check_head(golden *g) {
    double s[ROWS], own[MOST], got[MOST] = {0}, down[HEAD_OWN_MAX];
    float hidden[ROWS * 16] = {0}, dhidden[ROWS * 16] = {0}, z[MOST], dz[MOST];
    size_t rows[ROWS];
    const golden head = {json_get(g->o, "head"), g->u, {0}};
    assert_true(!head.o == !g->u.kind->own);
    if (!head.o) return;
    const head_own start = g->u.kind->own(g->u.classes);
    for (unsigned k = 0; k < start.n; k++) got[k] = (double)start.values[k];
    near_all(&head, "start", start.n, got, 1e-7);
    model_config c = tiny_config("layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=32", 20);
    model_config_set_head(&c, HEAD_SCORE, 1);
    c.own = start;
    assert_int_equal(numbers(head.o, "own", own), start.n);
    for (unsigned k = 0; k < start.n; k++) c.own.values[k] = (float)own[k];
    model *m = tiny_model(c, 1);
    const tensor_info *beside = &m->tensors[m->n_tensors - 1], *score = beside - 1;
    float *grads = calloc(m->n_params, sizeof *grads);
    memset(m->params + score->offset, 0, score->count * sizeof(float));
    m->params[score->offset] = 1;
    numbers(head.o, "s", s);
    for (size_t i = 0; i < ROWS; i++) hidden[i * 16] = (float)s[i], rows[i] = i;
    assert_ok(score_logits(m, hidden, ROWS, rows, z));
    for (size_t i = 0; i < ROWS * g->u.outputs; i++) got[i] = (double)z[i];
    near_all(&head, "logits", ROWS * g->u.outputs, got, 1e-6);
    g->u.kind->loss(&g->u, ROWS, z, g->labels, 1.0f / ROWS, dz);
    assert_ok(score_backward(m, hidden, ROWS, rows, dz, dhidden, grads));
    for (size_t i = 0; i < ROWS; i++) got[i] = (double)dhidden[i * 16];
    near_all(&head, "ds", ROWS, got, 1e-6);
    for (size_t k = 0; k < start.n; k++) down[k] = (double)grads[beside->offset + k];
    near_all(&head, "down", start.n, down, 1e-6);
    free(grads);
    model_free(m);
}

static void test_cases(void **state) {
    (void)state;
    const char *path = getenv("WILDREWARD_OBJECTIVES");
    char *text;
    size_t n, count = 0;
    assert_ok(file_read(path ? path : "tests/golden/objectives/cases.jsonl", 1 << 24, &text, &n));
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, count++) {
        arena *a = arena_create();
        golden g = {0};
        int64_t classes;
        const char *name;
        size_t length;
        double labels[MOST];
        assert_ok(json_parse(a, line, (size_t)(end - line), &g.o));
        assert_true(json_get_int(g.o, "classes", &classes) && json_get_string(g.o, "objective", &name, &length));
        g.u = objective_with_defaults(objective_find(name), (int)classes);
        assert_true(json_get_double(g.o, "smoothing", &g.u.smoothing));
        if (g.u.kind == &regression_objective) assert_true(json_get_double(g.o, "delta", &g.u.settings[0]));
        assert_int_equal(numbers(g.o, "labels", labels), ROWS);
        for (int i = 0; i < ROWS; i++) g.labels[i] = (int)labels[i];
        if (g.u.kind->pairs) {
            assert_true(json_get_double(g.o, "center", &g.u.settings[0]));
            check_pairs(&g);
        } else {
            check_logits(&g);
            check_head(&g);
        }
        arena_free(a);
    }
    assert_true(count >= 6);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
