#include "evaluate/eval_summary.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 12, KIND_CAP = 48 };

interval mean_interval(const double *x, size_t n) {
    interval v = {NAN, NAN, NAN, n};
    if (n == 0) return v;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    v.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (x[i] - v.mean) * (x[i] - v.mean);
    if (n > 1) {
        double half = 1.96 * sqrt(squares / (double)(n - 1) / (double)n);
        v.low = v.mean - half;
        v.high = v.mean + half;
    }
    return v;
}

typedef struct kind_row {
    char name[KIND_CAP];
    size_t replies;
    double quality;
} kind_row;
typedef struct summary {
    double *quality, *reward; /* (prompts) means of the replies to a prompt, for prompts that have any */
    size_t n_quality, n_reward;
    size_t replies, stopped, missing, skipped;
    double tokens;
    kind_row *kinds;
    size_t n_kinds, kinds_capacity;
} summary;

static wr_status kind_of(const prompt *p, char name[KIND_CAP]) {
    wr_status status = WR_OK;
    practice_task *task = NULL;
    const json_value *v;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(json_parse(a, p->task_json, strlen(p->task_json), &v));
    TRY(practice_task_from_json(v, &task));
    snprintf(name, KIND_CAP, "%s", practice_task_kind(task));
cleanup:
    practice_task_free(task);
    arena_free(a);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const kind_row *)a)->name, ((const kind_row *)b)->name);
}

static wr_status count_kind(summary *s, const prompt *p, double quality, size_t replies) {
    wr_status status = WR_OK;
    char name[KIND_CAP];
    kind_row *row = NULL;
    TRY(kind_of(p, name));
    for (size_t i = 0; i < s->n_kinds; i++) {
        if (strcmp(s->kinds[i].name, name) == 0) row = &s->kinds[i];
    }
    if (!row) {
        TRY(mem_reserve((void **)&s->kinds, &s->kinds_capacity, s->n_kinds + 1, sizeof *s->kinds));
        row = &s->kinds[s->n_kinds++];
        memset(row, 0, sizeof *row);
        memcpy(row->name, name, KIND_CAP);
    }
    row->replies += replies;
    row->quality += quality;
cleanup:
    return status;
}

static wr_status gather(summary *s, const prompt_set *prompts, const rollout_group *groups) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < prompts->n; i++) {
        const rollout_group *g = &groups[i];
        double quality = 0, reward = 0;
        size_t checked = 0, scored = 0;
        s->skipped += g->skipped;
        for (size_t j = 0; j < g->n_replies; j++) {
            const rollout_reply *r = &g->replies[j];
            s->replies++;
            s->stopped += r->stopped;
            s->tokens += (double)r->n;
            if (isfinite(r->quality)) {
                quality += r->quality;
                checked++;
            }
            if (isfinite(r->reward)) {
                reward += r->reward;
                scored++;
            }
        }
        s->missing += g->n_replies - scored;
        if (checked) {
            s->quality[s->n_quality++] = quality / (double)checked;
            TRY(count_kind(s, &prompts->items[i], quality, checked));
        }
        if (scored) s->reward[s->n_reward++] = reward / (double)scored;
    }
    qsort(s->kinds, s->n_kinds, sizeof *s->kinds, by_name);
cleanup:
    return status;
}

static void write_interval(json_writer *w, const char *name, const double *x, size_t n) {
    char key[64];
    interval v = mean_interval(x, n);
    json_member_double(w, name, v.mean);
    snprintf(key, sizeof key, "%s_low", name);
    json_member_double(w, key, v.low);
    snprintf(key, sizeof key, "%s_high", name);
    json_member_double(w, key, v.high);
}

/* The first replies of prompts spread evenly over the set. */
static void write_examples(json_writer *w, const prompt_set *prompts, const rollout_group *groups) {
    size_t shown = prompts->n < EXAMPLES ? prompts->n : EXAMPLES;
    json_member_array(w, "examples");
    for (size_t k = 0; k < shown; k++) {
        size_t i = k * prompts->n / shown;
        const prompt *p = &prompts->items[i];
        if (groups[i].n_replies == 0) continue;
        const rollout_reply *r = &groups[i].replies[0];
        const chat_message *query = p->messages ? &p->messages[p->n_messages - 1] : NULL;
        json_begin_object(w);
        json_member_string_n(w, "prompt", query ? query->content : p->text, query ? query->length : p->text_length);
        json_member_string_n(w, "reply", r->text, r->text_length);
        if (isfinite(r->quality)) json_member_double(w, "true_quality", r->quality);
        if (isfinite(r->reward)) json_member_double(w, "reward", r->reward);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_json(json_writer *w, const char *model_dir, const char *reward_dir, const prompt_set *prompts,
                       const rollout_group *groups, const summary *s) {
    json_begin_object(w);
    json_member_string(w, "kind", "policy");
    json_member_string(w, "model", model_dir);
    json_member_int(w, "prompts", (int64_t)prompts->n);
    json_member_string(w, "prompts_hash", prompts->hash);
    json_member_int(w, "replies", (int64_t)s->replies);
    if (s->n_quality) write_interval(w, "true_quality", s->quality, s->n_quality);
    if (reward_dir) { /* null where every one is missing */
        write_interval(w, "reward", s->reward, s->n_reward);
        json_member_int(w, "missing_rewards", (int64_t)s->missing);
    }
    json_member_int(w, "skipped_prompts", (int64_t)s->skipped);
    json_member_double(w, "reply_tokens", s->replies ? s->tokens / (double)s->replies : NAN);
    json_member_double(w, "stop_share", s->replies ? (double)s->stopped / (double)s->replies : NAN);
    json_member_object(w, "by_kind");
    for (size_t i = 0; i < s->n_kinds; i++) {
        json_member_object(w, s->kinds[i].name);
        json_member_int(w, "replies", (int64_t)s->kinds[i].replies);
        json_member_double(w, "true_quality", s->kinds[i].quality / (double)s->kinds[i].replies);
        json_end_object(w);
    }
    json_end_object(w);
    write_examples(w, prompts, groups);
    json_end_object(w);
}

wr_status eval_summary_json(const char *model_dir, const char *reward_dir, const prompt_set *prompts,
                            const rollout_group *groups, strbuf *out, wr_status *verdict) {
    wr_status status = WR_OK;
    summary s = {0};
    *verdict = WR_OK;
    s.quality = mem_calloc(prompts->n, sizeof *s.quality);
    s.reward = mem_calloc(prompts->n, sizeof *s.reward);
    TRY_ALLOC(s.quality);
    TRY_ALLOC(s.reward);
    TRY(gather(&s, prompts, groups));
    json_writer w = json_writer_make(out);
    write_json(&w, model_dir, reward_dir, prompts, groups, &s);
    TRY(strbuf_status(out));
    if (reward_dir && s.n_reward == 0)
        *verdict = wr_fail(WR_E_NUMERIC, "none of %zu replies got a reward " ROLLOUT_NO_REWARD, s.replies, reward_dir);
cleanup:
    free(s.quality);
    free(s.reward);
    free(s.kinds);
    return status;
}
