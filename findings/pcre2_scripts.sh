#!/bin/bash
# Single characters against classes of PCRE2 in Unicode mode.
. "$(dirname "$0")/common.sh"
compile classes "${CC:-gcc}" -lpcre2-32 <<'C'
#define PCRE2_CODE_UNIT_WIDTH 32
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

static void show(const char *class, uint32_t character) {
    uint32_t pattern[64];
    size_t n = strlen(class), at;
    int error;
    for (size_t i = 0; i < n; i++) pattern[i] = (unsigned char)class[i];
    pcre2_code *code = pcre2_compile(pattern, n, PCRE2_UTF | PCRE2_UCP, &error, &at, NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    printf("U+%04X %s: %s\n", (unsigned)character, class, code && pcre2_match(code, &character, 1, 0, 0, match, NULL) > 0 ? "yes" : "no");
    pcre2_match_data_free(match), pcre2_code_free(code);
}

int main(int argc, char **argv) {
    (void)argv;
    uint32_t version[64];
    if (argc > 1 && pcre2_config(PCRE2_CONFIG_VERSION, version) > 0) {
        for (int i = 0; version[i]; i++) putchar((int)version[i]);
        return 0;
    }
    show("\\p{Han}", 0x3002), show("\\p{script:Han}", 0x3002);
    show("\\p{Hiragana}", 0x30FC), show("\\p{script:Hiragana}", 0x30FC);
    show("\\s", 0x180E), show("\\p{White_Space}", 0x180E);
    show("\\w", 0x0301), show("[\\p{L}\\p{M}]", 0x0301);
}
C
finding "PCRE2 $(./classes version)" \
    "\\p{Han} is the property Script, which gives the ideographic full stop (Common) to no script; \\s is White_Space, \\w holds combining marks (UTS 18); Oniguruma does all this" \
    "\\p{Han} is Script_Extensions and matches that full stop; \\s matches U+180E, no space since Unicode 6.3; \\w leaves combining marks out"
./classes >output
same <<'T'
U+3002 \p{Han}: yes
U+3002 \p{script:Han}: no
U+30FC \p{Hiragana}: yes
U+30FC \p{script:Hiragana}: no
U+180E \s: yes
U+180E \p{White_Space}: no
U+0301 \w: no
U+0301 [\p{L}\p{M}]: yes
T
