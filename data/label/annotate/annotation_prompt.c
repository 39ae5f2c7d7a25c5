#include "data/label/annotate/annotation_prompt.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/options.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Made from the text files by the Makefile: string literals, a line each. */
static const char *const built_in[] = {[PROMPT_LEVEL] =
#include "data/prompts/annotate.inc"
                                           , [PROMPT_REFUSAL] =
#include "data/prompts/refusal.inc"
};
static const char *const file_names[] = {[PROMPT_LEVEL] = "annotate.txt", [PROMPT_REFUSAL] = "refusal.txt"};

typedef enum slot { SLOT_HISTORY, SLOT_QUERY, SLOT_REPLY, SLOT_FOLLOWUP, SLOTS } slot;
static const char *const slot_names[] = {"history", "query", "reply", "followup", NULL};
static const bool needed[2][SLOTS] = {[PROMPT_LEVEL] = {[SLOT_REPLY] = true, [SLOT_FOLLOWUP] = true},
                                      [PROMPT_REFUSAL] = {[SLOT_QUERY] = true, [SLOT_REPLY] = true}};

struct annotation_prompt {
    char *text;
    size_t length;
};

uint64_t annotation_prompt_hash(const annotation_prompt *p) { return hash64(p->text, p->length, 0); }

/* The next {name} at or behind *at: its slot, with *at and *end around it; SLOTS at the end of the text; -1 for a name
 * that is no slot. Braces around anything but small letters and _ are text. */
static int next_slot(const annotation_prompt *p, size_t *at, size_t *end) {
    for (size_t i = *at; i < p->length; i++) {
        if (p->text[i] != '{') continue;
        size_t n = strspn(p->text + i + 1, "abcdefghijklmnopqrstuvwxyz_");
        if (n == 0 || p->text[i + 1 + n] != '}') continue;
        *at = i;
        *end = i + n + 2;
        for (int s = 0; s < SLOTS; s++)
            if (strlen(slot_names[s]) == n && memcmp(slot_names[s], p->text + i + 1, n) == 0) return s;
        return -1;
    }
    *at = *end = p->length;
    return SLOTS;
}

static wr_status check_slots(const annotation_prompt *p, prompt_kind kind, const char *name) {
    bool seen[SLOTS] = {false};
    size_t at = 0, end = 0;
    for (;; at = end) {
        int s = next_slot(p, &at, &end);
        if (s == SLOTS) break;
        if (s < 0)
            return wr_fail(WR_E_USAGE, "%s: %.*s is no slot; there are {history}, {query}, {reply} and {followup}",
                           name, (int)(end - at > 60 ? 60 : end - at), p->text + at);
        seen[s] = true;
    }
    for (int s = 0; s < SLOTS; s++)
        if (needed[kind][s] && !seen[s])
            return wr_fail(WR_E_USAGE, "%s: the slot {%s} is missing", name, slot_names[s]);
    if (kind == PROMPT_REFUSAL && seen[SLOT_FOLLOWUP])
        return wr_fail(WR_E_USAGE, "%s: {followup} has no place here: a refusal is judged before anybody reacts", name);
    return WR_OK;
}

static wr_status find_file(const char *dir, prompt_kind kind, char path[PATH_CAP], bool *found) {
    wr_status status = WR_OK;
    char other[PATH_CAP];
    *found = false;
    if (!dir) return WR_OK;
    TRY(path_join(path, dir, file_names[kind]));
    TRY(path_join(other, dir, file_names[kind == PROMPT_LEVEL ? PROMPT_REFUSAL : PROMPT_LEVEL]));
    *found = file_exists(path);
    if (!*found && !file_exists(other))
        TRY(wr_fail(WR_E_USAGE, "--prompts: %s holds neither %s nor %s", dir, file_names[PROMPT_LEVEL],
                    file_names[PROMPT_REFUSAL]));
cleanup:
    return status;
}

wr_status annotation_prompt_load(const char *dir, prompt_kind kind, annotation_prompt **out) {
    enum { LIMIT = 1 << 20 };
    wr_status status = WR_OK;
    char path[PATH_CAP];
    bool found;
    annotation_prompt *p = mem_calloc(1, sizeof *p);
    TRY_ALLOC(p);
    TRY(find_file(dir, kind, path, &found));
    if (found) {
        TRY(file_read(path, LIMIT, &p->text, &p->length));
        if (utf8_valid_prefix(p->text, p->length) != p->length || memchr(p->text, 0, p->length))
            TRY(wr_fail(WR_E_USAGE, "%s is not UTF-8 text", path));
    } else {
        TRY_ALLOC(p->text = mem_strdup(built_in[kind]));
        p->length = strlen(p->text);
    }
    while (p->length && (p->text[p->length - 1] == '\n' || p->text[p->length - 1] == '\r')) p->text[--p->length] = '\0';
    TRY(check_slots(p, kind, found ? path : file_names[kind]));
    *out = p;
    p = NULL;
cleanup:
    annotation_prompt_free(p);
    return status;
}

