#include "base/strbuf.h"

#include "base/mem.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_free(strbuf *b) {
    free(b->data);
    *b = (strbuf){0};
}

void strbuf_clear(strbuf *b) {
    b->len = 0;
    if (b->data) {
        b->data[0] = '\0';
    }
}

/* Room for n more bytes and the NUL. */
static inline bool reserve(strbuf *b, size_t n) {
    if (b->failed) {
        return false;
    }
    if (n < b->capacity && b->len < b->capacity - n) {
        return true;
    }
    if (n >= SIZE_MAX / 2 || b->len >= SIZE_MAX / 2) {
        wr_fail(WR_E_NOMEM, "out of memory: string of %zu + %zu bytes", b->len, n);
        b->failed = true;
        return false;
    }
    if (mem_reserve((void **)&b->data, &b->capacity, b->len + n + 1, 1) < 0) {
        b->failed = true;
        return false;
    }
    return true;
}

void strbuf_append(strbuf *b, const void *bytes, size_t n) {
    if (!reserve(b, n)) {
        return;
    }
    if (n > 0) {
        memcpy(b->data + b->len, bytes, n);
    }
    b->len += n;
    b->data[b->len] = '\0';
}

void strbuf_puts(strbuf *b, const char *s) { strbuf_append(b, s, strlen(s)); }

void strbuf_putc(strbuf *b, char c) {
    if (reserve(b, 1)) {
        b->data[b->len++] = c;
        b->data[b->len] = '\0';
    }
}

void strbuf_printf(strbuf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0) {
        b->failed = true;
    } else if (reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

wr_status strbuf_status(const strbuf *b) {
    return b->failed ? wr_fail(WR_E_NOMEM, "out of memory: string of more than %zu bytes", b->len) : WR_OK;
}

const char *strbuf_str(const strbuf *b) { return b->data ? b->data : ""; }
