#include "model/tokenizer/unicode_class.h"

#include "base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef struct range { uint32_t first, last; char category[3]; } range;

/* Assigned, or given another category, in Unicode 15, 15.1 and 16. */
static const range newer[] = {
    {0x00897, 0x00897, "Mn"}, {0x00CF3, 0x00CF3, "Mc"}, {0x00ECE, 0x00ECE, "Mn"}, {0x01B4E, 0x01B4F, "Po"}, {0x01B7F, 0x01B7F, "Po"},
    {0x01C89, 0x01C89, "Lu"}, {0x01C8A, 0x01C8A, "Ll"}, {0x02427, 0x02429, "So"}, {0x02FFC, 0x02FFF, "So"}, {0x031E4, 0x031E5, "So"},
    {0x031EF, 0x031EF, "So"}, {0x0A7CB, 0x0A7CC, "Lu"}, {0x0A7CD, 0x0A7CD, "Ll"}, {0x0A7DA, 0x0A7DA, "Lu"}, {0x0A7DB, 0x0A7DB, "Ll"},
    {0x0A7DC, 0x0A7DC, "Lu"}, {0x105C0, 0x105F3, "Lo"}, {0x10D40, 0x10D49, "Nd"}, {0x10D4A, 0x10D4D, "Lo"}, {0x10D4E, 0x10D4E, "Lm"},
    {0x10D4F, 0x10D4F, "Lo"}, {0x10D50, 0x10D65, "Lu"}, {0x10D69, 0x10D6D, "Mn"}, {0x10D6E, 0x10D6E, "Pd"}, {0x10D6F, 0x10D6F, "Lm"},
    {0x10D70, 0x10D85, "Ll"}, {0x10D8E, 0x10D8F, "Sm"}, {0x10EC2, 0x10EC4, "Lo"}, {0x10EFC, 0x10EFF, "Mn"}, {0x1123F, 0x11240, "Lo"},
    {0x11241, 0x11241, "Mn"}, {0x11380, 0x11389, "Lo"}, {0x1138B, 0x1138B, "Lo"}, {0x1138E, 0x1138E, "Lo"}, {0x11390, 0x113B5, "Lo"},
    {0x113B7, 0x113B7, "Lo"}, {0x113B8, 0x113BA, "Mc"}, {0x113BB, 0x113C0, "Mn"}, {0x113C2, 0x113C2, "Mc"}, {0x113C5, 0x113C5, "Mc"},
    {0x113C7, 0x113CA, "Mc"}, {0x113CC, 0x113CD, "Mc"}, {0x113CE, 0x113CE, "Mn"}, {0x113CF, 0x113CF, "Mc"}, {0x113D0, 0x113D0, "Mn"},
    {0x113D1, 0x113D1, "Lo"}, {0x113D2, 0x113D2, "Mn"}, {0x113D3, 0x113D3, "Lo"}, {0x113D4, 0x113D5, "Po"}, {0x113D7, 0x113D8, "Po"},
    {0x113E1, 0x113E2, "Mn"}, {0x116D0, 0x116E3, "Nd"}, {0x1171E, 0x1171E, "Mc"}, {0x11B00, 0x11B09, "Po"}, {0x11BC0, 0x11BE0, "Lo"},
    {0x11BE1, 0x11BE1, "Po"}, {0x11BF0, 0x11BF9, "Nd"}, {0x11F00, 0x11F01, "Mn"}, {0x11F02, 0x11F02, "Lo"}, {0x11F03, 0x11F03, "Mc"},
    {0x11F04, 0x11F10, "Lo"}, {0x11F12, 0x11F33, "Lo"}, {0x11F34, 0x11F35, "Mc"}, {0x11F36, 0x11F3A, "Mn"}, {0x11F3E, 0x11F3F, "Mc"},
    {0x11F40, 0x11F40, "Mn"}, {0x11F41, 0x11F41, "Mc"}, {0x11F42, 0x11F42, "Mn"}, {0x11F43, 0x11F4F, "Po"}, {0x11F50, 0x11F59, "Nd"},
    {0x11F5A, 0x11F5A, "Mn"}, {0x1342F, 0x1342F, "Lo"}, {0x13440, 0x13440, "Mn"}, {0x13441, 0x13446, "Lo"}, {0x13447, 0x13455, "Mn"},
    {0x13460, 0x143FA, "Lo"}, {0x16100, 0x1611D, "Lo"}, {0x1611E, 0x16129, "Mn"}, {0x1612A, 0x1612C, "Mc"}, {0x1612D, 0x1612F, "Mn"},
    {0x16130, 0x16139, "Nd"}, {0x16D40, 0x16D42, "Lm"}, {0x16D43, 0x16D6A, "Lo"}, {0x16D6B, 0x16D6C, "Lm"}, {0x16D6D, 0x16D6F, "Po"},
    {0x16D70, 0x16D79, "Nd"}, {0x18CFF, 0x18CFF, "Lo"}, {0x1B132, 0x1B132, "Lo"}, {0x1B155, 0x1B155, "Lo"}, {0x1CC00, 0x1CCEF, "So"},
    {0x1CCF0, 0x1CCF9, "Nd"}, {0x1CD00, 0x1CEB3, "So"}, {0x1D2C0, 0x1D2D3, "No"}, {0x1DF25, 0x1DF2A, "Ll"}, {0x1E030, 0x1E06D, "Lm"},
    {0x1E08F, 0x1E08F, "Mn"}, {0x1E4D0, 0x1E4EA, "Lo"}, {0x1E4EB, 0x1E4EB, "Lm"}, {0x1E4EC, 0x1E4EF, "Mn"}, {0x1E4F0, 0x1E4F9, "Nd"},
    {0x1E5D0, 0x1E5ED, "Lo"}, {0x1E5EE, 0x1E5EF, "Mn"}, {0x1E5F0, 0x1E5F0, "Lo"}, {0x1E5F1, 0x1E5FA, "Nd"}, {0x1E5FF, 0x1E5FF, "Po"},
    {0x1F6DC, 0x1F6DC, "So"}, {0x1F774, 0x1F776, "So"}, {0x1F77B, 0x1F77F, "So"}, {0x1F7D9, 0x1F7D9, "So"}, {0x1F8B2, 0x1F8BB, "So"},
    {0x1F8C0, 0x1F8C1, "So"}, {0x1FA75, 0x1FA77, "So"}, {0x1FA87, 0x1FA89, "So"}, {0x1FA8F, 0x1FA8F, "So"}, {0x1FAAD, 0x1FAAF, "So"},
    {0x1FABB, 0x1FABF, "So"}, {0x1FAC6, 0x1FAC6, "So"}, {0x1FACE, 0x1FACF, "So"}, {0x1FADA, 0x1FADC, "So"}, {0x1FADF, 0x1FADF, "So"},
    {0x1FAE8, 0x1FAE9, "So"}, {0x1FAF7, 0x1FAF8, "So"}, {0x1FBCB, 0x1FBEF, "So"}, {0x2B739, 0x2B739, "Lo"}, {0x2EBF0, 0x2EE5D, "Lo"},
    {0x31350, 0x323AF, "Lo"},
};

