#include "text/tokenizer/pretokenize_steps.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wr_status load_behavior(const json_value *config, const char *type, split_behavior *out) {
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
    return wr_fail(WR_E_FORMAT, "pre_tokenizer %s has an unknown behavior \"%s\"", type, text);
}

/* A pattern that is known by heart needs no regex engine. */
static wr_status add_regex(pretokenizer *p, const char *pattern, size_t n, split_behavior behavior, bool invert) {
    wr_status status = WR_OK;
    step *s = &p->steps[p->n++];
    s->kind = STEP_REGEX;
    s->behavior = behavior;
    s->invert = invert;
    if (p->table && behavior == SPLIT_ISOLATED) s->words = words_recognize(pattern, n);
    if (s->words != WORDS_NONE)
        s->kind = STEP_WORDS;
    else if ((status = regex_compile(pattern, n, &s->regex)) < 0)
        wr_context(status, "pre_tokenizer");
    return status;
}

static wr_status add_string(pretokenizer *p, const char *string, size_t n, split_behavior behavior, bool invert) {
    wr_status status = WR_OK;
    if (n == 0) return add_regex(p, "", 0, behavior, invert);
    step *s = &p->steps[p->n++];
    s->kind = STEP_STRING;
    s->behavior = behavior;
    s->invert = invert;
    s->n_string = n;
    TRY_ALLOC(s->string = mem_strndup(string, n));
cleanup:
    return status;
}

static wr_status load_metaspace(step *s, const json_value *config) {
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
        return wr_fail(WR_E_FORMAT, "pre_tokenizer Metaspace: add_prefix_space does not go with prepend_scheme \"%s\"",
                       scheme);
    s->kind = STEP_METASPACE;
    s->prepend = (prepend_scheme)k;
    s->split = true;
    json_get_bool(config, "split", &s->split);
    return WR_OK;
}

static wr_status load_split(pretokenizer *p, const json_value *config) {
    wr_status status = WR_OK;
    const char *pattern;
    size_t n;
    split_behavior behavior = SPLIT_ISOLATED;
    bool invert = false;
    const json_value *from = json_get(config, "pattern");
    TRY(load_behavior(config, "Split", &behavior));
    json_get_bool(config, "invert", &invert);
    if (json_get_string(from, "String", &pattern, &n))
        TRY(add_string(p, pattern, n, behavior, invert));
    else if (json_get_string(from, "Regex", &pattern, &n))
        TRY(add_regex(p, pattern, n, behavior, invert));
    else
        TRY(wr_fail(WR_E_FORMAT, "pre_tokenizer Split has neither a Regex nor a String pattern"));
cleanup:
    return status;
}

static wr_status load_byte_level(pretokenizer *p, const json_value *config) {
    wr_status status = WR_OK;
    bool prefix = true, use_regex = true; /* Hugging Face's defaults for absent members */
    json_get_bool(config, "add_prefix_space", &prefix);
    json_get_bool(config, "use_regex", &use_regex);
    if (prefix) p->steps[p->n++].kind = STEP_PREFIX_SPACE;
    if (use_regex) TRY(add_regex(p, words_gpt2_pattern, strlen(words_gpt2_pattern), SPLIT_ISOLATED, false));
    p->byte_level = true;
cleanup:
    return status;
}

/* Steps that a pattern of ours says in full. \p{old punctuation} is ASCII's and that of the Unicode version which these
 * steps know. */
