#!/bin/bash
# Valid JSON numbers, read through yajl's callbacks for integers and doubles, and through the one for numbers.
. "$(dirname "$0")/common.sh"
compile numbers "${CC:-gcc}" -lyajl <<'C'
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>
#include <yajl/yajl_version.h>

static int on_integer(void *c, long long x) { return (void)c, printf("integer %lld", x) > 0; }
static int on_double(void *c, double x) { return (void)c, printf("double %g", x) > 0; }
static int on_number(void *c, const char *s, size_t n) { return (void)c, printf("text %.*s", (int)n, s) > 0; }

static void show(const char *what, const char *text, const yajl_callbacks *callbacks) {
    yajl_handle parser = yajl_alloc(callbacks, NULL, NULL);
    printf("%s, %s: ", text, what);
    if (yajl_parse(parser, (const unsigned char *)text, strlen(text)) != yajl_status_ok || yajl_complete_parse(parser) != yajl_status_ok) {
        unsigned char *why = yajl_get_error(parser, 0, NULL, 0);
        printf("%.*s", (int)strcspn((char *)why, "\n"), (char *)why);
        yajl_free_error(parser, why);
    }
    puts("");
    yajl_free(parser);
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) return printf("yajl %d.%d.%d\n", yajl_version() / 10000, yajl_version() / 100 % 100, yajl_version() % 100) < 0;
    static const char *const texts[] = {"-9223372036854775807", "-9223372036854775808", "1e400", "1e-400"};
    for (int i = 0; i < 4; i++) {
        show("typed", texts[i], &(yajl_callbacks){.yajl_integer = on_integer, .yajl_double = on_double});
        show("as text", texts[i], &(yajl_callbacks){.yajl_number = on_number});
    }
}
C
finding "$(./numbers version)" \
    "the smallest 64-bit integer fits a long long; and whether a text is JSON does not depend on which callbacks are set" \
    "-2^63 is an \"integer overflow\", and so is 1e400 an error, but only where there is no callback for numbers as text; 1e-400 becomes 0 without one"
./numbers >output
same <<'T'
-9223372036854775807, typed: integer -9223372036854775807
-9223372036854775807, as text: text -9223372036854775807
-9223372036854775808, typed: parse error: integer overflow
-9223372036854775808, as text: text -9223372036854775808
1e400, typed: parse error: numeric (floating point) overflow
1e400, as text: text 1e400
1e-400, typed: double 0
1e-400, as text: text 1e-400
T
