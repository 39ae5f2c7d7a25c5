/* Rows of a Parquet file of conversations a second, on one thread: the reader alone, rows are counted and forgotten.
 *   bench_parquet FILE [PASSES]     prints JSON; seconds are the thread's CPU time, the median of PASSES (default 7)
 *   bench_parquet --dump FILE [--header]
 *                                   prints every row as JSON instead: the conversation, or the name of its fault */
#include "base/log.h"
#include "base/json.h"
#include "data/source/parquet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct totals {
    uint64_t rows, good, messages, text;
    strbuf line;
    bool dump;
} totals;

static wr_status count(void *context, const conversation *c, row_fault fault, const char *where) {
    totals *t = context;
    (void)fault, (void)where;
    t->rows++;
    if (!c) return WR_OK;
    t->good++;
    t->messages += c->n;
    for (size_t i = 0; i < c->n; i++) t->text += c->messages[i].length;
    return WR_OK;
}

static wr_status dump(void *context, const conversation *c, row_fault fault, const char *where) {
    totals *t = context;
    json_writer w = json_writer_make(&t->line);
    (void)where;
    strbuf_clear(&t->line);
    json_begin_object(&w);
    if (!c) {
        json_member_string(&w, "fault", row_fault_name(fault));
    } else {
        const char *const names[] = {"id", "user", "language", "model", "timestamp"};
        const char *const values[] = {c->id, c->user, c->language, c->model, c->timestamp};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            json_member_string(&w, names[i], values[i]);
        }
        json_member_bool(&w, "toxic", c->toxic);
        json_member_bool(&w, "redacted", c->redacted);
        json_member_array(&w, "messages");
        for (size_t i = 0; i < c->n; i++) {
            json_begin_array(&w);
            json_string(&w, c->messages[i].role);
            json_int(&w, c->turns[i]);
            json_string_n(&w, c->messages[i].content, c->messages[i].length);
            json_end_array(&w);
        }
        json_end_array(&w);
    }
    json_end_object(&w);
    strbuf_putc(&t->line, '\n');
    if (strbuf_status(&t->line) < 0) return WR_E_NOMEM;
    return fwrite(t->line.data, 1, t->line.len, stdout) == t->line.len ? WR_OK
                                                                       : wr_fail(WR_E_IO, "cannot write to stdout");
}

static wr_status pass(const char *path, const source_options *o, source_row_fn fn, totals *t, uint64_t *bytes) {
    wr_status status = WR_OK;
    parquet_file *f = NULL;
    *bytes = 0;
    TRY(parquet_open(path, NULL, &f));
    for (size_t g = 0; g < parquet_row_groups(f); g++) {
        TRY(parquet_read(f, g, o, fn, t));
        *bytes += parquet_bytes(f, g);
    }
cleanup:
    parquet_close(f);
    return status;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    enum { MOST = 100 };
    wr_status status = WR_OK;
    totals t = {0};
    double seconds[MOST];
    uint64_t bytes = 0;
    bool dumping = argc > 2 && strcmp(argv[1], "--dump") == 0;
    source_options o = {.user_key_header = dumping && argc > 3 && strcmp(argv[3], "--header") == 0};
    if (argc < 2) TRY(wr_fail(WR_E_USAGE, "usage: bench_parquet FILE [PASSES] | --dump FILE [--header]"));
    if (dumping) {
        TRY(pass(argv[2], &o, dump, &t, &bytes));
        goto cleanup;
    }
    int passes = argc > 2 ? atoi(argv[2]) : 7;
    if (passes < 1 || passes > MOST) TRY(wr_fail(WR_E_USAGE, "PASSES: 1 to %d", MOST));
    for (int i = 0; i < passes; i++) {
        t = (totals){0};
        double start = clock_thread_cpu();
        TRY(pass(argv[1], &o, count, &t, &bytes));
        seconds[i] = clock_thread_cpu() - start;
    }
    qsort(seconds, (size_t)passes, sizeof *seconds, ascending);
    double median = seconds[passes / 2];
    printf("{\"rows\":%llu,\"good\":%llu,\"messages\":%llu,\"text_mb\":%.1f,\"column_mb\":%.1f,\"rows_s\":%.0f,\"text_"
           "mb_s\":%.0f,\"best_rows_s\":%.0f}\n",
           (unsigned long long)t.rows, (unsigned long long)t.good, (unsigned long long)t.messages, (double)t.text / 1e6,
           (double)bytes / 1e6, (double)t.rows / median, (double)t.text / 1e6 / median, (double)t.rows / seconds[0]);
cleanup:
    if (status < 0) fprintf(stderr, "bench_parquet: %s\n", wr_error());
    strbuf_free(&t.line);
    return status < 0;
}
