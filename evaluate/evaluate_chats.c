/* A reward model on records that were not tokenized for it: rank 0 reads them in the index's order and writes each
 * one's chat as the model wants it; then all ranks score the texts as pulled work. */
#include "base/log.h"
#include "base/mem.h"
#include "evaluate/reward_values.h"
#include "evaluate/score_texts.h"

#include <stdlib.h>

enum { BLOCK = 256 };

/* Rank 0's. */
typedef struct chat_list {
    arena *memory;
    token_ids *texts; /* (n) */
    double *values;   /* (n, VALUES) */
    uint32_t *index;  /* (n) of the dataset */
    size_t n, refused;
} chat_list;

static wr_status add_record(const reward_model *r, const record_bytes *b, uint32_t index, chat_list *l) {
    wr_status status = WR_OK;
    instance x;
    chat_message *chat;
    token_ids text = {0};
    size_t n = 0;
    arena_reset(l->memory);
    TRY(instance_decode(b->bytes, b->n, l->memory, &x));
    TRY(reward_chat(l->memory, x.history, x.n_history, &(chat_message){"user", x.query, x.query_length, NULL},
                    &(chat_message){"assistant", x.response, x.response_length, NULL}, &chat, &n));
    const bool none = x.text && !x.response_length;
    status = none ? wr_fail(WR_E_FORMAT, "a ready-made text without messages, which a chat template needs")
                  : reward_model_encode(r, chat, n, NULL, &text, NULL);
    if (status == WR_E_FORMAT) {
        if (!l->refused++) log_warn("left out: record %.80s: %s", x.id, wr_error());
        status = WR_OK;
        goto cleanup;
    }
    TRY(status);
    l->values[l->n * VALUES + VALUE_LABEL] = x.label;
    l->index[l->n] = index;
    l->texts[l->n++] = text;
    text = (token_ids){0};
cleanup:
    token_ids_free(&text);
    return status;
}

/* COLLECTIVE. */
static wr_status read_list(world *w, const reward_model *r, record_source *s, size_t count, chat_list *l) {
    wr_status status = WR_OK;
    const bool root = world_rank(w) == 0;
    uint32_t wanted[BLOCK];
    record_bytes bytes[BLOCK];
    if (root) {
        l->memory = arena_create();
        l->texts = mem_calloc(count + 1, sizeof *l->texts);
        l->values = mem_calloc(count + 1, VALUES * sizeof *l->values);
        l->index = mem_calloc(count + 1, sizeof *l->index);
        status = l->memory && l->texts && l->values && l->index
                     ? reward_model_reads_chats(r)
                     : wr_fail(WR_E_NOMEM, "out of memory evaluating %zu records", count);
    }
    TRY(world_agree(w, status));
    for (size_t from = 0; from < count; from += BLOCK) {
        const size_t n = count - from < BLOCK ? count - from : BLOCK;
        for (size_t i = 0; i < n; i++) wanted[i] = (uint32_t)(from + i);
        TRY(record_source_fetch(s, wanted, root ? n : 0, bytes));
        for (size_t i = 0; root && i < n && status >= 0; i++) status = add_record(r, &bytes[i], wanted[i], l);
        TRY(world_agree(w, status));
    }
cleanup:
    return status;
}

static wr_status figures(chat_list *l, const double *scores, reward_figures *out) {
    if (!l->n) return wr_fail(WR_E_FORMAT, "no record that the reward model can read");
    if (l->refused) log_warn("%zu of %zu records left out: see above for the first", l->refused, l->refused + l->n);
    for (size_t i = 0; i < l->n; i++) {
        l->values[i * VALUES + VALUE_SCORE] = scores[i];
        if (scores[i] != scores[i]) return wr_fail(WR_E_NUMERIC, "the model's score of a record is not a number");
    }
    return reward_summarise(NULL, l->values, VALUES, l->n, out);
}

wr_status evaluate_reward_chats(world *w, const reward_model *r, record_source *s, const evaluate_options *o,
                                reward_figures *out) {
    wr_status status = WR_OK;
    const dataset_index *d = record_source_index(s);
    const bool root = world_rank(w) == 0;
    chat_list l = {0};
    double *scores = NULL;
    *out = (reward_figures){.classes = d->meta.classes};
    TRY(read_list(w, r, s, o->limit && o->limit < d->n_records ? o->limit : d->n_records, &l));
    scores = mem_calloc(l.n + 1, sizeof *scores);
    TRY(world_agree(w, scores ? WR_OK : WR_E_NOMEM));
    TRY(score_texts(w, r, l.texts, l.n, o->max_tokens, scores));
    TRY(world_agree(w, root ? figures(&l, scores, out) : WR_OK));
    if (o->records) {
        TRY(world_agree(w, reward_records_of_values(NULL, d->meta.classes, l.values, VALUES, l.n, o->records)));
        TRY(reward_records_read(w, s, l.index, l.n, o->records));
    }
cleanup:
    for (size_t i = 0; i < l.n; i++) token_ids_free(&l.texts[i]);
    free(l.texts);
    free(l.values);
    free(l.index);
    free(scores);
    arena_free(l.memory);
    return status;
}
