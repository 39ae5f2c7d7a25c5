/* A template is brought into a normal form: a list of statements ({% … %}, one space between tokens, a['b'] and a.b both as a.b) and
 * prints ({{ … }} and the text between blocks; neighbouring prints joined, string literals as they are, other expressions between the
 * marks \x02 and \x03). Spelling then no longer matters, and the few known shapes are compared item by item. */
#include "model/chat_recognize.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct item { bool is_print; char *text; } item;
typedef struct normal_form { item *items; size_t n, capacity; strbuf print; } normal_form;

static void form_free(normal_form *f)
{
    for (size_t i = 0; i < f->n; i++) free(f->items[i].text);
    free(f->items);
    strbuf_free(&f->print);
}

static wr_status push(normal_form *f, bool is_print, const char *text)
{
    wr_status status = WR_OK;
    char *copy = mem_strdup(text);
    TRY_ALLOC(copy);
    status = mem_reserve((void **)&f->items, &f->capacity, f->n + 1, sizeof *f->items);
    if (status < 0) free(copy);
    else f->items[f->n++] = (item){is_print, copy};
cleanup:
    return status;
}

static wr_status flush_print(normal_form *f)
{
    wr_status status = strbuf_status(&f->print);
    if (status >= 0 && f->print.len) status = push(f, true, strbuf_str(&f->print));
    strbuf_clear(&f->print);
    return status;
}

/* --- lexing --------------------------------------------------------------------------------------------------------------- */

