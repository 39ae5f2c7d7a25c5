#include "model/pretokenize.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/regex_translate.h"
#include "model/text_bytes.h"
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

typedef enum split_behavior { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_WITH_PREVIOUS, SPLIT_WITH_NEXT, SPLIT_CONTIGUOUS } split_behavior;

typedef struct step {
    enum { STEP_DIGITS, STEP_REGEX, STEP_PREFIX_SPACE } kind;
    split_behavior behavior;
    bool invert;
    pcre2_code *code;
} step;

#define MAX_STEPS 32
struct pretokenizer {
    step steps[MAX_STEPS];
    size_t n;
    bool byte_level; /* ByteLevel was seen; nothing may follow it, as the text is no longer text then */
};

/* --- loading ----------------------------------------------------------------------------------------------------------- */

static wr_status compile(const char *pattern, size_t n, bool literal, pcre2_code **out)
{
    wr_status status = WR_OK;
    strbuf translated = {0};
    int code = 0;
    PCRE2_SIZE at = 0;
    if (literal) strbuf_append(&translated, pattern, n);
    else TRY(regex_translate(pattern, n, &translated));
    TRY(strbuf_status(&translated));
    uint32_t flags = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP);
    *out = pcre2_compile((PCRE2_SPTR)strbuf_str(&translated), translated.len, flags, &code, &at, NULL);
    if (!*out) {
        PCRE2_UCHAR message[128];
        pcre2_get_error_message(code, message, sizeof message);
        status = wr_fail(WR_E_FORMAT, "pre_tokenizer pattern is not understood at character %zu: %s", (size_t)at, (char *)message);
        goto cleanup;
    }
    pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE); /* without JIT support the interpreter is used */
cleanup:
    strbuf_free(&translated);
    return status;
}

static wr_status load_behavior(const json_value *config, split_behavior *out)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *text = "";
    size_t length;
    json_get_string(config, "behavior", &text, &length);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (split_behavior)i;
            return WR_OK;
        }
    }
    return wr_fail(WR_E_FORMAT, "pre_tokenizer Split has an unknown behavior \"%s\"", text);
}

static wr_status load_step(pretokenizer *p, const json_value *config)
{
    static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    wr_status status = WR_OK;
    const char *type = "", *pattern = NULL;
    size_t length, pattern_length = 0;
    json_get_string(config, "type", &type, &length);
    if (p->byte_level) return wr_fail(WR_E_FORMAT, "pre_tokenizer %s after ByteLevel is not supported", type);
    if (strcmp(type, "Sequence") == 0) {
        const json_value *list = json_get(config, "pretokenizers");
        if (!json_is(list, JSON_ARRAY)) return wr_fail(WR_E_FORMAT, "pre_tokenizer Sequence has no list \"pretokenizers\"");
        for (const json_value *v = list->first; v; v = v->next) TRY(load_step(p, v));
        return WR_OK;
    }
    if (p->n + 2 > MAX_STEPS) return wr_fail(WR_E_FORMAT, "pre_tokenizer has more than %d steps", MAX_STEPS);
    step *s = &p->steps[p->n];
    if (strcmp(type, "Digits") == 0) {
        bool individual = false;
        json_get_bool(config, "individual_digits", &individual);
        s->kind = STEP_DIGITS;
        s->behavior = individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
        p->n++;
    } else if (strcmp(type, "Split") == 0) {
        const json_value *from = json_get(config, "pattern");
        bool literal = json_get_string(from, "String", &pattern, &pattern_length);
        if (!literal && !json_get_string(from, "Regex", &pattern, &pattern_length))
            return wr_fail(WR_E_FORMAT, "pre_tokenizer Split has neither a Regex nor a String pattern");
        s->kind = STEP_REGEX;
        TRY(load_behavior(config, &s->behavior));
        json_get_bool(config, "invert", &s->invert);
        TRY(compile(pattern, pattern_length, literal, &s->code));
        p->n++;
    } else if (strcmp(type, "ByteLevel") == 0) {
        bool prefix = true, regex = true; /* Hugging Face's defaults for absent members */
        json_get_bool(config, "add_prefix_space", &prefix);
        json_get_bool(config, "use_regex", &regex);
        if (prefix) p->steps[p->n++].kind = STEP_PREFIX_SPACE;
        if (regex) {
            s = &p->steps[p->n];
            s->kind = STEP_REGEX;
            s->behavior = SPLIT_ISOLATED;
            TRY(compile(gpt2, sizeof gpt2 - 1, false, &s->code));
            p->n++;
        }
        p->byte_level = true;
    } else {
        return wr_fail(WR_E_FORMAT, "pre_tokenizer type \"%s\" is not supported (Sequence, ByteLevel, Digits, Split are)", type);
    }
cleanup:
    return status;
}

wr_status pretokenizer_load(const json_value *config, pretokenizer **out)
{
    wr_status status = WR_OK;
    pretokenizer *p = mem_calloc(1, sizeof *p);
    TRY_ALLOC(p);
    if (json_is(config, JSON_OBJECT)) TRY(load_step(p, config));
    if (!p->byte_level) TRY(wr_fail(WR_E_FORMAT, "pre_tokenizer has no ByteLevel step: only byte-level BPE is supported"));
    *out = p;
    p = NULL;
cleanup:
    pretokenizer_free(p);
    return status;
}

void pretokenizer_free(pretokenizer *p)
{
    if (!p) return;
    for (size_t i = 0; i < MAX_STEPS; i++) pcre2_code_free(p->steps[i].code);
    free(p);
}

