/* model_decode: new tokens of several sequences through the decoder, keys and values kept in caches.
 *
 * Of a sequence only new tokens are computed: attention needs of the earlier ones nothing but their keys and values.
 * Rows of all items lie one after another, as a packed batch does, and share every product; a layer then copies their
 * keys and values behind those in their segment, of which attention reads two spans at most:
 *
 *     segment's memory, layer l, head g (capacity rows of D)          item's keys = prefix | segment
 *     | k of earlier tokens | k of the new ones | free …  |           prefix: one copy, read by n replies */
#include "model/decode.h"

#include "base/mem.h"
#include "model/layer.h"
#include "model/weights/params.h"

#include <stdlib.h>
#include <string.h>

struct decode_scratch {
    linear_context linear;
    buffer x, last, scratch, qkv, att, gu, rounded;
    rope_tables rope;
    attention_item *items;
    kv_span *spans; /* two an item */
    size_t *first_task;
    int32_t *position, *ids;
    size_t item_capacity, token_capacity;
};

size_t kv_segment_size(const model_config *c, precision p, size_t capacity) {
    return c->L * c->G * capacity * c->D * precision_bytes(p);
}

size_t decode_original_length(const model *m) { return model_config_rope_switch(&m->config); }

wr_status decode_scratch_create(const model *m, decode_scratch **out) {
    wr_status status = WR_OK;
    (void)m; /* sized at the first call */
    decode_scratch *s = mem_calloc(1, sizeof *s);
    *out = NULL;
    TRY_ALLOC(s);
    TRY(linear_create(&s->linear));
    *out = s;
    s = NULL;
cleanup:
    decode_scratch_free(s);
    return status;
}

void decode_scratch_free(decode_scratch *s) {
    if (!s) return;
    linear_free(&s->linear);
    buffer *const buffers[] = {&s->x, &s->last, &s->scratch, &s->qkv, &s->att, &s->gu, &s->rounded};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) buffer_free(buffers[i]);
    rope_tables_free(&s->rope);
    free(s->items);
    free(s->spans);
    free(s->first_task);
    free(s->position);
    free(s->ids);
    free(s);
}

wr_status decode_pack(const model *m, decode_scratch *s) {
    return m->precision == PRECISION_BF16 ? linear_pack(m, &s->linear) : WR_OK;
}

static size_t prefix_length(const kv_segment *s) { return s->prefix ? s->prefix->length : 0; }

static wr_status check_items(const model *m, size_t n_items, const decode_item *items, size_t *T, size_t *longest) {
    const size_t limit = decode_original_length(m);
    *T = 0;
    *longest = 0;
    if (m->config.D > ATTENTION_D_MAX)
        return wr_fail(WR_E_MISMATCH, "head_dim %zu is above %d, the largest supported", m->config.D, ATTENTION_D_MAX);
    for (size_t i = 0; i < n_items; i++) {
        const decode_item *it = &items[i];
        const kv_segment *s = it->segment;
        if (it->n == 0) return wr_fail(WR_E_USAGE, "model_decode: item %zu has no new tokens", i);
        if (s->prefix && s->prefix->prefix)
            return wr_fail(WR_E_USAGE, "model_decode: item %zu: a prefix has a prefix of its own", i);
        if (it->n > s->capacity - s->length)
            return wr_fail(WR_E_USAGE, "model_decode: item %zu: %zu new tokens do not fit the cache (%zu of %zu used)",
                           i, it->n, s->length, s->capacity);
        *T += it->n;
        const size_t total = prefix_length(s) + s->length + it->n;
        if ((s->prefix && s->prefix->far != s->far) || (total > limit && !s->far))
            return wr_fail(WR_E_USAGE, "model_decode: item %zu: its cache is that of another length", i);
        if (total > *longest) *longest = total;
        if (s->far && *longest <= limit) *longest = limit + 1; /* the table's rows for it must be there */
    }
    return WR_OK;
}

static wr_status reserve(const model *m, decode_scratch *s, size_t n_items, size_t T) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const size_t act = precision_bytes(m->precision);
    TRY(buffer_need(&s->x, T * c->C * sizeof(float)));
    TRY(buffer_need(&s->last, n_items * c->C * sizeof(float)));
    TRY(buffer_need(&s->scratch, layer_scratch(m, rows_from(0, T), NULL, &(layer_buffers){0})));
    TRY(buffer_need(&s->qkv, T * qkv_width(c) * act));
    TRY(buffer_need(&s->att, T * c->H * c->D * act));
    TRY(buffer_need(&s->gu, T * 2 * c->F * act));
    if (n_items > s->item_capacity) {
        free(s->items);
        free(s->spans);
        free(s->first_task);
        s->item_capacity = 0;
        s->items = mem_calloc(n_items, sizeof *s->items);
        s->spans = mem_calloc(2 * n_items, sizeof *s->spans);
        s->first_task = mem_calloc(n_items + 1, sizeof *s->first_task);
        TRY_ALLOC(s->items && s->spans && s->first_task);
        s->item_capacity = n_items;
    }
    if (T > s->token_capacity) {
        free(s->position);
        free(s->ids);
        s->token_capacity = 0;
        s->position = mem_calloc(T, sizeof *s->position);
        s->ids = mem_calloc(T, sizeof *s->ids);
        TRY_ALLOC(s->position && s->ids);
        s->token_capacity = T;
    }
