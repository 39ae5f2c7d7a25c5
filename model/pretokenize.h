/* Pre-tokenizers of tokenizer.json: they cut a text into the words that BPE then merges inside. Supported: Sequence, ByteLevel (last),
 * Digits, Split (regex or string, every behaviour). Regexes are written for Oniguruma and are translated for PCRE2. LOCAL;
 * immutable once loaded. */
#ifndef WR_MODEL_PRETOKENIZE_H
#define WR_MODEL_PRETOKENIZE_H

#include "base/json.h"

typedef struct pretokenizer pretokenizer;
/* config: the file's "pre_tokenizer" member. WR_E_FORMAT names an unsupported type. */
wr_status pretokenizer_load(const json_value *config, pretokenizer **out);
void pretokenizer_free(pretokenizer *p);

typedef struct piece { const char *text; size_t n; } piece;
typedef struct piece_list { piece *items; size_t n, capacity; } piece_list;

/* Scratch of one call: two lists that the steps use in turn, and an arena for texts that get a prefix space. */
typedef struct pretokenize_scratch { piece_list a, b; arena *arena; } pretokenize_scratch;
void pretokenize_scratch_free(pretokenize_scratch *s);

/* Cuts text (valid UTF-8, n > 0). *words is one of the scratch lists and points into text or the scratch arena. */
wr_status pretokenize(const pretokenizer *p, pretokenize_scratch *s, const char *text, size_t n, const piece_list **words);

#endif
