#include "base/option_settings.h"

#include "base/options.h"

#include <stdlib.h>
#include <string.h>

static double default_of(const option_spec *row) {
    const char *value = row->default_value;
    if (row->kind == OPT_FLAG) return value && strcmp(value, "true") == 0;
    return value ? strtod(value, NULL) : 0;
}

static double number_of(const options *o, const option_spec *row) {
    if (row->kind == OPT_FLAG) return options_flag(o, row->name);
    return row->kind == OPT_INT ? (double)options_int(o, row->name) : options_float(o, row->name);
}

void settings_of_defaults(const option_spec *rows, double *settings) {
    for (size_t i = 0; rows[i].name; i++) settings[i] = default_of(&rows[i]);
}

void settings_of_options(const options *o, const option_spec *rows, double *settings) {
    for (size_t i = 0; rows[i].name; i++) settings[i] = number_of(o, &rows[i]);
}

wr_status settings_refuse(const options *o, const option_spec *rows, const char *choice, const char *other,
                          const char *chosen) {
    for (const option_spec *row = rows; row->name; row++)
        if (number_of(o, row) != default_of(row))
            return wr_fail(WR_E_USAGE, "--%s is an option of --%s %s, and the %s is %s", row->name, choice, other,
                           choice, chosen);
    return WR_OK;
}