/* What Unicode's normalisation data gained after version 9: combining classes, decompositions and one composition. */
static const struct { uint32_t first, last; } unnormalized[] = {
    {0x007FD, 0x007FD}, {0x00898, 0x0089F}, {0x008CA, 0x008D3}, {0x009FE, 0x009FE}, {0x00C3C, 0x00C3C}, {0x00D3B, 0x00D3C}, {0x00EBA, 0x00EBA},
    {0x01715, 0x01715}, {0x01ABF, 0x01ACE}, {0x01DF6, 0x01DFA}, {0x032FF, 0x032FF}, {0x0A7F2, 0x0A7F4}, {0x0A82C, 0x0A82C}, {0x0AB69, 0x0AB69},
    {0x10781, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
    {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11935, 0x11935},
    {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
    {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E030, 0x1E06D}, {0x1E08F, 0x1E08F},
    {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9},
};

static int compare_range(const void *key, const void *item)
{
    uint32_t code = *(const uint32_t *)key;
    const uint32_t *bounds = item; /* both tables begin with first, last */
    return code < bounds[0] ? -1 : code > bounds[1];
}

const char *unicode_category(uint32_t code)
{
    const range *r = code < newer[0].first ? NULL : bsearch(&code, newer, sizeof newer / sizeof *newer, sizeof *newer, compare_range);
    return r ? r->category : utf8proc_category_string((utf8proc_int32_t)code);
}

bool unicode_is_unnormalized(uint32_t code)
{
    return code >= unnormalized[0].first &&
           bsearch(&code, unnormalized, sizeof unnormalized / sizeof *unnormalized, sizeof *unnormalized, compare_range);
}

void unicode_newer_ranges(const char *category, size_t n, strbuf *out)
{
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        if (n <= 2 && strncmp(newer[i].category, category, n) == 0) strbuf_printf(out, "\\x{%x}-\\x{%x}", newer[i].first, newer[i].last);
}

bool unicode_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool unicode_is_word(uint32_t c)
{
    const char *k = unicode_category(c);
    if (k[0] == 'L' || k[0] == 'M' || strcmp(k, "Nd") == 0 || strcmp(k, "Nl") == 0 || strcmp(k, "Pc") == 0) return true;
    /* Join_Control, and the circled and squared letters, which are Alphabetic though symbols. */
    return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

bool unicode_is_numeric(uint32_t c)
{
    if (c < 0x80) return c >= '0' && c <= '9';
    /* The Digits step is of Unicode 17, which has two more ranges than the regex engine. */
    return unicode_category(c)[0] == 'N' || (c >= 0x11DE0 && c <= 0x11DE9) || (c >= 0x16FF4 && c <= 0x16FF6);
}

/* --- the table ---------------------------------------------------------------------------------------------------------- */

/* What lies above (tags, variation selectors, private use, unassigned) is UC_OTHER and never changes. */
enum { LOW_END = 0x34000 };

/* NFC_Quick_Check = Yes (UAX 15) needs that the character is its own composition and no composition's second part. */
static void mark_seconds(uint8_t *bits, uint32_t code)
{
    utf8proc_int32_t parts[32];
    int last = 0;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)code);
    if (p->decomp_seqindex == UINT16_MAX || p->decomp_type || unicode_is_unnormalized(code)) return;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)code, parts, 32, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &last);
    for (utf8proc_ssize_t i = 1; i < n && n <= 32; i++)
        if ((uint32_t)parts[i] < LOW_END) bits[parts[i]] &= (uint8_t)~UC_NFC_INERT;
    if (n < 1 || n > 32 || utf8proc_get_property(parts[0])->combining_class ||
        utf8proc_normalize_utf32(parts, n, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1 || (uint32_t)parts[0] != code)
        bits[code] &= (uint8_t)~UC_NFC_INERT;
}

