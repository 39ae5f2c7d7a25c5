/* The DPO update: h = 0 where policy = reference; the gradient is that of one rank whatever the rank count, the
 * micro-batches and the sharing of prompts, and agrees with central differences of the loss; the policy without its
 * adapters is a reference; updates separate chosen from rejected; no pair, no change; a claim of equality that does not
 * hold is refused. */
#include "base/rng.h"
#include "dpo/dpo_batch.h"
#include "dpo/dpo_loss.h"
#include "dpo/dpo_train.h"
#include "model/weights/lora.h"
#include "mpi/reduce.h"
#include "tests/support/tiny_model.h"

static world *the_world;
#include "mpi_check.h"

#include <math.h>

enum { SEED = 21, N_PAIRS = 12, VOCABULARY = 50, PROMPT = 90, REPLY = 12 };

typedef struct pair_data {
    int32_t prompt[PROMPT], chosen[REPLY], rejected[REPLY];
} pair_data;
static pair_data data[N_PAIRS];
static dpo_pair pairs[N_PAIRS];

/* Prompts above and below what is worth sharing; pairs 2, 3, 4 and 5 have one prompt, and so have 8 and 9; the replies
 * of pair 4 differ in their last token alone, which nothing follows. */
static void make_pairs(void) {
    rng r = rng_make(SEED, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < N_PAIRS; i++) {
        pair_data *d = &data[i];
        for (int k = 0; k < PROMPT; k++) d->prompt[k] = (int32_t)rng_below(&r, VOCABULARY);
        for (int k = 0; k < REPLY; k++) {
            d->chosen[k] = (int32_t)rng_below(&r, VOCABULARY);
            d->rejected[k] = (int32_t)rng_below(&r, VOCABULARY);
        }
        size_t n = 1 + rng_below(&r, i % 3 == 0 ? 12 : PROMPT);
        if (i == 2 || i == 8) n = 70;
        pairs[i] = (dpo_pair){.draw = i,
                              .prompt = (uint32_t)i,
                              .prompt_ids = d->prompt,
                              .n_prompt = n,
                              .chosen = {i, d->chosen, 1 + rng_below(&r, REPLY), 2, NAN},
                              .rejected = {i, d->rejected, 1 + rng_below(&r, REPLY), 1, NAN}};
        if ((i > 2 && i < 6) || i == 9) {
            memcpy(d->prompt, data[i - 1].prompt, sizeof d->prompt);
            pairs[i].n_prompt = pairs[i - 1].n_prompt;
        }
    }
    pairs[4].chosen.n = pairs[4].rejected.n = 3;
    memcpy(data[4].rejected, data[4].chosen, sizeof data[4].chosen);
    data[4].rejected[2] = (data[4].chosen[2] + 1) % VOCABULARY;
}

static model *make_model(uint64_t seed) {
    model_config c = tiny_config("layers=2,hidden=16,heads=4,kv-heads=2,ffn=24,max-positions=128,tied=1", VOCABULARY);
    c.init_std = 0.2;
    return tiny_model(c, seed);
}

static const dpo_train_options how = {
    .loss = {.beta = 0.5},
    .update = {.adam = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}, .grad_clip = 1},
    .micro_tokens = 300};

