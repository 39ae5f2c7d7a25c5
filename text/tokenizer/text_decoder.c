#include "text/tokenizer/text_decoder_steps.h"

#include "text/tokenizer/unicode_class.h"
#include <stdlib.h>
#include <string.h>

#define MAX_STRIP (1 << 20)

static wr_status copy(const char *text, size_t n, char **out) {
    return (*out = mem_strndup(text, n)) ? WR_OK : WR_E_NOMEM;
}

static wr_status load_character(decode_step *s, const json_value *config, const char *name, const char *fallback) {
    const char *text = fallback;
    uint32_t code;
    s->n_from = fallback ? strlen(fallback) : 0;
    json_get_string(config, name, &text, &s->n_from);
    if (!text || s->n_from == 0 || s->n_from > 4 || utf8_next(text, &code) != s->n_from)
        return wr_fail(WR_E_FORMAT, "decoder: \"%s\" is not one character", name);
    return copy(text, s->n_from, &s->from);
}

static wr_status load_replace(const text_decoder *d, decode_step *s, const json_value *config) {
    wr_status status = WR_OK;
    const char *text;
    uint32_t code;
    const json_value *pattern = json_get(config, "pattern");
    if (!json_get_string(pattern, "String", &text, &s->n_from) || s->n_from == 0)
        return wr_fail(WR_E_FORMAT, "decoder Replace without a String pattern is not supported");
    TRY(copy(text, s->n_from, &s->from));
    if (d->fused && utf8_next(text, &code) != s->n_from)
        return wr_fail(WR_E_FORMAT,
                       "decoder Replace of more than one character after Fuse or ByteLevel is not supported");
    if (!json_get_string(config, "content", &text, &s->n_to))
        return wr_fail(WR_E_FORMAT, "decoder Replace lacks \"content\"");
    TRY(copy(text, s->n_to, &s->to));
cleanup:
    return status;
}

static wr_status load_strip(decode_step *s, const json_value *config) {
    int64_t start = 0, stop = 0;
    json_get_int(config, "start", &start);
    json_get_int(config, "stop", &stop);
    if (start < 0 || stop < 0 || start > MAX_STRIP || stop > MAX_STRIP)
        return wr_fail(WR_E_FORMAT, "decoder Strip has a bad \"start\" or \"stop\"");
    s->start = (size_t)start;
    s->stop = (size_t)stop;
    return load_character(s, config, "content", NULL);
}

static wr_status load_metaspace(decode_step *s, const json_value *config) {
    const char *scheme = "always";
    size_t length;
    json_get_string(config, "prepend_scheme", &scheme, &length);
    s->drop_first = strcmp(scheme, "never") != 0;
    return load_character(s, config, "replacement", "\xE2\x96\x81");
}

static wr_status load_step(text_decoder *d, const json_value *config) {
    static const char *const names[] = {"ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"};
    wr_status status = WR_OK;
    const char *type = "";
    size_t length, kind = 0;
    json_get_string(config, "type", &type, &length);
    if (strcmp(type, "Sequence") == 0) {
        const json_value *list = json_get(config, "decoders");
        if (!json_is(list, JSON_ARRAY)) return wr_fail(WR_E_FORMAT, "decoder Sequence has no list \"decoders\"");
        for (const json_value *v = list->first; v; v = v->next) TRY(load_step(d, v));
        return WR_OK;
    }
    while (kind < sizeof names / sizeof *names && strcmp(type, names[kind]) != 0) kind++;
    if (kind == sizeof names / sizeof *names)
        return wr_fail(
            WR_E_FORMAT,
            "decoder type \"%s\" is not supported (ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace are)",
            type);
    if (d->n == MAX_DECODE_STEPS) return wr_fail(WR_E_FORMAT, "decoder has more than %d steps", MAX_DECODE_STEPS);
    decode_step *s = &d->steps[d->n++];
    s->kind = (decode_kind)kind;
    if (d->fused && (s->kind == DECODE_BYTE_LEVEL || s->kind == DECODE_BYTE_FALLBACK))
        return wr_fail(WR_E_FORMAT, "decoder %s after Fuse or ByteLevel is not supported", type);
    if (s->kind == DECODE_REPLACE) TRY(load_replace(d, s, config));
    if (s->kind == DECODE_STRIP) TRY(load_strip(s, config));
    if (s->kind == DECODE_METASPACE) TRY(load_metaspace(s, config));
    d->fused = d->fused || s->kind == DECODE_FUSE || s->kind == DECODE_BYTE_LEVEL;
cleanup:
    return status;
}

wr_status text_decoder_load(const json_value *config, text_decoder **out) {
    wr_status status = WR_OK;
    text_decoder *d = mem_calloc(1, sizeof *d);
    TRY_ALLOC(d);
    if (config && config->kind != JSON_NULL)
        TRY(load_step(d, config));
    else
        d->steps[d->n++].kind = DECODE_JOIN;
    *out = d;
    d = NULL;
cleanup:
    text_decoder_free(d);
    return status;
}

void text_decoder_free(text_decoder *d) {
    if (!d) return;
    for (size_t i = 0; i < d->n; i++) {
        free(d->steps[i].from);
        free(d->steps[i].to);
    }
    free(d);
}
