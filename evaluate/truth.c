#include "evaluate/truth.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stream.h"
#include "text/chat/chat_read.h"
#include "evaluate/statistics/metrics.h"
#include "evaluate/score_texts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 1000 };

/* Rank 0's list of replies to score. */
typedef struct truth_list {
    char **users;
    size_t n_users, users_capacity; /* sorted names of the test split */
    token_ids *texts;
    size_t n, texts_capacity;
    double *quality;
    size_t quality_capacity;
    uint32_t *user;
    size_t user_capacity;
    double *scores;
    size_t too_long;
} truth_list;

static void list_free(truth_list *l) {
    for (size_t i = 0; i < l->n_users; i++) free(l->users[i]);
    for (size_t i = 0; i < l->n; i++) token_ids_free(&l->texts[i]);
    free(l->users);
    free(l->texts);
    free(l->quality);
    free(l->user);
    free(l->scores);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static wr_status next_line(instream *s, arena *a, const json_value **v) {
    const char *line;
    size_t n;
    wr_status status = instream_line(s, &line, &n);
    if (status != WR_OK) return status;
    arena_reset(a);
    return wr_context(json_parse(a, line, n, v), "%s line %zu", instream_name(s), instream_line_number(s));
}

static wr_status read_users(const char *data_dir, arena *a, truth_list *l) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    instream *s = NULL;
    const json_value *v;
    TRY(path_join(path, data_dir, "users.jsonl.zst"));
    TRY(instream_open(path, &s));
    while ((status = next_line(s, a, &v)) == WR_OK) {
        const char *user, *split;
        size_t user_n, split_n;
        if (!json_get_string(v, "user", &user, &user_n) || !json_get_string(v, "split", &split, &split_n))
            TRY(wr_fail(WR_E_FORMAT, "%s line %zu: \"user\" and \"split\" are needed", path, instream_line_number(s)));
        if (strcmp(split, "test") != 0) continue;
        VEC_PUSH(l->users, l->n_users, l->users_capacity, mem_strndup(user, user_n));
        TRY_ALLOC(l->users[l->n_users - 1]);
    }
    TRY(status);
    status = WR_OK;
    if (!l->n_users) TRY(wr_fail(WR_E_FORMAT, "%s: no user of the test split", path));
    qsort(l->users, l->n_users, sizeof *l->users, by_text);
cleanup:
    instream_close(s);
    return status;
}

static wr_status add_reply(const reward_model *r, const json_value *v, arena *a, truth_list *l) {
    wr_status status = WR_OK;
    const char *user, *query, *response;
    size_t user_n, query_n, response_n, n_history, n = 0;
    double quality;
    chat_message *history = NULL, *chat = NULL;
    token_ids text = {0};
    if (!json_get_string(v, "user", &user, &user_n) || !json_get_string(v, "query", &query, &query_n) ||
        !json_get_string(v, "response", &response, &response_n) || !json_get_double(v, "quality", &quality))
        return wr_fail(WR_E_FORMAT, "user, query, response and quality are needed");
    char **found = bsearch(&user, l->users, l->n_users, sizeof *l->users, by_text);
    if (!found) return WR_OK;
    TRY(chat_read_texts(a, json_get(v, "history"), "history", &history, &n_history));
    TRY(reward_chat(a, history, n_history, &(chat_message){"user", query, query_n, NULL},
                    &(chat_message){"assistant", response, response_n, NULL}, &chat, &n));
    status = reward_model_encode(r, chat, n, NULL, &text, NULL);
    if (status == WR_E_FORMAT) {
        l->too_long++;
        status = WR_OK;
        goto cleanup;
    }
    TRY(status);
    TRY(mem_reserve((void **)&l->texts, &l->texts_capacity, l->n + 1, sizeof *l->texts));
    TRY(mem_reserve((void **)&l->quality, &l->quality_capacity, l->n + 1, sizeof *l->quality));
    TRY(mem_reserve((void **)&l->user, &l->user_capacity, l->n + 1, sizeof *l->user));
    l->quality[l->n] = quality;
    l->user[l->n] = (uint32_t)(found - l->users);
    l->texts[l->n++] = text;
    text = (token_ids){0};
cleanup:
    token_ids_free(&text);
    return status;
}

static wr_status read_list(const reward_model *r, const char *truth_path, const char *data_dir, size_t limit,
                           truth_list *l) {
    wr_status status = WR_OK;
    arena *a = arena_create();
    instream *s = NULL;
    const json_value *v;
    TRY_ALLOC(a);
    TRY(reward_model_reads_chats(r));
    TRY(read_users(data_dir, a, l));
    TRY(instream_open(truth_path, &s));
    while ((!limit || l->n < limit) && (status = next_line(s, a, &v)) == WR_OK)
        TRY(wr_context(add_reply(r, v, a, l), "%s line %zu", truth_path, instream_line_number(s)));
    TRY(status);
    status = WR_OK;
    if (!l->n) TRY(wr_fail(WR_E_FORMAT, "%s: no reply of a test user of %s", truth_path, data_dir));
    l->scores = mem_calloc(l->n, sizeof *l->scores);
    TRY_ALLOC(l->scores);
cleanup:
    instream_close(s);
    arena_free(a);
    return status;
}

static wr_status summarise(const truth_list *l, uint64_t seed, truth_figures *out) {
    wr_status status = WR_OK;
    uint32_t *compact = mem_calloc(l->n_users, sizeof *compact), *cluster = mem_calloc(l->n, sizeof *cluster);
    TRY_ALLOC(compact);
    TRY_ALLOC(cluster);
    *out = (truth_figures){.replies = l->n, .too_long = l->too_long};
    /* Users without a reply here are no clusters. */
    for (size_t i = 0; i < l->n; i++) compact[l->user[i]] = 1;
    for (size_t u = 0; u < l->n_users; u++) compact[u] = compact[u] ? (uint32_t)out->users++ : 0;
    for (size_t i = 0; i < l->n; i++) cluster[i] = compact[l->user[i]];
    TRY(spearman(l->scores, l->quality, l->n, &out->spearman));
    TRY(spearman_interval(l->scores, l->quality, cluster, l->n, out->users, RESAMPLES, seed, &out->low, &out->high));
cleanup:
    free(compact);
    free(cluster);
    return status;
}

wr_status truth_evaluate(world *w, const reward_model *r, const char *truth_path, const char *data_dir, size_t limit,
                         size_t max_tokens, uint64_t seed, truth_figures *out) {
    wr_status status = WR_OK;
    truth_list l = {0};
    bool root = world_rank(w) == 0;
    *out = (truth_figures){.spearman = NAN, .low = NAN, .high = NAN};
    if (root) status = read_list(r, truth_path, data_dir, limit, &l);
    TRY(world_agree(w, status));
    TRY(score_texts(w, r, l.texts, l.n, max_tokens, l.scores));
    TRY(world_agree(w, root ? summarise(&l, seed, out) : WR_OK));
cleanup:
    list_free(&l);
    return status;
}
