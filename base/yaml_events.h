/* What the readers of YAML files have in common: the next event or a message with its line, and what would give a key
 * or value another meaning than its text has. LOCAL. */
#ifndef WR_BASE_YAML_EVENTS_H
#define WR_BASE_YAML_EVENTS_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

typedef struct yaml_events {
    yaml_parser_t parser;
    const char *path;    /* opens messages: "PATH:7: …"; NULL: "line 7: …" */
    size_t lines_before; /* of the file, where the YAML is a part of it */
    wr_status fault;     /* what a wrong file is: WR_E_USAGE, WR_E_FORMAT */
} yaml_events;

/* Release with yaml_event_delete. */
wr_status yaml_events_next(yaml_events *y, yaml_event_t *event);
/* Sets the message, with the event's line before it. */
wr_status yaml_events_fail(const yaml_events *y, const yaml_event_t *event, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
/* Aliases, anchors and tags are refused. */
wr_status yaml_events_plain(const yaml_events *y, const yaml_event_t *event);
bool yaml_is_null(const yaml_event_t *scalar); /* nothing, ~ or null without quotes */

#endif
