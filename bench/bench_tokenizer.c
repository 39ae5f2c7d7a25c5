/* bench_tokenizer TOKENIZER TEXT [SECONDS]: megabytes of text a second that one thread encodes. TEXT is UTF-8, its
 * messages separated by NUL bytes, as bench/peers/tokenizer_hf.py reads it, too; the best and the median of the passes
 * made in SECONDS (default 3) are printed as JSON. Seconds are the thread's CPU time, as there, so that what else the
 * machine does changes neither figure much. */
#include "base/file.h"
#include "base/log.h"
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wr_status encode_all(const tokenizer *t, const char *text, size_t n, token_ids *ids, size_t *tokens) {
    wr_status status = WR_OK;
    *tokens = 0;
    for (const char *at = text, *end = text + n; at <= end;) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        if (!stop) stop = end;
        ids->n = 0;
        TRY(tokenizer_encode(t, at, (size_t)(stop - at), TOK_DEFAULT, ids));
        *tokens += ids->n;
        at = stop + 1;
    }
cleanup:
    return status;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    enum { MOST = 1000 };
    wr_status status = WR_OK;
    tokenizer *t = NULL;
    token_ids ids = {0};
    char *text = NULL;
    size_t n = 0, tokens = 0, passes = 0;
    double seconds[MOST], limit = argc > 3 ? atof(argv[3]) : 3.0;
    if (argc < 3) TRY(wr_fail(WR_E_USAGE, "usage: bench_tokenizer TOKENIZER TEXT [SECONDS]"));
    double start = clock_seconds();
    TRY(tokenizer_load(argv[1], &t));
    double loading = clock_seconds() - start;
    TRY(file_read(argv[2], 0, &text, &n));
    start = clock_seconds();
    while (passes < MOST && (passes < 3 || clock_seconds() - start < limit)) {
        double before = clock_thread_cpu();
        TRY(encode_all(t, text, n, &ids, &tokens));
        seconds[passes++] = clock_thread_cpu() - before;
    }
    double first = seconds[0];
    qsort(seconds, passes, sizeof *seconds, ascending);
    printf("{\"bytes\":%zu,\"tokens\":%zu,\"passes\":%zu,\"first_mb_s\":%.2f,\"median_mb_s\":%.2f,\"best_mb_s\":%.2f,"
           "\"load_s\":%.3f}\n",
           n, tokens, passes, (double)n / 1e6 / first, (double)n / 1e6 / seconds[passes / 2],
           (double)n / 1e6 / seconds[0], loading);
cleanup:
    if (status < 0) fprintf(stderr, "bench_tokenizer: %s\n", wr_error());
    token_ids_free(&ids);
    tokenizer_free(t);
    free(text);
    return status < 0;
}
