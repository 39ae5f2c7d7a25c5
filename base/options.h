/* One option table drives the command line, --help, run-file and --set checks and the resolved config.yaml. Order of
 * precedence: command line > --set key=value > --config FILE (YAML) > with --resume: OUT/config.yaml > default. An
 * unknown option or key is WR_E_USAGE with the nearest name. Keys are the option names with '-' as '_'; a table entry
 * may put them into a section: section "optim", name "grad-clip" -> key "optim.grad_clip" and option --grad-clip.
 * LOCAL. */
#ifndef WR_BASE_OPTIONS_H
#define WR_BASE_OPTIONS_H

#include "base/option_row.h"
#include "base/status.h"
#include "base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct options options;
/* groups: tables that together make the command's options (its own, and shared ones), in the order of --help.
 * --config, --set and --help are added to every command. An option that is given twice is an error that names it (a
 * flag may say the same twice), and so is a key of two --set. `--name=value` and `--name value` both work; "--" ends
 * options; a flag may be negated as --no-NAME. argv holds the arguments alone (neither program nor command name) and
 * must outlive the options (positionals point into it). Sets *help when --help is among the arguments (then required
 * options are not checked). */
wr_status options_parse(const option_group *groups, int argc, char **argv, options **out, bool *help);
void options_free(options *o);
/* Puts every value into its member of the command's struct; texts point into o. A member whose option is unset stays as
 * it is. WR_E_FAILED: a row lies outside of the struct. */
wr_status options_fill(const options *o, void *out, size_t size);
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
/* The resolved configuration as YAML (sections, in the order of the tables). Readable by --config. Positionals are not
 * in it. */
wr_status options_yaml(const options *o, strbuf *out);
/* Calls visit for every option in the order of the tables, with its value (NULL: unset) in one spelling: 1e-3 and 0.001
 * are the same. Stops at the first error and returns it. */
wr_status options_visit(const options *o, wr_status (*visit)(void *context, const option_spec *spec, const char *value),
                        void *context);
/* Options of the same tables as `like` (which must outlive them), with nothing but defaults. */
wr_status options_defaults(const options *like, options **out);
/* The same, with the values of a run's config.yaml; an option that is not in it has its default. WR_E_USAGE names file,
 * line and key of one that there is not. */
wr_status options_like(const options *like, const char *path, options **out);
/* Appends "--lr 1e-05, now 0.0001; …": what a run that began as `was` must not change and `now` does; nothing when it
 * may go on. Both of the same tables. longer: RESUME_LENGTH may change. */
wr_status options_changed(const options *was, const options *now, bool longer, strbuf *out);
/* Option lines for --help. */
void options_help(const option_group *groups, strbuf *out);
/* The name among `names` (NULL-terminated) nearest to `word` by edit distance, or NULL when none is near. */
const char *nearest_name(const char *word, const char *const *names);
/* A flag's value as every file and option may write it; false: neither true nor false. (base/option_value.c) */
bool option_flag_value(const char *value, bool *out);

#endif