/* The mean loss, with one forward a sequence: nothing shared with dpo_update but the model. */
static double loss_of(const model *policy, const model *reference) {
    double sum = 0;
    for (size_t i = 0; i < N_PAIRS; i++) {
        double lp[2][2];
        for (int which = 0; which < 2; which++) {
            const model *m = which ? reference : policy;
            model_workspace *w;
            CHECK(model_workspace_create(m, &w) == WR_OK);
            for (int s = 0; s < 2; s++) {
                const pair_side *side = s ? &pairs[i].rejected : &pairs[i].chosen;
                int32_t ids[PROMPT + REPLY];
                size_t rows[REPLY], n = pairs[i].n_prompt, offsets[2] = {0, n + side->n};
                float logprob[REPLY];
                const float *hidden;
                memcpy(ids, pairs[i].prompt_ids, n * sizeof *ids);
                memcpy(ids + n, side->ids, side->n * sizeof *ids);
                for (size_t k = 0; k < side->n; k++) rows[k] = n - 1 + k;
                CHECK(model_forward(m, &(token_batch){.B = 1, .offsets = offsets, .ids = ids}, w, false, &hidden) ==
                      WR_OK);
                CHECK(lm_logprobs(m, w, hidden, side->n, rows, side->ids, logprob) == WR_OK);
                lp[which][s] = 0;
                for (size_t k = 0; k < side->n; k++) lp[which][s] += logprob[k];
            }
            model_workspace_free(w);
        }
        const double h = (lp[0][0] - lp[0][1]) - (lp[1][0] - lp[1][1]);
        sum += log1p(exp(-how.loss.beta * h));
    }
    return sum / N_PAIRS;
}

static void test_equal_models(void **state) {
    (void)state;
    model *policy = make_model(1), *reference = make_model(1);
    dpo_trainer t;
    dpo_update_stats s;
    CHECK(dpo_trainer_create(the_world, policy, reference, false, &t) == WR_OK);
    CHECK(dpo_update(&t, &how, pairs, N_PAIRS, 0.01, true, &s) == WR_OK);
    CHECK(s.updated && s.margin_max_abs <= 1e-5 && fabs(s.loss - log(2)) < 1e-6 && s.grad_norm > 0 &&
          fabs(s.kl) < 1e-5);
    /* Now they differ: the claim is refused on every rank, and nothing changes. */
    float before = policy->params[5];
    wr_status status = dpo_update(&t, &how, pairs, N_PAIRS, 0.01, true, &s);
    CHECK(status == WR_E_FAILED || status == WR_E_PEER);
    CHECK(policy->params[5] == before);
    CHECK(dpo_update(&t, &how, pairs, 0, 0.01, false, &s) == WR_OK && !s.updated && policy->params[5] == before);
    dpo_trainer_free(&t);
    model_free(policy);
    model_free(reference);
}

static void test_gradient(void **state) {
    (void)state;
    model *policy = make_model(1), *reference = make_model(2);
    dpo_trainer t;
    dpo_update_stats s;
    float *expect = NULL;
    static const size_t budgets[] = {1u << 20, 300, 1};
    for (int k = 0; k < 3; k++) {
        dpo_train_options o = how;
        o.micro_tokens = budgets[k];
        CHECK(dpo_trainer_create(the_world, policy, reference, false, &t) == WR_OK);
        CHECK(dpo_update(&t, &o, pairs, N_PAIRS, 0, false, &s) == WR_OK); /* learning rate 0: parameters stay */
        CHECK(fabs(s.loss - loss_of(policy, reference)) < 1e-5);
        if (!expect) {
            expect = malloc(policy->n_params * sizeof *expect);
            memcpy(expect, t.update.grads, policy->n_params * sizeof *expect);
        }
        double difference = 0, norm = 0;
        for (size_t i = 0; i < policy->n_params; i++) {
            difference += pow((double)t.update.grads[i] - expect[i], 2);
            norm += pow(expect[i], 2);
        }
        CHECK(sqrt(difference) <= 1e-5 * sqrt(norm));
        dpo_trainer_free(&t);
    }
    /* Along the gradient: (loss(p + e g) - loss(p - e g)) / 2e = |g|^2. */
    double norm2 = 0, e = 2e-3;
    for (size_t i = 0; i < policy->n_params; i++) norm2 += pow(expect[i], 2);
    e /= sqrt(norm2);
    float *kept = malloc(policy->n_params * sizeof *kept);
    memcpy(kept, policy->params, policy->n_params * sizeof *kept);
    for (size_t i = 0; i < policy->n_params; i++) policy->params[i] = (float)(kept[i] + e * expect[i]);
    double up = loss_of(policy, reference);
    for (size_t i = 0; i < policy->n_params; i++) policy->params[i] = (float)(kept[i] - e * expect[i]);
    double down = loss_of(policy, reference);
    CHECK(fabs((up - down) / (2 * e) - norm2) <= 0.01 * norm2);
    free(kept);
    free(expect);
    model_free(policy);
    model_free(reference);
}

