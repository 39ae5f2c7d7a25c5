/* One JSON row to a conversation, in one pass over the line: known members are noted where they stand (the last one of
 * duplicates counts), the rest is stepped over, all with the full syntax check; contents are unescaped when their
 * message ends. Which fault a row has does not depend on the order of its members: syntax comes first, then the row's
 * own fields, then the messages in their order. */
#include "data/source/conversation_scan.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <string.h>
#include <time.h>

/* NUL-terminated; fallback where the value is no string. */
static const char *string_of(row_parser *p, const json_span *s, const char *fallback) {
    const char *text;
    size_t n;
    if (!s || s->kind != JSON_STRING) return fallback;
    if (s->length == 0) return "";
    if (!row_text(p, s, &text, &n)) return NULL;
    const char *copy = arena_strndup(p->memory, text, n);
    p->exhausted |= !copy;
    return copy;
}

/* NaN or an infinity, as Python writes them. */
static bool is_nan(const json_span *v) {
    const char c = v->kind == JSON_NUMBER ? v->text[v->text[0] == '-'] : '0';
    return c == 'N' || c == 'I';
}

static const json_span *row_value(const row_parser *p, field f) { return p->in_row[f] ? &p->row[f] : NULL; }

static row_fault take_id(row_parser *p, const char *line, size_t n) {
    const json_span *id = row_value(p, FIELD_ID);
    const char *text = NULL;
    size_t length = 0;
    if (!p->map->strict_id && (!id || id->kind == JSON_NULL)) {
        char hash[HASH_HEX];
        hash_hex(line, n, hash);
        p->out->id = arena_strndup(p->memory, hash, HASH_HEX - 1);
    } else if (id && is_nan(id)) {
        return ROW_NAN;
    } else if (!id || (id->kind != JSON_STRING && (p->map->strict_id || id->kind != JSON_NUMBER))) {
        return row_wrong(p, FIELD_ID);
    } else {
        if (!row_text(p, id, &text, &length) || length == 0 || length > 256) return row_wrong(p, FIELD_ID);
        p->out->id = arena_strndup(p->memory, text, length);
    }
    p->exhausted |= !p->out->id;
    return ROW_GOOD;
}

/* The header's object as json_writer writes it. */
static wr_status canonical(row_parser *p, const json_span *header, strbuf *out) {
    wr_status status = WR_OK;
    const json_value *v;
    if (!memchr(header->text, '\\', header->length)) { /* then only white space can be in the way */
        bool inside = false;
        for (size_t i = 0; i < header->length; i++) {
            char c = header->text[i];
            if (c == '"') inside = !inside;
            if (inside || (c != ' ' && (c < '\t' || c > '\r'))) strbuf_putc(out, c);
        }
        return strbuf_status(out);
    }
    TRY(json_parse(p->memory, header->text, header->length, &v));
    json_writer w = json_writer_make(out);
    json_copy(&w, v);
    TRY(strbuf_status(out));
cleanup:
    return status;
}

static wr_status take_user(row_parser *p, bool with_header) {
    wr_status status = WR_OK;
    strbuf text = {0};
    const json_span *user = row_value(p, FIELD_USER), *header = row_value(p, FIELD_HEADER);
    const char *ip = NULL;
    size_t n = 0;
    bool number = user && user->kind == JSON_NUMBER && !p->map->strict_id;
    if (!user || !(user->kind == JSON_STRING || number) || !user->length) user = p->user.text ? &p->user : NULL;
    if (user && !row_text(p, user, &ip, &n)) return WR_E_NOMEM;
    if (!header && p->header.text) header = &p->header;
    if (with_header && header && header->kind == JSON_OBJECT) TRY(canonical(p, header, &text));
    TRY(conversation_user(p->memory, ip, n, text.data, text.len, p->out->id, &p->out->user));
cleanup:
    strbuf_free(&text);
    return status;
}

/* A time since 1970-01-01 in seconds or, by its size, in milli-, micro- or nanoseconds, to the second. "" where that is
 * no time of a chat: before 1e9 s (September 2001) or behind the year 9999. */
static wr_status rfc3339(arena *a, double since, const char **timestamp) {
    struct tm t;
    char text[64];
    double scale = since < 1e11 ? 1 : since < 1e14 ? 1e3 : since < 1e17 ? 1e6 : 1e9;
    *timestamp = "";
    if (!(since >= 1e9 && since / scale < 253402300800.0)) return WR_OK;
    time_t seconds = (time_t)(since / scale);
    if (!gmtime_r(&seconds, &t) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t)) return WR_OK;
    const char *copy = arena_strndup(a, text, strlen(text));
    if (!copy) return WR_E_NOMEM;
    *timestamp = copy;
    return WR_OK;
}

