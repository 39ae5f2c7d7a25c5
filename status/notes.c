#include "status/notes.h"

#include "base/printable.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void notes_add(notes *list, const char *format, ...) {
    char raw[NOTE_LENGTH];
    va_list args;
    if (list->n == NOTES_MOST) return;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    printable_string(raw, list->text[list->n++], NOTE_LENGTH);
}

const char *age_text(double seconds, char out[SHORT_TIME]) {
    static const struct {
        double below, unit;
        char letter;
    } steps[] = {{100, 1, 's'}, {100 * 60, 60, 'm'}, {48 * 3600, 3600, 'h'}, {1e12, 86400, 'd'}};
    snprintf(out, SHORT_TIME, "-");
    if (seconds < 0 && seconds > -60) seconds = 0; /* clocks of hosts differ */
    for (size_t i = 0; seconds >= 0 && i < sizeof steps / sizeof *steps; i++)
        if (seconds < steps[i].below) {
            snprintf(out, SHORT_TIME, "%.0f%c", floor(seconds / steps[i].unit), steps[i].letter);
            break;
        }
    return out;
}

const char *time_left_text(double seconds, char out[SHORT_TIME]) {
    if (!(seconds >= 0 && seconds < 1e12)) return age_text(NAN, out);
    const long long s = (long long)(seconds + 0.5);
    if (s < 60)
        snprintf(out, SHORT_TIME, "%llds", s);
    else if (s < 3600)
        snprintf(out, SHORT_TIME, "%lldm%02llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, SHORT_TIME, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, SHORT_TIME, "%lldd%02lldh", s / 86400, s / 3600 % 24);
    return out;
}
