/* What text is a value of which kind. A number that readers of YAML or other programs would take for another one (017
 * is 15 or 17, 0x10, 1_000, 1.0 for a whole number) is refused rather than read in one of the ways. */
#include "base/decimal.h"
#include "base/options_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static wr_status check_bounds(const option_spec *spec, double number, const char *value, const char *where) {
    if (spec->min < spec->max && !(number >= spec->min && number <= spec->max)) {
        return wr_fail(WR_E_USAGE, "%s: %s is not between %.15g and %.15g", where, value, spec->min, spec->max);
    }
    return WR_OK;
}

static wr_status check_whole(const option_spec *spec, const char *value, const char *where) {
    if (!decimal_whole(value)) {
        return wr_fail(WR_E_USAGE, "%s: '%s' is not a whole number%s", where, value, decimal_hint(value));
    }
    errno = 0;
    long long number = strtoll(value, NULL, 10);
    if (errno) {
        return wr_fail(WR_E_USAGE, "%s: '%s' is not a whole number that fits 64 bits", where, value);
    }
    return check_bounds(spec, (double)number, value, where);
}

static wr_status check_number(const option_spec *spec, const char *value, const char *where) {
    if (!decimal_real(value)) {
        return wr_fail(WR_E_USAGE, "%s: '%s' is not a finite number%s", where, value, decimal_hint(value));
    }
    errno = 0;
    double number = strtod(value, NULL);
    if (!isfinite(number) || (number == 0 && errno == ERANGE)) {
        return wr_fail(WR_E_USAGE, "%s: '%s' is too %s for a double, so it is not a finite number other than 0", where,
                       value, number == 0 ? "small" : "large");
    }
    return check_bounds(spec, number, value, where);
}

bool option_flag_value(const char *value, bool *out) {
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "1", NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "0", NULL};
    for (size_t i = 0; yes[i]; i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *out = strcmp(value, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool is_choice(const char *value, const char *choices) {
    size_t n = strlen(value);
    for (const char *at = choices; n > 0 && at && !strchr(value, '|');
         at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        if (strncmp(at, value, n) == 0 && (at[n] == '|' || at[n] == '\0')) {
            return true;
        }
    }
    return false;
}

wr_status option_check(const option_spec *spec, const char *value, const char *where) {
    bool ignored;
    switch (spec->kind) {
    case OPT_STRING:
        return WR_OK;
    case OPT_INT:
        return check_whole(spec, value, where);
    case OPT_FLOAT:
        return check_number(spec, value, where);
    case OPT_FLAG:
        return option_flag_value(value, &ignored) ? WR_OK
                                                  : wr_fail(WR_E_USAGE, "%s: '%s' is not true or false", where, value);
    case OPT_CHOICE:
        return is_choice(value, spec->arg) ? WR_OK
                                           : wr_fail(WR_E_USAGE, "%s: '%s' is not one of %s", where, value, spec->arg);
    }
    return WR_OK;
}
