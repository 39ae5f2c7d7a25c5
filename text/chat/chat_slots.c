#include "text/chat/chat_slots.h"

#include "base/json.h"

#include <string.h>

enum { BEGIN, SYSTEM, USER, ASSISTANT, GENERATION, DEFAULT_SYSTEM, SLOTS };
static const char *const keys[SLOTS] = {"begin", "system", "user", "assistant", "generation", "default_system"};
#define CONTENT "{content}"

typedef struct slots {
    const char *text[SLOTS];
} slots;

static wr_status read_line(arena *a, slots *s, const char *line, size_t n, int number) {
    wr_status status = WR_OK;
    const json_value *v = NULL;
    const char *colon = memchr(line, ':', n);
    if (!colon) return wr_fail(WR_E_FORMAT, "line %d: a line of a chat template file is KEY: \"TEXT\"", number);
    size_t length = (size_t)(colon - line), which = 0;
    while (length && (line[length - 1] == ' ' || line[length - 1] == '\t')) length--;
    while (which < SLOTS && (strlen(keys[which]) != length || memcmp(keys[which], line, length) != 0)) which++;
    if (which == SLOTS)
        return wr_fail(WR_E_FORMAT,
                       "line %d: '%.*s' is none of begin, system, user, assistant, generation, default_system", number,
                       (int)(length < 40 ? length : 40), line);
    if (s->text[which]) return wr_fail(WR_E_FORMAT, "line %d: %s is given twice", number, keys[which]);
    status = json_parse(a, colon + 1, n - (size_t)(colon + 1 - line), &v);
    if (status < 0 || !json_is(v, JSON_STRING) || strlen(v->text) != v->length)
        return wr_fail(WR_E_FORMAT, "line %d: %s needs a text in double quotes, written as in JSON", number,
                       keys[which]);
    s->text[which] = v->text;
    const char *at = strstr(v->text, CONTENT);
    const bool message = which == SYSTEM || which == USER || which == ASSISTANT;
    if (message != (at != NULL) || (at && strstr(at + 1, CONTENT)))
        return wr_fail(WR_E_FORMAT, message ? "line %d: %s needs {content} once" : "line %d: %s has no {content}",
                       number, keys[which]);
    return WR_OK;
}

/* A text as Jinja: string literals joined with ~ bos_token and ~ eos_token, and the content where it stands. */
static void put_text(strbuf *out, const char *text) {
    static const struct slot {
        const char *mark, *expression;
    } marks[] = {{CONTENT, "content"}, {"{bos}", "bos_token"}, {"{eos}", "eos_token"}};
    json_writer w;
    strbuf_puts(out, "{{- ''");
    while (*text) {
        size_t n = strlen(text), which = 3;
        for (size_t i = 0; i < 3; i++) {
            const char *at = strstr(text, marks[i].mark);
            if (at && (size_t)(at - text) < n) n = (size_t)(at - text), which = i;
        }
        strbuf_puts(out, " ~ ");
        w = json_writer_make(out);
        json_string_n(&w, text, n);
        text += n;
        if (which == 3) break;
        strbuf_printf(out, " ~ %s", marks[which].expression);
        text += strlen(marks[which].mark);
    }
    strbuf_puts(out, " }}");
}

wr_status chat_slots_to_jinja(const char *text, size_t n, strbuf *jinja) {
    wr_status status = WR_OK;
    slots s = {{0}};
    arena *a = arena_create();
    TRY_ALLOC(a);
    int number = 1;
    for (size_t from = 0; from < n; number++) {
        const char *end = memchr(text + from, '\n', n - from);
        size_t to = end ? (size_t)(end - text) : n, begin = from;
        from = to + 1;
        while (to > begin && (text[to - 1] == '\r' || text[to - 1] == ' ')) to--;
        while (begin < to && (text[begin] == ' ' || text[begin] == '\t')) begin++;
        if (begin < to && text[begin] != '#') TRY(read_line(a, &s, text + begin, to - begin, number));
    }
    for (int i = USER; i <= GENERATION; i++)
        if (!s.text[i]) TRY(wr_fail(WR_E_FORMAT, "%s is missing", keys[i]));
    if (s.text[DEFAULT_SYSTEM] && !s.text[SYSTEM]) TRY(wr_fail(WR_E_FORMAT, "default_system needs system"));
    if (s.text[BEGIN]) put_text(jinja, s.text[BEGIN]);
    if (s.text[DEFAULT_SYSTEM]) {
        strbuf_puts(jinja, "{%- if messages and messages[0].role != 'system' %}{%- set content = ");
        json_writer w = json_writer_make(jinja);
        json_string(&w, s.text[DEFAULT_SYSTEM]);
        strbuf_puts(jinja, " %}");
        put_text(jinja, s.text[SYSTEM]);
        strbuf_puts(jinja, "{%- endif %}");
    }
    strbuf_puts(jinja,
                "{%- for message in messages %}{%- set content = message.content %}{%- if message.role == 'user' %}");
    put_text(jinja, s.text[USER]);
    strbuf_puts(jinja, "{%- elif message.role == 'assistant' %}");
    put_text(jinja, s.text[ASSISTANT]);
    strbuf_puts(jinja, "{%- else %}");
    if (s.text[SYSTEM])
        put_text(jinja, s.text[SYSTEM]);
    else
        strbuf_puts(jinja, "{{- raise_exception('this template has no system messages') }}");
    strbuf_puts(jinja, "{%- endif %}{%- endfor %}{%- if add_generation_prompt %}");
    put_text(jinja, s.text[GENERATION]);
    strbuf_puts(jinja, "{%- endif %}");
    TRY(strbuf_status(jinja));
cleanup:
    arena_free(a);
    return status;
}
