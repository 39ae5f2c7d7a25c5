/* What is printed of others' text: nothing that a terminal obeys, and no key, in whatever writing. */
#include "base/log.h"
#include "base/printable.h"
#include "base/status.h"
#include "base/utf8.h"
#include "net/http_message.h"
#include "net/http_secret.h"
#include "tests/support/asserts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(const char *text, size_t n, const char *wanted, int line) {
    char out[256], again[256];
    size_t length = printable(text, n, out, sizeof out);
    if (strcmp(out, wanted) != 0 || length != strlen(wanted)) fail_msg("line %d: '%s', wanted '%s'", line, out, wanted);
    printable(out, length, again, sizeof again);
    assert_string_equal(again, out);
}
#define EXPECT(text, wanted) expect(text, sizeof(text) - 1, wanted, __LINE__)

static void test_printable(void **state) {
    (void)state;
    EXPECT("plain text, Grüße 你好 😀 e\xCC\x81", "plain text, Grüße 你好 😀 e\xCC\x81");
    EXPECT("back\\slash \\x1b", "back\\slash \\x1b");
    EXPECT("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07");
    EXPECT("a\nb\tc\r\n", "a b c");
    EXPECT("a\0b\x7f", "a\\x00b\\x7f");
    EXPECT("\xC2\x9B"
           "2J \xC2\x85",
           "\\x9b2J \\x85");
    EXPECT("\xE2\x80\xAE"
           "evil\xE2\x81\xA6\xE2\x80\x8F\xD8\x9C",
           "\\u202eevil\\u2066\\u200f\\u061c");
    EXPECT("\xE2\x80\xA8\xE2\x80\xA9\xEF\xBB\xBF\xF3\xA0\x81\x81", "\\u2028\\u2029\\ufeff\\U000e0041");
    EXPECT("\xFF\xC3(\xED\xA0\x80\xE2\x82", "\\xff\\xc3(\\xed\\xa0\\x80\\xe2\\x82");
    EXPECT("   ", "");
    char small[6];
    assert_int_equal(printable("abcd\x1b", 5, small, sizeof small), 4); /* whole pieces only */
    assert_string_equal(small, "abcd");
    assert_int_equal(printable("\xF0\x9F\x98\x80\xF0\x9F\x98\x80", 8, small, sizeof small), 4);
}

/* Every code point and byte: what comes out has no control character, is UTF-8, and does not change again. */
static void test_all(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char text[4], out[32];
        if (c >= 0xD800 && c < 0xE000) continue;
        size_t n = utf8_encode(c, text), length = printable(text, n, out, sizeof out);
        assert_int_equal(utf8_valid_prefix(out, length), length);
        for (size_t i = 0; i < length; i++) assert_true((unsigned char)out[i] >= 0x20 && out[i] != 0x7F);
        assert_false(length == 2 && (unsigned char)out[0] == 0xC2 && (unsigned char)out[1] < 0xA0);
        bool same = length == n && memcmp(out, text, n) == 0;
        bool hidden = c < 0x21 || (c >= 0x7F && c < 0xA0) || c == 0x61C || (c >= 0x200E && c <= 0x200F) ||
                      (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
        if (hidden && same) fail_msg("U+%04X is printed", c);
        if (c > 0x20 && c < 0x7F) assert_true(same);
    }
}

/* Where messages are made. */
static void test_messages(void **state) {
    (void)state;
    wr_fail(WR_E_FORMAT, "x\x1b[2Jy\xE2\x80\xAEz\nw");
    assert_string_equal(wr_error(), "x\\x1b[2Jy\\u202ez w");
    wr_context(WR_E_FORMAT, "file\x07");
    assert_string_equal(wr_error(), "file\\x07: x\\x1b[2Jy\\u202ez w");
}

#define KEY "sk-Ab/cd+Ef=0123456789"
static void wiped(const char *text, int line) {
    char *copy = strdup(text);
    secret_scrub(KEY, copy, strlen(copy));
    if (strstr(copy, "0123") || !strstr(copy, "*****")) fail_msg("line %d: %s", line, copy);
    assert_int_equal(strlen(copy), strlen(text));
    free(copy);
}
#define WIPED(text) wiped(text, __LINE__)

