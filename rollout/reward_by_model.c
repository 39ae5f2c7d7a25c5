/* The reward model: each reply is written into the model's template behind the prompt's messages, and all replies to a
 * prompt are scored as one tree (reward/score.h). Its parameters lie once a host. */
#include "rollout/reward_function.h"

#include "base/mem.h"
#include "model/host/frozen.h"

#include <math.h>
#include <stdlib.h>

typedef struct judge_model {
    frozen_model frozen;
    reward_model reward;
    score_scratch *scratch;
    size_t score_tokens;
} judge_model;

static bool wanted(const rollout_options *o) { return o->reward_dir != NULL; }

static void close_model(void *state) {
    judge_model *j = state;
    if (!j) return;
    score_scratch_free(j->scratch);
    if (j->reward.m) {
        reward_model_close(&j->reward); /* the model's shell too, which frozen_free would free */
        j->frozen.m = NULL;
    }
    frozen_free(&j->frozen);
    free(j);
}

static wr_status open_local(judge_model *j, const rollout_options *o) {
    wr_status status = WR_OK;
    j->reward.m = j->frozen.m;
    wr_status opened = reward_model_open(o->reward_dir, o->template_file, 0, &j->reward);
    if (opened < 0) j->frozen.m = NULL; /* reward_model_open closed what it was given */
    TRY(opened);
    if (!j->reward.tpl)
        TRY(wr_fail(WR_E_USAGE, "%s: this reward model records no template; give it with --template FILE",
                    o->reward_dir));
    TRY(score_scratch_create(&j->reward, &j->scratch));
cleanup:
    return status;
}

static wr_status open_model(world *w, precision p, const rollout_options *o, void **state) {
    wr_status status = WR_OK;
    judge_model *j = mem_calloc(1, sizeof *j);
    TRY(world_agree(w, j ? WR_OK : WR_E_NOMEM));
    j->score_tokens = o->score_tokens ? o->score_tokens : 8192;
    TRY(frozen_load(w, o->reward_dir, HEAD_SCORE, p, o->check_weights, &j->frozen));
    TRY(world_agree(w, open_local(j, o)));
    *state = j;
    j = NULL;
cleanup:
    close_model(j);
    return status;
}

static const char *hash(const void *state) { return ((const judge_model *)state)->reward.m->parent_hash; }

/* A reply that does not fit the reward model, or a score that is not a number, leaves NaN. */
static wr_status judge(void *state, const prompt *p, const rollout_reply *replies, size_t n, double *value) {
    wr_status status = WR_OK;
    judge_model *j = state;
    const reward_model *r = &j->reward;
    token_ids *texts = mem_calloc(n, sizeof *texts);
    double *scores = mem_calloc(n, sizeof *scores);
    size_t *which = mem_calloc(n, sizeof *which), m = 0;
    TRY_ALLOC(texts);
    TRY_ALLOC(scores);
    TRY_ALLOC(which);
    const chat_message *query = p->messages ? &p->messages[p->n_messages - 1] : NULL;
    for (size_t i = 0; i < n; i++) {
        value[i] = NAN;
        texts[m].n = 0;
        wr_status s = reward_template_encode(r->tpl, r->tok, p->messages, query ? p->n_messages - 1 : 0,
                                             query ? query->content : p->text, query ? query->length : p->text_length,
                                             replies[i].text, replies[i].text_length, r->max_length, &texts[m], NULL);
        if (s == WR_E_FORMAT) continue;
        TRY(s);
        if (texts[m].n) which[m++] = i;
    }
    if (m) TRY(score_ids(r, j->scratch, m, texts, j->score_tokens, scores, NULL));
    for (size_t k = 0; k < m; k++) value[which[k]] = isfinite(scores[k]) ? scores[k] : NAN;
cleanup:
    for (size_t i = 0; texts && i < n; i++) token_ids_free(&texts[i]);
    free(texts);
    free(scores);
    free(which);
    return status;
}

const option_spec model_reward_options[] = {{0}}; /* --reward and --template are the commands' */
const reward_function model_reward = {.name = "model",
                                      .options = model_reward_options,
                                      .measure = MEASURE_REWARD,
                                      .wanted = wanted,
                                      .open = open_model,
                                      .close = close_model,
                                      .judge = judge,
                                      .hash = hash};
