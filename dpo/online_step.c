/* Rank 0's side of a step: prompts drawn, tasks given out, replies gathered by draw, pairs chosen. The callbacks run on
 * the coordinator thread.
 *
 * Draws are numbered through the run, prompts_per_step of them a step; draw d is prompt d mod n of epoch d / n, whose
 * order is a shuffle by (seed, epoch). So what a step samples follows from its number alone, and a resumed run needs no
 * other state. A task is `group` neighbouring draws; results are put where their draws belong, in whatever order they
 * come. */
#include "dpo/online.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/stream.h"

#include <stdio.h>
#include <stdlib.h>

wr_status prompt_order(uint64_t seed, size_t n_prompts, uint64_t first, size_t n, uint32_t *order) {
    wr_status status = WR_OK;
    uint64_t epoch = UINT64_MAX;
    uint32_t *shuffled = mem_calloc(n_prompts, sizeof *shuffled);
    TRY_ALLOC(shuffled);
    for (size_t i = 0; i < n; i++) {
        uint64_t draw = first + i;
        if (draw / n_prompts != epoch) {
            epoch = draw / n_prompts;
            for (size_t k = 0; k < n_prompts; k++) shuffled[k] = (uint32_t)k;
            rng r = rng_make(seed, RNG_PROMPT, epoch, 0, 0);
            rng_shuffle(&r, shuffled, n_prompts);
        }
        order[i] = shuffled[draw % n_prompts];
    }
cleanup:
    free(shuffled);
    return status;
}

static uint64_t first_draw(const step_plan *p) { return (uint64_t)(p->step - 1) * p->o->prompts_per_step; }

wr_status step_plan_open(const dpo_options *o, const prompt_set *prompts, int64_t step, const char *replies_dir,
                         step_plan *out) {
    wr_status status = WR_OK;
    *out = (step_plan){.o = o, .prompts = prompts, .step = step, .replies_dir = replies_dir};
    out->order = mem_calloc(o->prompts_per_step, sizeof *out->order);
    out->groups = mem_calloc(o->prompts_per_step, sizeof *out->groups);
    out->memory = arena_create();
    TRY_ALLOC(out->order);
    TRY_ALLOC(out->groups);
    TRY_ALLOC(out->memory);
    TRY(prompt_order(o->run.seed, prompts->n, first_draw(out), o->prompts_per_step, out->order));
cleanup:
    if (status < 0) step_plan_close(out);
    return status;
}

void step_plan_close(step_plan *p) {
    free(p->order);
    free(p->groups);
    arena_free(p->memory);
    *p = (step_plan){0};
}

static size_t task_size(const step_plan *p, size_t index) {
    size_t first = index * p->o->group, left = p->o->prompts_per_step - first;
    return left < p->o->group ? left : p->o->group;
}

static wr_status give_task(void *context, size_t index, strbuf *out) {
    step_plan *p = context;
    size_t first = index * p->o->group;
    rollout_task_pack((uint64_t)p->step, first_draw(p) + first, p->order + first, task_size(p, index), out);
    return strbuf_status(out);
}

static wr_status take_result(void *context, size_t index, const void *bytes, size_t n) {
    wr_status status = WR_OK;
    step_plan *p = context;
    rollout_group *groups;
    size_t count, first = index * p->o->group;
    TRY(rollout_groups_unpack(bytes, n, p->memory, &groups, &count));
    if (count != task_size(p, index))
        TRY(wr_fail(WR_E_FORMAT, "SAMPLE task %zu came back with %zu prompts instead of %zu", index, count,
                    task_size(p, index)));
    for (size_t i = 0; i < count; i++) {
        if (groups[i].draw != first_draw(p) + first + i || groups[i].prompt != p->order[first + i]) {
            TRY(wr_fail(WR_E_FORMAT, "SAMPLE task %zu came back with replies to another prompt", index));
        }
        p->groups[first + i] = groups[i];
    }
cleanup:
    return status;
}

static wr_status save_replies(const step_plan *p) {
    wr_status status = WR_OK;
    char name[64], path[PATH_CAP];
    outstream *out = NULL;
    strbuf line = {0};
    snprintf(name, sizeof name, "step-%06lld.jsonl.zst", (long long)p->step);
    TRY(path_join(path, p->replies_dir, name));
    TRY(outstream_create(path, &out));
    for (size_t i = 0; i < p->o->prompts_per_step; i++) {
        for (size_t j = 0; j < p->groups[i].n_replies; j++) {
            strbuf_clear(&line);
            reply_line(p->step, &p->groups[i], j, &line);
            TRY(strbuf_status(&line));
            TRY(outstream_line(out, &line));
        }
    }
    TRY(outstream_commit(&out));
cleanup:
    outstream_discard(out);
    strbuf_free(&line);
    return status;
}

static wr_status choose_pairs(void *context, strbuf *outcome) {
    wr_status status = WR_OK;
    step_plan *p = context;
    size_t n = p->o->prompts_per_step, n_pairs;
    dpo_pair *pairs = arena_alloc(p->memory, pairs_room(p->groups, n, &p->o->pairs) * sizeof *pairs);
    TRY_ALLOC(pairs);
    TRY(pairs_choose(p->groups, n, &p->o->pairs, pairs, &n_pairs, &p->counts));
    reply_stats_of(p->groups, n, pairs, n_pairs, &p->stats);
    pairs_pack(pairs, n_pairs, outcome);
    TRY(strbuf_status(outcome));
    if (p->replies_dir) TRY(save_replies(p));
cleanup:
    return status;
}

work_plan step_work(step_plan *p) {
    return (work_plan){.context = p,
                       .n_tasks = (p->o->prompts_per_step + p->o->group - 1) / p->o->group,
                       .name = "SAMPLE",
                       .task = give_task,
                       .result = take_result,
                       .finish = choose_pairs};
}
