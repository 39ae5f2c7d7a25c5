#include "base/options.h"

#include "base/mem.h"
#include "base/options_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The key of a spec: section, dot, name with '-' as '_'. */
static void option_key(const option_spec *spec, char out[OPTION_KEY_CAP]) {
    snprintf(out, OPTION_KEY_CAP, "%s%s%s", spec->section ? spec->section : "", spec->section ? "." : "", spec->name);
    for (char *c = out; *c; c++) {
        *c = *c == '-' ? '_' : *c;
    }
}

/* --- values ------------------------------------------------------------------------------------------------------- */

wr_status option_assign(option_entry *e, const char *value, option_source source, const char *where) {
    if (source < e->source) {
        return option_check(e->spec, value, where); /* outvoted, and still not allowed to be nonsense */
    }
    wr_status status = option_check(e->spec, value, where);
    if (status < 0) {
        return status;
    }
    bool flag = false;
    char *copy =
        mem_strdup(e->spec->kind == OPT_FLAG && option_flag_value(value, &flag) ? (flag ? "true" : "false") : value);
    if (!copy) {
        return WR_E_NOMEM;
    }
    free(e->value);
    e->value = copy;
    e->source = source;
    return WR_OK;
}

/* --- look-up ------------------------------------------------------------------------------------------------------ */

static option_entry *by_name(const options *o, const char *name, size_t length) {
    for (size_t i = 0; i < o->count; i++) {
        if (strlen(o->entries[i].spec->name) == length && strncmp(o->entries[i].spec->name, name, length) == 0) {
            return &o->entries[i];
        }
    }
    return NULL;
}

static bool same_key(const char *key, const char *given) {
    for (; *key && *given; key++, given++) {
        if (*key != *given && !(*key == '_' && *given == '-')) {
            return false;
        }
    }
    return *key == *given;
}

wr_status option_by_key(options *o, const char *key, const char *where, option_entry **out) {
    *out = NULL;
    const option_entry *bare = NULL;
    for (size_t i = 0; i < o->count; i++) {
        option_entry *e = &o->entries[i];
        if (same_key(e->key, key)) {
            *out = e;
            return WR_OK;
        }
        const char *dot = strchr(e->key, '.');
        if (dot && same_key(dot + 1, key)) {
            bare = e;
        }
    }
    if (bare) {
        return wr_fail(WR_E_USAGE, "%sunknown key '%s'; did you mean '%s'?", where, key, bare->key);
    }
    const char **names = mem_calloc(o->count + 1, sizeof *names);
    if (!names) {
        return WR_E_NOMEM;
    }
    for (size_t i = 0; i < o->count; i++) {
        names[i] = o->entries[i].key;
    }
    const char *near = option_near(key, names);
    wr_status status =
        wr_fail(WR_E_USAGE, "%sunknown key '%s'%s%s%s", where, key,
                near ? "; did you mean '" : "; --help lists the options", near ? near : "", near ? "'?" : "");
    free(names);
    return status;
}

static wr_status unknown_option(const options *o, const char *argument) {
    char word[OPTION_KEY_CAP];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(argument, "="), argument);
    const char **names = mem_calloc(o->count + 4, sizeof *names);
    if (!names) {
        return WR_E_NOMEM;
    }
    for (size_t i = 0; i < o->count; i++) {
        names[i] = o->entries[i].spec->name;
    }
    names[o->count] = "config";
    names[o->count + 1] = "set";
    names[o->count + 2] = "help";
    const char *near = option_near(word + strspn(word, "-"), names);
    wr_status status =
        wr_fail(WR_E_USAGE, "unknown option '%s'%s%s%s", word,
                near ? "; did you mean '--" : "; --help lists the options", near ? near : "", near ? "'?" : "");
    free(names);
    return status;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

/* The arguments in their order; --set and --config are applied afterwards by their rank. */
typedef struct pending {
    const char *config;
    const char **sets;
    size_t set_count;
    bool help;
} pending;

/* The value of argv[*i]: behind its '=', or the next argument. */
static wr_status take_value(int argc, char **argv, int *i, const char **value) {
    const char *equals = strchr(argv[*i], '=');
    if (equals) {
        *value = equals + 1;
        return WR_OK;
    }
    if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0) {
        return wr_fail(WR_E_USAGE, "%s needs a value", argv[*i]);
    }
    *value = argv[++*i];
    return WR_OK;
}

