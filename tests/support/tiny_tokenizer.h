/* A tokenizer trained on the spot, with the three special tokens of ChatML. LOCAL. */
#ifndef WR_TESTS_SUPPORT_TINY_TOKENIZER_H
#define WR_TESTS_SUPPORT_TINY_TOKENIZER_H

#include "tests/support/asserts.h"
#include "text/tokenizer/tokenizer.h"

/* Of n texts, into a folder; loaded from there. */
tokenizer *tiny_tokenizer(const char *dir, size_t vocab, const char *const *texts, size_t n);

#endif
