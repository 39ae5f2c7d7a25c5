#include "dpo/online.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/host/frozen.h"
#include "trainer/checkpoint.h"
#include "trainer/replicas.h"
#include "model/host/model_share.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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
    run_dir *dir;
    checkpoint_state state; /* state.step: steps done */
    char replies_dir[PATH_CAP];
    progress *bar;           /* rank 0 */
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
    if (o->lora.rank) {
        lora_options adapters = o->lora;
        adapters.seed = o->seed;
        TRY(world_agree(x->w, lora_attach(x->policy, &adapters)));
    } else
        TRY(frozen_copy(x->w, x->policy, &x->reference));
    rollout_options r = o->rollout;
    r.policy_dir = o->model_dir;
    r.reward_dir = o->reward_dir;
    r.template_file = o->template_file;
    r.check_weights = o->check_weights;
    r.should_stop = work_should_stop;
    r.stop_context = x->c;
    TRY(rollout_create(x->w, x->policy, &x->prompts, &r, &x->r));
    TRY(dpo_trainer_create(x->w, x->policy, x->reference.m, &x->trainer));
cleanup:
    return status;
}

static wr_status open_run(run *x, bool *resumed) {
    wr_status status = WR_OK;
    const dpo_options *o = x->o;
    char both[2 * 33] = "";
    checkpoint_state *s = &x->state;
    TRY(run_open(x->w, o->out, o->resume, o->terms, &x->dir));
    /* The data of this run: the prompts and the reward model. */
    snprintf(both, sizeof both, "%s%s", x->prompts.hash, rollout_reward_hash(x->r));
    hash_hex(both, strlen(both), s->data_hash);
    s->terms = o->terms;
    s->steps = o->steps;
    s->data_options = "--prompts or --reward";
    memcpy(s->parent_hash, x->policy->parent_hash, sizeof s->parent_hash);
    s->seed = o->seed;
    *resumed = false;
    if (o->resume) TRY(checkpoint_load(x->w, x->dir, x->policy, &x->trainer.update.opt, s, resumed));
    TRY(replicas_equal(x->w, x->policy, NULL));
    if (is_root(x)) {
        if (*resumed)
            log_info("resumed after step %lld of %lld", (long long)s->step, (long long)o->steps);
        else if (o->resume)
            log_info("nothing to resume in %s yet: starting at step 1", o->out);
    }
    if (o->save_replies) {
        TRY(path_join(x->replies_dir, o->out, "replies"));
        TRY(world_agree(x->w, is_root(x) ? dir_make(x->replies_dir) : WR_OK));
    }
cleanup:
    return status;
}

static save_options how_to_save(const run *x) {
    const dpo_options *o = x->o;
    return (save_options){.tokenizer_dir = o->model_dir,
                          .base = o->model_dir,
                          .stored = o->save_precision,
                          .merge = o->lora_merge,
                          .keep = o->keep,
                          .chat_template = o->rollout.chat_template ? rollout_chat_source(x->r) : NULL};
}

static wr_status save(run *x) {
    const save_options how = how_to_save(x);
    return checkpoint_save(x->w, x->dir, x->policy, &x->trainer.update.opt, &x->state, &how);
}

static double step_lr(const dpo_options *o, int64_t step) {
    return lr_at(o->schedule, o->train.update.adam.lr, step - 1, lr_warmup_steps(o->warmup_ratio, o->steps), o->steps,
                 0);
}

