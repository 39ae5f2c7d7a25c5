/* bench_sources FILE [ROUNDS]: MB/s of decompressed JSON, one thread, of a bare yajl parse (callbacks that do nothing)
 * of the lines of FILE, of reading the same lines as conversations, of packing and unpacking these, and of the whole of
 * sources_read from the file itself. Interleaved; the median of ROUNDS (default 7, at least 5) as JSON. Seconds are the
 * thread's CPU time, so that what else the machine does changes no figure much. */
#include "base/file.h"
#include "base/log.h"
#include "base/stream.h"
#include "data/source/fields.h"
#include "data/source/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

enum { MOST = 101, REPEATS = 3 };

typedef struct text {
    strbuf lines; /* each with its newline */
    arena *arena;
    uint64_t rows, faults, checksum;
    strbuf packed;
} text;

static int nothing(void *context) { return context == NULL; }
static int nothing_bool(void *context, int b) { return (void)b, context == NULL; }
static int nothing_text(void *context, const char *s, size_t n) { return (void)s, (void)n, context == NULL; }
static int nothing_string(void *context, const unsigned char *s, size_t n) { return (void)s, (void)n, context == NULL; }

static const yajl_callbacks callbacks = {
    .yajl_null = nothing,
    .yajl_boolean = nothing_bool,
    .yajl_number = nothing_text,
    .yajl_string = nothing_string,
    .yajl_start_map = nothing,
    .yajl_map_key = nothing_string,
    .yajl_end_map = nothing,
    .yajl_start_array = nothing,
    .yajl_end_array = nothing,
};

/* One parser for all lines and no check of UTF-8: the fastest way to use it. */
static wr_status bare_yajl(text *t) {
    wr_status status = WR_OK;
    yajl_handle parser = yajl_alloc(&callbacks, NULL, NULL);
    TRY_ALLOC(parser);
    yajl_config(parser, yajl_allow_multiple_values, 1);
    yajl_config(parser, yajl_dont_validate_strings, 1);
    for (const char *at = t->lines.data, *end = at + t->lines.len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (yajl_parse(parser, (const unsigned char *)at, (size_t)(stop - at)) != yajl_status_ok)
            TRY(wr_fail(WR_E_FORMAT, "a line is not JSON"));
        at = stop + 1;
    }
cleanup:
    if (parser) yajl_free(parser);
    return status;
}

static wr_status rows(text *t, bool with_header, bool pack) {
    wr_status status = WR_OK;
    const field_map *map;
    conversation c, again;
    row_fault fault;
    TRY(field_map_open(NULL, &map));
    t->rows = t->faults = 0;
    for (const char *at = t->lines.data, *end = at + t->lines.len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        arena_reset(t->arena);
        TRY(conversation_parse(t->arena, at, (size_t)(stop - at), map, with_header, &c, &fault));
        t->rows++;
        t->faults += fault != ROW_GOOD;
        t->checksum += c.n;
        if (pack && fault == ROW_GOOD) {
            strbuf_clear(&t->packed);
            conversation_pack(&c, &t->packed);
            TRY(conversation_unpack(t->arena, t->packed.data, t->packed.len, &again));
            t->checksum += again.n;
        }
        at = stop + 1;
    }
cleanup:
    return status;
}

static wr_status on_row(void *context, const conversation *c, row_fault fault, const char *where) {
    text *t = context;
    (void)where;
    t->rows++;
    t->faults += fault != ROW_GOOD;
    if (c) t->checksum += c->n;
    return WR_OK;
}

static wr_status from_file(text *t, const char *path) {
    wr_status status = WR_OK;
    sources *s = NULL;
    t->rows = t->faults = 0;
    TRY(sources_open(&path, 1, &(source_options){0}, &s));
    for (size_t block = 0;; block++) {
        wr_status got = sources_read(s, 0, block, on_row, t, NULL);
        TRY(got);
        if (got == WR_END) break;
    }
cleanup:
    sources_close(s);
    return status;
}

static wr_status load(text *t, const char *path) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n;
    TRY_ALLOC(t->arena = arena_create());
    TRY(instream_open(path, &in));
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        strbuf_append(&t->lines, line, n);
        strbuf_putc(&t->lines, '\n');
    }
    TRY(strbuf_status(&t->lines));
    if (!t->lines.len) TRY(wr_fail(WR_E_FORMAT, "%s is empty", path));
cleanup:
    instream_close(in);
    return status;
}

typedef enum work { YAJL, PARSE, PARSE_HEADER, PARSE_PACK, SOURCES, WORKS } work;
static const char *const work_names[] = {"bare_yajl", "conversation", "conversation_with_header_user",
                                         "conversation_packed_and_unpacked", "sources_read"};

static wr_status run(work w, text *t, const char *path) {
    switch (w) {
    case YAJL:
        return bare_yajl(t);
    case PARSE:
        return rows(t, false, false);
    case PARSE_HEADER:
        return rows(t, true, false);
    case PARSE_PACK:
        return rows(t, false, true);
    default:
        return from_file(t, path);
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    wr_status status = WR_OK;
    text t = {0};
    static double speed[WORKS][MOST];
    int rounds = argc > 2 ? atoi(argv[2]) : 7;
    if (argc < 2 || rounds < 5 || rounds > MOST)
        TRY(wr_fail(WR_E_USAGE, "usage: bench_sources FILE [ROUNDS, 5 … %d]", MOST));
    TRY(load(&t, argv[1]));
    for (int r = 0; r < rounds; r++) {
        for (work w = 0; w < WORKS; w++) {
            double start = clock_thread_cpu();
            for (int k = 0; k < REPEATS; k++) TRY(run(w, &t, argv[1]));
            speed[w][r] = REPEATS * (double)t.lines.len / 1e6 / (clock_thread_cpu() - start);
        }
    }
    for (work w = 0; w < WORKS; w++) qsort(speed[w], (size_t)rounds, sizeof **speed, ascending);
    printf("{\"bytes\":%zu,\"rows\":%llu,\"faults\":%llu,\"rounds\":%d", t.lines.len, (unsigned long long)t.rows,
           (unsigned long long)t.faults, rounds);
    for (work w = 0; w < WORKS; w++) printf(",\"%s_mb_s\":%.1f", work_names[w], speed[w][rounds / 2]);
    printf(",\"conversation_over_yajl\":%.2f}\n", speed[PARSE][rounds / 2] / speed[YAJL][rounds / 2]);
cleanup:
    if (status < 0) fprintf(stderr, "bench_sources: %s\n", wr_error());
    strbuf_free(&t.lines);
    strbuf_free(&t.packed);
    arena_free(t.arena);
    return status < 0;
}
