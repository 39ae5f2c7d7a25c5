/* One option is one row: its name, kind, default, range and help, where its value is put, and what --resume asks of it.
 * Rows that several commands share stand in one table beside the struct that they fill; a command lists tables, each
 * with the place of that struct in its own. A row is written with the macro of its kind, which takes the type of the
 * member from the struct: a row whose member cannot hold its kind is not compiled.
 *
 *     static const option_spec rows[] = {
 *         OPTION_INT(run, steps, "steps", "100", "N", 1, 1e9, "steps in all", .resume = RESUME_LENGTH),
 *         {0},
 *     };
 */
#ifndef WR_BASE_OPTION_ROW_H
#define WR_BASE_OPTION_ROW_H

#include <stdbool.h>
#include <stddef.h>

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

/* Type of the member that a value is put in. */
typedef enum option_field {
    FIELD_NONE, /* no member: whoever needs the value asks for it by name */
    FIELD_TEXT, /* const char *, into the options */
    FIELD_BOOL,
    FIELD_INT,
    FIELD_UNSIGNED, /* an enum is one, too */
    FIELD_LONG,     /* int64_t */
    FIELD_ULONG,    /* uint64_t and size_t */
    FIELD_DOUBLE
} option_field;

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
    option_field field;
    size_t at;          /* offset of the member in the struct of the table */
    const char *values; /* OPT_CHOICE: words whose places, from 0, are the values of an enum; of a bool the second is
                           true */
} option_spec;

typedef struct option_group {
    const option_spec *rows;   /* NULL ends a list of groups */
    size_t at;                 /* offset of their struct in the command's */
    const option_spec *varied; /* NULL, or what this command has otherwise: rows with a name, and default, arg, help,
                                  bounds, required, rule of --resume (not RESUME_FIXED) where they differ */
} option_group;

/* clang-format off */

/* The struct of a table is member `member` of the command's struct S; and .varied = rows. */
#define OPTION_GROUP(rows_, S, member, ...) {.rows = rows_, .at = offsetof(S, member), __VA_ARGS__}

/* S: struct that the table fills. default_: text, or NULL. What follows are further members of option_spec:
 * .required = true, .resume = …, .input = …, .may_differ = true. */
#define OPTION_TEXT(S, member, name_, default_, arg_, help_, ...) \
    {.name = name_, .kind = OPT_STRING, .default_value = default_, .arg = arg_, .help = help_, \
     .field = OPTION_FIELD(S, member, const char *: FIELD_TEXT), .at = offsetof(S, member), __VA_ARGS__}
#define OPTION_INT(S, member, name_, default_, arg_, min_, max_, help_, ...) \
    {.name = name_, .kind = OPT_INT, .default_value = default_, .arg = arg_, .min = min_, .max = max_, .help = help_, \
     .field = OPTION_FIELD(S, member, int: FIELD_INT, unsigned: FIELD_UNSIGNED, long: FIELD_LONG, \
                           unsigned long: FIELD_ULONG), \
     .at = offsetof(S, member), __VA_ARGS__}
#define OPTION_FLOAT(S, member, name_, default_, arg_, min_, max_, help_, ...) \
    {.name = name_, .kind = OPT_FLOAT, .default_value = default_, .arg = arg_, .min = min_, .max = max_, \
     .help = help_, .field = OPTION_FIELD(S, member, double: FIELD_DOUBLE), .at = offsetof(S, member), __VA_ARGS__}
#define OPTION_FLAG(S, member, name_, default_, help_, ...) \
    {.name = name_, .kind = OPT_FLAG, .default_value = default_, .help = help_, \
     .field = OPTION_FIELD(S, member, bool: FIELD_BOOL), .at = offsetof(S, member), __VA_ARGS__}
/* Into an enum (the place of the word), a bool (the second word) or a text. */
#define OPTION_CHOICE(S, member, name_, default_, words_, help_, ...) \
    {.name = name_, .kind = OPT_CHOICE, .default_value = default_, .arg = words_, .values = words_, .help = help_, \
     .field = OPTION_FIELD(S, member, unsigned: FIELD_UNSIGNED, bool: FIELD_BOOL, const char *: FIELD_TEXT), \
     .at = offsetof(S, member), __VA_ARGS__}

/* Without a place: whoever needs the value asks for it by name. Numbers with .min = …, .max = … */
#define OPTION_NAMED(name_, kind_, default_, arg_, help_, ...) \
    {.name = name_, .kind = kind_, .default_value = default_, .arg = arg_, .help = help_, __VA_ARGS__}

/* Of the types that a kind may be put in, that of the member. */
#define OPTION_FIELD(S, member, ...) _Generic(((S *)0)->member, __VA_ARGS__)

/* clang-format on */

#endif