static double tensor_norm(const float *x, const float *minus, const tensor_info *t) {
    double sum = 0;
    for (size_t i = t->offset; i < t->offset + t->count; i++) sum += pow((double)x[i] - (minus ? minus[i] : 0), 2);
    return sqrt(sum);
}

/* loss to 1e-6, gradients to 1e-5 of each tensor's norm; learning rate 0. */
static void check_same(dpo_trainer *a, const dpo_train_options *how_a, dpo_trainer *b, const dpo_train_options *how_b) {
    dpo_update_stats s, want;
    const trainables x = model_trainables(a->policy);
    CHECK(dpo_update(a, how_a, pairs, N_PAIRS, 0, false, &s) == WR_OK);
    CHECK(dpo_update(b, how_b, pairs, N_PAIRS, 0, false, &want) == WR_OK);
    CHECK(fabs(s.loss - want.loss) <= 1e-6 && fabs(s.margin_mean - want.margin_mean) <= 1e-5 &&
          s.margin_max_abs > 0.01);
    for (size_t i = 0; i < x.n_tensors; i++) {
        double norm = tensor_norm(b->update.grads, NULL, &x.tensors[i]);
        if (!(tensor_norm(a->update.grads, b->update.grads, &x.tensors[i]) <= 1e-5 * norm)) {
            fprintf(stderr, "%s: %g of %g\n", x.tensors[i].name,
                    tensor_norm(a->update.grads, b->update.grads, &x.tensors[i]), norm);
            CHECK(false);
        }
    }
}

/* What a step computes: T of all its micro-batches, as one unit a prompt. */
static size_t step_tokens(bool separate) {
    pair_texts t;
    size_t tokens = 0;
    const prefix_rule rule = {separate ? SIZE_MAX : PREFIX_MIN_SHARED, SIZE_MAX};
    CHECK(pair_texts_create(pairs, N_PAIRS, 1u << 20, rule, &t) == WR_OK);
    for (size_t u = 0; u < t.n_units; u++) {
        const uint32_t unit = (uint32_t)u;
        dpo_batch b;
        CHECK(dpo_batch_create(&t, pairs, &unit, 1, 16, rule, &b) == WR_OK);
        CHECK(b.packed.batch.offsets[b.packed.batch.B] == t.tokens[u] && b.n_pairs == t.units[u].count);
        tokens += t.tokens[u];
        dpo_batch_free(&b);
    }
    pair_texts_free(&t);
    return tokens;
}

static void test_sharing(void **state) {
    (void)state;
    size_t all = 0, saved = 0;
    for (size_t i = 0; i < N_PAIRS; i++) {
        all += 2 * (pairs[i].n_prompt - 1) + pairs[i].chosen.n + pairs[i].rejected.n;
        if (pairs[i].n_prompt >= PREFIX_MIN_SHARED) saved += pairs[i].n_prompt;
    }
    /* of the pairs that have their neighbour's prompt, both replies save it */
    saved += 3 * pairs[2].n_prompt + pairs[8].n_prompt;
    CHECK(step_tokens(true) == all && step_tokens(false) <= all - saved);
    static const size_t budgets[] = {1u << 20, 300, 1};
    for (int k = 0; k < 6; k++) {
        dpo_train_options shared = how, separate = how;
        separate.separate = true;
        shared.micro_tokens = budgets[k / 2];
        shared.recompute = k % 2;
        model *policy = make_model(1), *reference = make_model(2);
        dpo_trainer a, b;
        CHECK(dpo_trainer_create(the_world, policy, reference, false, &a) == WR_OK);
        CHECK(dpo_trainer_create(the_world, policy, reference, false, &b) == WR_OK);
        check_same(&a, &shared, &b, &separate);
        dpo_trainer_free(&a);
        dpo_trainer_free(&b);
        model_free(policy);
        model_free(reference);
    }
}

