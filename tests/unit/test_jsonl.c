/* The JSONL tools' frame: order, passed-through fields, error records, fatal errors. */
#include "base/file.h"
#include "cli/command.h"
#include "cli/jsonl.h"
#include "tests/support/temp_folder.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct tool {
    size_t calls, items;
    wr_status fatal;
} tool;

/* Writes the length of "text" twice over; lines without one are bad. */
static wr_status measure(void *context, jsonl_item *items, size_t n) {
    tool *t = context;
    t->calls++;
    t->items += n;
    for (size_t i = 0; i < n; i++) {
        const char *text;
        size_t length;
        if (!json_get_string(items[i].input, "text", &text, &length)) {
            wr_fail(WR_E_FORMAT, "no field \"text\"");
            jsonl_fail(&items[i]);
            continue;
        }
        if (strcmp(text, "fatal") == 0) {
            return wr_fail(t->fatal, "the model is gone");
        }
        json_writer w = jsonl_fields(&items[i]);
        json_member_int(&w, "length", (int64_t)length);
        w = jsonl_fields(&items[i]);
        json_member_int(&w, "line_seen", (int64_t)items[i].line);
    }
    return WR_OK;
}

static const char *const names[] = {"length", "line_seen", NULL};

static wr_status run(const char *in, size_t n, size_t batch, tool *t, char **out) {
    char in_path[PATH_CAP], out_path[PATH_CAP];
    assert_int_equal(path_join(in_path, test_folder(), "in.jsonl"), WR_OK);
    assert_int_equal(path_join(out_path, test_folder(), "out.jsonl"), WR_OK);
    assert_int_equal(file_write_atomic(in_path, in, n), WR_OK);
    unlink(out_path);
    const jsonl_options files = {.in = in_path, .out = out_path};
    wr_status status = jsonl_run(&files, batch, names, measure, t);
    *out = NULL;
    if (file_exists(out_path)) {
        size_t m;
        assert_int_equal(file_read(out_path, 0, out, &m), WR_OK);
    }
    return status;
}

static void test_order_and_errors(void **state) {
    (void)state;
    static const char in[] = "{\"id\":1.50,\"text\":\"ab\",\"length\":\"old\",\"x\":[1e5,null]}\n"
                             "not json\n"
                             "\n"
                             "[1]\n"
                             "{\"text\":7}\n"
                             "{\"text\":\"\xC3\"}\n"
                             "{\"text\":\"caf\\u00e9\",\"k\":true}";
    for (size_t batch = 1; batch <= 9; batch++) {
        tool t = {0};
        char *out;
        assert_int_equal(run(in, sizeof in - 1, batch, &t, &out), WR_E_FAILED);
        assert_error_says("5 of 7 lines were bad");
        assert_error_says("line 2");
        assert_int_equal(t.items, 3);
        char *lines[8], *rest = NULL;
        size_t n = 0;
        for (char *l = strtok_r(out, "\n", &rest); l && n < 8; l = strtok_r(NULL, "\n", &rest)) {
            lines[n++] = l;
        }
        assert_int_equal(n, 7);
        assert_string_equal(lines[0], "{\"id\":1.50,\"text\":\"ab\",\"x\":[1e5,null],\"length\":2,\"line_seen\":1}");
        assert_int_equal(strncmp(lines[1], "{\"error\":\"invalid JSON", 22), 0);
        assert_non_null(strstr(lines[1], ",\"line\":2}"));
        assert_non_null(strstr(lines[2], ",\"line\":3}"));
        assert_string_equal(lines[3], "{\"error\":\"not a JSON object\",\"line\":4}");
        assert_string_equal(lines[4], "{\"error\":\"no field \\\"text\\\"\",\"line\":5}");
        assert_non_null(strstr(lines[5], "UTF-8"));
        assert_string_equal(lines[6], "{\"text\":\"caf\xC3\xA9\",\"k\":true,\"length\":5,\"line_seen\":7}");
        free(out);
    }
}

static void test_fatal(void **state) {
    (void)state;
    tool t = {.fatal = WR_E_IO};
    char *out;
    static const char in[] = "{\"text\":\"a\"}\n{\"text\":\"fatal\"}\n{\"text\":\"b\"}\n";
    assert_int_equal(run(in, sizeof in - 1, 1, &t, &out), WR_E_IO);
    assert_string_equal(wr_error(), "the model is gone");
    assert_null(out); /* nothing under the final name */
    t = (tool){0};
    assert_int_equal(run("", 0, 4, &t, &out), WR_OK);
    assert_string_equal(out, "");
    assert_int_equal(t.calls, 0);
    free(out);
    assert_int_equal(run("{}", 2, 4, &t, &out), WR_E_FAILED);
    free(out);
}

static void test_many(void **state) {
    (void)state;
    strbuf in = {0};
    for (int i = 0; i < 10000; i++) {
        strbuf_printf(&in, "{\"text\":\"%0*d\"}\n", i % 50, 0);
    }
    tool t = {0};
    char *out;
    assert_int_equal(run(in.data, in.len, 64, &t, &out), WR_OK);
    assert_int_equal(t.items, 10000);
    assert_int_equal(t.calls, 157);
    assert_non_null(strstr(out, "\"length\":49,\"line_seen\":10000}\n"));
    free(out);
    strbuf_free(&in);
}

static void test_exit_codes(void **state) {
    (void)state;
    assert_int_equal(exit_code(WR_OK), 0);
    assert_int_equal(exit_code(WR_END), 0);
    assert_int_equal(exit_code(WR_E_USAGE), 2);
    assert_int_equal(exit_code(WR_E_INTERRUPTED), 75);
    assert_int_equal(exit_code(WR_E_FAILED), 1);
    assert_int_equal(exit_code(WR_E_PEER), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order_and_errors), cmocka_unit_test(test_fatal),
                                       cmocka_unit_test(test_many), cmocka_unit_test(test_exit_codes)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
