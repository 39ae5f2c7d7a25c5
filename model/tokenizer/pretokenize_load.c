#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/tokenizer/pretokenize_steps.h"
#include "model/tokenizer/regex_translate.h"
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

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

/* A pattern that is known by heart needs no regex engine. */
static wr_status add_regex(pretokenizer *p, const char *pattern, size_t n, bool literal, split_behavior behavior, bool invert)
{
    wr_status status = WR_OK;
    step *s = &p->steps[p->n];
    s->kind = STEP_REGEX;
    s->behavior = behavior;
    s->invert = invert;
    if (p->table && !literal && behavior == SPLIT_ISOLATED) s->words = words_recognize(pattern, n);
    if (s->words != WORDS_NONE) s->kind = STEP_WORDS;
    else TRY(compile(pattern, n, literal, &s->code));
    p->n++;
cleanup:
    return status;
}

static wr_status load_metaspace(step *s, const json_value *config)
{
    static const char *const schemes[] = {"always", "first", "never"};
    const char *mark = "\xE2\x96\x81", *scheme = "always";
    size_t length, k = 0;
    s->n_mark = 3;
    json_get_string(config, "replacement", &mark, &s->n_mark);
    uint32_t code;
    if (s->n_mark == 0 || s->n_mark > 4 || utf8_next(mark, &code) != s->n_mark)
        return wr_fail(WR_E_FORMAT, "pre_tokenizer Metaspace: \"replacement\" is not one character");
    memcpy(s->mark, mark, s->n_mark);
    json_get_string(config, "prepend_scheme", &scheme, &length);
    while (k < 3 && strcmp(scheme, schemes[k]) != 0) k++;
    if (k == 3) return wr_fail(WR_E_FORMAT, "pre_tokenizer Metaspace has an unknown prepend_scheme \"%s\"", scheme);
    bool prefix = true;
    json_get_bool(config, "add_prefix_space", &prefix); /* the member's name before prepend_scheme existed */
    if (!prefix && k != PREPEND_NEVER)
        return wr_fail(WR_E_FORMAT, "pre_tokenizer Metaspace: add_prefix_space does not go with prepend_scheme \"%s\"", scheme);
    s->kind = STEP_METASPACE;
    s->prepend = (prepend_scheme)k;
    s->split = true;
    json_get_bool(config, "split", &s->split);
    return WR_OK;
}

static wr_status load_step(pretokenizer *p, const json_value *config)
{
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
        split_behavior behavior = SPLIT_ISOLATED;
        bool invert = false;
        TRY(load_behavior(config, &behavior));
        json_get_bool(config, "invert", &invert);
        TRY(add_regex(p, pattern, pattern_length, literal, behavior, invert));
    } else if (strcmp(type, "ByteLevel") == 0) {
        bool prefix = true, regex = true; /* Hugging Face's defaults for absent members */
        json_get_bool(config, "add_prefix_space", &prefix);
        json_get_bool(config, "use_regex", &regex);
        if (prefix) p->steps[p->n++].kind = STEP_PREFIX_SPACE;
        if (regex) TRY(add_regex(p, words_gpt2_pattern, strlen(words_gpt2_pattern), false, SPLIT_ISOLATED, false));
        p->byte_level = true;
    } else if (strcmp(type, "Metaspace") == 0) {
        TRY(load_metaspace(s, config));
        p->n++;
    } else {
        return wr_fail(WR_E_FORMAT, "pre_tokenizer type \"%s\" is not supported (Sequence, ByteLevel, Digits, Split, Metaspace are)", type);
    }
cleanup:
    return status;
}

wr_status pretokenizer_load(const json_value *config, const unicode_table *table, pretokenizer **out)
{
    wr_status status = WR_OK;
    pretokenizer *p = mem_calloc(1, sizeof *p);
    TRY_ALLOC(p);
    p->table = table;
    if (config && config->kind != JSON_NULL) TRY(load_step(p, config));
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

bool pretokenizer_is_byte_level(const pretokenizer *p)
{
    return p->byte_level;
}

/* The hand-written patterns look only ahead, and behind a word at most one character; none lets a word go on from a line break or a colon into what
 * tokenizer_cuts_lines names. Digits cut elsewhere. */
bool pretokenizer_cuts_lines(const pretokenizer *p)
{
    bool cuts = false;
    for (size_t i = 0; i < p->n; i++) {
        if (p->steps[i].kind == STEP_WORDS) cuts = true;
        else if (p->steps[i].kind != STEP_DIGITS) return false;
    }
    return cuts;
}
