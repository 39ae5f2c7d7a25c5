/* Tables of Unicode 16, written by tests/oracle/tokenizer_tables.py from what the regular expressions of Hugging Face
 * tokenizers know. They are read through unicode_class.h and unicode_property.h only. */
#ifndef WR_TEXT_TOKENIZER_UNICODE_DATA_H
#define WR_TEXT_TOKENIZER_UNICODE_DATA_H

#include <stddef.h>
#include <stdint.h>

typedef struct unicode_range {
    uint32_t first, last;
} unicode_range;
typedef struct unicode_script_name {
    char tag[5];
    const char *name;
} unicode_script_name;
typedef struct unicode_property {
    const char *name;
    const unicode_range *ranges;
    size_t n;
} unicode_property;

/* Ascending; code << 8 | value: the value of this code point and those up to the next entry. Categories index their
 * names, scripts are 1 + the index of their name (0: none). */
extern const uint32_t unicode_categories[], unicode_scripts[];
extern const size_t unicode_n_categories, unicode_n_scripts;
extern const char unicode_category_names[][3]; /* the last is "Cn" */
extern const unicode_script_name unicode_script_names[];
extern const size_t unicode_n_script_names;
extern const unicode_property unicode_properties[];
extern const size_t unicode_n_properties;
/* Case folds. first: a character; last: the smallest of those that equal it, which has no entry of its own. */
extern const unicode_range unicode_folds[];
extern const size_t unicode_n_folds;
/* Ranges of characters that equal several characters in a row, and the pairs that occur in such rows (each by the
 * smallest of its equals). */
extern const unicode_range unicode_long_folds[], unicode_long_pairs[];
extern const size_t unicode_n_long_folds, unicode_n_long_pairs;

#endif
