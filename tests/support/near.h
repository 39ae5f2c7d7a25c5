/* Numbers that are nearly the same, within a tolerance that each test states. NaN is near nothing. */
#ifndef WR_TESTS_SUPPORT_NEAR_H
#define WR_TESTS_SUPPORT_NEAR_H

#include "tests/support/asserts.h"

/* |got - want| <= tolerance, and got is finite. */
#define assert_near(got, want, tolerance) assert_near_at(got, want, tolerance, __FILE__, __LINE__)
void assert_near_at(double got, double want, double tolerance, const char *file, int line);
/* The largest |a_i - b_i|; NaN where one is NaN. */
double largest_difference(const float *a, const float *b, size_t n);

#endif
