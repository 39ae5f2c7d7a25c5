/* A reward template as a Jinja chat template, for programs that know reward models by their chat template alone. */
#include "reward/template.h"

/* A string literal of Jinja. */
static void put_literal(strbuf *out, const char *text, size_t n) {
    if (!n) return;
    strbuf_puts(out, "{{- '");
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\'' || text[i] == '\\') strbuf_putc(out, '\\');
        if (text[i] == '\n')
            strbuf_puts(out, "\\n");
        else if (text[i] == '\r')
            strbuf_puts(out, "\\r");
        else
            strbuf_putc(out, text[i]);
    }
    strbuf_puts(out, "' -}}\n");
}

wr_status reward_template_jinja(const reward_template *t, strbuf *out) {
    static const char history[] =
        "{%- if messages | length == 2 -%}{{- '" REWARD_NO_HISTORY "' -}}{%- endif -%}\n"
        "{%- for m in messages[:-2] -%}\n"
        "{%- if not loop.first -%}{{- '\\n' -}}{%- endif -%}\n"
        "{%- if m['role'] == 'user' -%}{{- 'User' -}}{%- elif m['role'] == 'assistant' -%}{{- 'Assistant' -}}\n"
        "{%- elif m['role'] == 'system' -%}{{- 'System' -}}{%- else -%}{{- m['role'] -}}{%- endif -%}\n"
        "{{- ': ' -}}{{- m['content'] -}}\n"
        "{%- endfor -%}\n";
    static const char query[] = "{{- messages[-2]['content'] -}}\n", response[] = "{{- messages[-1]['content'] -}}\n";
    const char *text[4];
    size_t n[4];
    const bool history_first = reward_template_parts(t, text, n);
    strbuf_puts(
        out,
        "{%- if messages | length < 2 or messages[-1]['role'] != 'assistant' -%}"
        "{{- raise_exception('this reward model reads chats that end with a query and its reply') -}}{%- endif -%}\n");
    put_literal(out, text[0], n[0]);
    strbuf_puts(out, history_first ? history : query);
    put_literal(out, text[1], n[1]);
    strbuf_puts(out, history_first ? query : history);
    put_literal(out, text[2], n[2]);
    strbuf_puts(out, response);
    put_literal(out, text[3], n[3]);
    return strbuf_status(out);
}
