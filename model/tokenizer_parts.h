/* What a loaded tokenizer consists of; shared by tokenizer_load.c, tokenizer_encode.c and tokenizer_decode.c only. */
#ifndef WR_MODEL_TOKENIZER_PARTS_H
#define WR_MODEL_TOKENIZER_PARTS_H

#include "base/hash.h"
#include "base/mem.h"
#include "model/added_tokens.h"
#include "model/bpe_merge.h"
#include "model/pretokenize.h"
#include "model/string_map.h"
#include "model/tokenizer.h"

/* One id. bytes: what decoding writes for it. An id without a token (a hole in the numbering) has bytes NULL and decodes to nothing. */
typedef struct token_info { const char *bytes; size_t n; bool special; } token_info;

typedef enum normalizer_form { NORM_NFC, NORM_NFD, NORM_NFKC, NORM_NFKD } normalizer_form;
#define MAX_NORMALIZERS 4
#define MAX_POST 16

struct tokenizer {
    arena *memory;      /* all strings */
    char *dir;
    char hash[HASH_HEX];
    token_info *tokens; /* (vocab) */
    size_t vocab;
    string_map by_text; /* token as written in the file (bytes as printable characters) -> id; model vocabulary */
    string_map added_by_text;
    merge_rules merges;
    int32_t byte_ids[256]; /* -1: the vocabulary has no token for this byte */
    int32_t unk_id;        /* -1: unknown bytes are left out, as Hugging Face does */
    bool fuse_unk, ignore_merges;
    normalizer_form normalizers[MAX_NORMALIZERS];
    size_t n_normalizers;
    added_set added_raw, added_normalized; /* matched in the text as it is; after normalisation */
    pretokenizer *words;
    int32_t post_before[MAX_POST], post_after[MAX_POST]; /* ids the post-processor puts around the text's */
    size_t n_before, n_after;
};

/* Appends s (valid UTF-8) normalised as the tokenizer does it. */
wr_status tokenizer_normalize(const tokenizer *t, const char *s, size_t n, strbuf *out);
/* Reads the "added_tokens" and "post_processor" members (tokenizer_added.c). */
wr_status tokenizer_load_added(tokenizer *t, const json_value *list);
wr_status tokenizer_load_post(tokenizer *t, const json_value *config);
/* Makes room for id and stores what it decodes to. */
wr_status tokenizer_set_token(tokenizer *t, size_t *capacity, int64_t id, const char *text, size_t n, bool special);

#endif