/* Reads the string literal at s[*i] (a quote) and moves behind it. */
static bool read_string(const char *s, size_t n, size_t *i, strbuf *out)
{
    char quote = s[(*i)++];
    for (; *i < n; (*i)++) {
        char c = s[*i];
        if (c == quote) {
            (*i)++;
            return true;
        }
        if (c == '\\' && *i + 1 < n) {
            c = s[++*i];
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
            else if (c == 'r') c = '\r';
        }
        strbuf_putc(out, c);
    }
    return false;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* One token of an expression. Member access in either spelling becomes ".name". */
static bool read_token(const char *s, size_t n, size_t *i, strbuf *out, bool *is_string)
{
    *is_string = false;
    while (*i < n && isspace((unsigned char)s[*i])) (*i)++;
    if (*i >= n) return false;
    char c = s[*i];
    if (c == '\'' || c == '"') {
        *is_string = true;
        return read_string(s, n, i, out);
    }
    if (!is_word(c)) {
        strbuf_putc(out, c);
        (*i)++;
        if ((c == '=' || c == '!') && *i < n && s[*i] == '=') {
            strbuf_putc(out, '=');
            (*i)++;
        }
        return true;
    }
    for (;;) {
        while (*i < n && is_word(s[*i])) strbuf_putc(out, s[(*i)++]);
        if (*i + 1 < n && s[*i] == '.' && is_word(s[*i + 1])) {
            strbuf_putc(out, s[(*i)++]);
        } else if (*i + 1 < n && s[*i] == '[' && (s[*i + 1] == '\'' || s[*i + 1] == '"' || isdigit((unsigned char)s[*i + 1]))) {
            (*i)++;
            strbuf_putc(out, '.');
            if (isdigit((unsigned char)s[*i])) while (*i < n && isdigit((unsigned char)s[*i])) strbuf_putc(out, s[(*i)++]);
            else if (!read_string(s, n, i, out)) return false;
            if (*i >= n || s[*i] != ']') return true; /* not a plain member: the leftover will not match any known shape */
            (*i)++;
        } else {
            return true;
        }
    }
}

static void add_print(normal_form *f, const char *s, size_t n)
{
    strbuf token = {0};
    bool is_string;
    for (size_t i = 0; strbuf_clear(&token), read_token(s, n, &i, &token, &is_string);) {
        if (is_string) {
            strbuf_append(&f->print, strbuf_str(&token), token.len);
        } else if (strcmp(strbuf_str(&token), "+") != 0 && strcmp(strbuf_str(&token), "~") != 0) {
            strbuf_putc(&f->print, '\x02');
            strbuf_append(&f->print, strbuf_str(&token), token.len);
            strbuf_putc(&f->print, '\x03');
        }
    }
    strbuf_free(&token);
}

static wr_status add_statement(normal_form *f, const char *s, size_t n)
{
    wr_status status = WR_OK;
    strbuf token = {0}, line = {0};
    bool is_string;
    TRY(flush_print(f));
    for (size_t i = 0; strbuf_clear(&token), read_token(s, n, &i, &token, &is_string);) {
        if (line.len) strbuf_putc(&line, ' ');
        if (is_string) strbuf_putc(&line, '\'');
        strbuf_append(&line, strbuf_str(&token), token.len);
        if (is_string) strbuf_putc(&line, '\'');
    }
    TRY(strbuf_status(&line));
    TRY(push(f, false, strbuf_str(&line)));
cleanup:
    strbuf_free(&token);
    strbuf_free(&line);
    return status;
}

/* Text between blocks, less the white space that the blocks beside it swallow (transformers renders with trim_blocks and lstrip_blocks). */
static void add_text(normal_form *f, const char *s, size_t n, bool after_block, bool strip_left, char next, bool strip_right)
{
    if (strip_left) {
        while (n && isspace((unsigned char)*s)) {
            s++;
            n--;
        }
    } else if (after_block && n && *s == '\n') {
        s++;
        n--;
    }
    if (strip_right) {
        while (n && isspace((unsigned char)s[n - 1])) n--;
    } else if (next == '%' || next == '#') {
        size_t k = n;
        while (k && (s[k - 1] == ' ' || s[k - 1] == '\t')) k--;
        if (k == 0 ? after_block : s[k - 1] == '\n') n = k;
    } else if (next == '\0' && n && s[n - 1] == '\n') {
        n--;
    }
    strbuf_append(&f->print, s, n);
}

static wr_status normalize(const char *s, size_t n, normal_form *f)
{
    wr_status status = WR_OK;
    bool after_block = true, strip_left = false;
    for (size_t i = 0; i < n;) {
        size_t open = i;
        while (open + 1 < n && !(s[open] == '{' && strchr("{%#", s[open + 1]))) open++;
        if (open + 1 >= n) {
            add_text(f, s + i, n - i, after_block, strip_left, '\0', false);
            break;
        }
        char kind = s[open + 1];
        size_t from = open + 2;
        bool strip_right = from < n && s[from] == '-';
        add_text(f, s + i, open - i, after_block, strip_left, kind, strip_right);
        from += strip_right;
        size_t to = from;
        char close = kind == '{' ? '}' : kind;
        for (char quote = 0; to + 1 < n; to++) {
            if (kind != '#' && quote && s[to] == '\\') to++;
            else if (quote) quote = s[to] == quote ? 0 : quote;
            else if (kind != '#' && (s[to] == '\'' || s[to] == '"')) quote = s[to];
            else if (s[to] == close && s[to + 1] == '}') break;
        }
        if (to + 1 >= n) TRY(wr_fail(WR_E_FORMAT, "chat_template: a {%c block has no end", kind));
        i = to + 2;
        strip_left = to > from && s[to - 1] == '-';
        if (strip_left) to--;
        after_block = kind != '{';
        if (kind == '{') add_print(f, s + from, to - from);
        else if (kind == '%') TRY(add_statement(f, s + from, to - from));
    }
    TRY(flush_print(f));
cleanup:
    return status;
}

/* --- known shapes ------------------------------------------------------------------------------------------------------------ */

#define MESSAGE "<|im_start|>\x02message.role\x03\n\x02message.content\x03<|im_end|>\n"
#define LOOP "%for message in messages"
#define TAIL "%endfor", "%if add_generation_prompt", "<|im_start|>assistant\n", "%endif", NULL
#define DEFAULT "*" /* a print "<|im_start|>system\nTEXT<|im_end|>\n" without expressions */
#define SKIP_BRANCHES "-" /* what only other roles than system, user and assistant reach, up to this block's endif */
/* Qwen 2.5: true for every message that this program renders, except a first system message, which was printed before. */
#define PLAIN_ROLE                                                                                                                        \
    "%if ( message.role == 'user' ) or ( message.role == 'system' and not loop.first ) or ( message.role == 'assistant' and not "            \
    "message.tool_calls )"
#define FIRST_SYSTEM "<|im_start|>system\n\x02messages.0.content\x03<|im_end|>\n"

static const char *const shapes[][16] = {
    {LOOP, MESSAGE, TAIL},
    {LOOP, "%if loop.first and messages.0.role != 'system'", DEFAULT, "%endif", MESSAGE, TAIL},
    {LOOP, "%if ( loop.first and messages.0.role != 'system' )", DEFAULT, "%endif", MESSAGE, TAIL},
    {"%if messages.0.role != 'system'", DEFAULT, "%endif", LOOP, MESSAGE, TAIL},
    // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): macros of joined strings
    {"%if messages.0.role == 'system'", FIRST_SYSTEM, "%else", DEFAULT, "%endif", LOOP, PLAIN_ROLE, MESSAGE, SKIP_BRANCHES, "%endif", TAIL},
};

static bool opens(const item *t)
{
    return !t->is_print && (strncmp(t->text, "if ", 3) == 0 || strncmp(t->text, "for ", 4) == 0);
}

static bool closes(const item *t)
{
    return !t->is_print && (strcmp(t->text, "endif") == 0 || strcmp(t->text, "endfor") == 0);
}

/* From i, the index of the statement at depth 0 that ends this branch: else/elif (when wanted) or the block's end. f->n when there is none. */
static size_t branch_end(const normal_form *f, size_t i, bool stop_at_else)
{
    for (size_t depth = 0; i < f->n; i++) {
        const item *t = &f->items[i];
        if (depth == 0 && (closes(t) || (stop_at_else && !t->is_print && strncmp(t->text, "el", 2) == 0))) return i;
        if (opens(t)) depth++;
        else if (closes(t)) depth--;
    }
    return f->n;
}

static void remove_items(normal_form *f, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) free(f->items[i].text); // NOLINT(clang-analyzer-unix.Malloc): it does not follow the memmove
    memmove(f->items + from, f->items + to, (f->n - to) * sizeof *f->items);
    f->n -= to - from;
}

