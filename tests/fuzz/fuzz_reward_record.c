/* Any bytes as what config.json records of a score head ("wildreward"): refused with a message, or an objective whose
 * score, class and loss can be asked for, and which is written as it was read. */
#include "model/weights/objective_record.h"
#include "reward/objective.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const model_config *c, objective_use *u) {
    enum { MOST = 64 };
    float z[2 * MOST] = {0}, dz[2 * MOST];
    double p[MOST];
    const int labels[2] = {1, 2};
    const size_t N = u->outputs;
    if (!N || N > HEAD_OWN_MAX) abort();
    u->classes = u->kind == &classes_objective ? (int)N : (int)N + 1;
    for (size_t k = 0; k < c->own.n && k < N; k++) z[k] = z[N + k] = c->own.values[k];
    double sum = u->kind->loss(u, 2, z, labels, 1, dz) + u->kind->rule->score(N, z);
    if (u->kind->class && (u->kind->class(u, z) < 1 || u->kind->class(u, z) > u->classes)) abort();
    if (u->kind->passes) u->kind->passes(u, z, p);
    if (u->kind->spread) sum += u->kind->spread(u, z);
    if (objective_violates(u, z)) sum++;
    if (sum == 1234.5) abort();
}

/* Nine digits bring every float back, and most options. */
static void again(const model_config *c, const objective_use *u, arena *a) {
    model_config noted = *c, back;
    const json_value *v;
    strbuf text = {0};
    json_writer w = json_writer_make(&text);
    objective_note(u, &noted);
    json_begin_object(&w);
    objective_record_members(&w, &noted, &c->own);
    json_end_object(&w);
    if (json_parse(a, text.data, text.len, &v) < 0 || objective_record_parse(v, &back) < 0) abort();
    if (strcmp(back.objective, noted.objective) != 0 || memcmp(&back.own, &c->own, sizeof back.own) != 0) abort();
    for (int i = 0; i < OBJECTIVE_SETTINGS; i++)
        if (strcmp(back.settings[i].name, noted.settings[i].name) != 0) abort();
    strbuf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static model_config c; /* large */
    const json_value *v;
    objective_use u;
    arena *a = arena_create();
    memset(&c, 0, sizeof c);
    c.head = HEAD_SCORE, c.n_outputs = 3;
    if (a && json_parse(a, (const char *)data, size, &v) >= 0) {
        wr_status status = objective_record_parse(v, &c);
        if (status >= 0 && c.own.kind) c.n_outputs = 1;
        if (status >= 0) status = objective_of_model(&c, "m", &u);
        if (status >= 0) use(&c, &u), again(&c, &u, a);
        if (status < 0 && !*wr_error()) abort();
    }
    arena_free(a);
    return 0;
}