cleanup:
    return status;
}

/* Byte of element `i` of an array of the model's precision. */
static char *element(const model *m, void *base, size_t i) { return (char *)base + i * precision_bytes(m->precision); }

static kv_span span_of(const model *m, const kv_segment *s, size_t l, size_t n) {
    const model_config *c = &m->config;
    const size_t layer = l * c->G * s->capacity * c->D;
    return (kv_span){.k = element(m, s->k, layer),
                     .v = element(m, s->v, layer),
                     .token_stride = c->D,
                     .head_stride = s->capacity * c->D,
                     .n = n};
}

/* Keys and values of the new tokens go behind those of the cache; items[i] then sees prefix, cache and new tokens. */
static void fill_cache(const model *m, decode_scratch *s, size_t l, size_t n_items, const decode_item *items) {
    const model_config *c = &m->config;
    const size_t Q = qkv_width(c), HD = c->H * c->D, GD = c->G * c->D, bytes = c->D * precision_bytes(m->precision);
    for (size_t i = 0, first = 0; i < n_items; first += items[i++].n) {
        const kv_segment *seg = items[i].segment;
        const size_t layer = l * c->G * seg->capacity * c->D;
        for (size_t t = 0; t < items[i].n; t++) {
            const size_t row = (first + t) * Q + HD;
            for (size_t g = 0; g < c->G; g++) {
                const size_t to = layer + (g * seg->capacity + seg->length + t) * c->D;
                memcpy(element(m, seg->k, to), element(m, s->qkv.data, row + g * c->D), bytes);
                memcpy(element(m, seg->v, to), element(m, s->qkv.data, row + GD + g * c->D), bytes);
            }
        }
        kv_span *spans = s->spans + 2 * i;
        size_t k = 0;
        if (seg->prefix) spans[k++] = span_of(m, seg->prefix, l, seg->prefix->length);
        spans[k++] = span_of(m, seg, l, seg->length + items[i].n);
        s->items[i] = (attention_item){.q = element(m, s->qkv.data, first * Q),
                                       .o = element(m, s->att.data, first * HD),
                                       .n_q = items[i].n,
                                       .n_spans = k,
                                       .spans = spans};
    }
}

wr_status model_decode(const model *m, decode_scratch *s, size_t n_items, const decode_item *items,
                       float *hidden_last) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    size_t T = 0, longest = 0;
    if (n_items == 0) return WR_OK;
    TRY(check_items(m, n_items, items, &T, &longest));
    TRY(reserve(m, s, n_items, T));
    TRY(rope_tables_need(c, &s->rope, longest));
    for (size_t i = 0, t = 0; i < n_items; i++)
        for (size_t k = 0; k < items[i].n; k++, t++) {
            s->ids[t] = items[i].ids[k];
            s->position[t] = (int32_t)(rope_first_row(&s->rope, items[i].segment->far) +
                                       prefix_length(items[i].segment) + items[i].segment->length + k);
        }
    TRY(embed_tokens(m, T, s->ids, s->x.data));
    layer_buffers b = {
        .x = s->x.data, .x2 = s->x.data, .x_out = s->x.data, .qkv = s->qkv.data, .att = s->att.data, .gu = s->gu.data};
    layer_scratch(m, rows_from(0, T), s->scratch.data, &b);
    for (size_t l = 0; l < c->L; l++) {
        TRY(layer_qkv(m, &s->linear, l, T, s->position, &s->rope, &b));
        fill_cache(m, s, l, n_items, items);
        attention_args a = layer_attention(c, l);
        a.n_items = n_items;
        a.items = s->items;
        a.first_task = s->first_task;
        kernels()->act[m->precision].attention(&a);
        TRY(layer_rest(m, &s->linear, l, T, &b));
    }
    float *x = s->x.data, *last = s->last.data;
    for (size_t i = 0, end = 0; i < n_items; i++) {
        end += items[i].n;
        items[i].segment->length += items[i].n;
        memcpy(last + i * c->C, x + (end - 1) * c->C, c->C * sizeof(float));
    }
    kernels()->act[PRECISION_F32].rmsnorm(n_items, c->C, (float)c->norm_eps, last,
                                          norm_factors(m, index_final_norm(m), b.factors), hidden_last, NULL);
cleanup:
    return status;
}

wr_status decode_logits(const model *m, decode_scratch *s, size_t n, const float *hidden_rows, float *logits) {
    wr_status status = WR_OK;
    const size_t C = m->config.C;
    const void *X = hidden_rows;
    TRY(require_lm_head(m));
    if (m->precision == PRECISION_BF16) {
        TRY(buffer_need(&s->rounded, n * C * sizeof(bf16)));
        kernels()->to_bf16(n * C, hidden_rows, s->rounded.data);
        X = s->rounded.data;
    }
    TRY(linear_head(m, &s->linear, n, 0, m->config.V, X, logits));
    if (m->config.final_cap > 0) kernels()->softcap(n * m->config.V, (float)m->config.final_cap, logits);
cleanup:
    return status;
}