static void test_adapters(void **state) {
    (void)state;
    const lora_options adapters = {.rank = 4, .alpha = 8, .targets = "all-linear", .seed = 5};
    model *policy = make_model(1), *reference = make_model(1);
    dpo_trainer t, u;
    dpo_update_stats s;
    CHECK(dpo_trainer_create(the_world, policy, NULL, false, &t) < 0); /* no adapters yet */
    CHECK(lora_attach(policy, &adapters) == WR_OK);
    CHECK(dpo_trainer_create(the_world, policy, NULL, false, &t) == WR_OK);
    CHECK(dpo_trainer_create(the_world, policy, reference, false, &u) == WR_OK);
    CHECK(dpo_update(&t, &how, pairs, N_PAIRS, 0.01, true, &s) == WR_OK && s.margin_max_abs <= 1e-5);
    for (int step = 0; step < 3; step++) CHECK(dpo_update(&t, &how, pairs, N_PAIRS, 0.01, false, &s) == WR_OK);
    CHECK(policy->lora->on &&
          memcmp(policy->params, reference->params, policy->n_params * sizeof *policy->params) == 0);
    check_same(&t, &how, &u, &how);
    data[0].prompt[0] += VOCABULARY; /* an id that the models do not have: adapters are on again after the error, too */
    CHECK(dpo_update(&t, &how, pairs, N_PAIRS, 0.01, false, &s) < 0 && policy->lora->on);
    data[0].prompt[0] -= VOCABULARY;
    dpo_trainer_free(&t);
    dpo_trainer_free(&u);
    model_free(policy);
    model_free(reference);
}

static void test_learns(void **state) {
    (void)state;
    model *policy = make_model(1), *reference = make_model(1);
    dpo_trainer t;
    dpo_update_stats s;
    CHECK(dpo_trainer_create(the_world, policy, reference, false, &t) == WR_OK);
    double first = 0;
    for (int step = 0; step < 25; step++) {
        CHECK(dpo_update(&t, &how, pairs, N_PAIRS, 0.01, step == 0, &s) == WR_OK);
        if (step == 0) first = s.loss;
    }
    CHECK(s.loss < 0.3 * first && s.accuracy == 1 && s.margin_mean > 1 && s.chosen_logratio > s.rejected_logratio);
    /* Every rank has the same bits. */
    float *mine = malloc(policy->n_params * sizeof *mine);
    memcpy(mine, policy->params, policy->n_params * sizeof *mine);
    CHECK(reduce_bcast(the_world, 0, mine, policy->n_params) == WR_OK);
    CHECK(memcmp(mine, policy->params, policy->n_params * sizeof *mine) == 0);
    free(mine);
    dpo_trainer_free(&t);
    model_free(policy);
    model_free(reference);
}

static void test_not_finite(void **state) {
    (void)state;
    model *policy = make_model(1), *reference = make_model(2);
    dpo_trainer t;
    dpo_update_stats s;
    policy->params[policy->tensors[0].offset + 3] = NAN;
    CHECK(dpo_trainer_create(the_world, policy, reference, false, &t) == WR_OK);
    for (size_t i = 0; i < N_PAIRS; i++) data[i].prompt[0] = 0; /* everyone's first token is in the row with the NaN */
    wr_status status = dpo_update(&t, &how, pairs, N_PAIRS, 0.01, false, &s);
    CHECK(status == WR_E_NUMERIC || status == WR_E_PEER);
    CHECK(!world_any(the_world, status >= 0));
    if (status == WR_E_NUMERIC)
        CHECK(strstr(wr_error(), "rank ") &&
              strstr(wr_error(), "the weight of model.embed_tokens.weight is nan at element 3"));
    dpo_trainer_free(&t);
    model_free(policy);
    model_free(reference);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    if (world_rank(the_world) == 0) print_message("seed %d\n", SEED);
    make_pairs();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_models), cmocka_unit_test(test_gradient),
                                       cmocka_unit_test(test_sharing),      cmocka_unit_test(test_adapters),
                                       cmocka_unit_test(test_learns),       cmocka_unit_test(test_not_finite)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