static uint8_t class_of(uint32_t code)
{
    if (unicode_is_space(code)) return UC_SPACE;
    char major = unicode_category(code)[0];
    return major == 'L' ? UC_LETTER : major == 'N' ? UC_NUMBER : UC_OTHER;
}

/* Index of the block with these values, which is added when it is new. */
static wr_status find_block(unicode_table *t, const uint8_t *values, uint16_t *out)
{
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

wr_status unicode_table_create(unicode_table **out)
{
    wr_status status = WR_OK;
    unicode_table *t = mem_calloc(1, sizeof *t);
    uint8_t *bits = mem_calloc(LOW_END, 1), above[128];
    TRY_ALLOC(t);
    TRY_ALLOC(bits);
    for (uint32_t c = 0; c < LOW_END; c++) {
        bool starter = unicode_is_unnormalized(c) || !utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
        bits[c] = (uint8_t)(class_of(c) | (starter ? UC_NFC_INERT : 0));
    }
    for (uint32_t c = 0; c < LOW_END; c++) mark_seconds(bits, c);
    for (uint32_t c = 0x1161; c < 0x1200; c++) bits[c] &= (uint8_t)~UC_NFC_INERT; /* Hangul vowels and finals join by arithmetic */
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

void unicode_table_free(unicode_table *t)
{
    if (!t) return;
    free(t->values);
    free(t);
}
