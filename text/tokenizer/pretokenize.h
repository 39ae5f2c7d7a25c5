/* Pre-tokenizers of tokenizer.json: they cut a text into the words that BPE then merges inside. Supported: all but
 * UnicodeScripts. Regexes are Oniguruma's (regex.h), or matched by hand (regex_words.h). LOCAL; immutable once
 * loaded. */
#ifndef WR_TEXT_TOKENIZER_PRETOKENIZE_H
#define WR_TEXT_TOKENIZER_PRETOKENIZE_H

#include "base/json.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/unicode_class.h"

typedef struct pretokenizer pretokenizer;
/* config: the file's "pre_tokenizer" member, which may be absent or null: the text is one word then. Keeps `table`;
 * without one (NULL) every pattern goes through the regex engine. WR_E_FORMAT names an unsupported type. */
wr_status pretokenizer_load(const json_value *config, const unicode_table *table, pretokenizer **out);
void pretokenizer_free(pretokenizer *p);
bool pretokenizer_is_byte_level(const pretokenizer *p); /* the words are bytes for the model, not characters */
bool pretokenizer_cuts_lines(const pretokenizer *p);    /* tokenizer_cuts_lines, of the words */

typedef struct piece {
    const char *text;
    size_t n;
} piece;
typedef struct piece_list {
    piece *items;
    size_t n, capacity;
} piece_list;

/* Scratch of one thread: two lists that the steps use in turn, an arena for texts that a step changes, and the regex
 * engine's. at_start: the text is the beginning of what the user gave, which Metaspace's scheme "first" asks for. */
typedef struct pretokenize_scratch {
    piece_list a, b;
    arena *arena;
    regex_subject subject;
    bool at_start;
} pretokenize_scratch;
void pretokenize_scratch_free(pretokenize_scratch *s);

/* Cuts text (valid UTF-8, n > 0). *words is one of the scratch lists and points into text or the scratch arena. */
wr_status pretokenize(const pretokenizer *p, pretokenize_scratch *s, const char *text, size_t n,
                      const piece_list **words);

#endif
