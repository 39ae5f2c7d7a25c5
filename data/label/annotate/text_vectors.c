#include "data/label/annotate/text_vectors.h"

#include "base/string_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The distinct texts of some pairs. */
typedef struct text_set {
    arena *keys;
    string_map index; /* query\nfollow-up -> its number */
    token_ids ids[2 * TEXT_VECTOR_PAIRS];
    size_t n;
    float *pooled; /* (n, C) */
} text_set;

static void text_set_free(text_set *s) {
    if (!s) return;
    arena_free(s->keys);
    string_map_free(&s->index);
    for (size_t i = 0; i < 2 * TEXT_VECTOR_PAIRS; i++) token_ids_free(&s->ids[i]);
    free(s->pooled);
    free(s);
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* text is the query up to query_n, and from there a line end and the follow-up. */
static wr_status encode(text_vectors *v, const char *text, size_t n, size_t query_n, token_ids *out) {
    wr_status status = WR_OK;
    token_ids followup = {0};
    TRY(tokenizer_encode(v->tok, text, n, TOK_POST, out));
    v->texts++;
    if (out->n <= v->max_length) return WR_OK;
    v->shortened++;
    out->n = 0;
    TRY(tokenizer_encode(v->tok, text, query_n, TOK_POST, out));
    TRY(tokenizer_encode(v->tok, text + query_n, n - query_n, 0, &followup));
    const size_t half = v->max_length / 2, query = smaller(out->n, v->max_length - smaller(followup.n, half));
    out->n = query;
    for (size_t i = 0; i < followup.n && out->n < v->max_length; i++) TRY(token_ids_push(out, followup.ids[i]));
cleanup:
    token_ids_free(&followup);
    return status;
}

/* *number: of the turn's text in the set, -1: it has none. */
static wr_status add(text_vectors *v, text_set *s, const turn_text *t, int32_t *number) {
    wr_status status = WR_OK;
    string_entry *slot;
    int fresh;
    *number = -1;
    if (t->query_length == 0 && t->followup_length == 0) return WR_OK;
    const size_t n = t->query_length + 1 + t->followup_length;
    char *text = arena_alloc(s->keys, n);
    TRY_ALLOC(text);
    if (t->query_length) memcpy(text, t->query, t->query_length);
    text[t->query_length] = '\n';
    if (t->followup_length) memcpy(text + t->query_length + 1, t->followup, t->followup_length);
    TRY(string_map_put(&s->index, text, n, (int32_t)s->n, &slot, &fresh));
    *number = slot->value;
    if (!fresh) return WR_OK;
    TRY(encode(v, text, n, t->query_length, &s->ids[s->n]));
    if (s->ids[s->n].n == 0) {
        *number = slot->value = -1;
        return WR_OK;
    }
    s->n++;
cleanup:
    return status;
}

static double cosine_of(const float *a, const float *b, size_t C) {
    double dot = 0, aa = 0, bb = 0;
    for (size_t c = 0; c < C; c++) {
        dot += (double)a[c] * (double)b[c];
        aa += (double)a[c] * (double)a[c];
        bb += (double)b[c] * (double)b[c];
    }
    const double length = sqrt(aa) * sqrt(bb);
    if (!isfinite(dot) || !isfinite(length) || length == 0) return NAN;
    return fmax(-1, fmin(1, dot / length));
}

static wr_status some_cosines(text_vectors *v, const turn_text *x, const turn_text *y, size_t n, double *cosine) {
    wr_status status = WR_OK;
    int32_t a[TEXT_VECTOR_PAIRS], b[TEXT_VECTOR_PAIRS];
    const size_t C = v->m->config.C;
    text_set *s = mem_calloc(1, sizeof *s);
    TRY_ALLOC(s);
    TRY_ALLOC(s->keys = arena_create());
    for (size_t i = 0; i < n; i++) {
        TRY(add(v, s, &x[i], &a[i]));
        TRY(add(v, s, &y[i], &b[i]));
    }
    TRY_ALLOC(s->pooled = mem_calloc(s->n * C, sizeof *s->pooled));
    TRY(mean_pooled_states(v->m, v->work, v->packed, s->n, s->ids, v->max_tokens, s->pooled, &v->tokens));
    for (size_t i = 0; i < n; i++)
        cosine[i] =
            a[i] < 0 || b[i] < 0 ? NAN : cosine_of(s->pooled + (size_t)a[i] * C, s->pooled + (size_t)b[i] * C, C);
cleanup:
    text_set_free(s);
    return status;
}

wr_status text_vector_cosines(text_vectors *v, const turn_text *x, const turn_text *y, size_t n, double *cosine) {
    wr_status status = WR_OK;
    for (size_t from = 0; from < n; from += TEXT_VECTOR_PAIRS)
        TRY(some_cosines(v, x + from, y + from, smaller(n - from, TEXT_VECTOR_PAIRS), cosine + from));
cleanup:
    return status;
}
