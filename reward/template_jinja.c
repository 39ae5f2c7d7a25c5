/* A reward template as a Jinja chat template, for programs that know reward models by their chat template alone. */
#include "reward/template.h"

#include "reward/template_head.h"

#include <string.h>

static void put_quoted(strbuf *out, const char *text, size_t n) {
    strbuf_putc(out, '\'');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\'' || text[i] == '\\') strbuf_putc(out, '\\');
        if (text[i] == '\n')
            strbuf_puts(out, "\\n");
        else if (text[i] == '\r')
            strbuf_puts(out, "\\r");
        else
            strbuf_putc(out, text[i]);
    }
    strbuf_putc(out, '\'');
}

/* A text as it stands. */
static void put_literal(strbuf *out, const char *text, size_t n) {
    if (!n) return;
    strbuf_puts(out, "{{- ");
    put_quoted(out, text, n);
    strbuf_puts(out, " -}}\n");
}

static void put_role(strbuf *out, const template_head *h) {
    strbuf_puts(out, h->default_roles
                         ? "{%- if m['role'] == 'user' -%}{{- 'User' -}}{%- elif m['role'] == 'assistant' -%}"
                           "{{- 'Assistant' -}}\n"
                           "{%- elif m['role'] == 'system' -%}{{- 'System' -}}{%- else -%}{{- m['role'] -}}{%- endif "
                           "-%}\n"
                         : "{{- roles.get(m['role'], m['role']) -}}\n");
}

static void put_roles(strbuf *out, const template_head *h) {
    if (h->default_roles) return;
    strbuf_puts(out, "{%- set roles = {");
    for (size_t i = 0; i < h->n_roles; i++) {
        if (i) strbuf_puts(out, ", ");
        put_quoted(out, h->roles[i].role, strlen(h->roles[i].role));
        strbuf_puts(out, ": ");
        put_quoted(out, h->roles[i].name, strlen(h->roles[i].name));
    }
    strbuf_puts(out, "} -%}\n");
}

static void put_history(strbuf *out, const template_head *h) {
    size_t at = 0;
    if (*h->empty) {
        strbuf_puts(out, "{%- if messages | length == 2 -%}{{- ");
        put_quoted(out, h->empty, strlen(h->empty));
        strbuf_puts(out, " -}}{%- endif -%}\n");
    }
    strbuf_puts(out, "{%- for m in messages[:-2] -%}\n");
    if (!h->own_lines) strbuf_puts(out, "{%- if not loop.first -%}{{- '\\n' -}}{%- endif -%}\n");
    for (int k = 0; k < LINE_SLOTS; k++) {
        const int slot = template_line_slot(h, k);
        put_literal(out, h->line + at, h->slot_at[slot] - at);
        if (slot == LINE_ROLE)
            put_role(out, h);
        else
            strbuf_puts(out, "{{- m['content'] -}}\n");
        at = h->slot_at[slot] + strlen(template_line_slots[slot]);
    }
    put_literal(out, h->line + at, strlen(h->line + at));
    strbuf_puts(out, "{%- endfor -%}\n");
}

static void put_slot(strbuf *out, const template_head *h, bool history) {
    if (history)
        put_history(out, h);
    else
        strbuf_puts(out, "{{- messages[-2]['content'] -}}\n");
}

wr_status reward_template_jinja(const reward_template *t, strbuf *out) {
    const template_head *h = reward_template_head(t);
    const char *text[4];
    size_t n[4];
    const bool history_first = reward_template_parts(t, text, n);
    strbuf_puts(
        out,
        "{%- if messages | length < 2 or messages[-1]['role'] != 'assistant' -%}"
        "{{- raise_exception('this reward model reads chats that end with a query and its reply') -}}{%- endif -%}\n");
    put_roles(out, h);
    if (h->trim) strbuf_puts(out, "{%- set whole -%}\n");
    put_literal(out, text[0], n[0]);
    put_slot(out, h, history_first);
    put_literal(out, text[1], n[1]);
    put_slot(out, h, !history_first);
    put_literal(out, text[2], n[2]);
    strbuf_puts(out, h->strip_thoughts ? "{{- messages[-1]['content'].split('</think>')[-1].strip() -}}\n"
                                       : "{{- messages[-1]['content'] -}}\n");
    put_literal(out, text[3], n[3]);
    if (h->trim) strbuf_puts(out, "{%- endset -%}{{- whole.strip() -}}\n");
    return strbuf_status(out);
}
