/* Hand-written matchers of the pre-tokenizer patterns that nearly every published byte-level vocabulary uses; each
 * gives the words that the pattern itself gives (compared with PCRE2 in tests/unit/test_pretokenize.c) many times
 * faster. LOCAL; pure functions. */
#ifndef WR_TEXT_TOKENIZER_REGEX_WORDS_H
#define WR_TEXT_TOKENIZER_REGEX_WORDS_H

#include "text/tokenizer/unicode_class.h"
#include <stddef.h>

typedef enum word_pattern {
    WORDS_NONE,
    WORDS_GPT2,  /* what ByteLevel(use_regex) cuts by */
    WORDS_QWEN2, /* digits one by one */
    WORDS_LLAMA3 /* digits in groups of three at most */
} word_pattern;

extern const char words_gpt2_pattern[];
/* Which of them a pattern's text is; WORDS_NONE for any other text, even of equal meaning. */
word_pattern words_recognize(const char *pattern, size_t n);
/* End of the word that begins at `at` of text (valid UTF-8, at < n). Every position begins a word: these patterns leave
 * no gaps. */
size_t words_next(word_pattern p, const unicode_table *t, const char *text, size_t n, size_t at);

#endif
