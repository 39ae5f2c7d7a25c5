/* A step: rank 0 plans it, all ranks sample and score its prompts (pulled work: replies differ in length), rank 0
 * chooses pairs, all ranks train on them (planned work: no timing changes a bit). The sampler reads the trainer's own
 * weights; the reference is the model that the run began with. */
#include "dpo/online.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/host/frozen.h"
#include "model/host/model_share.h"
#include "trainer/run_loop.h"

#include <stdio.h>
#include <string.h>

typedef struct run {
    world *w;
    const dpo_options *o;
    coordinator *c;
    prompt_set prompts;
    model *policy;
    frozen_model reference;
    rollout *r;
    dpo_trainer trainer;
    run_loop loop;
    char replies_dir[PATH_CAP];
    size_t replies, missing; /* rank 0: of this process; missing: without a reward */
} run;

static bool is_root(const run *x) { return world_rank(x->w) == 0; }

static wr_status open_models(run *x) {
    wr_status status = WR_OK;
    const dpo_options *o = x->o;
    if (is_root(x))
        status = model_load(o->model_dir, &(model_load_options){.head = HEAD_LM, .check_weights = o->check_weights},
                            &x->policy);
    TRY(world_agree(x->w, status));
    TRY(model_share(x->w, o->precision, &x->policy));
    /* Before a checkpoint may replace the policy's weights: the reference is the model the run began with. Below
     * adapters, the policy's weights stay that. */
    if (o->run.lora.rank) {
        lora_options adapters = o->run.lora;
        adapters.seed = o->run.seed;
        TRY(world_agree(x->w, lora_attach(x->policy, &adapters)));
    } else
        TRY(frozen_copy(x->w, x->policy, &x->reference));
    rollout_options r = o->rollout;
    r.policy_dir = o->model_dir;
    r.check_weights = o->check_weights;
    r.should_stop = work_should_stop;
    r.stop_context = x->c;
    TRY(rollout_create(x->w, x->policy, &x->prompts, &r, &x->r));
    TRY(dpo_trainer_create(x->w, x->policy, x->reference.m, o->train.update.zero, &x->trainer));
cleanup:
    return status;
}

/* What rank 0 tells of a step: its line, the note beside the progress. */
static void report_step(run *x, const step_plan *plan, double lr, const dpo_update_stats *update,
                        const step_times *times, strbuf *line, char note[RUN_NOTE]) {
    const dpo_options *o = x->o;
    dpo_metrics_line(plan->step, lr, &plan->stats, &plan->counts, update, times, line);
    if (!update->updated)
        log_warn("step %lld: no pair among %zu prompts (%zu ties, %zu rewards missing), no update",
                 (long long)plan->step, o->prompts_per_step, plan->counts.ties, plan->counts.missing_rewards);
    x->missing += plan->counts.missing_rewards;
    for (size_t i = 0; i < o->prompts_per_step; i++) x->replies += plan->groups[i].n_replies;
    snprintf(note, RUN_NOTE, "reward %.3f  loss %.4f  %zu pairs", plan->stats.reward_mean, update->loss,
             plan->counts.made);
}

static wr_status online_step(void *context, int64_t step, strbuf *line, char note[RUN_NOTE]) {
    run *x = context;
    wr_status status = WR_OK;
    const dpo_options *o = x->o;
    step_plan plan = {0};
    work_plan work = {0};
    strbuf outcome = {0};
    dpo_pair *pairs;
    size_t n_pairs;
    dpo_update_stats update;
    arena *memory = arena_create();
    const double t0 = clock_seconds(), cpu0 = coordinator_cpu_seconds(x->c);
    if (!memory) status = WR_E_NOMEM;
    if (status >= 0 && is_root(x))
        status = step_plan_open(o, &x->prompts, step, o->save_replies ? x->replies_dir : NULL, &plan);
    TRY(world_agree(x->w, status));
    if (is_root(x)) work = step_work(&plan);
    TRY(work_phase(x->c, is_root(x) ? &work : NULL, rollout_task, x->r, &outcome));
    const double t1 = clock_seconds();
    TRY(world_agree(x->w, pairs_unpack(outcome.data, outcome.len, memory, &pairs, &n_pairs)));
    const double lr = run_loop_rate(&x->loop, o->train.update.adam.lr, step);
    /* before the first update policy and reference are the same model */
    TRY(dpo_update(&x->trainer, &o->train, pairs, n_pairs, lr, step == 1, &update));
    const double t2 = clock_seconds();
    if (is_root(x)) {
        const step_times times = {.sample_s = t1 - t0,
                                  .train_s = t2 - t1,
                                  .step_s = t2 - t0,
                                  .coordinator_cpu_s = coordinator_cpu_seconds(x->c) - cpu0};
        report_step(x, &plan, lr, &update, &times, line, note);
    }
cleanup:
    step_plan_close(&plan);
    arena_free(memory);
    strbuf_free(&outcome);
    return wr_context(status, "dpo step %lld", (long long)step);
}

static wr_status open_run(run *x) {
    wr_status status = WR_OK;
    const dpo_options *o = x->o;
    strbuf both = {0};
    x->loop = (run_loop){.w = x->w,
                         .m = x->policy,
                         .opt = &x->trainer.update.opt,
                         .o = &o->run,
                         .how = {.tokenizer_dir = o->model_dir,
                                 .base = o->model_dir,
                                 .chat_template = o->rollout.chat_template ? rollout_chat_source(x->r) : NULL},
                         .state = {.terms = o->terms, .data_options = "--prompts or --reward"},
                         .name = "dpo",
                         .context = x,
                         .step = online_step};
    /* The data of this run: the prompts, and what the reward functions read. */
    strbuf_printf(&both, "%s%s", x->prompts.hash, rollout_reward_hash(x->r));
    TRY(world_agree(x->w, strbuf_status(&both)));
    hash_hex(both.data, both.len, x->loop.state.data_hash);
    memcpy(x->loop.state.parent_hash, x->policy->parent_hash, sizeof x->loop.state.parent_hash);
    TRY(run_loop_open(&x->loop));
    TRY(updater_tune(&x->trainer.update, &o->train.update, run_path(x->loop.dir)));
    if (o->save_replies) {
        TRY(path_join(x->replies_dir, o->run.out, "replies"));
        TRY(world_agree(x->w, is_root(x) ? dir_make(x->replies_dir) : WR_OK));
    }
cleanup:
    return status;
}

wr_status dpo_online(world *w, const dpo_options *o) {
    wr_status status = WR_OK;
    run x = {.w = w, .o = o};
    TRY(coordinator_create(w, &x.c));
    TRY(prompts_load(w, o->prompts, 0, &x.prompts));
    TRY(open_models(&x));
    TRY(open_run(&x));
    if (is_root(&x))
        log_info("%zu prompts, %zu a step, %zu replies each, on %d ranks", x.prompts.n, o->prompts_per_step,
                 o->rollout.sampling.n, world_size(w));
    TRY(run_loop_go(&x.loop));
    if (is_root(&x) && x.replies && x.missing == x.replies)
        status =
            wr_fail(WR_E_NUMERIC, "%s: nothing was learned, none of the %zu replies got a reward " ROLLOUT_NO_REWARD,
                    o->run.out, x.replies, o->rollout.reward_dir);
    TRY(world_agree(w, status));
cleanup:
    run_loop_close(&x.loop);
    dpo_trainer_free(&x.trainer);
    rollout_free(x.r);
    frozen_free(&x.reference);
    model_free(x.policy);
    prompts_free(&x.prompts);
    coordinator_free(x.c);
    return status;
}
