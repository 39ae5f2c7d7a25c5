/* Running a decoder's steps, token by token. */
#include "text/tokenizer/text_bytes.h"
#include "text/tokenizer/text_decoder_steps.h"
#include "text/tokenizer/unicode_class.h"

#include <stdlib.h>
#include <string.h>

/* What a step remembers between pushes. */
typedef struct step_state {
    /* BYTE_LEVEL: an unfinished character; BYTE_FALLBACK: a run of bytes; STRIP: characters that may be the end */
    strbuf held;
    size_t cut; /* STRIP: characters that may still be cut from the start */
    bool begun; /* a token went through */
} step_state;

struct text_stream {
    const text_decoder *d;
    step_state states[MAX_DECODE_STEPS];
    strbuf *out;
};

wr_status text_stream_create(const text_decoder *d, text_stream **out) {
    text_stream *s = mem_calloc(1, sizeof *s);
    if (!s) return WR_E_NOMEM;
    s->d = d;
    *out = s;
    return WR_OK;
}

void text_stream_free(text_stream *s) {
    if (!s) return;
    for (size_t k = 0; k < MAX_DECODE_STEPS; k++) strbuf_free(&s->states[k].held);
    free(s);
}

/* A piece of text on its way to step k: `first` begins a token, `last` ends it (a fused token ends only at the
 * flush). */
typedef struct fragment {
    const char *text;
    size_t n;
    bool first, last;
} fragment;
static void run(text_stream *s, size_t k, fragment f);

/* Characters stand for bytes; a token with any other character is taken as it is. */
static void run_byte_level(text_stream *s, size_t k, fragment f) {
    step_state *w = &s->states[k];
    size_t before = w->held.len, ready = 0;
    for (size_t i = 0; i < f.n;) {
        uint32_t code;
        i += utf8_next(f.text + i, &code);
        int byte = char_to_byte(code);
        if (byte < 0) {
            w->held.len = before;
            strbuf_append(&w->held, f.text, f.n);
            break;
        }
        strbuf_putc(&w->held, (char)byte);
    }
    strbuf clean = {0};
    while (ready < w->held.len) {
        uint32_t code;
        size_t left = w->held.len - ready;
        int length = utf8_read(w->held.data + ready, left, &code);
        if (length < 0 && (size_t)-length == left) break; /* may be the begin of a character */
        ready += (size_t)(length < 0 ? -length : length);
    }
    utf8_clean(&clean, strbuf_str(&w->held), ready);
    if (w->held.len > ready) memmove(w->held.data, w->held.data + ready, w->held.len - ready);
    w->held.len -= ready;
    w->held.failed |= clean.failed;
    run(s, k + 1, (fragment){strbuf_str(&clean), clean.len, !w->begun, false});
    w->begun = true;
    strbuf_free(&clean);
}

