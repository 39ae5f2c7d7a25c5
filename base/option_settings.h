/* A choice among the rows of a table (--objective, --pair-rule, --loss …), each with options of its own: numbers and
 * flags with defaults, whose values are kept as an array in the order of the row's options. LOCAL. */
#ifndef WR_BASE_OPTION_SETTINGS_H
#define WR_BASE_OPTION_SETTINGS_H

#include "base/option_row.h"
#include "base/status.h"

struct options;

enum { OPTION_SETTINGS = 8 }; /* options that a row may have of its own */

/* rows: ended by {0}, at most OPTION_SETTINGS (tests hold every table to that). settings (OPTION_SETTINGS): what they
 * say by default, and what is given. */
void settings_of_defaults(const option_spec *rows, double *settings);
void settings_of_options(const struct options *o, const option_spec *rows, double *settings);
/* WR_E_USAGE: an option among `rows`, those of --choice `other`, is given, and --choice is `chosen`. One that says what
 * would be without it does no harm: a run's config.yaml lists them all. */
wr_status settings_refuse(const struct options *o, const option_spec *rows, const char *choice, const char *other,
                          const char *chosen);

#endif