/* The later of two values would silently win over what somebody meant. A flag that says the same twice is no
 * contradiction: scripts append --resume. */
static wr_status assign_once(option_entry *e, const char *value, option_source source, const char *where) {
    bool now = false, before = false;
    bool again = e->source == source;
    if (again && e->spec->kind == OPT_FLAG && option_flag_value(value, &now) && option_flag_value(e->value, &before) &&
        now == before) {
        again = false;
    }
    if (again) {
        return wr_fail(WR_E_USAGE, "%s is given twice, as '%.200s' and as '%.200s'; give it once", where, e->value,
                       value);
    }
    return option_assign(e, value, source, where);
}

static wr_status long_option(options *o, int argc, char **argv, int *i, pending *p) {
    wr_status status = WR_OK;
    const char *argument = argv[*i], *name = argument + 2, *value = NULL;
    size_t length = strcspn(name, "=");
    bool has_value = name[length] == '=';
    char where[OPTION_KEY_CAP];
    snprintf(where, sizeof where, "%.*s", (int)(length + 2), argument);
    option_entry *e = by_name(o, name, length);
    if (e && e->spec->kind == OPT_FLAG) {
        return assign_once(e, has_value ? name + length + 1 : "true", FROM_COMMAND_LINE, where);
    }
    if (e) {
        TRY(take_value(argc, argv, i, &value));
        return assign_once(e, value, FROM_COMMAND_LINE, where);
    }
    if (length == 4 && strncmp(name, "help", 4) == 0 && !has_value) {
        p->help = true;
    } else if (length == 6 && strncmp(name, "config", 6) == 0) {
        TRY(p->config ? wr_fail(WR_E_USAGE, "--config is given twice; give one run file") : WR_OK);
        TRY(take_value(argc, argv, i, &p->config));
    } else if (length == 3 && strncmp(name, "set", 3) == 0) {
        if (has_value) {
            p->sets[p->set_count++] = name + length + 1;
        } else if (*i + 1 < argc) {
            p->sets[p->set_count++] = argv[++*i];
        } else {
            TRY(wr_fail(WR_E_USAGE, "--set needs a value: --set key=value"));
        }
    } else {
        e = length > 3 && strncmp(name, "no-", 3) == 0 && !has_value ? by_name(o, name + 3, length - 3) : NULL;
        if (!e || e->spec->kind != OPT_FLAG) {
            return unknown_option(o, argument);
        }
        return assign_once(e, "false", FROM_COMMAND_LINE, where);
    }
cleanup:
    return status;
}

static wr_status read_arguments(options *o, int argc, char **argv, pending *p) {
    wr_status status = WR_OK;
    bool only_positionals = false;
    for (int i = 0; i < argc; i++) {
        const char *a = argv[i];
        if (only_positionals || a[0] != '-' || a[1] == '\0') {
            o->positionals[o->positional_count++] = argv[i];
        } else if (strcmp(a, "--") == 0) {
            only_positionals = true;
        } else if (strcmp(a, "-h") == 0) {
            p->help = true;
        } else if (strncmp(a, "--", 2) == 0) {
            TRY(long_option(o, argc, argv, &i, p));
        } else {
            TRY(unknown_option(o, a));
        }
    }
cleanup:
    return status;
}

static wr_status apply_set(options *o, const char *text) {
    char key[OPTION_KEY_CAP], where[OPTION_KEY_CAP + 8];
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || (size_t)(equals - text) >= sizeof key) {
        return wr_fail(WR_E_USAGE, "--set '%.200s': want key=value", text);
    }
    snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
    snprintf(where, sizeof where, "--set %s", key);
    option_entry *e;
    wr_status status = option_by_key(o, key, "--set: ", &e);
    return status < 0 ? status : assign_once(e, equals + 1, FROM_SET, where);
}

wr_status option_begin(const option_spec *spec, option_entry *out) {
    const char *value = spec->default_value ? spec->default_value : spec->kind == OPT_FLAG ? "false" : NULL;
    *out = (option_entry){.spec = spec};
    option_key(spec, out->key);
    return value ? option_assign(out, value, FROM_DEFAULT, out->key) : WR_OK;
}

