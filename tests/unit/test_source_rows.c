/* Rows of text: those over the limit are stepped over; CSV in any form, as JSON. */
#include "base/file.h"
#include "base/rng.h"
#include "data/source/sources_rows.h"
#include "tests/support/seen_rows.h"
#include "tests/support/temp_folder.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows over the limit are stepped over without being held. */
static void huge(void **state) {
    (void)state;
    enum { LIMIT = 1 << 20 };
    for (int k = 8; k < 40; k++) { /* twice: lines, an array */
        bool array = k % 2;
        strbuf text = {0};
        if (array) strbuf_puts(&text, "[");
        append_row(&text, "a", 10);
        strbuf_puts(&text, array ? ",\n" : "\n");
        uint64_t place = text.len;
        append_row(&text, "b", (size_t)(k / 2) * LIMIT / 4);
        strbuf_puts(&text, array ? ",\n" : "\n");
        append_row(&text, "c", 10);
        strbuf_puts(&text, array ? "]" : "\n");
        for (int plain = 0; plain < 2 - array; plain++) {
            text_rows *r;
            text_row row;
            put_file("huge.json", text.data, text.len);
            assert_int_equal(plain ? text_rows_open_plain(in_folder("huge.json"), text.len, LIMIT, &r)
                                   : text_rows_open(in_folder("huge.json"), LIMIT, NULL, &r),
                             WR_OK);
            assert_int_equal(text_rows_next(r, UINT64_MAX, &row), WR_OK);
            assert_int_equal(row.fault, ROW_GOOD);
            assert_int_equal(text_rows_next(r, place, &row), WR_END);
            assert_int_equal(text_rows_next(r, place + 1, &row), WR_OK);
            assert_int_equal(row.fault, ROW_HUGE);
            assert_int_equal(row.start, place);
            assert_int_equal(row.line, 2);
            assert_int_equal(text_rows_next(r, UINT64_MAX, &row), WR_OK);
            assert_int_equal(row.fault, ROW_GOOD);
            assert_int_equal(row.line, 3);
            assert_int_equal(row.text[22], 'c');
            assert_int_equal(text_rows_next(r, UINT64_MAX, &row), WR_END);
            assert_true(text_rows_ended(r));
            text_rows_close(r);
        }
        strbuf_free(&text);
    }
}

/* --- CSV --- */

static const char *const names[] = {"response", "label", "history", "user", NULL},
                         *const needed[] = {"response", "label", NULL}, *const typed[] = {"label", "history", NULL},
                         *const texts[] = {"response", NULL};
static const csv_columns columns = {.names = names, .needed = needed, .typed = typed, .texts = texts};

static void put_field(strbuf *out, const char *s, bool quoted) {
    if (!quoted && !strpbrk(s, ",\"\r\n")) {
        strbuf_puts(out, s);
        return;
    }
    strbuf_putc(out, '"');
    for (; *s; s++) strbuf_printf(out, *s == '"' ? "\"\"" : "%c", *s);
    strbuf_putc(out, '"');
}

static void random_text(rng *r, char *out, size_t most) {
    static const char letters[] = "ab ,\"\n\r\t{[;|#";
    size_t n = rng_below(r, most);
    for (size_t i = 0; i < n; i++) out[i] = letters[rng_below(r, sizeof letters - 1)];
    out[n] = '\0';
}

/* A table of every kind of field, with ends of lines at any place of what is read at once: each row comes back, and the
 * line on which it begins. */
