/* The input is a chat template, or a file of slots: refused, or rendered, every byte with an origin that exists. */
#include "text/chat/chat_slots.h"
#include "text/chat/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void render(const char *text, size_t n) {
    static const chat_message chat[] = {{"system", "be \xc3\xa9", 5, NULL},
                                        {"user", " a,b\n", 5, NULL},
                                        {"assistant", "</think>ok", 10, NULL},
                                        {"user", "", 0, NULL}};
    static const jinja_variable variables[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    jinja *t = NULL;
    if (jinja_compile(text, n, &t) < 0) return;
    for (int i = 0; i < 2; i++) {
        arena *a = arena_create();
        jinja_text x;
        if (a && jinja_render(t, &(jinja_chat){chat, i ? 4 : 2, i == 0, variables, 2}, a, &x) >= 0)
            for (size_t k = 0; k < x.n; k++)
                if (x.origin[k] > 4) __builtin_trap();
        arena_free(a);
    }
    jinja_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    strbuf slots = {0};
    render((const char *)data, size);
    if (chat_slots_to_jinja((const char *)data, size, &slots) >= 0) render(strbuf_str(&slots), slots.len);
    strbuf_free(&slots);
    return 0;
}
