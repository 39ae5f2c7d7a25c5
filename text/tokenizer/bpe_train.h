/* What BPE training makes, and writing it as Hugging Face files. Between bpe_train.c and bpe_write.c only. */
#ifndef WR_TEXT_TOKENIZER_BPE_TRAIN_H
#define WR_TEXT_TOKENIZER_BPE_TRAIN_H

#include "text/tokenizer/tokenizer.h"

typedef struct bpe_token {
    const char *bytes;
    size_t n;
} bpe_token; /* raw bytes; special tokens: their text */
typedef struct bpe_join {
    int32_t left, right;
} bpe_join;
typedef struct bpe_vocab {
    bpe_token *tokens; /* special tokens, the 256 bytes, joined tokens */
    size_t n, capacity, n_special;
    bpe_join *joins; /* in rank order */
    size_t n_joins, joins_capacity;
} bpe_vocab;

/* The pre-tokenizer that training uses and that is written to the file. */
extern const char bpe_pretokenizer_json[];
/* Writes DIR/tokenizer.json and DIR/tokenizer_config.json; DIR is made when absent. */
wr_status bpe_write(const bpe_vocab *v, const char *dir);

#endif
