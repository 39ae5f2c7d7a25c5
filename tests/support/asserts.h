/* cmocka with what it needs, and what most tests ask besides: words of the thread's error message. */
#ifndef WR_TESTS_SUPPORT_ASSERTS_H
#define WR_TESTS_SUPPORT_ASSERTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Fails with both where wr_error() does not hold these words. */
#define assert_error_says(words) assert_error_says_at(words, __FILE__, __LINE__)
void assert_error_says_at(const char *words, const char *file, int line);

/* What a function that must not fail returned is no error; the test fails with wr_error() otherwise. */
#define assert_ok(call) assert_ok_at(call, #call, __FILE__, __LINE__)
void assert_ok_at(int status, const char *call, const char *file, int line);

#endif