void annotation_prompt_free(annotation_prompt *p) {
    if (!p) return;
    free(p->text);
    free(p);
}

/* --- rendering ---------------------------------------------------------------------------------------------------- */

/* Bytes of the first k characters. */
static size_t prefix_bytes(const char *s, size_t n, size_t k) {
    size_t i = 0;
    for (; i < n && k; k--) {
        int32_t code;
        i += utf8_decode(s + i, n - i, &code);
    }
    return i;
}

/* A long message is known by its beginning and its end, which are kept in the proportion 2 : 1. */
void annotation_clip(strbuf *out, const char *s, size_t n, size_t limit) {
    size_t characters = 0;
    if (limit == 0 || n <= limit) {
        strbuf_append(out, s, n);
        return;
    }
    for (size_t i = 0; i < n; characters++) {
        int32_t code;
        i += utf8_decode(s + i, n - i, &code);
    }
    if (characters <= limit) {
        strbuf_append(out, s, n);
        return;
    }
    size_t tail = limit / 3, head_bytes = prefix_bytes(s, n, limit - tail),
           tail_at = head_bytes + prefix_bytes(s + head_bytes, n - head_bytes, characters - limit);
    strbuf_append(out, s, head_bytes);
    strbuf_printf(out, "\n[… %zu characters left out …]\n", characters - limit);
    strbuf_append(out, s + tail_at, n - tail_at);
}

static void put_message(strbuf *out, const chat_message *m, size_t limit) {
    if (m) annotation_clip(out, m->content, m->length, limit);
}

static void put_history(strbuf *out, const annotated_turn *t, const prompt_limits *limits) {
    size_t shown = t->n_history < limits->history ? t->n_history : limits->history;
    if (shown == 0) strbuf_puts(out, "(nothing)");
    if (shown && shown < t->n_history) strbuf_printf(out, "[… %zu messages left out …]\n", t->n_history - shown);
    for (size_t i = t->n_history - shown; i < t->n_history; i++) {
        const chat_message *m = &t->history[i];
        strbuf_printf(out, "%s: ",
                      strcmp(m->role, "assistant") == 0 ? "assistant"
                      : strcmp(m->role, "user") == 0    ? "person"
                                                        : m->role);
        put_message(out, m, limits->characters);
        if (i + 1 < t->n_history) strbuf_putc(out, '\n');
    }
}

void annotation_prompt_render(const annotation_prompt *p, const annotated_turn *t, const prompt_limits *limits,
                              strbuf *out) {
    size_t from = 0, at = 0, end = 0;
    for (;; from = at = end) {
        int s = next_slot(p, &at, &end);
        strbuf_append(out, p->text + from, at - from);
        switch (s) {
        case SLOT_HISTORY:
            put_history(out, t, limits);
            break;
        case SLOT_QUERY:
            put_message(out, t->query, limits->characters);
            break;
        case SLOT_REPLY:
            put_message(out, t->reply, limits->characters);
            break;
        case SLOT_FOLLOWUP:
            put_message(out, t->followup, limits->characters);
            break;
        default:
            return;
        }
    }
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static const char *last_of(const char *text, size_t n, const char *word) {
    size_t k = strlen(word);
    for (size_t i = n; i >= k; i--)
        if (memcmp(text + i - k, word, k) == 0) return text + i - k;
    return NULL;
}

int annotation_answer(const char *text, size_t n, int lowest, int highest) {
    const char *closed = last_of(text, n, "</think>"), *opened = last_of(text, n, "<think>"), *end = text + n;
    if (opened && (!closed || closed < opened)) return -1;
    if (closed) text = closed;
    for (const char *at = end; (at = last_of(text, (size_t)(at - text), "[[")) != NULL;) {
        const char *digit = at + 2;
        while (digit < end && *digit == ' ') digit++;
        if (digit == end || *digit < '0' || *digit > '9') continue;
        int value = 0;
        for (; digit < end && *digit >= '0' && *digit <= '9'; digit++)
            if (value < 1000) value = value * 10 + (*digit - '0');
        while (digit < end && *digit == ' ') digit++;
        if (end - digit < 2 || digit[0] != ']' || digit[1] != ']') continue;
        return value >= lowest && value <= highest ? value : -1;
    }
    return -1;
}