static void run_replace(text_stream *s, size_t k, fragment f) {
    const decode_step *st = &s->d->steps[k];
    const char *at = f.text, *end = f.text + f.n, *hit = memmem(at, f.n, st->from, st->n_from);
    if (!hit) {
        run(s, k + 1, f);
        return;
    }
    strbuf *changed = &s->states[k].held; /* only its memory is kept */
    strbuf_clear(changed);
    for (; hit; hit = memmem(at, (size_t)(end - at), st->from, st->n_from)) {
        strbuf_append(changed, at, (size_t)(hit - at));
        strbuf_append(changed, st->to, st->n_to);
        at = hit + st->n_from;
    }
    strbuf_append(changed, at, (size_t)(end - at));
    run(s, k + 1, (fragment){strbuf_str(changed), changed->len, f.first, f.last});
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* Byte that "<0xHH>" stands for, or -1. A sign in the first place is a number to Hugging Face's parser, too. */
static int byte_of_token(const char *t, size_t n) {
    if (n != 6 || memcmp(t, "<0x", 3) != 0 || t[5] != '>') return -1;
    int high = t[3] == '+' ? 0 : hex_digit(t[3]), low = hex_digit(t[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void end_byte_run(text_stream *s, size_t k) {
    strbuf *held = &s->states[k].held;
    if (held->len == 0) return;
    if (utf8_is_valid(held->data, held->len))
        run(s, k + 1, (fragment){held->data, held->len, true, true});
    else
        for (size_t i = 0; i < held->len; i++) run(s, k + 1, (fragment){"\xEF\xBF\xBD", 3, true, true});
    strbuf_clear(held);
}

static void run_byte_fallback(text_stream *s, size_t k, fragment f) {
    int byte = byte_of_token(f.text, f.n);
    if (byte >= 0) {
        strbuf_putc(&s->states[k].held, (char)byte);
        return;
    }
    end_byte_run(s, k);
    run(s, k + 1, f);
}

static void run_strip(text_stream *s, size_t k, fragment f) {
    const decode_step *st = &s->d->steps[k];
    step_state *w = &s->states[k];
    if (f.first) {
        w->cut = st->start;
        w->held.len = 0;
    }
    while (w->cut && f.n >= st->n_from && memcmp(f.text, st->from, st->n_from) == 0) {
        f.text += st->n_from;
        f.n -= st->n_from;
        w->cut--;
    }
    if (f.n) w->cut = 0;
    size_t tail = 0; /* bytes at the end that may be cut */
    while (tail + st->n_from <= f.n && tail < st->stop * st->n_from &&
           memcmp(f.text + f.n - tail - st->n_from, st->from, st->n_from) == 0)
        tail += st->n_from;
    if (tail < f.n || w->held.len + tail > st->stop * st->n_from) {
        /* What was held is not the end, or not all of it: all its characters are alike, so the surplus comes from its
         * front. */
        size_t keep = st->stop * st->n_from - tail, surplus = tail < f.n           ? w->held.len
                                                              : w->held.len > keep ? w->held.len - keep
                                                                                   : 0;
        run(s, k + 1, (fragment){strbuf_str(&w->held), surplus, f.first, false});
        memmove(w->held.data ? w->held.data : (char[1]){0}, strbuf_str(&w->held) + surplus, w->held.len - surplus);
        w->held.len -= surplus;
        f.first = false;
    }
    strbuf_append(&w->held, f.text + f.n - tail, tail);
    if (f.last) w->held.len = 0;
    run(s, k + 1, (fragment){f.text, f.n - tail, f.first, f.last});
}

static void run_metaspace(text_stream *s, size_t k, fragment f) {
    const decode_step *st = &s->d->steps[k];
    step_state *w = &s->states[k];
    bool drop = st->drop_first && (!w->begun || (w->cut && !f.first)); /* cut: still in the first token */
    w->cut = drop;
    w->begun = true;
    strbuf text = {0};
    for (size_t i = 0; i < f.n;) {
        uint32_t code;
        size_t length = utf8_next(f.text + i, &code);
        bool mark = length == st->n_from && memcmp(f.text + i, st->from, length) == 0;
        if (!mark)
            strbuf_append(&text, f.text + i, length);
        else if (!drop)
            strbuf_putc(&text, ' ');
        i += length;
    }
    w->held.failed |= text.failed;
    run(s, k + 1, (fragment){strbuf_str(&text), text.len, f.first, f.last});
    strbuf_free(&text);
}

static void run(text_stream *s, size_t k, fragment f) {
    if (k == s->d->n) {
        strbuf_append(s->out, f.text, f.n);
        return;
    }
    switch (s->d->steps[k].kind) {
    case DECODE_BYTE_LEVEL:
        run_byte_level(s, k, f);
        break;
    case DECODE_REPLACE:
        run_replace(s, k, f);
        break;
    case DECODE_BYTE_FALLBACK:
        run_byte_fallback(s, k, f);
        break;
    case DECODE_FUSE:
        run(s, k + 1, (fragment){f.text, f.n, !s->states[k].begun, false});
        s->states[k].begun = true;
        break;
    case DECODE_STRIP:
        run_strip(s, k, f);
        break;
    case DECODE_METASPACE:
        run_metaspace(s, k, f);
        break;
    case DECODE_JOIN:
        if (s->states[k].begun) strbuf_putc(s->out, ' ');
        s->states[k].begun = true;
        run(s, k + 1, f);
        break;
    }
}

static wr_status stream_status(const text_stream *s) {
    for (size_t k = 0; k < s->d->n; k++)
        if (s->states[k].held.failed) return strbuf_status(&s->states[k].held);
    return strbuf_status(s->out);
}

wr_status text_stream_push(text_stream *s, const char *token, size_t n, strbuf *out) {
    s->out = out;
    run(s, 0, (fragment){token, n, true, true});
    return stream_status(s);
}

wr_status text_stream_flush(text_stream *s, strbuf *out) {
    s->out = out;
    for (size_t k = 0; k < s->d->n; k++) {
        step_state *w = &s->states[k];
        if (s->d->steps[k].kind == DECODE_BYTE_FALLBACK) end_byte_run(s, k);
        if (s->d->steps[k].kind == DECODE_BYTE_LEVEL && w->held.len) {
            strbuf rest = {0};
            utf8_clean(&rest, w->held.data, w->held.len);
            run(s, k + 1, (fragment){strbuf_str(&rest), rest.len, !w->begun, false});
            w->held.failed |= rest.failed;
            strbuf_free(&rest);
        }
        w->held.len = 0; /* what Strip still holds is the end, which it cuts */
        w->begun = false;
        w->cut = 0;
    }
    return stream_status(s);
}
