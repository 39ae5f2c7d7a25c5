/* Put in front of every file that clang-tidy reads. The analyzer looks at one file at a time and cannot know that
 * wr_fail() returns the (negative) code it was given; without this it follows every error path on as a success. */
#ifndef WR_TESTS_LINT_PRELUDE_H
#define WR_TESTS_LINT_PRELUDE_H

#include "base/status.h"

#define wr_fail(code, ...) (code)
#define wr_context(code, ...) (code)
#ifndef LINT_BASE /* base/ defines it */
#include "base/json.h"
#define json_is(v, k) ((v) && (v)->kind == (k))
#endif
#define WR_VERSION "lint"
#define WR_COMMIT "lint"

#endif