/* There are never tools here, and add_generation_prompt is always given: drops what depends on the contrary. */
static void drop_dead_branches(normal_form *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->items[i].is_print) continue;
        if (strcmp(f->items[i].text, "if tools") == 0) {
            size_t otherwise = branch_end(f, i + 1, true), end = branch_end(f, i + 1, false);
            if (end == f->n || (otherwise != end && strcmp(f->items[otherwise].text, "else") != 0)) return;
            remove_items(f, end, end + 1);
            remove_items(f, i, otherwise == end ? end : otherwise + 1);
            i--;
        } else if (strcmp(f->items[i].text, "if not add_generation_prompt is defined") == 0 && i + 2 < f->n &&
                   strcmp(f->items[i + 1].text, "set add_generation_prompt = false") == 0 && strcmp(f->items[i + 2].text, "endif") == 0) {
            remove_items(f, i, i + 3);
            i--;
        }
    }
}

static bool default_text(const char *print, const char **text, size_t *n)
{
    static const char head[] = "<|im_start|>system\n", tail[] = "<|im_end|>\n";
    size_t length = strlen(print), h = sizeof head - 1, e = sizeof tail - 1;
    if (length < h + e || memcmp(print, head, h) != 0 || memcmp(print + length - e, tail, e) != 0) return false;
    if (strchr(print, '\x02')) return false;
    *text = print + h;
    *n = length - h - e;
    return true;
}

static bool matches(const normal_form *f, const char *const *shape, const char **text, size_t *n)
{
    size_t k = 0;
    *text = NULL;
    for (; *shape; shape++) {
        if (k >= f->n) return false;
        const item *t = &f->items[k];
        if (strcmp(*shape, SKIP_BRANCHES) == 0) {
            k = branch_end(f, k, false);
            continue;
        }
        bool same = **shape == '%' ? !t->is_print && strcmp(t->text, *shape + 1) == 0
                    : strcmp(*shape, DEFAULT) == 0 ? t->is_print && default_text(t->text, text, n)
                                                   : t->is_print && strcmp(t->text, *shape) == 0;
        if (!same) return false;
        k++;
    }
    return k == f->n;
}

wr_status chat_recognize(const char *text, size_t n, bool *has_default, strbuf *default_system)
{
    wr_status status = WR_OK;
    normal_form f = {0};
    TRY(normalize(text, n, &f));
    drop_dead_branches(&f);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const char *found;
        size_t length = 0;
        if (!matches(&f, shapes[i], &found, &length)) continue;
        *has_default = found != NULL;
        if (found) strbuf_append(default_system, found, length);
        status = strbuf_status(default_system);
        goto cleanup;
    }
    status = wr_fail(WR_E_FORMAT, "chat_template is not one of the known ChatML forms");
cleanup:
    form_free(&f);
    return status;
}