static wr_status make_entries(options *o, const option_group *groups) {
    wr_status status = WR_OK;
    size_t count = 0;
    for (const option_group *g = groups; g->rows; g++) {
        for (const option_spec *row = g->rows; row->name; row++) {
            count++;
        }
    }
    TRY_ALLOC(o->rows = mem_calloc(count + 1, sizeof *o->rows));
    TRY_ALLOC(o->entries = mem_calloc(count + 1, sizeof *o->entries));
    for (const option_group *g = groups; g->rows; g++) {
        for (const option_spec *row = g->rows; row->name; row++, o->count++) {
            o->rows[o->count] = option_of_group(g, row);
            TRY(option_begin(&o->rows[o->count], &o->entries[o->count]));
        }
    }
cleanup:
    return status;
}

wr_status options_parse(const option_group *groups, int argc, char **argv, options **out, bool *help) {
    wr_status status = WR_OK;
    pending p = {0};
    *out = NULL;
    *help = false;
    options *o = mem_calloc(1, sizeof *o);
    if (!o) {
        return WR_E_NOMEM;
    }
    size_t slots = argc > 0 ? (size_t)argc : 0;
    TRY_ALLOC(o->positionals = mem_calloc(slots + 1, sizeof *o->positionals));
    TRY_ALLOC(p.sets = mem_calloc(slots + 1, sizeof *p.sets));
    TRY(make_entries(o, groups));
    TRY(read_arguments(o, argc, argv, &p));
    if (!p.help) {
        TRY(p.config ? options_read_yaml(o, p.config, FROM_FILE) : WR_OK);
        for (size_t i = 0; i < p.set_count; i++) {
            TRY(apply_set(o, p.sets[i]));
        }
        TRY(options_complete(o));
        for (size_t i = 0; i < o->count; i++) {
            const option_spec *spec = o->entries[i].spec;
            if (spec->required && !o->entries[i].value) {
                TRY(wr_fail(WR_E_USAGE, "--%s %s is required", spec->name, spec->arg ? spec->arg : ""));
            }
        }
    }
    *help = p.help;
    *out = o;
    o = NULL;
cleanup:
    free(p.sets);
    options_free(o);
    return status;
}

void options_free(options *o) {
    if (!o) {
        return;
    }
    for (size_t i = 0; i < o->count; i++) {
        free(o->entries[i].value);
    }
    free(o->entries);
    free(o->rows);
    free(o->positionals);
    free(o);
}

/* --- reading them ------------------------------------------------------------------------------------------------- */

bool options_set(const options *o, const char *name) { return options_str(o, name) != NULL; }

bool options_given(const options *o, const char *name) {
    const option_entry *e = by_name(o, name, strlen(name));
    return e && e->value && e->source > FROM_DEFAULT && e->source < FROM_OVERRIDE;
}

const char *options_str(const options *o, const char *name) {
    const option_entry *e = by_name(o, name, strlen(name));
    return e ? e->value : NULL;
}

int64_t options_int(const options *o, const char *name) {
    const char *value = options_str(o, name);
    return value ? strtoll(value, NULL, 10) : 0;
}

double options_float(const options *o, const char *name) {
    const char *value = options_str(o, name);
    return value ? strtod(value, NULL) : 0;
}

bool options_flag(const options *o, const char *name) {
    const char *value = options_str(o, name);
    bool flag = false;
    return value && option_flag_value(value, &flag) && flag;
}

size_t options_count(const options *o) { return o->positional_count; }

const char *options_positional(const options *o, size_t i) {
    return i < o->positional_count ? o->positionals[i] : NULL;
}

wr_status options_override(options *o, const char *name, const char *value) {
    option_entry *e = by_name(o, name, strlen(name));
    if (!e) {
        return wr_fail(WR_E_USAGE, "no option is called '%s'", name);
    }
    return option_assign(e, value, FROM_OVERRIDE, name);
}

wr_status options_visit(const options *o, wr_status (*visit)(void *context, const option_spec *spec, const char *value),
                        void *context) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < o->count; i++) {
        const option_entry *e = &o->entries[i];
        char number[40];
        const char *value = e->value;
        if (value && e->spec->kind == OPT_INT) {
            snprintf(number, sizeof number, "%lld", strtoll(value, NULL, 10));
            value = number;
        } else if (value && e->spec->kind == OPT_FLOAT) {
            for (int digits = 6; digits <= 17; digits++) { /* the shortest text that is read as the same number */
                snprintf(number, sizeof number, "%.*g", digits, strtod(value, NULL));
                if (strtod(number, NULL) == strtod(value, NULL)) break;
            }
            value = number;
        }
        TRY(visit(context, e->spec, value));
    }
cleanup:
    return status;
}
