#include "text/tokenizer/unicode_class.h"

#include "base/mem.h"
#include "text/tokenizer/unicode_data.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* What Unicode's normalisation data gained after version 9: combining classes, decompositions and one composition. */
static const unicode_range unnormalized[] = {
    {0x007FD, 0x007FD}, {0x00898, 0x0089F}, {0x008CA, 0x008D3}, {0x009FE, 0x009FE}, {0x00C3C, 0x00C3C},
    {0x00D3B, 0x00D3C}, {0x00EBA, 0x00EBA}, {0x01715, 0x01715}, {0x01ABF, 0x01ACE}, {0x01DF6, 0x01DFA},
    {0x032FF, 0x032FF}, {0x0A7F2, 0x0A7F4}, {0x0A82C, 0x0A82C}, {0x0AB69, 0x0AB69}, {0x10781, 0x10785},
    {0x10787, 0x107B0}, {0x107B2, 0x107BA}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E},
    {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11935, 0x11935}, {0x11938, 0x11938}, {0x1193D, 0x1193E},
    {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
    {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1},
    {0x1E030, 0x1E06D}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9},
};

static int compare_range(const void *key, const void *item) {
    uint32_t code = *(const uint32_t *)key;
    const unicode_range *r = item;
    return code < r->first ? -1 : code > r->last;
}

/* General category (two letters, "Cn" when unassigned) in Unicode 16. */
static const char *unicode_category(uint32_t code) {
    size_t low = 0, high = unicode_n_categories; /* to the last entry that does not begin behind the code point */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (unicode_categories[middle] >> 8 <= code)
            low = middle;
        else
            high = middle;
    }
    return unicode_category_names[unicode_categories[low] & 255];
}

bool unicode_is_unnormalized(uint32_t code) {
    return code >= unnormalized[0].first && bsearch(&code, unnormalized, sizeof unnormalized / sizeof *unnormalized,
                                                    sizeof *unnormalized, compare_range);
}

bool unicode_is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
           c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool unicode_is_word(uint32_t c) {
    const char *k = unicode_category(c);
    if (k[0] == 'L' || k[0] == 'M' || strcmp(k, "Nd") == 0 || strcmp(k, "Nl") == 0 || strcmp(k, "Pc") == 0) return true;
    /* Join_Control, and the circled and squared letters, which are Alphabetic though symbols. */
    return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

/* The Digits step has two more ranges than the regular expressions. */
static bool is_newer_number(uint32_t c) { return (c >= 0x11DE0 && c <= 0x11DE9) || (c >= 0x16FF4 && c <= 0x16FF6); }

bool unicode_is_numeric(uint32_t c) {
    if (c < 0x80) return c >= '0' && c <= '9';
    return unicode_category(c)[0] == 'N' || is_newer_number(c);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* What lies above (tags, variation selectors, private use, unassigned) is UC_OTHER and never changes. */
enum { LOW_END = 0x34000 };

/* NFC_Quick_Check = Yes (UAX 15) needs that the character is its own composition and no composition's second part. */
static void mark_seconds(uint8_t *bits, uint32_t code) {
    utf8proc_int32_t parts[32];
    int last = 0;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)code);
    if (p->decomp_seqindex == UINT16_MAX || p->decomp_type || unicode_is_unnormalized(code)) return;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)code, parts, 32, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &last);
    for (utf8proc_ssize_t i = 1; i < n && n <= 32; i++)
        if ((uint32_t)parts[i] < LOW_END) bits[parts[i]] &= (uint8_t)~UC_NFC_INERT;
    if (n < 1 || n > 32 || utf8proc_get_property(parts[0])->combining_class ||
        utf8proc_normalize_utf32(parts, n, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1 || (uint32_t)parts[0] != code)
        bits[code] &= (uint8_t)~UC_NFC_INERT;
}

static uint8_t class_of(uint32_t code, char major) {
    if (unicode_is_space(code)) return UC_SPACE;
    return major == 'L' ? UC_LETTER : major == 'N' ? UC_NUMBER : UC_OTHER;
}

/* Index of the block with these values, which is added when it is new. */
static wr_status find_block(unicode_table *t, const uint8_t *values, uint16_t *out) {
    wr_status status = WR_OK;
    size_t k = 0;
    while (k < t->n && memcmp(t->values[k], values, 128) != 0) k++;
    if (k == t->n) {
        TRY(mem_reserve((void **)&t->values, &t->capacity, t->n + 1, sizeof *t->values));
        memcpy(t->values[t->n++], values, 128);
    }
    *out = (uint16_t)k;
cleanup:
    return status;
}

wr_status unicode_table_create(unicode_table **out) {
    wr_status status = WR_OK;
    unicode_table *t = mem_calloc(1, sizeof *t);
    uint8_t *bits = mem_calloc(LOW_END, 1), above[128];
    size_t next = 0;
    TRY_ALLOC(t);
    TRY_ALLOC(bits);
    const char *category = "";
    for (uint32_t c = 0; c < LOW_END; c++) {
        if (next < unicode_n_categories && unicode_categories[next] >> 8 == c)
            category = unicode_category_names[unicode_categories[next++] & 255];
        bool starter = unicode_is_unnormalized(c) || !utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
        bits[c] = (uint8_t)(class_of(c, category[0]) | (starter ? UC_NFC_INERT : 0) |
                            (category[0] == 'N' || is_newer_number(c) ? UC_NUMERIC : 0));
    }
    for (uint32_t c = 0; c < LOW_END; c++) mark_seconds(bits, c);
    /* Hangul vowels and finals join by arithmetic */
    for (uint32_t c = 0x1161; c < 0x1200; c++) bits[c] &= (uint8_t)~UC_NFC_INERT;
    for (size_t b = 0; b < LOW_END / 128; b++) TRY(find_block(t, bits + 128 * b, &t->block[b]));
    memset(above, UC_OTHER | UC_NFC_INERT, sizeof above);
    TRY(find_block(t, above, &t->block[LOW_END / 128]));
    for (size_t b = LOW_END / 128 + 1; b < 0x110000 / 128; b++) t->block[b] = t->block[LOW_END / 128];
    *out = t;
    t = NULL;
cleanup:
    free(bits);
    unicode_table_free(t);
    return status;
}

void unicode_table_free(unicode_table *t) {
    if (!t) return;
    free(t->values);
    free(t);
}
