/* Run files: a mapping of scalars, and of sections that are mappings of scalars. Nothing else of YAML is needed, so
 * sequences, aliases and further documents are refused with file and line. */
#include "base/options_internal.h"
#include "base/yaml_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct reader {
    options *o;
    const char *path;
    option_source source;
    yaml_events yaml;
    bool *seen;     /* per entry; one more for the document */
    bool *sections; /* per entry: that of its section has stood there (kept at the section's first entry) */
} reader;

static wr_status assign(reader *r, const char *key, size_t line, const yaml_event_t *value) {
    char where[1024];
    option_entry *e;
    snprintf(where, sizeof where, "%s:%zu: ", r->path, line);
    wr_status status = option_by_key(r->o, key, where, &e);
    if (status < 0) {
        return status;
    }
    bool *seen = &r->seen[e - r->o->entries];
    if (*seen) {
        return wr_fail(WR_E_USAGE, "%skey '%s' is given twice", where, e->key);
    }
    *seen = true;
    if (strlen((const char *)value->data.scalar.value) != value->data.scalar.length) {
        return wr_fail(WR_E_USAGE, "%s%s: the value holds a NUL character", where, e->key);
    }
    snprintf(where, sizeof where, "%s:%zu: %s", r->path, line, e->key);
    return yaml_is_null(value) ? WR_OK : option_assign(e, (const char *)value->data.scalar.value, r->source, where);
}

/* The first entry of a section; o->count: there is no such section. */
static size_t find_section(const options *o, const char *name) {
    size_t i = 0;
    while (i < o->count && !(o->entries[i].spec->section && strcmp(o->entries[i].spec->section, name) == 0)) {
        i++;
    }
    return i;
}

static bool is_section(const options *o, const char *name) { return find_section(o, name) < o->count; }

static wr_status unknown_section(reader *r, const char *name, size_t line) {
    const char *names[64] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < r->o->count && n + 1 < sizeof names / sizeof *names; i++) {
        const char *section = r->o->entries[i].spec->section;
        if (section && (n == 0 || strcmp(names[n - 1], section) != 0)) {
            names[n++] = section;
        }
    }
    const char *near = nearest_name(name, names);
    return wr_fail(WR_E_USAGE, "%s:%zu: '%s' is no section%s%s%s", r->path, line, name, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

/* The members of a mapping whose start has been read. section: "" at the top. */
static wr_status read_mapping(reader *r, const char *section) {
    wr_status status = WR_OK;
    for (;;) {
        yaml_event_t key = {0}, value = {0};
        char name[2 * OPTION_KEY_CAP];
        bool last = false;
        TRY(yaml_events_next(&r->yaml, &key));
        size_t line = key.start_mark.line + 1;
        last = key.type == YAML_MAPPING_END_EVENT;
        if (!last) {
            TRY(yaml_events_plain(&r->yaml, &key));
            if (key.type != YAML_SCALAR_EVENT ||
                strlen((const char *)key.data.scalar.value) != key.data.scalar.length) {
                TRY(wr_fail(WR_E_USAGE, "%s:%zu: a key must be a plain name", r->path, line));
            }
            if (strcmp((const char *)key.data.scalar.value, "<<") == 0) {
                TRY(wr_fail(WR_E_USAGE, "%s:%zu: merge keys (<<) are not supported; write the keys out", r->path,
                            line));
            }
            TRY(yaml_events_next(&r->yaml, &value));
            TRY(yaml_events_plain(&r->yaml, &value));
            snprintf(name, sizeof name, "%s%s%.*s", section, *section ? "." : "", OPTION_KEY_CAP,
                     (const char *)key.data.scalar.value);
            bool opens =
                !*section && is_section(r->o, name) &&
                (value.type == YAML_MAPPING_START_EVENT || (value.type == YAML_SCALAR_EVENT && yaml_is_null(&value)));
            if (opens) {
                bool *there = &r->sections[find_section(r->o, name)];
                if (*there) {
                    TRY(wr_fail(WR_E_USAGE, "%s:%zu: section '%s' is given twice", r->path, line, name));
                }
                *there = true;
            }
            if (value.type == YAML_SCALAR_EVENT) {
                if (opens) {
                    goto cleanup; /* "optim:" with nothing below */
                }
                TRY(assign(r, name, line, &value));
            } else if (value.type == YAML_MAPPING_START_EVENT && !*section) {
                TRY(is_section(r->o, name) ? read_mapping(r, name) : unknown_section(r, name, line));
            } else {
                TRY(wr_fail(WR_E_USAGE, "%s:%zu: '%s' must be a single value", r->path, line, name));
            }
        }
    cleanup:
        yaml_event_delete(&key);
        yaml_event_delete(&value);
        if (status < 0 || last) {
            return status;
        }
    }
}

/* Every file that is no mapping (or empty) is refused by what stands in the mapping's place. */
static wr_status read_document(reader *r) {
    wr_status status = WR_OK;
    bool done = false;
    while (!done) {
        yaml_event_t event = {0};
        TRY(yaml_events_next(&r->yaml, &event));
        size_t line = event.start_mark.line + 1;
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (event.data.document_start.tag_directives.start != event.data.document_start.tag_directives.end) {
                TRY(wr_fail(WR_E_USAGE, "%s:%zu: %%TAG is not supported", r->path, line));
            }
            if (r->seen[r->o->count]) {
                TRY(wr_fail(WR_E_USAGE, "%s:%zu: a second document starts here; a run file is one", r->path, line));
            }
            r->seen[r->o->count] = true;
            break;
        case YAML_MAPPING_START_EVENT:
            TRY(yaml_events_plain(&r->yaml, &event));
            TRY(read_mapping(r, ""));
            break;
        case YAML_STREAM_END_EVENT:
            done = true;
            break;
        case YAML_SCALAR_EVENT:
            if (yaml_is_null(&event)) {
                break;
            }
            __attribute__((fallthrough));
        default:
            TRY(wr_fail(WR_E_USAGE, "%s:%zu: a run file is a list of 'key: value' lines", r->path, line));
        }
    cleanup:
        yaml_event_delete(&event);
        if (status < 0) {
            return status;
        }
    }
    return WR_OK;
}