static void test_secrets(void **state) {
    (void)state;
    WIPED("your key " KEY " is bad");
    WIPED(KEY KEY);
    WIPED("sk-Ab\\/cd+Ef=0123456789");
    WIPED("sk-Ab\\\\\\/cd+Ef=0123456789");
    WIPED("\\u0073\\u006b-Ab/cd\\u002BEf\\u003d0123456789");
    WIPED("\\\\u0073\\\\u006B-Ab/cd+Ef=0123456789");
    WIPED("sk-Ab%2Fcd%2bEf%3D0123456789");
    WIPED("sk-Ab%252Fcd%252bEf%253D0123456789");
    WIPED("sk-Ab&#x2F;cd&#43;Ef=0123456789");
    WIPED("\\x73\\x6b-Ab/cd+Ef=0123456789");
    char all[256] = "", *at = all;
    for (const char *k = KEY; *k; k++) at += sprintf(at, "%%%02X", (unsigned char)*k);
    char before[256];
    strcpy(before, all);
    secret_scrub(KEY, all, strlen(all));
    assert_int_equal(strspn(all, "*"), strlen(before));
    static const char *const base64[] = {"c2stQWIvY2QrRWY9MDEyMzQ1Njc4OQ==", "QmVhcmVyIHNrLUFiL2NkK0VmPTAxMjM0NTY3ODk=",
                                         "dXNlcjpzay1BYi9jZCtFZj0wMTIzNDU2Nzg5", "YWE6c2stQWIvY2QrRWY9MDEyMzQ1Njc4OQ"};
    for (size_t i = 0; i < 4; i++) {
        char text[128];
        snprintf(text, sizeof text, "auth %s", base64[i]);
        secret_scrub(KEY, text, strlen(text));
        if (!strstr(text, "********************")) fail_msg("base64 %zu: %s", i, text);
    }
    char kept[] = "sk-Ab/cd+Ef=012345678 sk-Ab none";
    secret_scrub(KEY, kept, strlen(kept));
    assert_string_equal(kept, "sk-Ab/cd+Ef=012345678 sk-Ab none");
    secret_scrub("none", kept, strlen(kept)); /* too short to be told from words */
    secret_scrub(NULL, kept, strlen(kept));
    assert_string_equal(kept, "sk-Ab/cd+Ef=012345678 sk-Ab none");
    /* A body of nothing but beginnings takes no square of its length. */
    size_t n = (size_t)4 << 20;
    char *long_text = malloc(n);
    assert_non_null(long_text);
    memset(long_text, '\\', n);
    double start = clock_seconds();
    secret_scrub(KEY, long_text, n);
    memset(long_text, '%', n);
    secret_scrub(KEY, long_text, n);
    memset(long_text, 's', n);
    secret_scrub(KEY, long_text, n);
    assert_true(clock_seconds() - start < 20);
    free(long_text);
}

static void test_explain(void **state) {
    (void)state;
    char out[HTTP_WHY_CAP], body[1024];
    /* The key at the place where the text is cut. */
    snprintf(body, sizeof body, "{\"error\":{\"message\":\"%0290d%s\"}}", 0, "sk-Ab\\u002fcd+Ef=0123456789");
    http_explain(401, KEY, body, strlen(body), out);
    assert_null(strstr(out, "sk-"));
    assert_non_null(strstr(out, "HTTP 401: 000"));
    static const char control[] = "<h1>\x1b[2J\xC2\x9B"
                                  "1m\xE2\x80\xAE</h1>";
    http_explain(500, KEY, control, sizeof control - 1, out);
    assert_string_equal(out, "HTTP 500: <h1>\\x1b[2J\\x9b1m\\u202e</h1>");
    http_explain(500, NULL, NULL, 0, out);
    assert_string_equal(out, "HTTP 500");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_printable), cmocka_unit_test(test_all),
                                       cmocka_unit_test(test_messages), cmocka_unit_test(test_secrets),
                                       cmocka_unit_test(test_explain)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
