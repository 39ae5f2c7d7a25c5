/* Packing: sequences lie end to end, without padding, and attention does not cross an offset.
 *
 *     ids      a a a a | b b | c c c          offsets  0 4 6 9
 *     rows     hidden states that a head reads: of a chat the one before each target (it predicts the next token), of
 *              an instance the one that the score is pooled at
 *     targets  beside each row: the token to predict, or the label
 *
 * Sequences that begin alike may lie on a tree instead (model/prefix_tree.h): then several of them have rows in common. */
#include "trainer/packing/sequence.h"

#include "reward/score.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wr_status from_instance(const sequence_rule *rule, const void *bytes, size_t n, arena *a, sequence *out) {
    instance x;
    wr_status status = instance_decode(bytes, n, a, &x);
    if (status < 0) return status;
    if (!x.n_ids || x.n_ids > rule->max_length)
        return wr_fail(WR_E_FORMAT, "record %s has %zu tokens, wanted 1 to %zu", x.id, x.n_ids, rule->max_length);
    if (x.label < 1 || x.label > rule->classes)
        return wr_fail(WR_E_FORMAT, "record %s has label %d, outside 1 to %d", x.id, x.label, rule->classes);
    *out = (sequence){.ids = x.ids,
                      .n = x.n_ids,
                      .label = x.label,
                      .weight = x.weight,
                      .id = x.id,
                      .user = x.user,
                      .n_chosen = x.n_chosen,
                      .margin = (float)x.margin};
    return WR_OK;
}

static wr_status from_chat(const sequence_rule *rule, const void *bytes, size_t n, arena *a, sequence *out) {
    chat_record x;
    wr_status status = chat_decode(bytes, n, a, &x);
    if (status < 0) return status;
    if (!x.n_ids) return wr_fail(WR_E_FORMAT, "chat %s has no tokens", x.id);
    size_t length = x.n_ids < rule->max_length ? x.n_ids : rule->max_length;
    uint32_t *targets = arena_alloc(a, length * sizeof *targets);
    if (!targets) return wr_fail(WR_E_NOMEM, "out of memory for chat %s", x.id);
    size_t n_targets = 0;
    if (rule->loss_on_all)
        for (size_t i = 1; i < length; i++) targets[n_targets++] = (uint32_t)i;
    else
        for (size_t s = 0, done = 1; s < x.n_spans; s++) {
            size_t from = x.spans[2 * s] > done ? x.spans[2 * s] : done,
                   to = x.spans[2 * s + 1] < length ? x.spans[2 * s + 1] : length;
            for (; from < to; from++) targets[n_targets++] = (uint32_t)from;
            done = to > done ? to : done; /* spans that overlap would count a token twice and overrun the array */
        }
    *out =
        (sequence){.ids = x.ids, .n = length, .targets = targets, .n_targets = n_targets, .id = x.id, .user = x.user};
    return WR_OK;
}

wr_status sequence_decode(const sequence_rule *rule, const void *bytes, size_t n, arena *a, sequence *out) {
    return rule->kind == SHARD_REWARD ? from_instance(rule, bytes, n, a, out) : from_chat(rule, bytes, n, a, out);
}

wr_status sequences_name(wr_status status, const sequence *s, size_t n) {
    enum { SHOWN = 8 };
    char names[600] = "";
    size_t at = 0;
    if (status != WR_E_NUMERIC) return status;
    for (size_t i = 0; i < n && i < SHOWN; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%.60s", i ? ", " : "", s[i].id ? s[i].id : "?");
    if (n > SHOWN) snprintf(names + at, sizeof names - at, " and %zu more", n - SHOWN);
    return wr_context(status, "at record%s %s", n == 1 ? "" : "s", names);
}

wr_status packed_fill(packed *p, const sequence_rule *rule, const sequence *sequences, size_t n, int32_t pad_id) {
    wr_status status = WR_OK;
    size_t T = 0, N = 0, B = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t texts = sequences[i].n_chosen ? 2 : 1;
        T += sequences[i].n;
        B += texts;
        N += rule->kind == SHARD_REWARD ? texts : sequences[i].n_targets;
    }
    TRY(mem_reserve((void **)&p->ids, &p->ids_capacity, T, sizeof *p->ids));
    TRY(mem_reserve((void **)&p->offsets, &p->offsets_capacity, B + 1, sizeof *p->offsets));
    TRY(mem_reserve((void **)&p->rows, &p->rows_capacity, N, sizeof *p->rows));
    TRY(mem_reserve((void **)&p->targets, &p->targets_capacity, N, sizeof *p->targets));
    p->N = B = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const sequence *s = &sequences[i];
        memcpy(p->ids + at, s->ids, s->n * sizeof *p->ids);
        for (size_t from = 0, end = s->n_chosen ? s->n_chosen : s->n; from < s->n; from = end, end = s->n) {
            p->offsets[B++] = at + from;
            if (rule->kind != SHARD_REWARD) continue;
            p->rows[p->N] = at + from + score_pool_row(s->ids + from, end - from, pad_id);
            p->targets[p->N++] = s->label;
        }
        for (size_t t = 0; t < s->n_targets; t++) { /* the hidden state at i - 1 predicts token i */
            p->rows[p->N] = at + s->targets[t] - 1;
            p->targets[p->N++] = s->ids[s->targets[t]];
        }
        at += s->n;
    }
    p->offsets[B] = at;
    p->batch = (token_batch){B, p->offsets, p->ids, NULL};
cleanup:
    return status;
}

/* Rows of the texts laid end to end become those of the tree: token t of text b lies on the path of b. */
wr_status packed_fill_shared(packed *p, const sequence_rule *rule, const sequence *sequences, size_t n, int32_t pad_id,
                             const size_t *unit, prefix_rule share) {
    wr_status status = WR_OK;
    bool any = false;
    size_t B = 0;
    TRY(packed_fill(p, rule, sequences, n, pad_id));
    TRY(mem_reserve((void **)&p->own, &p->own_capacity, p->batch.B, sizeof *p->own));
    TRY(mem_reserve((void **)&p->lengths, &p->lengths_capacity, p->batch.B, sizeof *p->lengths));
    TRY(mem_reserve((void **)&p->group, &p->group_capacity, p->batch.B, sizeof *p->group));
    for (size_t i = 0; i < n; i++)
        for (size_t texts = sequences[i].n_chosen ? 2 : 1; texts > 0; texts--, B++) {
            p->own[B] = p->ids + p->offsets[B];
            p->lengths[B] = p->offsets[B + 1] - p->offsets[B];
            p->group[B] = unit[i];
            any = any || (B && p->group[B] == p->group[B - 1]);
        }
    if (!any) goto cleanup;
    TRY(prefix_tree_build_groups(B, p->own, p->lengths, p->group, share, &p->tree));
    for (size_t r = 0, b = 0; r < p->N; r++) {
        while (p->rows[r] >= p->offsets[b + 1]) b++;
        p->rows[r] = prefix_tree_row(&p->tree, b, p->rows[r] - p->offsets[b]);
    }
    p->batch = p->tree.batch;
cleanup:
    return status;
}

void packed_free(packed *p) {
    prefix_tree_free(&p->tree);
    free(p->own);
    free(p->lengths);
    free(p->group);
    free(p->ids);
    free(p->offsets);
    free(p->rows);
    free(p->targets);
    *p = (packed){0};
}