static wr_status take_timestamp(row_parser *p) {
    const json_span *t = row_value(p, FIELD_TIMESTAMP);
    double since;
    if (!t || t->kind != JSON_NUMBER) {
        p->out->timestamp = string_of(p, t, "");
        return WR_OK;
    }
    const char *copy = arena_strndup(p->memory, t->text, t->length);
    p->out->timestamp = "";
    if (!copy) return WR_E_NOMEM;
    if (!json_to_double(&(json_value){.kind = JSON_NUMBER, .text = copy, .length = t->length}, &since)) return WR_OK;
    return rfc3339(p->memory, since, &p->out->timestamp);
}

static bool is_true(const json_span *v) { return v && v->kind == JSON_BOOL && v->boolean; }

static row_fault scan_row(row_parser *p, const char *line, size_t n) {
    json_span ignored;
    const char *at = json_scan_blank(line, p->end);
    bool object = at < p->end && *at == '{';
    at = object ? row_scan_members(p, at, 0, 0, ROW_FIELDS, p->row, p->in_row)
                : json_scan_value(at, p->end, 0, &ignored);
    if (!at || json_scan_blank(at, p->end) != p->end) return utf8_valid_prefix(line, n) < n ? ROW_UTF8 : ROW_JSON;
    if (!object) return ROW_OBJECT;
    const json_span *messages = row_value(p, FIELD_MESSAGES);
    if (!messages || messages->kind != JSON_ARRAY) return row_wrong(p, FIELD_MESSAGES);
    for (unsigned f = FIELD_USER; f < FIELD_MESSAGES; f++)
        if (p->in_row[f] && is_nan(&p->row[f])) return ROW_NAN;
    row_fault id = take_id(p, line, n);
    if (id != ROW_GOOD) return id;
    return p->messages == 0 ? ROW_EMPTY : p->messages > ROW_MESSAGES_LIMIT ? ROW_MANY : p->fault;
}

/* tools, documents and chat_template_kwargs, for the template. */
static wr_status take_variables(row_parser *p, row_fault *fault) {
    wr_status status = WR_OK;
    strbuf text = {0};
    const json_value *row;
    for (size_t i = 0; i < ROW_VARIABLES; i++) {
        const json_span *v = &p->variables[i];
        if (!v->text || v->kind == JSON_NULL) continue;
        strbuf_printf(&text, "%s\"%s\":", text.len ? "," : "{", row_variable_names[i]);
        if (v->kind == JSON_STRING) strbuf_putc(&text, '"');
        strbuf_append(&text, v->text, v->length);
        if (v->kind == JSON_STRING) strbuf_putc(&text, '"');
    }
    if (!text.len) return WR_OK;
    strbuf_putc(&text, '}');
    TRY(strbuf_status(&text));
    TRY(json_parse(p->memory, text.data, text.len, &row));
    TRY(chat_read_variables(p->memory, row, &p->out->row));
cleanup:
    strbuf_free(&text);
    if (status == WR_E_FORMAT)
        *fault = ROW_FIELD, p->out->wrong = "tools, documents or chat_template_kwargs", status = WR_OK;
    return status;
}

wr_status conversation_parse(arena *a, const char *line, size_t n, const field_map *map, bool user_key_header,
                             conversation *out, row_fault *fault) {
    return conversation_parse_shown(a, line, n, map, NULL, user_key_header, out, fault);
}

wr_status conversation_parse_shown(arena *a, const char *line, size_t n, const field_map *map, const chat_names *shown,
                                   bool user_key_header, conversation *out, row_fault *fault) {
    wr_status status = WR_OK;
    row_parser p = {.memory = a, .end = line + n, .map = map, .out = out, .shown = shown};
    *out = (conversation){0};
    *fault = scan_row(&p, line, n);
    if (*fault == ROW_GOOD) {
        out->language = string_of(&p, row_value(&p, FIELD_LANGUAGE), "");
        out->model = string_of(&p, row_value(&p, FIELD_MODEL), "");
        out->toxic = is_true(row_value(&p, FIELD_TOXIC));
        out->redacted = is_true(row_value(&p, FIELD_REDACTED));
        TRY(take_timestamp(&p));
        TRY(take_user(&p, user_key_header));
        if (shown) TRY(take_variables(&p, fault));
    }
    if (p.exhausted) TRY(wr_fail(WR_E_NOMEM, "out of memory: row of %zu bytes", n));
cleanup:
    return status;
}
