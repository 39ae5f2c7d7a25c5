#include "tests/support/near.h"

#include <math.h>
#include <stdbool.h>

void assert_near_at(double got, double want, double tolerance, const char *file, int line) {
    const bool near = isfinite(got) && fabs(got - want) <= tolerance;
    if (!near) print_error("%.17g is not %.17g within %g\n", got, want, tolerance);
    _assert_true(near, "near", file, line);
}

double largest_difference(const float *a, const float *b, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        if (isnan(d)) return d;
        if (d > largest) largest = d;
    }
    return largest;
}
