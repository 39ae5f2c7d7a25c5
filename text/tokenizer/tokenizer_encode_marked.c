/* Text of which only a part is the writer's: special tokens are matched in that part alone. */
#include "text/tokenizer/encoder.h"

typedef struct marked_text {
    encoder *e;
    const char *text;
    const uint16_t *origin;
    const size_t *cuts;
    size_t n_cuts, next_cut, done; /* bytes encoded */
    size_t *at;
} marked_text;

static wr_status encode_stretch(marked_text *m, size_t to) {
    bool own = true;
    for (size_t i = m->done; i < to && own; i++) own = m->origin[i] == 0;
    wr_status status = encoder_encode(m->e, m->text + m->done, to - m->done, own);
    m->done = to;
    return status;
}

/* The text between added tokens, up to byte `to`, cut where the caller wants it. */
static wr_status encode_between(marked_text *m, size_t to) {
    wr_status status = WR_OK;
    for (; m->next_cut < m->n_cuts && m->cuts[m->next_cut] <= to; m->next_cut++) {
        if (m->cuts[m->next_cut] > m->done) TRY(encode_stretch(m, m->cuts[m->next_cut]));
        m->at[m->next_cut] = m->e->out->n;
    }
    if (to > m->done) TRY(encode_stretch(m, to));
cleanup:
    return status;
}

wr_status tokenizer_encode_marked(const tokenizer *t, const char *text, size_t n, const uint16_t *origin,
                                  const size_t *cuts, size_t n_cuts, size_t *at, token_ids *out) {
    wr_status status = WR_OK;
    encoder *e = NULL;
    const size_t before = out->n;
    TRY(encoder_borrow(t, out, &e));
    e->begin = text;
    e->chat = true;
    marked_text m = {.e = e, .text = text, .origin = origin, .cuts = cuts, .n_cuts = n_cuts, .at = at};
    for (size_t from = 0, to; from < n; from = to) {
        for (; from < n && origin[from] != 0; from++) {
        } /* a writer's text, most of all */
        for (to = from; to < n && origin[to] == 0; to++) {
        }
        TRY(tokenizer_check_named(t, text + from, to - from));
        added_scan scan = {.set = &t->added_raw, .text = text + from, .n = to - from};
        for (added_span s; added_next(&scan, &s);) {
            if (s.id < 0) continue;
            TRY(encode_between(&m, from + s.from));
            TRY(token_ids_push(out, s.id));
            m.done = from + s.to;
        }
    }
    TRY(encode_between(&m, n));
cleanup:
    encoder_end(e, status, before);
    return status;
}

int32_t tokenizer_added_at(const tokenizer *t, const char *text, size_t n, const uint16_t *origin, size_t from,
                           size_t *length) {
    size_t to = from;
    while (to < n && origin[to] == 0) to++;
    added_scan scan = {.set = &t->added_raw, .text = text + from, .n = to - from};
    added_span s;
    if (!added_next(&scan, &s) || s.id < 0 || s.from != 0) return -1;
    *length = s.to;
    return s.id;
}
