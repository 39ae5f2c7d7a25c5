/* The practice world's checker: of a prompt that carries its task, how much of it a reply does. */
#include "rollout/reward_function.h"

#include <string.h>

static bool knows(const prompt *p) { return p->task_json != NULL; }

static wr_status judge(void *state, const prompt *p, const rollout_reply *replies, size_t n, double *value) {
    wr_status status = WR_OK;
    practice_task *task = NULL;
    const json_value *v;
    arena *a = arena_create();
    (void)state;
    TRY_ALLOC(a);
    TRY(json_parse(a, p->task_json, strlen(p->task_json), &v));
    TRY(practice_task_from_json(v, &task));
    for (size_t j = 0; j < n; j++) TRY(practice_check(task, replies[j].text, replies[j].text_length, &value[j]));
cleanup:
    practice_task_free(task);
    arena_free(a);
    return status;
}

const option_spec practice_reward_options[] = {{0}};
const reward_function practice_reward = {
    .name = "practice", .options = practice_reward_options, .measure = MEASURE_QUALITY, .knows = knows, .judge = judge};
