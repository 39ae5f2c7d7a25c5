/* The records of a step on 1 to 4 ranks, some of which lack files: every record is trained once; outputs and gradients
 * are those of one rank that packs nothing together, whatever is shared, in both orders; conversations follow one
 * another where they are asked for. */
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/shard/conversation_runs.h"
#include "tests/support/shards.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/support/turn_records.h"
#include "trainer/step_records.h"

#include <math.h>
#include <stdlib.h>

static world *the_world;
#include "mpi_check.h"

enum { SHARDS = 3, CONVERSATIONS = 18, TURNS = 4, BATCH = 30, STEPS = 5, OUTPUTS = 3, BUDGET = 700 };
static const sequence_rule rule = {.kind = SHARD_REWARD, .max_length = 4096, .classes = 4};
static char folder[2 * PATH_CAP];
static turn_records records; /* in their order in the shards */

static int by_turn(const void *a, const void *b) {
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    if (records.of[x] != records.of[y]) return records.of[x] < records.of[y] ? -1 : 1;
    if (records.turn[x] != records.turn[y]) return records.turn[x] < records.turn[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void make_records(void) {
    turn_records mixed = turn_records_make(4, CONVERSATIONS, TURNS, false);
    size_t *order = mem_calloc(mixed.n, sizeof *order);
    for (size_t i = 0; i < mixed.n; i++) order[i] = i;
    records = mixed;
    qsort(order, mixed.n, sizeof *order, by_turn);
    records = (turn_records){.n = mixed.n,
                             .sequences = mem_calloc(mixed.n, sizeof *mixed.sequences),
                             .of = mem_calloc(mixed.n, sizeof *mixed.of),
                             .turn = mem_calloc(mixed.n, sizeof *mixed.turn),
                             .users = mem_calloc(mixed.n, sizeof *mixed.users),
                             .ids = mem_calloc(mixed.n, sizeof *mixed.ids)};
    for (size_t i = 0; i < mixed.n; i++) {
        const size_t from = order[i];
        records.sequences[i] = mixed.sequences[from], records.of[i] = mixed.of[from];
        records.turn[i] = mixed.turn[from], records.users[i] = mixed.users[from], records.ids[i] = mixed.ids[from];
    }
    free(mixed.sequences), free(mixed.of), free(mixed.turn), free(mixed.users), free(mixed.ids), free(order);
}

/* Shard s holds every third part of the records; one rank lacks one. */
static void write_shards(void) {
    const size_t each = records.n / SHARDS;
    instance *x = mem_calloc(records.n, sizeof *x);
    snprintf(folder, sizeof folder, "%s/rank-%d", test_folder(), world_rank(the_world)); /* each rank has its own */
    CHECK(dir_make(folder) == WR_OK);
    for (size_t i = 0; i < records.n; i++) {
        x[i] = reward_record(records.ids[i], records.users[i], "q", "r", records.sequences[i].label);
        x[i].ids = records.sequences[i].ids, x[i].n_ids = records.sequences[i].n;
    }
    for (size_t s = 0; s < SHARDS; s++) {
        char path[3 * PATH_CAP];
        if (world_size(the_world) > 1 && (size_t)world_rank(the_world) == s) continue;
        snprintf(path, sizeof path, "%s/reward-train-%05zu.wrs", folder, s);
        put_reward_shard(path,
                         &(shard_meta){.kind = SHARD_REWARD, .classes = 4, .tokenizer_hash = "t", .template_hash = "p"},
                         x + s * each, s + 1 < SHARDS ? each : records.n - s * each);
    }
    free(x);
}

/* The loss is linear in the outputs, with factors that follow from a record's tokens and label. */
static double train(const model *m, model_workspace *w, const packed *p, const sequence *s, size_t n, float *grads) {
    const size_t T = p->batch.offsets[p->batch.B];
    const float *hidden;
    float *out = mem_calloc(2 * n * OUTPUTS, sizeof *out), *dout = out + n * OUTPUTS;
    float *dhidden = mem_calloc(T * m->config.C, sizeof *dhidden);
    double loss = 0;
    CHECK(p->N == n);
    CHECK(model_forward(m, &p->batch, w, true, &hidden) == WR_OK);
    CHECK(score_logits(m, hidden, n, p->rows, out) == WR_OK);
    for (size_t i = 0; i < n; i++) {
        rng r = rng_make(1, RNG_TEST, hash64(s[i].ids, s[i].n * sizeof *s[i].ids, (uint64_t)s[i].label), 0, 0);
        for (size_t k = 0; k < OUTPUTS; k++) {
            dout[i * OUTPUTS + k] = (float)rng_normal(&r);
            loss += (double)dout[i * OUTPUTS + k] * (double)out[i * OUTPUTS + k];
        }
    }
    CHECK(score_backward(m, hidden, n, p->rows, dout, dhidden, grads) == WR_OK);
    CHECK(model_backward(m, &p->batch, w, dhidden, grads) == WR_OK);
    free(out), free(dhidden);
    return loss;
}

typedef struct step_result {
    double loss, tokens, n, *grads;
} step_result;

/* Of all ranks. */
static step_result step_of(step_records *s, const model *m, model_workspace *w, int64_t step) {
    const size_t size = model_trainables(m).n;
    step_result out = {.grads = mem_calloc(size, sizeof *out.grads)};
    float *grads = mem_calloc(size, sizeof *grads);
    rank_plan plan;
    sequence *x;
    packed p = {0};
    CHECK(step_records_take(s, step, &plan, &x) == WR_OK);
    for (size_t k = 0; k < plan.n_micro; k++) {
        const size_t first = plan.micro[k].first, n = plan.micro[k].count;
        if (plan.unit)
            CHECK(packed_fill_shared(&p, &rule, x + first, n, TURNS_PAD, plan.unit + first, s->prefixes) == WR_OK);
        else
            CHECK(packed_fill(&p, &rule, x + first, n, TURNS_PAD) == WR_OK);
        CHECK(p.batch.offsets[p.batch.B] <= BUDGET || n == 1);
        out.loss += train(m, w, &p, x + first, n, grads);
        out.tokens += (double)p.batch.offsets[p.batch.B];
        out.n += (double)n;
    }
    for (size_t i = 0; i < size; i++) out.grads[i] = (double)grads[i];
    world_sum(the_world, out.grads, size);
    double sums[3] = {out.loss, out.tokens, out.n};
    world_sum(the_world, sums, 3);
    out.loss = sums[0], out.tokens = sums[1], out.n = sums[2];
    packed_free(&p), rank_plan_free(&plan);
    free(grads);
    return out;
}

/* One rank, one record after another. */
static step_result step_apart(const step_order *o, const model *m, model_workspace *w, int64_t step) {
    const size_t size = model_trainables(m).n;
    step_result out = {.grads = mem_calloc(size, sizeof *out.grads), .n = BATCH};
    float *grads = mem_calloc(size, sizeof *grads);
    uint32_t which[BATCH];
    packed p = {0};
    step_order own;
    CHECK(step_order_create(o->index, o->seed, 1, 4096, &own) == WR_OK);
    own.continues = o->continues;
    CHECK(step_order_take(&own, (uint64_t)(step - 1) * BATCH, BATCH, which) == WR_OK);
    for (size_t i = 0; i < BATCH; i++) {
        const sequence *s = &records.sequences[which[i]];
        CHECK(packed_fill(&p, &rule, s, 1, TURNS_PAD) == WR_OK);
        out.loss += train(m, w, &p, s, 1, grads);
        out.tokens += (double)s->n;
    }
    for (size_t i = 0; i < size; i++) out.grads[i] = (double)grads[i];
    step_order_free(&own), packed_free(&p);
    free(grads);
    return out;
}

static void compare(const step_result *a, const step_result *b, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        difference += (a->grads[i] - b->grads[i]) * (a->grads[i] - b->grads[i]);
        norm += a->grads[i] * a->grads[i];
    }
    CHECK(a->n == b->n && fabs(a->loss - b->loss) <= 1e-5 * (1 + fabs(a->loss)));
    CHECK(norm > 0 && sqrt(difference / norm) <= 1e-5);
}

static void check_steps(record_source *source, const uint8_t *continues, size_t min_shared, bool all, double least) {
    model_config c =
        tiny_config("layers=2,hidden=16,heads=4,kv-heads=2,ffn=24,max-positions=512,tied=1", TURNS_VOCABULARY + 1);
    c.init_std = 0.2, c.pad_id = TURNS_PAD;
    model_config_set_head(&c, HEAD_SCORE, OUTPUTS);
    model *m = tiny_model(c, 2);
    model_workspace *w;
    step_order order;
    double tokens = 0, computed = 0;
    CHECK(model_workspace_create(m, &w) == WR_OK);
    CHECK(step_order_create(record_source_index(source), 7, 1, 4096, &order) == WR_OK);
    order.continues = continues;
    step_records s = {.w = the_world,
                      .source = source,
                      .order = &order,
                      .rule = rule,
                      .batch = BATCH,
                      .shares = (size_t)world_size(the_world),
                      .mine = {(size_t)world_rank(the_world), 1},
                      .max_tokens = BUDGET,
                      .prefixes = {min_shared, SIZE_MAX},
                      .all_prefixes = all};
    CHECK(step_records_create(&s) == WR_OK);
    for (int64_t step = 1; step <= STEPS; step++) {
        step_result together = step_of(&s, m, w, step), apart = step_apart(&order, m, w, step);
        compare(&apart, &together, model_trainables(m).n);
        tokens += apart.tokens, computed += together.tokens;
        free(together.grads), free(apart.grads);
    }
    CHECK(tokens >= least * computed && (min_shared != SIZE_MAX || tokens == computed));
    step_records_free(&s), step_order_free(&order);
    model_workspace_free(w), model_free(m);
}

static void test_steps(void **state) {
    (void)state;
    record_source *source;
    uint8_t *continues;
    CHECK(record_source_open(the_world, folder, "reward-train-", &source) == WR_OK);
    const dataset_index *d = record_source_index(source);
    CHECK(conversation_runs_find(the_world, source, &continues) == WR_OK);
    for (size_t i = 0; i < d->n_records; i++) {
        bool first = i == 0;
        for (size_t f = 0; f < d->n_frames; f++) first |= d->frames[f].first_record == i;
        CHECK(continues[i] == (!first && records.of[i] == records.of[i - 1]));
    }
    check_steps(source, NULL, SIZE_MAX, false, 1);
    check_steps(source, NULL, PREFIX_MIN_SHARED, false, 1);
    check_steps(source, continues, PREFIX_MIN_SHARED, false, 1.3);
    check_steps(source, continues, PREFIX_MIN_SHARED, true, 1.5);
    free(continues);
    record_source_close(source);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) return 1;
    folder_set_up_shared(the_world);
    make_records();
    write_shards();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    turn_records_free(&records);
    folder_tear_down_shared(the_world);
    world_free(the_world);
    return failed;
}