static void tables(void **state) {
    (void)state;
    enum { ROWS = 4000 };
    static char want[ROWS][200];
    static size_t lines[ROWS];
    for (int form = 0; form < 4; form++) {
        const bool crlf = form & 1, quote = form & 2;
        rng r = rng_make((uint64_t)form, RNG_TEST, 0, 0, 0);
        strbuf text = {0};
        size_t line = 2;
        strbuf_puts(&text, crlf ? "\xEF\xBB\xBFx,label,response,user\r\n" : "x,label,response,user\n");
        for (int i = 0; i < ROWS; i++) {
            char other[200];
            if (i % 97 == 0) strbuf_puts(&text, "  \n"), line++;
            random_text(&r, other, 150);
            random_text(&r, want[i], 150);
            if (!*other) strcpy(other, "x");
            lines[i] = line;
            size_t from = text.len;
            put_field(&text, other, quote), strbuf_putc(&text, ',');
            put_field(&text, i % 3 ? "4" : "4.0", quote), strbuf_putc(&text, ',');
            put_field(&text, want[i], true), strbuf_putc(&text, ',');
            strbuf_puts(&text, crlf ? "\r\n" : "\n");
            for (; from < text.len; from++) line += text.data[from] == '\n';
        }
        put_file("t.csv", text.data, text.len);
        text_rows *rows;
        text_row row;
        assert_int_equal(text_rows_open(in_folder("t.csv"), ROW_LIMIT, &columns, &rows), WR_OK);
        arena *a = arena_create();
        for (int i = 0; i < ROWS; i++) {
            const json_value *v;
            int64_t label;
            if (text_rows_next(rows, UINT64_MAX, &row) != WR_OK) fail_msg("row %d: %s", i, wr_error());
            assert_int_equal(row.fault, ROW_GOOD);
            assert_int_equal(row.line, lines[i]);
            assert_int_equal(json_parse(a, row.text, row.length, &v), WR_OK);
            assert_string_equal(json_get(v, "response")->text, want[i]);
            assert_true(json_get_int(v, "label", &label) && label == 4);
            assert_null(json_get(v, "user"));
            arena_reset(a);
        }
        assert_int_equal(text_rows_next(rows, UINT64_MAX, &row), WR_END);
        text_rows_close(rows);
        arena_free(a);
        strbuf_free(&text);
    }
}

/* A row over the limit: whoever left a quote open is told where. */
static void open_quote(void **state) {
    (void)state;
    strbuf text = {0};
    text_rows *rows;
    text_row row;
    strbuf_puts(&text, "response,label\na,1\n\"b,2\n");
    while (text.len < 3 << 20) strbuf_puts(&text, "some more text,1\n");
    put_file("q.csv", text.data, text.len);
    assert_int_equal(text_rows_open(in_folder("q.csv"), 1 << 20, &columns, &rows), WR_OK);
    assert_int_equal(text_rows_next(rows, UINT64_MAX, &row), WR_OK);
    assert_int_equal(text_rows_next(rows, UINT64_MAX, &row), WR_E_FORMAT);
    assert_error_says("q.csv:3: the row that begins here has over 1 MiB: is a quote missing?");
    text_rows_close(rows);
    strbuf_free(&text);
}

/* What is CSV by its first row, and what is not. */
static void guesses(void **state) {
    (void)state;
    static const struct {
        const char *text;
        csv_guess whole, begun;
    } cases[] = {
        {"response,label\n", CSV_YES, CSV_YES},
        {"response,label", CSV_YES, CSV_MORE},
        {"\"label\",x,\"response\"\r\n1", CSV_YES, CSV_YES},
        {"response;label\n", CSV_OTHER_MARKS, CSV_OTHER_MARKS},
        {"response\tlabel\n", CSV_OTHER_MARKS, CSV_OTHER_MARKS},
        {"response\nlabel\n", CSV_NO, CSV_NO},
        {"a \"response\",label\n", CSV_NO, CSV_NO},
        {"the response, label\n", CSV_NO, CSV_NO},
        {"", CSV_NO, CSV_MORE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(csv_guess_of(&columns, cases[i].text, strlen(cases[i].text), true), cases[i].whole);
        assert_int_equal(csv_guess_of(&columns, cases[i].text, strlen(cases[i].text), false), cases[i].begun);
    }
    static const char *const csv[] = {"a.csv", "a.CSV", "d.tar: x.csv.gz", "a.csv.zst"}, *const not [] = {
                                                                                             "a.csv.txt", "csv",
                                                                                             "a.csv/b", "a.csv.tar"};
    for (int i = 0; i < 4; i++) assert_true(csv_name(csv[i]) && !csv_name(not [i]) && !tsv_name(csv[i]));
    assert_true(tsv_name("a.tsv.gz") && tsv_name("a.tab"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(huge), cmocka_unit_test(tables), cmocka_unit_test(open_quote),
                                       cmocka_unit_test(guesses)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