static wr_status load_simple(pretokenizer *p, const json_value *config, const char *type) {
/* of Rust's regular expressions: \w with the joiners */
#define WORD "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\p{Alphabetic}\\x{200c}\\x{200d}"
    static const char words[] = "[" WORD "]+|[^" WORD "\\s]+", space[] = "\\s", punctuation[] = "\\p{old punctuation}";
    wr_status status = WR_OK;
    split_behavior behavior = SPLIT_ISOLATED;
    int64_t length = 5;
    char fixed[48];
    const char *delimiter;
    size_t n;
    if (strcmp(type, "Whitespace") == 0) {
        TRY(add_regex(p, words, sizeof words - 1, SPLIT_REMOVED, true));
    } else if (strcmp(type, "WhitespaceSplit") == 0) {
        TRY(add_regex(p, space, sizeof space - 1, SPLIT_REMOVED, false));
    } else if (strcmp(type, "Punctuation") == 0) {
        if (json_get(config, "behavior")) TRY(load_behavior(config, type, &behavior));
        TRY(add_regex(p, punctuation, sizeof punctuation - 1, behavior, false));
    } else if (strcmp(type, "BertPreTokenizer") == 0) {
        TRY(add_regex(p, space, sizeof space - 1, SPLIT_REMOVED, false));
        TRY(add_regex(p, punctuation, sizeof punctuation - 1, SPLIT_ISOLATED, false));
    } else if (strcmp(type, "CharDelimiterSplit") == 0) {
        uint32_t code;
        if (!json_get_string(config, "delimiter", &delimiter, &n) || n == 0 || n > 4 ||
            utf8_next(delimiter, &code) != n)
            TRY(wr_fail(WR_E_FORMAT, "pre_tokenizer CharDelimiterSplit: \"delimiter\" is not one character"));
        TRY(add_string(p, delimiter, n, SPLIT_REMOVED, false));
    } else if (strcmp(type, "FixedLength") == 0) {
        json_get_int(config, "length", &length);
        if (length < 1 || length > UINT16_MAX)
            TRY(wr_fail(WR_E_FORMAT, "pre_tokenizer FixedLength: a length of %lld is not supported",
                        (long long)length));
        snprintf(fixed, sizeof fixed, "(?m:.{1,%lld})", (long long)length);
        TRY(add_regex(p, fixed, strlen(fixed), SPLIT_ISOLATED, false));
    } else {
        TRY(wr_fail(WR_E_FORMAT,
                    "pre_tokenizer type \"%s\" is not supported (BertPreTokenizer, ByteLevel, CharDelimiterSplit, "
                    "Digits, FixedLength, "
                    "Metaspace, Punctuation, Sequence, Split, Whitespace, WhitespaceSplit are)",
                    type));
    }
cleanup:
    return status;
}

static wr_status load_step(pretokenizer *p, const json_value *config) {
    wr_status status = WR_OK;
    const char *type = "";
    size_t length;
    json_get_string(config, "type", &type, &length);
    if (strcmp(type, "Sequence") == 0) {
        const json_value *list = json_get(config, "pretokenizers");
        if (!json_is(list, JSON_ARRAY))
            return wr_fail(WR_E_FORMAT, "pre_tokenizer Sequence has no list \"pretokenizers\"");
        for (const json_value *v = list->first; v; v = v->next) TRY(load_step(p, v));
        return WR_OK;
    }
    if (p->n + 3 > MAX_STEPS) return wr_fail(WR_E_FORMAT, "pre_tokenizer has more than %d steps", MAX_STEPS);
    if (p->byte_level) p->steps[p->n++].kind = STEP_BYTES;
    p->byte_level = false;
    step *s = &p->steps[p->n];
    if (strcmp(type, "Digits") == 0) {
        bool individual = false;
        json_get_bool(config, "individual_digits", &individual);
        s->kind = STEP_DIGITS;
        s->behavior = individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
        p->n++;
    } else if (strcmp(type, "Split") == 0) {
        TRY(load_split(p, config));
    } else if (strcmp(type, "ByteLevel") == 0) {
        TRY(load_byte_level(p, config));
    } else if (strcmp(type, "Metaspace") == 0) {
        TRY(load_metaspace(s, config));
        /* the text's first piece is known by where it lies, which they change */
        for (size_t i = 0; i < p->n && s->prepend == PREPEND_FIRST; i++)
            if (p->steps[i].kind == STEP_PREFIX_SPACE || p->steps[i].kind == STEP_BYTES ||
                p->steps[i].kind == STEP_METASPACE)
                TRY(wr_fail(WR_E_FORMAT, "pre_tokenizer Metaspace with prepend_scheme \"first\" behind ByteLevel or "
                                         "Metaspace is not supported"));
        p->n++;
    } else {
        TRY(load_simple(p, config, type));
    }
cleanup:
    return status;
}

wr_status pretokenizer_load(const json_value *config, const unicode_table *table, pretokenizer **out) {
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

void pretokenizer_free(pretokenizer *p) {
    if (!p) return;
    for (size_t i = 0; i < MAX_STEPS; i++) {
        regex_free(p->steps[i].regex);
        free(p->steps[i].string);
    }
    free(p);
}

bool pretokenizer_is_byte_level(const pretokenizer *p) { return p->byte_level; }

/* The hand-written patterns look only ahead, and behind a word at most one character; none lets a word go on from a
 * line break or a colon into what tokenizer_cuts_lines names. Digits cut elsewhere. */
bool pretokenizer_cuts_lines(const pretokenizer *p) {
    bool cuts = false;
    for (size_t i = 0; i < p->n; i++) {
        if (p->steps[i].kind == STEP_WORDS)
            cuts = true;
        else if (p->steps[i].kind != STEP_DIGITS)
            return false;
    }
    return cuts;
}
