#include "text/tokenizer/unicode_property.h"

#include "base/mem.h"
#include <stdio.h>
#include <string.h>

enum { LONGEST_NAME = 40 };

/* Long names of the general categories, and groups of them. A letter alone stands for all that begin with it; "LC" is
 * cased letters. */
static const struct {
    const char *name, *category;
} long_names[] = {
    {"letter", "L"},
    {"casedletter", "LC"},
    {"uppercaseletter", "Lu"},
    {"lowercaseletter", "Ll"},
    {"titlecaseletter", "Lt"},
    {"modifierletter", "Lm"},
    {"otherletter", "Lo"},
    {"mark", "M"},
    {"combiningmark", "M"},
    {"nonspacingmark", "Mn"},
    {"spacingmark", "Mc"},
    {"enclosingmark", "Me"},
    {"number", "N"},
    {"decimalnumber", "Nd"},
    {"digit", "Nd"},
    {"letternumber", "Nl"},
    {"othernumber", "No"},
    {"punctuation", "P"},
    {"punct", "P"},
    {"connectorpunctuation", "Pc"},
    {"dashpunctuation", "Pd"},
    {"openpunctuation", "Ps"},
    {"closepunctuation", "Pe"},
    {"initialpunctuation", "Pi"},
    {"finalpunctuation", "Pf"},
    {"otherpunctuation", "Po"},
    {"symbol", "S"},
    {"mathsymbol", "Sm"},
    {"currencysymbol", "Sc"},
    {"modifiersymbol", "Sk"},
    {"othersymbol", "So"},
    {"separator", "Z"},
    {"spaceseparator", "Zs"},
    {"lineseparator", "Zl"},
    {"paragraphseparator", "Zp"},
    {"other", "C"},
    {"control", "Cc"},
    {"cntrl", "Cc"},
    {"format", "Cf"},
    {"privateuse", "Co"},
    {"unassigned", "Cn"},
};

/* Characters whose category is one of the list's, two letters each or one for all that begin with it. */
static wr_status add_categories(const char *list, code_set *out) {
    wr_status status = WR_OK;
    code_set found = {0};
    for (size_t i = 0; i < unicode_n_categories; i++) {
        const uint32_t first = unicode_categories[i] >> 8,
                       next = i + 1 < unicode_n_categories ? unicode_categories[i + 1] >> 8 : CODE_LAST + 1;
        const char *name = unicode_category_names[unicode_categories[i] & 255];
        bool member = false;
        for (const char *p = list; *p && !member; p += strcspn(p, " "), p += *p == ' ')
            member = *p == name[0] && (p[1] == '\0' || p[1] == ' ' || p[1] == name[1]);
        if (member) TRY(code_set_add(&found, first, next - 1));
    }
    TRY(code_set_unite(out, &found));
cleanup:
    code_set_free(&found);
    return status;
}

static wr_status add_ranges(const unicode_range *ranges, size_t n, code_set *out) {
    const code_set set = {(unicode_range *)ranges, n, n};
    return code_set_unite(out, &set);
}

static wr_status add_table(const char *name, code_set *out) {
    for (size_t i = 0; i < unicode_n_properties; i++)
        if (strcmp(unicode_properties[i].name, name) == 0)
            return add_ranges(unicode_properties[i].ranges, unicode_properties[i].n, out);
    return wr_fail(WR_E_FORMAT, "character property \"%s\" is not known", name);
}

static wr_status add_script(const char *name, code_set *out) {
    wr_status status = WR_OK;
    size_t k = 0;
    if (strcmp(name, "qaac") == 0) name = "coptic";
    if (strcmp(name, "qaai") == 0) name = "inherited";
    while (k < unicode_n_script_names && strcmp(unicode_script_names[k].tag, name) != 0 &&
           strcmp(unicode_script_names[k].name, name) != 0)
        k++;
    if (k == unicode_n_script_names) return add_table(name, out);
    code_set found = {0};
    for (size_t i = 0; i < unicode_n_scripts; i++) {
        const uint32_t first = unicode_scripts[i] >> 8,
                       next = i + 1 < unicode_n_scripts ? unicode_scripts[i + 1] >> 8 : CODE_LAST + 1;
        if ((unicode_scripts[i] & 255) == k + 1) TRY(code_set_add(&found, first, next - 1));
    }
    TRY(code_set_unite(out, &found));
cleanup:
    code_set_free(&found);
    return status;
}

