/* First byte even: the rest is text for a small trained tokenizer, which must give it back byte for byte when it is valid UTF-8.
 * First byte odd: the rest is a tokenizer.json, refused or usable. */
#include "base/file.h"
#include "base/utf8.h"
#include "model/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static tokenizer *small_tokenizer(void)
{
    static const char *const specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    static const char text[] = "the cat sat on the mat; the 12 cats sat on 345 mats. It's what they're for!\n\n  caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd";
    char dir[] = "/tmp/wildreward-fuzz-XXXXXX", path[PATH_CAP];
    bpe_trainer *trainer = NULL;
    tokenizer *t = NULL;
    if (!mkdtemp(dir)) return NULL;
    if (bpe_trainer_create(320, specials, &trainer) >= 0 && bpe_trainer_add(trainer, text, sizeof text - 1) >= 0 &&
        bpe_trainer_finish(trainer, dir) >= 0 && path_join(path, dir, "tokenizer.json") >= 0) {
        tokenizer_load(path, &t);
    }
    bpe_trainer_free(trainer);
    dir_remove_tree(dir);
    return t;
}

static void round_trip(const tokenizer *t, const char *text, size_t n, bool exact)
{
    token_ids ids = {0};
    strbuf back = {0};
    if (tokenizer_encode(t, text, n, exact ? 0 : TOK_DEFAULT, &ids) >= 0) {
        for (size_t i = 0; i < ids.n; i++) {
            if (ids.ids[i] < 0 || (size_t)ids.ids[i] >= tokenizer_vocab(t)) __builtin_trap();
        }
        if (tokenizer_decode(t, ids.ids, ids.n, false, &back) >= 0 && exact) {
            if (back.len != n || memcmp(strbuf_str(&back), text, n) != 0) __builtin_trap();
        }
    }
    strbuf_free(&back);
    token_ids_free(&ids);
}

static void load_any(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", 0);
    if (fd < 0) return;
    char path[64];
    tokenizer *t = NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size && tokenizer_load(path, &t) >= 0) {
        static const char text[] = "Hello <|im_start|> w\xc3\xb6rld 123\xff\n";
        round_trip(t, text, sizeof text - 1, false);
    }
    tokenizer_free(t);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tokenizer *trained; /* made once for the whole run */
    if (!trained && !(trained = small_tokenizer())) __builtin_trap();
    if (size == 0) return 0;
    if (data[0] & 1)
        load_any(data + 1, size - 1);
    else
        round_trip(trained, (const char *)data + 1, size - 1, utf8_valid_prefix(data + 1, size - 1) == size - 1);
    return 0;
}
