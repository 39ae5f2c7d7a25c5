#include "tests/support/tiny_tokenizer.h"

#include <string.h>

tokenizer *tiny_tokenizer(const char *dir, size_t vocab, const char *const *texts, size_t n) {
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    bpe_trainer *b = NULL;
    tokenizer *t = NULL;
    assert_ok(bpe_trainer_create(vocab, special, &b));
    for (size_t i = 0; i < n; i++) assert_ok(bpe_trainer_add(b, texts[i], strlen(texts[i])));
    assert_ok(bpe_trainer_finish(b, dir));
    bpe_trainer_free(b);
    assert_ok(tokenizer_load(dir, &t));
    return t;
}
