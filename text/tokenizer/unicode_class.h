/* Unicode as the libraries behind Hugging Face tokenizers know it: their regular expressions have Unicode 16
 * (unicode_data.h), their normaliser has Unicode 9, the Digits step Unicode 17. LOCAL; a table is immutable once
 * made. */
#ifndef WR_TEXT_TOKENIZER_UNICODE_CLASS_H
#define WR_TEXT_TOKENIZER_UNICODE_CLASS_H

#include "base/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

bool unicode_is_space(uint32_t code); /* White_Space */
/* \w of the added tokens' single_word: Alphabetic, marks, decimal numbers, connectors, joiners */
bool unicode_is_word(uint32_t code);
bool unicode_is_numeric(uint32_t code); /* Nd, Nl, No, as the Digits step counts them */
/* The normaliser leaves these as they are: assigned after its Unicode version. */
bool unicode_is_unnormalized(uint32_t code);
enum {
    UC_OTHER,
    UC_LETTER,
    UC_NUMBER,
    UC_SPACE,
    UC_CLASS = 3,
    UC_NFC_INERT = 4 /* NFC neither changes it nor joins it to what is before it */,
    UC_NUMERIC = 8 /* unicode_is_numeric */
};
/* Class bits of every code point: blocks of 128, equal blocks stored once; values[0] is ASCII. About 60 KB. */
typedef struct unicode_table {
    uint16_t block[0x110000 / 128];
    uint8_t (*values)[128];
    size_t n, capacity;
} unicode_table;
wr_status unicode_table_create(unicode_table **out);
void unicode_table_free(unicode_table *t);

static inline uint8_t unicode_bits(const unicode_table *t, uint32_t code) {
    return t->values[t->block[code >> 7]][code & 127];
}

/* Length of the character at s and its code point; s is valid UTF-8. */
static inline size_t utf8_next(const char *s, uint32_t *code) {
    const uint8_t *p = (const uint8_t *)s;
    if (p[0] < 0x80) return *code = p[0], 1;
    if (p[0] < 0xE0) return *code = (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu), 2;
    if (p[0] < 0xF0) return *code = (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu), 3;
    return *code = (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu), 4;
}

#endif