void pretokenize_scratch_free(pretokenize_scratch *s)
{
    free(s->a.items);
    free(s->b.items);
    arena_free(s->arena);
    *s = (pretokenize_scratch){0};
}

/* --- splitting ---------------------------------------------------------------------------------------------------------- */

/* Collects the pieces of one text from the stream of (match | gap) spans, merging them as the behaviour asks. */
typedef struct splitter {
    split_behavior behavior;
    bool invert;
    piece_list *out;
    size_t first;       /* index in out of this text's first piece */
    bool last_is_match; /* of the span before */
    bool pending;       /* SPLIT_WITH_NEXT: a match waits for its gap */
} splitter;

static wr_status add_span(splitter *s, const char *text, size_t n, bool is_match)
{
    wr_status status = WR_OK;
    bool match = is_match != s->invert, join = false, any = s->out->n > s->first;
    switch (s->behavior) {
    case SPLIT_REMOVED:
        if (match) return WR_OK;
        break;
    case SPLIT_ISOLATED: break;
    case SPLIT_CONTIGUOUS: join = any && match == s->last_is_match; break;
    case SPLIT_WITH_PREVIOUS: join = any && match && !s->last_is_match; break;
    case SPLIT_WITH_NEXT: join = any && !match && s->pending; break;
    }
    s->pending = match;
    s->last_is_match = match;
    if (join) {
        s->out->items[s->out->n - 1].n += n;
    } else if (n > 0) {
        VEC_PUSH(s->out->items, s->out->n, s->out->capacity, ((piece){text, n}));
    }
cleanup:
    return status;
}

static wr_status split_digits(splitter *s, const char *text, size_t n)
{
    wr_status status = WR_OK;
    size_t begin = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        int length = utf8_read(text + i, n - i, &code);
        size_t width = (size_t)(length < 0 ? -length : length);
        if (unicode_is_numeric(code)) {
            if (i > begin) TRY(add_span(s, text + begin, i - begin, false));
            TRY(add_span(s, text + i, width, true));
            begin = i + width;
        }
        i += width;
    }
    if (n > begin) TRY(add_span(s, text + begin, n - begin, false));
cleanup:
    return status;
}

/* One match from `at`. A subject on which the JIT code's stack is too small goes through the interpreter, whose memory is the heap's. */
static int match_at(const pcre2_code *code, pcre2_match_data *data, pcre2_match_context *context, const char *text, size_t n, size_t at)
{
    int rc = pcre2_match(code, (PCRE2_SPTR)text, n, at, PCRE2_NO_UTF_CHECK, data, context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(code, (PCRE2_SPTR)text, n, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, context);
    return rc;
}

static wr_status split_regex(splitter *s, const step *st, pcre2_match_data *data, pcre2_match_context *context, const char *text, size_t n)
{
    wr_status status = WR_OK;
    size_t begin = 0, at = 0;
    while (at <= n) {
        int rc = match_at(st->code, data, context, text, n, at);
        if (rc == PCRE2_ERROR_NOMATCH) break;
        if (rc < 0) TRY(wr_fail(WR_E_FORMAT, "the tokenizer's pattern gives up on a text of %zu bytes (PCRE2 error %d)", n, rc));
        const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(data);
        size_t from = bounds[0], to = bounds[1];
        if (from > begin) TRY(add_span(s, text + begin, from - begin, false));
        TRY(add_span(s, text + from, to - from, true));
        begin = to;
        at = to;
        if (to == from) { /* an empty match: look on behind the next character */
            do at++;
            while (at < n && ((uint8_t)text[at] & 0xC0) == 0x80);
        }
    }
    if (n > begin) TRY(add_span(s, text + begin, n - begin, false));
cleanup:
    return status;
}

static wr_status add_prefix_space(pretokenize_scratch *s, piece *p)
{
    if (p->text[0] == ' ') return WR_OK;
    char *copy = arena_alloc(s->arena, p->n + 1);
    if (!copy) return wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
    copy[0] = ' ';
    memcpy(copy + 1, p->text, p->n);
    *p = (piece){copy, p->n + 1};
    return WR_OK;
}

wr_status pretokenize(const pretokenizer *p, pretokenize_scratch *s, const char *text, size_t n, const piece_list **words)
{
    wr_status status = WR_OK;
    pcre2_match_data *data = NULL;
    pcre2_match_context *context = NULL;
    piece_list *in = &s->a, *out = &s->b;
    if (!s->arena) TRY_ALLOC(s->arena = arena_create());
    arena_reset(s->arena);
    TRY_ALLOC(data = pcre2_match_data_create(1, NULL));
    TRY_ALLOC(context = pcre2_match_context_create(NULL));
    pcre2_set_match_limit(context, UINT32_MAX);
    in->n = 0;
    VEC_PUSH(in->items, in->n, in->capacity, ((piece){text, n}));
    for (size_t k = 0; k < p->n; k++) {
        const step *st = &p->steps[k];
        if (st->kind == STEP_PREFIX_SPACE) {
            for (size_t i = 0; i < in->n; i++) TRY(add_prefix_space(s, &in->items[i]));
            continue;
        }
        out->n = 0;
        for (size_t i = 0; i < in->n; i++) {
            splitter split = {.behavior = st->behavior, .invert = st->invert, .out = out, .first = out->n};
            if (st->kind == STEP_DIGITS) TRY(split_digits(&split, in->items[i].text, in->items[i].n));
            else TRY(split_regex(&split, st, data, context, in->items[i].text, in->items[i].n));
        }
        piece_list *swap = in;
        in = out;
        out = swap;
    }
    *words = in;
cleanup:
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    return status;
}
