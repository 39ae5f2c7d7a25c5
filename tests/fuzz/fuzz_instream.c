/* Any bytes as a file of lines: refused with a message, or read to the end; the same from a file and from a pipe,
 * unless only a file can be read. */
#include "base/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES = 1 << 24 }; /* a few bytes can stand for very many */

typedef struct outcome {
    wr_status status;
    size_t bytes, sum;
} outcome;

static outcome read_lines(const char *path) {
    outcome o = {0};
    instream *s = NULL;
    const char *line;
    size_t n;
    o.status = instream_open(path, &s);
    while (o.status == WR_OK && o.bytes < BYTES && (o.status = instream_line(s, &line, &n)) == WR_OK) {
        for (size_t i = 0; i < n; i++) o.sum = o.sum * 31 + (unsigned char)line[i];
        o.bytes += n + 1;
    }
    if (o.status < 0 && !*wr_error()) abort();
    instream_close(s);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    int ends[2], fd = memfd_create("fuzz", 0);
    if (fd < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) {
        outcome file = read_lines(path);
        if (size <= 60000 && pipe(ends) == 0) { /* as much as a pipe holds */
            int kept = dup(STDIN_FILENO);
            bool written = write(ends[1], data, size) == (ssize_t)size;
            close(ends[1]);
            dup2(ends[0], STDIN_FILENO);
            close(ends[0]);
            outcome piped = read_lines("-");
            if (kept >= 0) {
                dup2(kept, STDIN_FILENO);
                close(kept);
            }
            if (written && file.status >= 0 && piped.status >= 0 &&
                (file.bytes != piped.bytes || file.sum != piped.sum))
                abort();
            if (written && file.status < 0 && piped.status >= 0) abort();
        }
    }
    close(fd);
    return 0;
}