/* One step; on success state.step has advanced. */
static wr_status one_step(run *x, bool check_equal) {
    wr_status status = WR_OK;
    const dpo_options *o = x->o;
    int64_t step = x->state.step + 1;
    step_plan plan = {0};
    work_plan work = {0};
    strbuf outcome = {0}, line = {0};
    dpo_pair *pairs;
    size_t n_pairs;
    dpo_update_stats update;
    arena *memory = arena_create();
    double t0 = clock_seconds();
    if (!memory) status = WR_E_NOMEM;
    if (status >= 0 && is_root(x))
        status = step_plan_open(o, &x->prompts, step, o->save_replies ? x->replies_dir : NULL, &plan);
    TRY(world_agree(x->w, status));
    if (is_root(x)) work = step_work(&plan);
    TRY(work_phase(x->c, is_root(x) ? &work : NULL, rollout_task, x->r, &outcome));
    double t1 = clock_seconds();
    TRY(world_agree(x->w, pairs_unpack(outcome.data, outcome.len, memory, &pairs, &n_pairs)));
    double lr = step_lr(o, step);
    TRY(dpo_update(&x->trainer, &o->train, pairs, n_pairs, lr, check_equal, &update));
    double t2 = clock_seconds();
    if (is_root(x)) {
        char note[96];
        step_times times = {
            .sample_s = t1 - t0, .train_s = t2 - t1, .step_s = t2 - t0, .coordinator_cpu = coordinator_cpu_share(x->c)};
        dpo_metrics_line(step, lr, &plan.stats, &plan.counts, &update, &times, &line);
        status = run_metrics(x->dir, &line);
        if (!update.updated)
            log_warn("step %lld: no pair among %zu prompts (%zu ties, %zu rewards missing), no update", (long long)step,
                     o->prompts_per_step, plan.counts.ties, plan.counts.missing_rewards);
        x->missing += plan.counts.missing_rewards;
        for (size_t i = 0; i < o->prompts_per_step; i++) x->replies += plan.groups[i].n_replies;
        snprintf(note, sizeof note, "reward %.3f  loss %.4f  %zu pairs", plan.stats.reward_mean, update.loss,
                 plan.counts.made);
        progress_update(x->bar, (uint64_t)step, note);
    }
    TRY(world_agree(x->w, status));
    x->state.step = step;
cleanup:
    step_plan_close(&plan);
    arena_free(memory);
    strbuf_free(&outcome);
    strbuf_free(&line);
    return wr_context(status, "dpo step %lld", (long long)step);
}

static wr_status steps(run *x, bool resumed) {
    wr_status status = WR_OK;
    const dpo_options *o = x->o;
    checkpoint_state *s = &x->state;
    int64_t saved = resumed ? s->step : -1;
    bool stop = world_stop_agreed(x->w);
    while (!stop && s->step < o->steps) {
        wr_status did = one_step(x, !resumed && s->step == 0);
        if (did == WR_E_INTERRUPTED)
            stop = true;
        else
            TRY(did);
        stop = world_any(x->w, stop || world_stop_requested());
        bool due = !stop && o->checkpoint_every > 0 && s->step % o->checkpoint_every == 0 && s->step < o->steps;
        if (due) {
            TRY(save(x));
            saved = s->step;
        }
    }
    if (s->step != saved) TRY(save(x));
    if (s->step < o->steps) {
        TRY(wr_fail(WR_E_INTERRUPTED, "stopped after step %lld of %lld, all saved in %s: continue with --resume",
                    (long long)s->step, (long long)o->steps, o->out));
    }
cleanup:
    return status;
}

wr_status dpo_online(world *w, const dpo_options *o) {
    wr_status status = WR_OK;
    run x = {.w = w, .o = o};
    bool resumed;
    TRY(coordinator_create(w, &x.c));
    TRY(prompts_load(w, o->prompts, 0, &x.prompts));
    TRY(open_models(&x));
    TRY(open_run(&x, &resumed));
    if (is_root(&x)) {
        log_info("%zu prompts, %zu a step, %zu replies each, on %d ranks", x.prompts.n, o->prompts_per_step,
                 o->rollout.sampling.n, world_size(w));
        x.bar = progress_create("dpo", "steps", (uint64_t)o->steps);
        if (!x.bar) status = WR_E_NOMEM;
    }
    TRY(world_agree(w, status));
    TRY(steps(&x, resumed));
    const save_options how = how_to_save(&x);
    TRY(run_save_model(w, x.dir, x.policy, &x.state, &how));
    if (is_root(&x) && x.replies && x.missing == x.replies)
        status = wr_fail(WR_E_NUMERIC,
                         "%s: none of the %zu replies got a reward (not a number, or too long for the reward model): "
                         "nothing was learned; "
                         "look at %s with --check-weights",
                         o->out, x.replies, o->reward_dir);
    TRY(world_agree(w, status));
cleanup:
    progress_finish(x.bar);
    run_close(x.dir);
    dpo_trainer_free(&x.trainer);
    rollout_free(x.r);
    frozen_free(&x.reference);
    model_free(x.policy);
    prompts_free(&x.prompts);
    coordinator_free(x.c);
    strbuf_free(&x.state.extra);
    return status;
}
