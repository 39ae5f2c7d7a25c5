#include "base/status.h"

#include "base/printable.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_CAP 2048

static _Thread_local char message[MESSAGE_CAP] = "no error";
static _Thread_local bool others_say_it;

/* The message is promised to be one line; file names, records and servers may bring control characters of their own. */
static void set_message(const char *text) { printable(text, strlen(text), message, sizeof message); }

wr_status wr_fail(wr_status code, const char *format, ...) {
    char text[MESSAGE_CAP]; /* not `message` itself: an argument may be wr_error() */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    set_message(text);
    others_say_it = false;
    return code;
}

wr_status wr_context(wr_status code, const char *format, ...) {
    if (code >= 0) {
        return code;
    }
    char text[2 * MESSAGE_CAP];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, MESSAGE_CAP, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n >= MESSAGE_CAP ? MESSAGE_CAP - 1 : (size_t)n;
    snprintf(text + used, sizeof text - used, ": %s", message);
    set_message(text);
    return code;
}

const char *wr_error(void) { return message; }

void wr_error_leave_to_others(void) { others_say_it = true; }

bool wr_error_left_to_others(void) { return others_say_it; }
