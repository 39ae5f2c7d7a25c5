#include "dpo/pair_rule.h"

#include <string.h>

extern const pair_rule pair_best_worst;

const pair_rule *const pair_rules[] = {&pair_best_worst, NULL};

const option_spec pair_rows[] = {
    OPTION_CHOICE(pair_options, rule, "pair-rule", "best-worst", "best-worst",
                  "which replies to a prompt make a pair: the best and the worst"),
    OPTION_FLOAT(pair_options, min_margin, "min-margin", "0", "M", 0, 1e6, "drop pairs whose rewards differ by less"),
    {0},
};

wr_status pair_rule_find(const pair_options *o, const pair_rule **out) {
    for (const pair_rule *const *r = pair_rules; *r; r++) {
        *out = *r;
        if (!o->rule || strcmp(o->rule, (*r)->name) == 0) return WR_OK;
    }
    return wr_fail(WR_E_USAGE, "--pair-rule %.40s: there is no such rule", o->rule);
}