/* POSIX names mean the same in \p{…}, but for "punct". */
static wr_status add_posix(const char *name, code_set *out, bool *known) {
    static const unicode_range spaces[] = {{9, 13}, {0x85, 0x85}}, tab[] = {{9, 9}},
                               digits[] = {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, ascii[] = {{0, 127}};
    wr_status status = WR_OK;
    *known = true;
    if (strcmp(name, "alpha") == 0 || strcmp(name, "alphabetic") == 0 || strcmp(name, "alnum") == 0) {
        TRY(add_categories(name[2] == 'n' ? "L Nl Nd" : "L Nl", out));
        TRY(add_table(".alphabetic", out));
    } else if (strcmp(name, "lower") == 0 || strcmp(name, "lowercase") == 0) {
        TRY(add_categories("Ll", out));
        TRY(add_table(".lowercase", out));
    } else if (strcmp(name, "upper") == 0 || strcmp(name, "uppercase") == 0) {
        TRY(add_categories("Lu", out));
        TRY(add_table(".uppercase", out));
    } else if (strcmp(name, "space") == 0 || strcmp(name, "whitespace") == 0) {
        TRY(add_categories("Z", out));
        TRY(add_ranges(spaces, 2, out));
    } else if (strcmp(name, "blank") == 0) {
        TRY(add_categories("Zs", out));
        TRY(add_ranges(tab, 1, out));
    } else if (strcmp(name, "digit") == 0) {
        TRY(add_categories("Nd", out));
    } else if (strcmp(name, "cntrl") == 0) {
        TRY(add_categories("Cc", out));
    } else if (strcmp(name, "graph") == 0) {
        TRY(add_categories("L M N P S Cf Co", out));
    } else if (strcmp(name, "print") == 0) {
        TRY(add_categories("L M N P S Cf Co Zs", out));
    } else if (strcmp(name, "xdigit") == 0) {
        TRY(add_ranges(digits, 3, out));
    } else if (strcmp(name, "ascii") == 0) {
        TRY(add_ranges(ascii, 1, out));
    } else {
        *known = false;
    }
cleanup:
    return status;
}

wr_status unicode_add_word(bool bare, code_set *out) {
    static const unicode_range more[] = {{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}};
    wr_status status = WR_OK;
    TRY(add_categories("L M Nd Nl Pc", out));
    TRY(add_table(".alphabetic", out));
    if (bare) TRY(add_ranges(more, 3, out));
cleanup:
    return status;
}

wr_status unicode_add_posix(const char *name, size_t n, code_set *out) {
    char word[LONGEST_NAME];
    bool known = false;
    static const char *const names[] = {"alnum", "alpha", "blank", "cntrl", "digit",  "graph",
                                        "lower", "print", "space", "upper", "xdigit", "ascii"};
    snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), name);
    if (strcmp(word, "punct") == 0) return add_categories("P S", out);
    if (strcmp(word, "word") == 0) return unicode_add_word(false, out);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(word, names[i]) == 0) return add_posix(word, out, &known);
    return wr_fail(WR_E_FORMAT, "POSIX bracket [:%s:] is not known", word);
}

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

wr_status unicode_add_property(const char *name, size_t n, code_set *out) {
    wr_status status = WR_OK;
    char word[LONGEST_NAME], category[3] = {0};
    size_t length = 0;
    bool known = false;
    for (size_t i = 0; i < n; i++) {
        if (name[i] == ' ' || name[i] == '_' || name[i] == '-') continue;
        if (length + 1 == sizeof word || !is_letter_or_digit(name[i]))
            return wr_fail(WR_E_FORMAT, "character property \"%.*s\" is not known", (int)(n < 80 ? n : 80), name);
        word[length++] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    }
    word[length] = '\0';
    for (size_t i = 0; i < sizeof long_names / sizeof *long_names; i++)
        if (strcmp(word, long_names[i].name) == 0)
            return add_categories(strcmp(long_names[i].category, "LC") == 0 ? "Lu Ll Lt" : long_names[i].category, out);
    if (length == 1 && strchr("lmnpszc", word[0])) return add_categories((char[2]){(char)(word[0] & ~0x20), '\0'}, out);
    if (length == 2) {
        category[0] = (char)(word[0] & ~0x20), category[1] = word[1];
        for (size_t i = 0; i < 29; i++)
            if (strcmp(category, unicode_category_names[i]) == 0) return add_categories(category, out);
        if (strcmp(word, "lc") == 0) return add_categories("Lu Ll Lt", out);
    }
    if (strcmp(word, "word") == 0) return unicode_add_word(false, out);
    if (strcmp(word, "posixpunct") == 0) return add_categories("P S", out);
    if (strcmp(word, "any") == 0) return code_set_add(out, 0, CODE_LAST);
    if (strcmp(word, "assigned") == 0) return add_categories("L M N P S Z Cc Cf Co", out);
    TRY(add_posix(word, out, &known));
    if (!known) TRY(add_script(word, out));
cleanup:
    return status;
}

/* --- case --------------------------------------------------------------------------------------------------------- */

/* The smallest character that equals this one when case is ignored. */
static uint32_t unicode_fold(uint32_t code) {
    size_t low = 0, high = unicode_n_folds;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (unicode_folds[middle].first < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < unicode_n_folds && unicode_folds[low].first == code ? unicode_folds[low].last : code;
}

wr_status unicode_close_case(code_set *s) {
    wr_status status = WR_OK;
    code_set folded = {0};
    for (size_t i = 0; i < unicode_n_folds; i++)
        if (code_set_has(s, unicode_folds[i].first) || code_set_has(s, unicode_folds[i].last))
            TRY(code_set_add(&folded, unicode_folds[i].last, unicode_folds[i].last));
    for (size_t i = 0; i < unicode_n_folds; i++)
        if (code_set_has(&folded, unicode_folds[i].last))
            TRY(code_set_add(s, unicode_folds[i].first, unicode_folds[i].first));
    TRY(code_set_unite(s, &folded));
cleanup:
    code_set_free(&folded);
    return status;
}

bool unicode_folds_long(uint32_t code) {
    for (size_t i = 0; i < unicode_n_long_folds; i++)
        if (code >= unicode_long_folds[i].first && code <= unicode_long_folds[i].last) return true;
    return false;
}

bool unicode_folds_pair(uint32_t first, uint32_t second) {
    const uint32_t a = unicode_fold(first), b = unicode_fold(second);
    for (size_t i = 0; i < unicode_n_long_pairs; i++)
        if (a == unicode_long_pairs[i].first && b == unicode_long_pairs[i].last) return true;
    return false;
}
