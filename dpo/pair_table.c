#include "dpo/pair_rule.h"

#include "base/options.h"

#include <string.h>

#define PAIR_ROW(word, name_) &word##_rule,
const pair_rule *const pair_rules[] = {PAIR_RULES(PAIR_ROW) NULL};

#define PAIR_OR_NAME(word, name_) "|" name_
const option_spec pair_rows[] = {
    {.name = "pair-rule",
     .kind = OPT_CHOICE,
     .default_value = "best-worst",
     .arg = &(PAIR_RULES(PAIR_OR_NAME))[1],
     .help = "which replies to a prompt make a pair"},
    OPTION_FLOAT(pair_options, min_margin, "min-margin", "0", "M", 0, 1e6, "drop pairs whose rewards differ by less"),
    {0},
};

wr_status pair_rule_from_options(const options *o, pair_options *out) {
    wr_status status = WR_OK;
    const char *name = options_str(o, "pair-rule");
    for (const pair_rule *const *r = pair_rules; *r; r++)
        if (strcmp((*r)->name, name) == 0) out->rule = *r;
    for (const pair_rule *const *r = pair_rules; *r; r++)
        if (*r != out->rule) TRY(settings_refuse(o, (*r)->options, "pair-rule", (*r)->name, name));
    settings_of_options(o, out->rule->options, out->settings);
cleanup:
    return status;
}
