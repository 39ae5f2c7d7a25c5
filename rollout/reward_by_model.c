/* The reward model: each reply is written into the model's template behind the prompt's messages, and all replies to a
 * prompt are scored as one tree (reward/score.h). Its parameters lie once a host. */
#include "rollout/reward_function.h"

#include "base/log.h"
#include "base/mem.h"
#include "model/host/frozen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct judge_model {
    frozen_model frozen;
    reward_model reward;
    score_scratch *scratch;
    size_t score_tokens;
    size_t refused; /* replies that the model cannot read */
    char hash[64];
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
    wr_status opened = reward_model_open(o->reward_dir, &o->reading, 0, &j->reward);
    if (opened < 0) j->frozen.m = NULL; /* reward_model_open closed what it was given */
    TRY(opened);
    TRY(wr_context(reward_model_reads_chats(&j->reward), "%s", o->reward_dir));
    TRY(score_scratch_create(&j->reward, &j->scratch));
    /* The model's, and how it is read where that is not what runs of earlier versions did with any model. */
    const bool as_ever = j->reward.tpl && j->reward.rule == &ordinal_rule;
    snprintf(j->hash, sizeof j->hash, "%s%s%s%s", j->reward.m->parent_hash, as_ever ? "" : " ",
             as_ever ? "" : j->reward.rule->name, j->reward.chat ? " chat" : "");
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

static const char *hash(const void *state) { return ((const judge_model *)state)->hash; }

/* The prompt as a chat, with room for a reply behind it. A prompt that is a text is a user's only message. */
static wr_status begin_chat(const prompt *p, chat_message **out, size_t *n) {
    *n = p->messages ? p->n_messages : 1;
    *out = mem_calloc(*n + 1, sizeof **out);
    if (!*out) return WR_E_NOMEM;
    if (p->messages)
        memcpy(*out, p->messages, *n * sizeof **out);
    else
        **out = (chat_message){"user", p->text, p->text_length, NULL};
    return WR_OK;
}

/* A reply that does not fit the reward model, or a score that is not a number, leaves NaN. */
static wr_status judge(void *state, const prompt *p, const rollout_reply *replies, size_t n, double *value) {
    wr_status status = WR_OK;
    judge_model *j = state;
    const reward_model *r = &j->reward;
    token_ids *texts = mem_calloc(n, sizeof *texts);
    double *scores = mem_calloc(n, sizeof *scores);
    size_t *which = mem_calloc(n, sizeof *which), m = 0, n_chat = 0;
    chat_message *chat = NULL;
    TRY_ALLOC(texts);
    TRY_ALLOC(scores);
    TRY_ALLOC(which);
    TRY(begin_chat(p, &chat, &n_chat));
    for (size_t i = 0; i < n; i++) {
        value[i] = NAN;
        texts[m].n = 0;
        chat[n_chat] = (chat_message){"assistant", replies[i].text, replies[i].text_length, NULL};
        const wr_status s = reward_model_encode(r, chat, n_chat + 1, p->row, &texts[m], NULL);
        if (s == WR_E_FORMAT) {
            if (!j->refused++) log_warn("a reply got no reward: %s", wr_error());
            continue;
        }
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
    free(chat);
    return status;
}

const option_spec model_reward_options[] = {{0}}; /* --reward and how it reads are the commands' */
const reward_function model_reward = {.name = "model",
                                      .options = model_reward_options,
                                      .measure = MEASURE_REWARD,
                                      .wanted = wanted,
                                      .open = open_model,
                                      .close = close_model,
                                      .judge = judge,
                                      .hash = hash};