wr_status options_read_yaml(options *o, const char *path, option_source source) {
    reader r = {.o = o, .path = path, .source = source, .yaml = {.path = path, .fault = WR_E_USAGE}};
    FILE *file = fopen(path, "rbe");
    if (!file) {
        return wr_fail(WR_E_USAGE, "%scannot open %s: %s", source == FROM_FILE ? "--config: " : "", path,
                       strerror(errno));
    }
    wr_status status = WR_E_NOMEM;
    r.seen = calloc(2 * (o->count + 1), sizeof *r.seen);
    if (r.seen && yaml_parser_initialize(&r.yaml.parser)) {
        r.sections = r.seen + o->count + 1;
        yaml_parser_set_input_file(&r.yaml.parser, file);
        status = read_document(&r);
        yaml_parser_delete(&r.yaml.parser);
    } else {
        wr_fail(WR_E_NOMEM, "out of memory reading %s", path);
    }
    free(r.seen);
    fclose(file);
    return status;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool is_plain(const option_entry *e) {
    if (e->spec->kind != OPT_STRING) {
        return true;
    }
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", NULL};
    for (size_t i = 0; words[i]; i++) {
        if (strcasecmp(e->value, words[i]) == 0) {
            return false;
        }
    }
    /* Starts with a letter or a path sign: then no YAML reader takes it for a number or an indicator. */
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t n = strlen(e->value);
    return n > 0 && (strchr(letters, e->value[0]) || e->value[0] == '/') &&
           strspn(e->value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-") == n;
}

static void write_value(const option_entry *e, strbuf *out) {
    if (is_plain(e)) {
        strbuf_puts(out, e->value);
        return;
    }
    strbuf_putc(out, '"');
    for (const char *c = e->value; *c; c++) {
        if (*c == '"' || *c == '\\') {
            strbuf_putc(out, '\\');
            strbuf_putc(out, *c);
        } else if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            strbuf_printf(out, "\\x%02X", (unsigned)*c);
        } else {
            strbuf_putc(out, *c);
        }
    }
    strbuf_putc(out, '"');
}

/* section "": the keys outside all sections. */
static void write_section(const options *o, const char *section, strbuf *out) {
    bool opened = *section == '\0';
    for (size_t i = 0; i < o->count; i++) {
        const option_entry *e = &o->entries[i];
        bool here = strcmp(e->spec->section ? e->spec->section : "", section) == 0;
        if (!here || !e->value) {
            continue;
        }
        if (!opened) {
            strbuf_printf(out, "%s:\n", section);
            opened = true;
        }
        const char *dot = strchr(e->key, '.');
        strbuf_printf(out, "%s%s: ", *section ? "  " : "", dot ? dot + 1 : e->key);
        write_value(e, out);
        strbuf_putc(out, '\n');
    }
}

wr_status options_yaml(const options *o, strbuf *out) {
    write_section(o, "", out);
    for (size_t i = 0; i < o->count; i++) {
        const char *section = o->entries[i].spec->section;
        bool first = section != NULL;
        for (size_t j = 0; j < i && first; j++) {
            const char *earlier = o->entries[j].spec->section;
            first = !earlier || strcmp(earlier, section) != 0;
        }
        if (first) {
            write_section(o, section, out);
        }
    }
    return strbuf_status(out);
}
