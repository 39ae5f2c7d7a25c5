/* train lm, train reward: options to trainer/train.h. */
#include "cli/estimate.h"
#include "cli/model_options.h"
#include "cli/resume.h"
#include "cli/train_rows.h"

#include "base/memory_room.h"
#include "reward/objective.h"
#include "trainer/train.h"

#include <stdio.h>
#include <string.h>

typedef struct train_call {
    train_options t;
    arithmetic_options arithmetic;
    estimate_options estimate;
} train_call;

static const option_spec place_rows[] = {
    OPTION_TEXT(train_options, run.out, "out", NULL, "RUN", "run directory", .required = true, .resume = RESUME_FREE),
    OPTION_FLAG(train_options, run.resume, "resume", NULL, "continue RUN after its newest checkpoint",
                .resume = RESUME_FREE),
    {0},
};
static const option_spec seed_rows[] = {
    OPTION_INT(train_options, run.seed, "seed", "0", "S", 0, 9e15, "order of records, new weights"),
    {0},
};
static const option_spec evaluation_rows[] = {
    OPTION_INT(train_options, eval_every, "eval-every", "0", "N", 0, 1e15, "steps between evaluations; 0: at the end",
               .resume = RESUME_FREE),
    OPTION_FLOAT(train_options, valid_users, "valid-users", "0", "SHARE", 0, 0.9,
                 "keep this share of the training side's users aside, and evaluate between steps and at the end on "
                 "their records; 0: on the test side"),
    OPTION_INT(train_options, eval_records, "eval-records", "512", "N", 1, 1e9, "test records of an evaluation",
               .resume = RESUME_FREE),
    {0},
};
static const option_spec lm_rows[] = {
    OPTION_FLOAT(train_options, update.adam.lr, "lr", NULL, "X", 0, 100,
                 "peak learning rate; default: 2e-5, 2e-4 with --lora-rank, 1e-3 with --new"),
    OPTION_CHOICE(train_options, loss_on_all, "loss-on", "assistant", "assistant|all", "tokens that the loss counts"),
    {0},
};
static const option_spec pair_rows[] = {
    OPTION_TEXT(train_options, pairs, "pairs", NULL, "FILE",
                "--objective bt: preference pairs, rows of chosen and rejected, maybe prompt, margin, grade",
                .input = INPUT_PARTS, .resume = RESUME_CONTENT),
    OPTION_FLOAT(train_options, grade_margin, "grade-margin", "1", "X", 0, 1e6,
                 "with --pairs: margin of a pair that has a grade and no margin, for each step of the grade"),
    {0},
};
static const option_spec template_rows[] = {
    OPTION_TEXT(train_options, template_file, "template", NULL, "FILE",
                "reward template; must be the one the shards were made with, which is the default",
                .input = INPUT_WHOLE, .resume = RESUME_CONTENT),
    {0},
};

/* What both are told, with the kind's own rows in its place. */
#define TRAIN_GROUPS(...)                                                                                              \
    OPTION_GROUP(start_rows, train_call, t), OPTION_GROUP(place_rows, train_call, t),                                  \
        OPTION_GROUP(length_rows, train_call, t), OPTION_GROUP(seed_rows, train_call, t),                              \
        OPTION_GROUP(schedule_rows, train_call, t.run, .varied = schedule_of_train),                                   \
        OPTION_GROUP(optimizer_rows, train_call, t.update), OPTION_GROUP(record_rows, train_call, t),                  \
        OPTION_GROUP(evaluation_rows, train_call, t), OPTION_GROUP(saving_rows, train_call, t.run),                    \
        OPTION_GROUP(best_rows, train_call, t.run), OPTION_GROUP(reduce_rows, train_call, t.update), __VA_ARGS__,      \
        OPTION_GROUP(arithmetic_rows, train_call, arithmetic), OPTION_GROUP(tuning_rows, train_call, t.run),           \
        OPTION_GROUP(dry_run_rows, train_call, estimate)
static const option_group lm_groups[] = {TRAIN_GROUPS(OPTION_GROUP(lm_rows, train_call, t)), {0}},
                          reward_groups[] = {TRAIN_GROUPS(OPTION_GROUP(objective_name_rows, train_call, t),
                                                          OPTION_GROUP(pair_rows, train_call, t),
                                                          OPTION_GROUP(rate_rows, train_call, t),
                                                          OPTION_GROUP(template_rows, train_call, t),
                                                          OPTION_GROUP(order_rows, train_call, t)),
                                             OPTION_GROUP(weight_rows, train_call, t.weights), OBJECTIVE_GROUPS{0}};

static wr_status check(const options *o, const train_options *t) {
    wr_status status = WR_OK;
    TRY(run_options_check(o, &t->run));
    if (!t->data && !t->pairs) TRY(wr_fail(WR_E_USAGE, "--data is required: give the folder that prepare wrote"));
    if (t->pairs && !t->model && !t->data)
        TRY(wr_fail(WR_E_USAGE, "--pairs with --new needs --data DIR: its tokenizer and template"));
    TRY(train_start_check(t));
cleanup:
    return status;
}

