#include "base/yaml_events.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static wr_status fail_at(const yaml_events *y, size_t mark, const char *what) {
    const size_t line = y->lines_before + mark + 1;
    if (y->path) return wr_fail(y->fault, "%s:%zu: %s", y->path, line, what);
    return wr_fail(y->fault, "line %zu: %s", line, what);
}

wr_status yaml_events_fail(const yaml_events *y, const yaml_event_t *event, const char *format, ...) {
    char what[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return fail_at(y, event->start_mark.line, what);
}

wr_status yaml_events_next(yaml_events *y, yaml_event_t *event) {
    char what[512];
    if (yaml_parser_parse(&y->parser, event)) return WR_OK;
    snprintf(what, sizeof what, "not valid YAML: %s", y->parser.problem ? y->parser.problem : "cannot be read");
    return fail_at(y, y->parser.problem_mark.line, what);
}

bool yaml_is_null(const yaml_event_t *scalar) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (scalar->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp((const char *)scalar->data.scalar.value, words[i]) == 0) return true;
    return false;
}

wr_status yaml_events_plain(const yaml_events *y, const yaml_event_t *event) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_ALIAS_EVENT)
        return yaml_events_fail(y, event, "the alias *%.80s: aliases are not supported; write the value",
                                (const char *)event->data.alias.anchor);
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    }
    if (!anchor && !tag) return WR_OK;
    return yaml_events_fail(y, event, "the %s%.80s: anchors and tags are not supported; write the value alone",
                            anchor ? "anchor &" : "tag ", (const char *)(anchor ? anchor : tag));
}
