/* One option table drives the command line, --help, run-file and --set checks and the resolved config.yaml. Order of
 * precedence: command line > --set key=value > --config FILE (YAML) > with --resume: OUT/config.yaml > default. An
 * unknown option or key is WR_E_USAGE with the nearest name. Keys are the option names with '-' as '_'; a table entry
 * may put them into a section: section "optim", name "grad-clip" -> key "optim.grad_clip" and option --grad-clip.
 * LOCAL. */
#ifndef WR_BASE_OPTIONS_H
#define WR_BASE_OPTIONS_H

#include "base/status.h"
#include "base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum option_kind { OPT_STRING, OPT_INT, OPT_FLOAT, OPT_FLAG, OPT_CHOICE } option_kind;

/* What an option names that the program reads. Ranks compare it when they start (cli/rank_facts.h). */
typedef enum option_input {
    INPUT_NONE,
    INPUT_WHOLE, /* a file, or a folder of which a rank has all or nothing */
    INPUT_PARTS  /* a file or folder of which a rank may have a part; what two ranks have must be equal */
} option_input;

/* What --resume asks of an option. */
typedef enum resume_rule {
    RESUME_FIXED,   /* the value the run was begun with */
    RESUME_FREE,    /* any: no number of the run depends on it */
    RESUME_CONTENT, /* any place: what is read there is compared, by whoever reads it */
    RESUME_LENGTH   /* fixed where the numbers of a step depend on how many there are */
} resume_rule;

typedef struct option_spec {
    const char *name;    /* without the dashes, e.g. "global-batch"; NULL ends a table */
    const char *section; /* YAML section or NULL */
    option_kind kind;
    const char *default_value; /* text as on the command line; NULL = unset. Flags default to false */
    const char *arg;           /* shown in help: "N", "DIR"; for OPT_CHOICE "f32|bf16|auto", which is also the check */
    const char *help;
    double min, max; /* bounds of OPT_INT/OPT_FLOAT, checked when min < max */
    bool required;
    bool may_differ; /* ranks of one run may be given different values: no number and no file depends on it */
    option_input input;
    resume_rule resume;
} option_spec;

typedef struct options options;
/* tables: NULL-terminated list of tables that together make the command's options (e.g. its own, and the shared ones).
 * --config, --set and --help are added to every command. An option that is given twice is an error that names it (a
 * flag may say the same twice), and so is a key of two --set. `--name=value` and `--name value` both work; "--" ends
 * options; a flag may be negated as --no-NAME. argv holds the arguments alone (neither program nor command name) and
 * must outlive the options (positionals point into it). Sets *help when --help is among the arguments (then required
 * options are not checked). */
wr_status options_parse(const option_spec *const *tables, int argc, char **argv, options **out, bool *help);
void options_free(options *o);
bool options_set(const options *o, const char *name); /* given or has a default */
/* given on the command line, by --set, in the file, or by the run that goes on */
bool options_given(const options *o, const char *name);
const char *options_str(const options *o, const char *name); /* NULL when unset */
int64_t options_int(const options *o, const char *name);     /* 0 when unset */
double options_float(const options *o, const char *name);
bool options_flag(const options *o, const char *name);
size_t options_count(const options *o); /* positional arguments */
const char *options_positional(const options *o, size_t i);
/* Replaces a value (e.g. one that was derived), so that the resolved config shows it. */
wr_status options_override(options *o, const char *name, const char *value);
/* The resolved configuration as YAML (sections, sorted as in the tables). Readable by --config. Positionals are not in
 * it. */
wr_status options_yaml(const options *o, strbuf *out);
/* Calls visit for every option in the order of the tables, with its value (NULL: unset) in one spelling: 1e-3 and 0.001
 * are the same. Stops at the first error and returns it. */
wr_status options_visit(const options *o, wr_status (*visit)(void *context, const option_spec *spec, const char *value),
                        void *context);
/* Options of the same tables as `like`, with the values of a run's config.yaml; an option that is not in it has its
 * default. WR_E_USAGE names file, line and key of one that there is not. */
wr_status options_like(const options *like, const char *path, options **out);
/* Appends "--lr 1e-05, now 0.0001; …": what a run that began as `was` must not change and `now` does; nothing when it
 * may go on. Both of the same tables. longer: RESUME_LENGTH may change. */
wr_status options_changed(const options *was, const options *now, bool longer, strbuf *out);
/* Option lines for --help. */
void options_help(const option_spec *const *tables, strbuf *out);
/* The name among `names` (NULL-terminated) nearest to `word` by edit distance, or NULL when none is near. */
const char *nearest_name(const char *word, const char *const *names);

#endif
