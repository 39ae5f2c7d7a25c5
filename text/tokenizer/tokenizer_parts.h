/* What a loaded tokenizer consists of; shared by the tokenizer_*.c files only. */
#ifndef WR_TEXT_TOKENIZER_TOKENIZER_PARTS_H
#define WR_TEXT_TOKENIZER_TOKENIZER_PARTS_H

#include "base/hash.h"
#include "base/mem.h"
#include "base/string_map.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/bpe_merge.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pretokenize.h"
#include "text/tokenizer/text_decoder.h"
#include "text/tokenizer/tokenizer.h"

/* One id. text: as the file writes it; an id without a token (a hole in the numbering) has NULL and decodes to
 * nothing. */
typedef struct token_info {
    const char *text;
    size_t n;
    bool special;
} token_info;

#define MAX_POST 16
typedef struct encode_pool encode_pool;

struct tokenizer {
    arena *memory; /* all strings */
    char *dir;
    char hash[HASH_HEX];
    token_info *tokens; /* (vocab) */
    size_t vocab;
    string_map by_text; /* token as written in the file -> id; model vocabulary */
    string_map added_by_text;
    merge_rules merges;
    /* The symbols of a word, before merging: bytes when the pre-tokenizer ends with ByteLevel, else characters. */
    bool byte_level;
    int32_t byte_ids[256];     /* -1: the vocabulary has no token for this byte */
    int32_t ascii_ids[128];    /* same for the characters below 128 */
    int32_t fallback_ids[256]; /* "<0xHH>", for characters without a token; -1 throughout when byte_fallback is off */
    int32_t unk_id;            /* -1: unknown characters are left out, as Hugging Face does */
    const char *unk_missing;   /* the file names an unk_token that its vocabulary lacks: an error once it is needed */
    bool fuse_unk, ignore_merges;
    bool cut_at_marks; /* no merge reaches over the begin of a run of U+2581, so words may be cut there */
    unicode_table *unicode;
    normalizer *normal;
    /* Chats of a Llama-2-style file: NULL, or what replaces `normal`, and where a mark comes before a part that has
     * none (tokenizer_class.c). */
    normalizer *chat_normal;
    enum { MARK_FIRST, MARK_ALWAYS, MARK_NEVER } chat_mark;
    added_set added_raw, added_normalized; /* matched in the text as it is; after normalisation */
    /* these and the tokens that only other files name; empty where there are none (tokenizer_named.c) */
    added_set named;
    pretokenizer *words;
    text_decoder *decoder;
    int32_t post_before[MAX_POST], post_after[MAX_POST]; /* ids the post-processor puts around the text's */
    size_t n_before, n_after;
    encode_pool *pool; /* what encoding calls leave for later ones; locked inside */
};

/* Reads the "model" member (tokenizer_vocab.c). */
wr_status tokenizer_load_model(tokenizer *t, const json_value *model);
wr_status tokenizer_load_symbols(tokenizer *t); /* after the pre-tokenizer is known */
/* Reads the "added_tokens" and "post_processor" members (tokenizer_added.c). */
wr_status tokenizer_load_added(tokenizer *t, const json_value *list);
wr_status tokenizer_load_post(tokenizer *t, const json_value *config);
/* The "added_tokens_decoder" of tokenizer_config.json (NULL: none) against the file's "added_tokens". transformers
 * takes an entry's flags over the file's, adds what is missing there, and some classes (`whole`) leave out what it does
 * not list: WR_E_FORMAT names the token on which the two differ. */
wr_status tokenizer_check_config(const tokenizer *t, const json_value *list, const json_value *config, bool whole);
/* Reads the tokenizer_config.json beside the file, after all others (tokenizer_class.c). */
wr_status tokenizer_load_class(tokenizer *t, const json_value *root);
/* The object in a file of the tokenizer's folder; NULL: there is none, or it is not for this reader to complain
 * about. */
wr_status tokenizer_read_beside(const tokenizer *t, const char *name, arena *scratch, const json_value **out);
/* Tokens that config (tokenizer_config.json; NULL: none), the other files beside tokenizer.json and the class
 * (`standard`, may be NULL) add to those of the file. WR_E_FORMAT where a template writes one (tokenizer_named.c). */
wr_status tokenizer_load_named(tokenizer *t, const json_value *config, const char *standard, arena *scratch);
wr_status tokenizer_check_named(const tokenizer *t, const char *text, size_t n);
/* Makes room for id and stores its text. */
wr_status tokenizer_set_token(tokenizer *t, size_t *capacity, int64_t id, const char *text, size_t n, bool special);

wr_status encode_pool_create(encode_pool **out);
void encode_pool_free(encode_pool *p);

#endif
