/* Any bytes as a Parquet file: refused with a message, or readable row by row, by columns and as JSON. The first byte
 * chooses the options. Rows are read up to a limit, since a few bytes can stand for billions of empty ones. What is
 * made JSON is JSON. */
#include "data/source/parquet.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 200 };

/* Reads every byte that a row promises, up to the NUL. */
static wr_status touch(void *context, const conversation *c, row_fault fault, const char *where) {
    size_t *rows = context, sum = strlen(where) + (size_t)fault;
    if (c) {
        sum += strlen(c->id) + strlen(c->user) + strlen(c->language) + strlen(c->model) + strlen(c->timestamp);
        for (size_t i = 0; i < c->n; i++) {
            sum += strlen(c->messages[i].role) + (size_t)c->turns[i];
            for (size_t k = 0; k <= c->messages[i].length; k++) sum += (unsigned char)c->messages[i].content[k];
        }
    }
    return ++*rows + (sum == 1) >= ROWS ? WR_E_FAILED : WR_OK;
}

static wr_status touch_line(void *context, const char *line, size_t n, bool utf8, const char *where) {
    size_t *rows = context;
    arena *a = arena_create();
    const json_value *v;
    const wr_status parsed = a ? json_parse(a, line, n, &v) : WR_E_NOMEM;
    /* Deeper than JSON may be, a text that is JSON: read as no row. Bytes that are no UTF-8 become U+FFFD. */
    if (parsed == WR_E_FORMAT && utf8 && !strstr(wr_error(), "nested")) {
        fprintf(stderr, "%s: %s: %.*s\n", where, wr_error(), (int)(n < 4096 ? n : 4096), line);
        __builtin_trap();
    }
    arena_free(a);
    return ++*rows >= ROWS ? WR_E_FAILED : WR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const columns[] = {"response", "label",    "query",        "prompt",    "history", "user",
                                          "id",       "messages", "conversation", "timestamp", NULL};
    static const chat_names all = {.all = true};
    char path[64];
    parquet_file *f = NULL;
    size_t rows = 0;
    if (!size) return 0;
    source_options o = {.user_key_header = data[0] & 1,
                        .drop_toxic = data[0] & 2,
                        .drop_redacted = data[0] & 4,
                        .shown = data[0] & 32 ? &all : NULL};
    static const char *const names[] = {"wildchat", "lmsys", "sharegpt", "openai"};
    const field_map *map;
    if (field_map_open(names[data[0] >> 3 & 3], &map) < 0) return 0;
    int fd = memfd_create("fuzz", 0);
    if (fd < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data + 1, size - 1) == (ssize_t)(size - 1) && parquet_open_for(path, map, &o, &f) >= 0) {
        for (size_t g = 0; g < parquet_row_groups(f) && g < 20; g++) {
            (void)parquet_bytes(f, g);
            if (parquet_read(f, g, &o, touch, &rows) < 0) rows = 0;
        }
    }
    parquet_close(f);
    rows = 0;
    if (data[0] & 64) (void)parquet_each_line(path, columns, "history", touch_line, &rows);
    close(fd);
    return 0;
}