static wr_status check_pairs(const train_options *t) {
    const objective *kind = t->objective.kind;
    if (!t->pairs && kind->pairs)
        return wr_fail(WR_E_USAGE, "--objective %s learns from preference pairs: give --pairs FILE", kind->name);
    if (t->pairs && !kind->pairs)
        return wr_fail(WR_E_USAGE, "--pairs is read with --objective bt; --objective %s learns from labels (--data)",
                       kind->name);
    if (t->pairs && t->valid_users > 0)
        return wr_fail(WR_E_USAGE, "--valid-users: pairs name no users, and a run on pairs is not evaluated");
    if (!t->pairs && t->grade_margin != 1) return wr_fail(WR_E_USAGE, "--grade-margin goes with --pairs");
    if (t->weights.classes != CLASS_WEIGHTS_EFFECTIVE && t->weights.beta != 0.999)
        return wr_fail(WR_E_USAGE, "--effective-beta goes with --class-weights effective");
    if (t->pairs && strcmp(t->run.best, "none") != 0)
        return wr_fail(WR_E_USAGE, "--keep-best: a run on pairs does not evaluate between steps");
    if (t->pairs && (t->weights.classes || t->weights.users || t->weights.posterior))
        return wr_fail(WR_E_USAGE,
                       "weights by class, user and posterior are of records with labels; pairs have margins");
    return WR_OK;
}

/* What would be needed, on stdout; not to fit is a failure, as it would be without --dry-run. */
static wr_status run_dry(world *w, train_call *c, wr_status (*train)(world *w, const train_options *t)) {
    wr_status status = WR_OK;
    strbuf text = {0}, misfit = {0};
    dry_run d = {.probe = c->estimate.probe, .available = memory_room_find("").with_swap};
    const estimate e = {.what = train == train_reward ? "train reward" : "train lm",
                        .model = c->t.model ? c->t.model : c->t.spec,
                        .p = c->t.precision,
                        .d = &d};
    c->t.dry = &d;
    TRY(train(w, &c->t));
    if (world_rank(w) == 0) status = estimate_text(&e, c->estimate.json, &text);
    if (world_rank(w) == 0 && status >= 0 && (fputs(strbuf_str(&text), stdout) < 0 || fflush(stdout) != 0))
        status = wr_fail(WR_E_IO, "cannot write standard output");
    if (world_rank(w) == 0 && status >= 0) status = estimate_misfit(&e, &misfit);
    if (world_rank(w) == 0 && status >= 0 && !d.fits) status = wr_fail(WR_E_NOMEM, "%s", strbuf_str(&misfit));
    TRY(world_agree(w, status));
cleanup:
    c->t.dry = NULL;
    dry_run_free(&d);
    strbuf_free(&text);
    strbuf_free(&misfit);
    return status;
}

static wr_status run_train(const options *o, world *w, wr_status (*train)(world *w, const train_options *t)) {
    wr_status status = WR_OK;
    train_call c = {0};
    resume_terms terms = {0};
    TRY(options_fill(o, &c, sizeof c));
    TRY(choose_precision(c.arithmetic.precision, NULL, w, &c.t.precision));
    TRY(resume_terms_make(o, w, c.t.precision, &terms));
    TRY(check(o, &c.t));
    TRY(update_options_check(&c.t.update, w));
    if (!c.estimate.dry) TRY(train_memory_fits(w, &c.t, train == train_reward ? HEAD_SCORE : HEAD_LM));
    c.t.check_weights = c.arithmetic.check_weights;
    terms.terms.same_bits = c.t.update.same_bits;
    c.t.terms = &terms.terms;
    if (train == train_reward) TRY(train_objective(o, &c.t));
    if (train == train_reward) TRY(check_pairs(&c.t));
    TRY(c.estimate.dry ? run_dry(w, &c, train) : train(w, &c.t));
cleanup:
    resume_terms_free(&terms);
    return status;
}

static wr_status resolve_lm(options *o) { return train_rate(o, "2e-5", "2e-4", "1e-3"); }

static wr_status resolve_reward(options *o) { return train_rate(o, "1e-5", "1e-4", "1e-5"); }

static wr_status run_lm(const options *o, world *w) { return run_train(o, w, train_lm); }

static wr_status run_reward(const options *o, world *w) { return run_train(o, w, train_reward); }

const command cmd_train_lm = {
    .name = "train",
    .variant = "lm",
    .usage =
        "train lm --data DIR (--model DIR | --new SPEC) --out RUN [--steps N] [--global-batch N] [--seed S] [--resume]",
    .summary = "train a language model on prepared chats",
    .groups = lm_groups,
    .needs_world = true,
    .goes_on = GOES_ON_RESUME,
    .run = run_lm,
    .resolve = resolve_lm,
    .no_positionals = true,
};

const command cmd_train_reward = {
    .name = "train",
    .variant = "reward",
    .usage = "train reward --data DIR (--model DIR | --new SPEC) --out RUN [--steps N] [--global-batch N] [--seed S] "
             "[--resume]",
    .summary = "train a reward model on feedback levels: by ordinal regression, or another objective",
    .groups = reward_groups,
    .needs_world = true,
    .goes_on = GOES_ON_RESUME,
    .run = run_reward,
    .resolve = resolve_reward,
    .no_positionals = true,
};
