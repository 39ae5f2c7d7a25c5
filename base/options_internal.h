/* What the files of options (options*.c, option_value.c, option_names.c) share. LOCAL. */
#ifndef WR_BASE_OPTIONS_INTERNAL_H
#define WR_BASE_OPTIONS_INTERNAL_H

#include "base/options.h"

#define OPTION_KEY_CAP 128

/* Later sources win. */
typedef enum option_source {
    FROM_DEFAULT,
    FROM_RUN,
    FROM_FILE,
    FROM_SET,
    FROM_COMMAND_LINE,
    FROM_OVERRIDE
} option_source;

typedef struct option_entry {
    const option_spec *spec;
    char key[OPTION_KEY_CAP]; /* "optim.grad_clip" */
    char *value;              /* owned; NULL = unset */
    option_source source;
} option_entry;

struct options {
    option_spec *rows; /* (count) as this command has them; NULL where another's are used */
    option_entry *entries;
    size_t count;
    char **positionals; /* borrowed from argv */
    size_t positional_count;
};

/* The row as the group's command has it. (base/options_fill.c) */
option_spec option_of_group(const option_group *g, const option_spec *row);
/* Whether `value` is one of the spec's kind and within its bounds; a number has one reading only.
 * (base/option_value.c) */
wr_status option_check(const option_spec *spec, const char *value, const char *where);
/* The option that a word means: what another trainer's name is called here, else the nearest name; NULL when none is
 * near. Of names as in nearest_name, which may be keys with a section. (base/option_names.c) */
const char *option_near(const char *word, const char *const *names);
/* Checks and stores a value. `where` opens error messages: "--lr", "--set optim.lr", "run.yaml:3: optim.lr". */
wr_status option_assign(option_entry *e, const char *value, option_source source, const char *where);
/* By key ('-' and '_' alike). Unknown: WR_E_USAGE with the nearest key. `where` is "" or "FILE:LINE: ". */
wr_status option_by_key(options *o, const char *key, const char *where, option_entry **out);
/* A fresh entry: key and default of the spec. */
wr_status option_begin(const option_spec *spec, option_entry *out);
/* Reads a run file, or what a run was begun with. */
wr_status options_read_yaml(options *o, const char *path, option_source source);
/* With --resume: what was not given is as in OUT/config.yaml, where there is one. (base/options_resume.c) */
wr_status options_complete(options *o);

#endif
