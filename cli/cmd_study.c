/* study: many runs of training under one question. Each study is a command of its own: options, and a module of study/. */
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/resume.h"
#include "cli/train_rows.h"

#include "study/user_study.h"

#include <stdio.h>

typedef struct study_call {
    user_study_options users;
    arithmetic_options arithmetic;
} study_call;

static const option_spec user_rows[] = {
    OPTION_TEXT(user_study_options, out, "out", NULL, "STUDY", "folder of the study, which goes on where it was",
                .required = true, .resume = RESUME_FREE),
    OPTION_TEXT(user_study_options, counts, "users", NULL, "LIST", "numbers of users to train on, e.g. 5,10,20,40",
                .required = true, .resume = RESUME_FREE),
    OPTION_INT(user_study_options, seeds, "seeds", "3", "N", 1, 1e4,
               "of each count: 0 … N-1, each with users, new weights and an order of its own", .resume = RESUME_FREE),
    OPTION_FLAG(user_study_options, match, "match-instances", NULL,
                "all cells of a seed learn from the same number of instances, those of the fewest users"),
    OPTION_INT(user_study_options, instances, "instances", NULL, "N", 1, 4e9,
               "with --match-instances: so many instead"),
    OPTION_INT(user_study_options, least, "least-records", "1", "N", 1, 4e9,
               "users with fewer records on the training side are left out of all cells"),
    OPTION_INT(user_study_options, cell, "cell", NULL, "I", 0, 1e9,
               "this cell alone, the first being 0, and no results: for arrays of jobs", .resume = RESUME_FREE),
    {0},
};
static const option_spec length_of_study[] = {
    {.name = "steps", .default_value = "200", .help = "of every cell"},
    {0},
};
static const option_spec rates_of_study[] = {
    {.name = "lr", .help = "peak learning rate; default: 1e-3 with --new, else 1e-5, 1e-4 with --lora-rank"},
    {0},
};
static const option_spec saving_of_study[] = {
    {.name = "keep", .default_value = "1"},
    {0},
};
static const option_spec start_of_study[] = {
    {.name = "new",
     .help = "start from random weights; default, without --model: layers=2,hidden=64,heads=4,kv-heads=2,ffn=192"},
    {0},
};

static const option_group user_groups[] = {
    OPTION_GROUP(start_rows, study_call, users.train, .varied = start_of_study),
    OPTION_GROUP(user_rows, study_call, users),
    OPTION_GROUP(length_rows, study_call, users.train, .varied = length_of_study),
    OPTION_GROUP(schedule_rows, study_call, users.train.run, .varied = schedule_of_train),
    OPTION_GROUP(optimizer_rows, study_call, users.train.update),
    OPTION_GROUP(record_rows, study_call, users.train),
    OPTION_GROUP(saving_rows, study_call, users.train.run, .varied = saving_of_study),
    OPTION_GROUP(reduce_rows, study_call, users.train.update),
    OPTION_GROUP(objective_name_rows, study_call, users.train),
    OPTION_GROUP(rate_rows, study_call, users.train, .varied = rates_of_study),
    OPTION_GROUP(order_rows, study_call, users.train),
    OPTION_GROUP(arithmetic_rows, study_call, arithmetic),
    OPTION_GROUP(tuning_rows, study_call, users.train.run),
    OBJECTIVE_GROUPS{0},
};

static wr_status check_users(const options *o, const user_study_options *u) {
    wr_status status = WR_OK;
    if (!u->train.data) TRY(wr_fail(WR_E_USAGE, "--data is required: give the folder that prepare wrote"));
    if (u->instances && !u->match) TRY(wr_fail(WR_E_USAGE, "--instances goes with --match-instances"));
    if (u->train.objective.kind->pairs)
        TRY(wr_fail(WR_E_USAGE, "--objective %s learns from preference pairs, which name no users; give another one",
                    u->train.objective.kind->name));
    TRY(run_options_check(o, &u->train.run));
    TRY(train_start_check(&u->train));
cleanup:
    return status;
}

static wr_status run_users(const options *o, world *w) {
    wr_status status = WR_OK;
    study_call c = {.users = {.cell = -1}};
    user_study_options *u = &c.users;
    resume_terms terms = {0};
    strbuf sentence = {0};
    TRY(options_fill(o, &c, sizeof c));
    TRY(choose_precision(c.arithmetic.precision, NULL, w, &u->train.precision));
    TRY(resume_terms_make(o, w, u->train.precision, &terms));
    TRY(train_objective(o, &u->train));
    TRY(check_users(o, u));
    TRY(update_options_check(&u->train.update, w));
    TRY(train_memory_fits(w, &u->train, HEAD_SCORE));
    u->train.check_weights = c.arithmetic.check_weights;
    terms.terms.same_bits = u->train.update.same_bits;
    u->train.terms = &terms.terms;
    TRY(user_study_run(w, u, &sentence));
    if (world_rank(w) == 0 && sentence.len && (puts(strbuf_str(&sentence)) < 0 || fflush(stdout) != 0))
        status = wr_fail(WR_E_IO, "cannot write standard output");
    TRY(world_agree(w, status));
cleanup:
    resume_terms_free(&terms);
    strbuf_free(&sentence);
    return status;
}

static wr_status resolve_users(options *o) {
    wr_status status = WR_OK;
    if (!options_str(o, "model") && !options_str(o, "new"))
        TRY(options_override(o, "new", "layers=2,hidden=64,heads=4,kv-heads=2,ffn=192"));
    TRY(train_rate(o, "1e-5", "1e-4", "1e-3"));
cleanup:
    return status;
}

const command cmd_study_users = {
    .name = "study",
    .variant = "users",
    .usage =
        "study users --data DIR --out STUDY --users LIST [--seeds N] [--match-instances] [--model DIR | --new SPEC] "
        "[--steps N] [--cell I]",
    .summary = "does a reward model learn more from more users, at the same number of instances?",
    .groups = user_groups,
    .needs_world = true,
    .goes_on = "the same command goes on behind the last checkpoint",
    .run = run_users,
    .resolve = resolve_users,
    .no_positionals = true,
};
