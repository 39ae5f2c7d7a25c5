/* Any text as a template file: refused in one line, or a template whose rendering is what its chat template renders.
 * The first byte chooses the chat. */
#include "reward/template.h"
#include "text/chat/jinja.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const chat_message talk[] = {
    {"user", "first", 5, NULL}, {"assistant", " a\n", 3, NULL},  {"tool", "{role}", 6, NULL},
    {"system", "s", 1, NULL},   {"user", "\n{query} ", 9, NULL}, {"assistant", "x</think> r\xE2\x80\x83", 14, NULL}};
enum { MESSAGES = sizeof talk / sizeof *talk };

static void compare(const reward_template *t, size_t first) {
    strbuf source = {0}, text = {0};
    jinja *c = NULL;
    arena *a = arena_create();
    jinja_text got;
    const chat_message *m = talk + first, *reply = &talk[MESSAGES - 1], *query = reply - 1;
    const size_t n = MESSAGES - first;
    if (a && reward_template_jinja(t, &source) >= 0 &&
        reward_template_render(t, m, n - 2, query->content, query->length, reply->content, reply->length, &text) >= 0) {
        const bool same = jinja_compile(source.data, source.len, &c) >= 0 &&
                          jinja_render(c, &(jinja_chat){.messages = m, .n = n}, a, &got) >= 0 && got.n == text.len &&
                          (!got.n || memcmp(got.bytes, text.data, got.n) == 0);
        if (!same) {
            fprintf(stderr, "%s\n%s\n%s\n", wr_error(), source.data, strbuf_str(&text));
            __builtin_trap();
        }
    }
    jinja_free(c);
    arena_free(a);
    strbuf_free(&source);
    strbuf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    reward_template *t = NULL;
    if (!size) return 0;
    char *text = malloc(size);
    if (!text) return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (reward_template_from_text(text, &t) < 0) {
        if (!*wr_error() || strchr(wr_error(), '\n')) __builtin_trap();
    } else {
        bool utf8 = true; /* a chat template must be */
        for (const char *c = reward_template_text(t); *c; c++) utf8 = utf8 && (unsigned char)*c < 0x80;
        if (utf8) compare(t, data[0] % (MESSAGES - 1));
        reward_template_free(t);
    }
    free(text);
    return 0;
}
