/* A few sentences about one thing, of texts fit to be printed. LOCAL. */
#ifndef WR_STATUS_NOTES_H
#define WR_STATUS_NOTES_H

#include <stddef.h>

enum { NOTES_MOST = 8, NOTE_LENGTH = 700 };
typedef struct notes {
    char text[NOTES_MOST][NOTE_LENGTH];
    size_t n;
} notes;

/* Made printable; what comes beyond the most is dropped. */
void notes_add(notes *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum { SHORT_TIME = 24 };
/* "12s", "34m", "12h", "3d": an age. NAN and what lies in the future: "-". Returns out. */
const char *age_text(double seconds, char out[SHORT_TIME]);
/* Of two units: "5m12s", "3h05m", "2d04h". */
const char *time_left_text(double seconds, char out[SHORT_TIME]);

#endif
