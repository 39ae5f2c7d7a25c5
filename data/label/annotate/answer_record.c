#include "data/label/annotate/answer_record.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };
static const char before_key[] = "{\"key\":\"", before_sum[] = ",\"sum\":\"", after_sum[] = "\"}";
enum {
    KEY_AT = sizeof before_key - 1,
    KEY_LENGTH = HASH_HEX - 1,
    SUM_LENGTH = 16,
    TRAILER = (sizeof before_sum - 1) + SUM_LENGTH + (sizeof after_sum - 1),
};

void answer_record_write(strbuf *out, const char key[HASH_HEX], const char *members, size_t n) {
    size_t from = out->len;
    strbuf_printf(out, "%s%s\"%s", before_key, key, n ? "," : "");
    strbuf_append(out, members, n);
    if (out->failed) return;
    uint64_t sum = hash64(out->data + from, out->len - from, 0);
    strbuf_printf(out, "%s%016" PRIx64 "%s\n", before_sum, sum, after_sum);
}

static bool hex_digits(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f'))) return false;
    return true;
}

bool answer_record_check(const char *line, size_t n, char key[HASH_HEX]) {
    if (n < KEY_AT + KEY_LENGTH + 1 + TRAILER || memcmp(line, before_key, KEY_AT) != 0 ||
        !hex_digits(line + KEY_AT, KEY_LENGTH))
        return false;
    const char *trailer = line + n - TRAILER, *sum = trailer + sizeof before_sum - 1;
    if (memcmp(trailer, before_sum, sizeof before_sum - 1) != 0 ||
        memcmp(sum + SUM_LENGTH, after_sum, sizeof after_sum - 1) != 0)
        return false;
    char wanted[SUM_LENGTH + 1];
    snprintf(wanted, sizeof wanted, "%016" PRIx64, hash64(line, (size_t)(trailer - line), 0));
    if (memcmp(wanted, sum, SUM_LENGTH) != 0) return false;
    memcpy(key, line + KEY_AT, KEY_LENGTH);
    key[KEY_LENGTH] = '\0';
    return true;
}

wr_status answer_records_scan(int fd, const char *path,
                              wr_status (*found)(void *context, const char key[HASH_HEX], uint64_t offset),
                              void *context, answer_scan *out) {
    wr_status status = WR_OK;
    char *buffer = NULL, key[HASH_HEX];
    size_t capacity = 0, held = 0; /* bytes of the buffer, which begins at file offset `base` */
    uint64_t base = 0, bad = 0;
    *out = (answer_scan){0};
    for (;;) {
        TRY(mem_reserve((void **)&buffer, &capacity, held + CHUNK, 1));
        ssize_t got = pread(fd, buffer + held, CHUNK, (off_t)(base + held));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) TRY(wr_fail(WR_E_IO, "cannot read answers in %s: %s", path, strerror(errno)));
        if (got == 0) break;
        size_t from = held, start = 0;
        held += (size_t)got;
        for (const char *newline; (newline = memchr(buffer + from, '\n', held - from)) != NULL; from = start) {
            size_t end = (size_t)(newline - buffer);
            if (answer_record_check(buffer + start, end - start, key)) {
                TRY(found(context, key, base + start));
                out->good_end = base + end + 1;
                out->damaged += bad;
                bad = 0;
            } else {
                bad++;
            }
            start = end + 1;
        }
        /* no record: let it go; its end will not pass the check */
        if (held - start > ANSWER_RECORD_LIMIT) start = held;
        memmove(buffer, buffer + start, held - start);
        held -= start;
        base += start;
    }
    out->end = base + held;
cleanup:
    free(buffer);
    return status;
}
