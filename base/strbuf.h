/* A growable byte string. Always NUL-terminated; may contain NULs. Appending after a failed allocation is a no-op and
 * `failed` stays set, so that a caller may check once at the end. LOCAL. */
#ifndef WR_BASE_STRBUF_H
#define WR_BASE_STRBUF_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct strbuf {
    char *data; /* owned; NULL only before the first append */
    size_t len, capacity;
    bool failed;
} strbuf;

void strbuf_free(strbuf *b);  /* releases data and zeroes *b */
void strbuf_clear(strbuf *b); /* len = 0, memory kept */
void strbuf_append(strbuf *b, const void *bytes, size_t n);
void strbuf_puts(strbuf *b, const char *s);
void strbuf_putc(strbuf *b, char c);
void strbuf_printf(strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
wr_status strbuf_status(const strbuf *b); /* WR_OK, or WR_E_NOMEM if any append failed */
const char *strbuf_str(const strbuf *b);  /* never NULL */

#endif
