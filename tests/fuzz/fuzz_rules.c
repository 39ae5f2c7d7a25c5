/* Any bytes as a rule file, and as a text for the built-in rules: a file is read or refused, and verdicts do not depend
 * on the prefilter. */
#include "data/label/match/lexicon.h"
#include "data/label/match/prefilter.h"
#include "data/label/match/rules.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t n) {
    static lexicon *fast, *slow; /* making them takes longer than judging */
    verdict a, b;
    if (!fast && (lexicon_create(NULL, &fast) < 0 || lexicon_create(NULL, &slow) < 0)) __builtin_trap();
    lexicon_use_prefilter(slow, false);
    if (lexicon_judge(fast, text, n / 2, text, n, text, n, &a) < 0 ||
        lexicon_judge(slow, text, n / 2, text, n, text, n, &b) < 0)
        __builtin_trap();
    if (a.level != b.level || a.negative != b.negative || a.positive != b.positive) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const keys[] = {"level", "weight", "place", NULL};
    rule_file *f = NULL;
    const char *text = (const char *)data;
    check_text(text, size);
    if (size > 2000 || rules_parse("fuzz", text, size, keys, &f) < 0) return 0;
    for (size_t i = 0; i < f->n; i++) {
        pattern *p = NULL;
        const char *regex;
        prefilter *filter = NULL;
        rule_mask m;
        if (rule_compile(f, &f->rules[i], ALL_ALTERNATIVES, RULE_FIND, &p, &regex) < 0) continue;
        if (prefilter_create(&filter) < 0 || prefilter_add(filter, regex) < 0 || prefilter_build(filter) < 0)
            __builtin_trap();
        prefilter_scan(filter, text, size, &m);
        if (pattern_find(p, text, size, 0, NULL, NULL) && !rule_mask_has(&m, 0)) __builtin_trap(); /* a wrong no */
        pattern_free(p);
        prefilter_free(filter);
    }
    rules_free(f);
    return 0;
}
