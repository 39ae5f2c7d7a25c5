/* The input is a tokenizer.json: refused, or usable on a few texts. */
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const tokenizer *t, const char *text, size_t n, int flags) {
    token_ids ids = {0};
    strbuf back = {0};
    if (tokenizer_encode(t, text, n, flags, &ids) >= 0) {
        for (size_t i = 0; i < ids.n; i++)
            if (ids.ids[i] < 0 || (size_t)ids.ids[i] >= tokenizer_vocab(t)) __builtin_trap();
        tokenizer_decode(t, ids.ids, ids.n, false, &back);
    }
    strbuf_free(&back);
    token_ids_free(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char text[] = "Hello <|im_start|> w\xc3\xb6rld 123\xff\n  \xe4\xbd\xa0 <0x0A> e\xcc\x81 \xe2\x96\x81x";
    int fd = memfd_create("fuzz", 0);
    if (fd < 0) return 0;
    char path[64];
    tokenizer *t = NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size && tokenizer_load(path, &t) >= 0) {
        use(t, text, sizeof text - 1, TOK_DEFAULT);
        use(t, text, sizeof text - 1, 0);
        strbuf all = {0};
        int32_t most = tokenizer_vocab(t) > 500 ? 500 : (int32_t)tokenizer_vocab(t);
        for (int32_t id = 0; id < most; id++) tokenizer_decode(t, &id, 1, true, &all);
        use(t, strbuf_str(&all), all.len, TOK_DEFAULT);
        strbuf_free(&all);
    }
    tokenizer_free(t);
    close(fd);
    return 0;
}
