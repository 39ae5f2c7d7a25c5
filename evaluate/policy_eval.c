#include "evaluate/policy_eval.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "evaluate/eval_summary.h"
#include "rollout/rollout.h"
#include "model/weights/lora.h"
#include "model/host/frozen.h"
#include "model/host/model_share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The plan of the EVALUATE phase on rank 0: every prompt once, in order; draw = index of the prompt. */
typedef struct eval_plan {
    const prompt_set *prompts;
    size_t group, done;
    rollout_group *groups; /* (prompts.n) */
    arena *memory;
    progress *bar;
} eval_plan;

static size_t task_size(const eval_plan *p, size_t index) {
    size_t left = p->prompts->n - index * p->group;
    return left < p->group ? left : p->group;
}

static wr_status give_task(void *context, size_t index, strbuf *out) {
    wr_status status = WR_OK;
    eval_plan *p = context;
    size_t n = task_size(p, index), first = index * p->group;
    uint32_t *prompts = mem_calloc(n, sizeof *prompts);
    TRY_ALLOC(prompts);
    for (size_t i = 0; i < n; i++) prompts[i] = (uint32_t)(first + i);
    rollout_task_pack(0, first, prompts, n, out);
    TRY(strbuf_status(out));
cleanup:
    free(prompts);
    return status;
}

static wr_status take_result(void *context, size_t index, const void *bytes, size_t n) {
    wr_status status = WR_OK;
    eval_plan *p = context;
    rollout_group *groups;
    size_t count, first = index * p->group;
    TRY(rollout_groups_unpack(bytes, n, p->memory, &groups, &count));
    if (count != task_size(p, index))
        TRY(wr_fail(WR_E_FORMAT, "EVALUATE task %zu came back with %zu prompts", index, count));
    for (size_t i = 0; i < count; i++) {
        if (groups[i].prompt != first + i)
            TRY(wr_fail(WR_E_FORMAT, "EVALUATE task %zu came back with another prompt's replies", index));
        p->groups[first + i] = groups[i];
    }
    p->done += count;
    progress_update(p->bar, p->done, NULL);
cleanup:
    return status;
}

static wr_status write_json(const char *path, const strbuf *text) {
    if (path && strcmp(path, "-") != 0) return file_write_atomic(path, text->data, text->len);
    return fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0
               ? WR_OK
               : wr_fail(WR_E_IO, "standard output: cannot be written");
}

static wr_status summarise(const policy_eval_options *o, const prompt_set *prompts, const eval_plan *p) {
    wr_status status = WR_OK, verdict = WR_OK;
    char *why = NULL;
    strbuf text = {0};
    TRY(eval_summary_json(o->model_dir, o->reward_dir, prompts, p->groups, &text, &verdict));
    why = verdict < 0 ? mem_strdup(wr_error()) : NULL;
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(write_json(o->out_path, &text));
    /* what was measured is written all the same */
    if (verdict < 0) TRY(wr_fail(verdict, "%s", why ? why : "no reward"));
cleanup:
    free(why);
    strbuf_free(&text);
    return status;
}

static wr_status run_phase(world *w, coordinator *c, const policy_eval_options *o, const prompt_set *prompts,
                           rollout *r) {
    wr_status status = WR_OK;
    eval_plan p = {.prompts = prompts, .group = o->group ? o->group : 8};
    bool root = world_rank(w) == 0;
    if (root) {
        p.groups = mem_calloc(prompts->n, sizeof *p.groups);
        p.memory = arena_create();
        p.bar = progress_create("evaluate", "prompts", prompts->n);
        if (!p.groups || !p.memory || !p.bar) status = WR_E_NOMEM;
    }
    TRY(world_agree(w, status));
    work_plan plan = {.context = &p,
                      .n_tasks = (prompts->n + p.group - 1) / p.group,
                      .name = "EVALUATE",
                      .task = give_task,
                      .result = take_result};
    TRY(work_phase(c, root ? &plan : NULL, rollout_task, r, NULL));
    if (root) {
        progress_finish(p.bar);
        p.bar = NULL;
        status = summarise(o, prompts, &p);
    }
    TRY(world_agree(w, status));
cleanup:
    progress_finish(p.bar);
    free(p.groups);
    arena_free(p.memory);
    return status;
}

/* Rank 0: the policy with f32 masters, its adapter merged in. */
static wr_status merge_policy(const policy_eval_options *o, model **out) {
    const model_load_options load = {.head = HEAD_LM, .check_weights = o->check_weights};
    wr_status status = model_load(o->model_dir, &load, out);
    if (status >= 0) status = lora_load(*out, o->adapter_dir);
    return status < 0 ? status : lora_merge(*out);
}

/* The policy on every rank: once a host, or, with an adapter, a copy each. COLLECTIVE. */
static wr_status open_policy(world *w, const policy_eval_options *o, frozen_model *out) {
    wr_status status = WR_OK;
    if (!o->adapter_dir) return frozen_load(w, o->model_dir, HEAD_LM, o->precision, o->check_weights, out);
    if (world_rank(w) == 0) status = merge_policy(o, &out->m);
    TRY(world_agree(w, status));
    TRY(model_share(w, o->precision, &out->m));
cleanup:
    return status;
}

wr_status policy_eval_run(world *w, const policy_eval_options *o) {
    wr_status status = WR_OK;
    coordinator *c = NULL;
    prompt_set prompts = {0};
    frozen_model policy = {0};
    rollout *r = NULL;
    TRY(coordinator_create(w, &c));
    TRY(prompts_load(w, o->prompts, o->limit, &prompts));
    TRY(open_policy(w, o, &policy));
    rollout_options options = {.policy_dir = o->model_dir,
                               .reward_dir = o->reward_dir,
                               .given = o->given,
                               .reading = o->reading,
                               .chat_template = o->chat_template,
                               .check_weights = o->check_weights,
                               .sampling = o->sampling,
                               .max_prompt_tokens = o->max_prompt_tokens,
                               .score_tokens = o->score_tokens,
                               .should_stop = work_should_stop,
                               .stop_context = c};
    TRY(rollout_create(w, policy.m, &prompts, &options, &r));
    TRY(run_phase(w, c, o, &prompts, r));
cleanup:
    rollout_free(r);
    frozen_free(&policy);
    prompts_free(&prompts);
    coordinator_free(c);
    return status;
}
