/* Normalisers of tokenizer.json. Supported: Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip. LOCAL; immutable
 * once loaded. */
#ifndef WR_TEXT_TOKENIZER_NORMALIZER_H
#define WR_TEXT_TOKENIZER_NORMALIZER_H

#include "base/json.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/unicode_class.h"

typedef struct normalizer normalizer;
/* config: the file's "normalizer" member, which may be absent or null: nothing is changed then. Keeps `table` (NULL:
 * everything that is not ASCII takes the slow way). WR_E_FORMAT names an unsupported type. */
wr_status normalizer_load(const json_value *config, const unicode_table *table, normalizer **out);
void normalizer_free(normalizer *m);
bool normalizer_is_identity(const normalizer *m);
/* Unicode's normal forms alone: text before an ASCII character is changed apart from text behind it */
bool normalizer_is_unicode(const normalizer *m);

typedef struct normalize_scratch {
    strbuf text[2];
    int32_t *codes, *sorted;
    size_t n, capacity, sorted_capacity;
    regex_subject subject;
} normalize_scratch;
void normalize_scratch_free(normalize_scratch *s);
/* *out: s (n bytes of valid UTF-8) normalised: s itself when nothing changes, else memory of the scratch, valid until
 * its next use. Time and memory are linear in n; a file whose replacements would make the text over 64 times longer is
 * WR_E_FORMAT. */
wr_status normalize(const normalizer *m, normalize_scratch *scratch, const char *s, size_t n, const char **out,
                    size_t *n_out);

#endif
