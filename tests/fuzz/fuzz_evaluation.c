/* Any bytes as rows of --scored, or as one or two evaluations to --compare: refused with a message, or figures that are
 * JSON. The first byte chooses; two evaluations lie with a NUL between them, one is compared with itself: nothing
 * differs then. */
#include "evaluate/compare.h"
#include "evaluate/scored_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const detail_options details = {.resamples = 6, .bins = 4, .seed = 1};

static int put(const uint8_t *data, size_t n, char path[64]) {
    const int fd = memfd_create("fuzz", 0);
    if (fd < 0) return -1;
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    if (write(fd, data, n) == (ssize_t)n) return fd;
    close(fd);
    return -1;
}

/* The file's figures, which are JSON. */
static const json_value *parsed(arena *a, const strbuf *text) {
    const json_value *v = NULL;
    if (strbuf_status(text) >= 0 && json_parse(a, text->data, text->len, &v) < 0) {
        fprintf(stderr, "%s: %.4096s\n", wr_error(), text->data);
        abort();
    }
    return v;
}

static void scored(const uint8_t *data, size_t n) {
    char path[64];
    reward_records r = {0};
    reward_figures f = {0};
    strbuf text = {0};
    json_writer j = json_writer_make(&text);
    arena *a = arena_create();
    const int fd = put(data, n, path);
    if (a && fd >= 0 && scored_rows_read(path, &r) >= 0 && r.p.classes <= 40 && scored_rows_figures(&r, &f) >= 0) {
        json_begin_object(&j);
        if (reward_details_write(&r, &details, &j) < 0) abort();
        json_end_object(&j);
        (void)parsed(a, &text);
    }
    reward_figures_free(&f);
    reward_records_free(&r);
    strbuf_free(&text);
    arena_free(a);
    if (fd >= 0) close(fd);
}

static void compared(const uint8_t *data, size_t n, bool two) {
    char path[2][64];
    const uint8_t *cut = two && n ? memchr(data, 0, n) : NULL;
    const size_t first = cut ? (size_t)(cut - data) : n;
    const int fd = put(data, first, path[0]), other = cut ? put(cut + 1, n - first - 1, path[1]) : -1;
    const char *const files[] = {path[0], cut ? path[1] : path[0]};
    strbuf text = {0};
    arena *a = arena_create();
    if (a && fd >= 0 && (!cut || other >= 0) && compare_evaluations(files, 2, &details, &text) >= 0) {
        const json_value *v = parsed(a, &text), *pair = json_get(v, "pairs")->first;
        for (const json_value *e = pair->first; e && !cut; e = e->next) {
            double d;
            if (json_get_double(e, "difference", &d) && d != 0) abort();
        }
    }
    strbuf_free(&text);
    arena_free(a);
    if (fd >= 0) close(fd);
    if (other >= 0) close(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    if (data[0] % 3 == 0)
        scored(data + 1, size - 1);
    else
        compared(data + 1, size - 1, data[0] % 3 == 1);
    return 0;
}
