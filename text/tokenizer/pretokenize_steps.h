/* The steps of a pre-tokenizer: pretokenize_load.c reads them, pretokenize.c runs them; for these two only. */
#ifndef WR_TEXT_TOKENIZER_PRETOKENIZE_STEPS_H
#define WR_TEXT_TOKENIZER_PRETOKENIZE_STEPS_H

#include "text/tokenizer/pretokenize.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/regex_words.h"

typedef enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_WITH_PREVIOUS,
    SPLIT_WITH_NEXT,
    SPLIT_CONTIGUOUS
} split_behavior;
typedef enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } prepend_scheme;

typedef struct step {
    enum { STEP_DIGITS, STEP_REGEX, STEP_STRING, STEP_WORDS, STEP_PREFIX_SPACE, STEP_METASPACE, STEP_BYTES } kind;
    split_behavior behavior;
    bool invert;
    regex *regex; /* STEP_REGEX */
    char *string; /* STEP_STRING */
    size_t n_string;
    word_pattern words; /* STEP_WORDS */
    char mark[5];       /* STEP_METASPACE: the character that stands for a space */
    size_t n_mark;
    prepend_scheme prepend;
    bool split;
} step;

#define MAX_STEPS 32
struct pretokenizer {
    step steps[MAX_STEPS];
    size_t n;
    /* ByteLevel is the last step so far: its bytes go to the model as they are, not as the characters for them */
    bool byte_level;
    const unicode_table *table;
};

#endif
