/* Any bytes as a file of ratings: refused, or read row by row, as JSON of the columns that are read. However the bytes
 * arrive, the rows are the same. The first byte chooses the pieces and whether the name says CSV. */
#include "data/source/csv_json.h"

#include "base/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"response", "label", "query", "prompt", "history", "user", "id", NULL};
static const char *const needed[] = {"response", "label", NULL}, *const typed[] = {"label", "history", NULL},
                         *const texts[] = {"response", NULL};
static const csv_columns columns = {.names = names, .needed = needed, .typed = typed, .texts = texts};

static void take(csv_json *c, strbuf *out) {
    const char *text, *wrong;
    size_t n;
    bool utf8;
    if (csv_json_row(c, &text, &n, &wrong, &utf8) < 0) return;
    arena *a = arena_create();
    const json_value *v;
    if (a && !wrong && utf8 && json_parse(a, text, n, &v) == WR_E_FORMAT && !strstr(wr_error(), "nested")) {
        fprintf(stderr, "%s: %.*s\n", wr_error(), (int)(n < 4096 ? n : 4096), text);
        __builtin_trap();
    }
    arena_free(a);
    strbuf_append(out, wrong ? wrong : text, wrong ? strlen(wrong) : n);
    strbuf_puts(out, utf8 ? "\n" : " bad\n");
}

/* Pieces as data/source/sources_rows.c makes them, of at most `most` bytes. */
static wr_status read_all(const char *s, size_t n, size_t most, strbuf *out) {
    wr_status status = WR_OK;
    csv_json *c = NULL;
    bool row = false;
    TRY(csv_json_create(&columns, &c));
    TRY(csv_json_begin(c, "f.csv"));
    for (size_t i = 0; i < n;) {
        size_t k = i;
        while (k < n && k - i < most && s[k] != '\n' && s[k] != '\r') k++;
        if (k < n && (s[k] == '\n' || s[k] == '\r')) k += s[k] == '\r' && k + 1 < n && s[k + 1] == '\n' ? 2 : 1;
        const bool blank = strspn(s + i, "\r\n") >= k - i && !csv_json_within_row(c);
        if (!blank) TRY(csv_json_feed(c, s + i, k - i, 1, &row));
        if (!blank && row) take(c, out);
        i = k;
    }
    TRY(csv_json_end(c, 1, &row));
    if (row) take(c, out);
cleanup:
    csv_json_free(c);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    strbuf whole = {0}, pieces = {0};
    char *s = malloc(size); /* NUL-terminated, and nothing behind */
    if (!s) return 0;
    memcpy(s, data + 1, size - 1);
    s[size - 1] = '\0';
    const wr_status one = read_all(s, size - 1, SIZE_MAX, &whole),
                    two = read_all(s, size - 1, 1 + data[0] % 7, &pieces);
    if (one != two || strcmp(strbuf_str(&whole), strbuf_str(&pieces)) != 0) {
        fprintf(stderr, "%d %d\n%s---\n%s", one, two, strbuf_str(&whole), strbuf_str(&pieces));
        __builtin_trap();
    }
    const csv_guess guess = csv_guess_of(&columns, s, size - 1, true);
    if (one == WR_OK && guess != CSV_YES) __builtin_trap(); /* its header was read: it has what is needed */
    strbuf_free(&whole);
    strbuf_free(&pieces);
    free(s);
    return 0;
}
