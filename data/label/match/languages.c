#include "data/label/match/languages.h"

#include "base/options.h"
#include "data/label/match/pattern.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef enum script { LATIN = 1, CJK = 2, CYRILLIC = 4, OTHER = 8 } script;
static const struct known {
    const char *code, *name;
    script script;
} languages[] = {
    {"en", "English", LATIN},    {"zh", "Chinese", CJK},        {"ru", "Russian", CYRILLIC},
    {"fr", "French", LATIN},     {"es", "Spanish", LATIN},      {"de", "German", LATIN},
    {"it", "Italian", LATIN},    {"pt", "Portuguese", LATIN},   {"ja", "Japanese", CJK},
    {"ko", "Korean", CJK},       {"ar", "Arabic", OTHER},       {"tr", "Turkish", LATIN},
    {"vi", "Vietnamese", LATIN}, {"uk", "Ukrainian", CYRILLIC}, {"pl", "Polish", LATIN},
    {"nl", "Dutch", LATIN},      {"id", "Indonesian", LATIN},   {"fa", "Persian", OTHER},
    {"sv", "Swedish", LATIN},    {"cs", "Czech", LATIN},        {"ro", "Romanian", LATIN},
    {"hu", "Hungarian", LATIN},  {"fi", "Finnish", LATIN},      {"da", "Danish", LATIN},
    {"el", "Greek", OTHER},      {"he", "Hebrew", OTHER},       {"hi", "Hindi", OTHER},
    {"th", "Thai", OTHER},       {"bg", "Bulgarian", CYRILLIC}, {"ca", "Catalan", LATIN},
    {"ms", "Malay", LATIN},      {"tl", "Tagalog", LATIN},      {"no", "Norwegian", LATIN},
    {"sk", "Slovak", LATIN},     {"sr", "Serbian", CYRILLIC},   {"hr", "Croatian", LATIN},
    {"ta", "Tamil", OTHER},      {"bn", "Bengali", OTHER},      {"ur", "Urdu", OTHER},
    {"sw", "Swahili", LATIN},
};
enum { LANGUAGES = sizeof languages / sizeof *languages };
_Static_assert(LANGUAGES <= 64, "a language is a bit of a word");

static int find(const char *name, size_t n) {
    for (int i = 0; i < LANGUAGES; i++) {
        if ((strlen(languages[i].code) == n && strncasecmp(languages[i].code, name, n) == 0) ||
            (strlen(languages[i].name) == n && strncasecmp(languages[i].name, name, n) == 0))
            return i;
    }
    return -1;
}

static wr_status unknown_language(const char *name, size_t n) {
    const char *all[LANGUAGES + 1] = {NULL};
    char word[64];
    for (int i = 0; i < LANGUAGES; i++) all[i] = languages[i].name;
    snprintf(word, sizeof word, "%.*s", n < 60 ? (int)n : 60, name);
    const char *near = nearest_name(word, all);
    return wr_fail(WR_E_USAGE,
                   "no language is named '%s'%s%s%s: give codes or names like en,zh or English,Chinese, or all", word,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

wr_status language_set_parse(const char *list, language_set *out) {
    *out = (language_set){0};
    if (strcmp(list, "all") == 0) {
        out->all = true;
        return WR_OK;
    }
    for (const char *s = list; *s;) {
        size_t n = strcspn(s, ",");
        int i = find(s, n);
        if (i < 0) return unknown_language(s, n);
        out->bits |= 1ull << i;
        s += n + (s[n] == ',');
    }
    return out->bits ? WR_OK : wr_fail(WR_E_USAGE, "an empty list of languages: give names like en,zh, or all");
}

bool language_accepted(const language_set *s, const char *language, const char *text, size_t n) {
    if (s->all) return true;
    if (language && *language) {
        int i = find(language, strlen(language));
        return i >= 0 && (s->bits >> i & 1);
    }
    unsigned scripts = 0;
    for (int i = 0; i < LANGUAGES; i++) scripts |= s->bits >> i & 1 ? languages[i].script : 0;
    script_share share = text_scripts(text, n);
    double have = 0;
    if (scripts & LATIN) have += share.latin;
    if (scripts & CJK) have += share.cjk;
    if (scripts & CYRILLIC) have += share.cyrillic;
    if (scripts & OTHER) have += share.other;
    return have >= 0.9;
}
