/* The steps of a pre-tokenizer: pretokenize_load.c reads them, pretokenize.c runs them; for these two only. */
#ifndef WR_MODEL_PRETOKENIZE_STEPS_H
#define WR_MODEL_PRETOKENIZE_STEPS_H

#include "model/tokenizer/pretokenize.h"
#include "model/tokenizer/regex_words.h"

typedef enum split_behavior { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_WITH_PREVIOUS, SPLIT_WITH_NEXT, SPLIT_CONTIGUOUS } split_behavior;
typedef enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } prepend_scheme;

typedef struct step {
    enum { STEP_DIGITS, STEP_REGEX, STEP_WORDS, STEP_PREFIX_SPACE, STEP_METASPACE } kind;
    split_behavior behavior;
    bool invert;
    struct pcre2_real_code_8 *code; /* STEP_REGEX */
    word_pattern words;             /* STEP_WORDS */
    char mark[5];                   /* STEP_METASPACE: the character that stands for a space */
    size_t n_mark;
    prepend_scheme prepend;
    bool split;
} step;

#define MAX_STEPS 32
struct pretokenizer {
    step steps[MAX_STEPS];
    size_t n;
    bool byte_level; /* ByteLevel was seen; nothing may follow it, as the text is no longer text then */
    const unicode_table *table;
};

#endif
