#include "tests/support/asserts.h"

#include "base/status.h"

#include <string.h>

void assert_error_says_at(const char *words, const char *file, int line) {
    const char *found = strstr(wr_error(), words);
    if (!found) print_error("\"%s\" does not say \"%s\"\n", wr_error(), words);
    _assert_true(found != NULL, "the error message", file, line);
}

void assert_ok_at(int status, const char *call, const char *file, int line) {
    if (status < 0) print_error("status %d: %s\n", status, wr_error());
    _assert_true(status >= 0, call, file, line);
}
