/* Charts as inline SVG; colours come from the page's style sheet. LOCAL. */
#ifndef WR_REPORT_SVG_CHART_H
#define WR_REPORT_SVG_CHART_H

#include "base/strbuf.h"
#include <stddef.h>

/* A line over steps with axes and ticks at round numbers. From 40 points on, the points are drawn faintly and an
 * exponential mean over about a twentieth of them on top; few points get dots. Points that are not finite are left out.
 * n may be 0. */
void svg_line_chart(strbuf *out, const char *name, const double *x, const double *y, size_t n);

/* Shares against shares: both axes from 0 to 1. Points that are not finite are left out. A series with sizes has dots
 * of such areas, and the diagonal is drawn, where both shares are equal. second: a fainter line, NULL: none. */
typedef struct svg_series {
    const double *x, *y;
    const double *size; /* NULL: a line without dots */
    size_t n;
} svg_series;
void svg_share_chart(strbuf *out, const char *name, const svg_series *first, const svg_series *second);

/* Points over a logarithmic axis, x > 0, with whiskers from low to high (none where they are NaN) and ticks at their own
 * x. faint: further points, smaller; curve: a line; each NULL: none. What is not finite is left out. */
typedef struct svg_point {
    double x, value, low, high;
} svg_point;
void svg_log_chart(strbuf *out, const char *name, const svg_point *points, size_t n, const svg_series *faint,
                   const svg_series *curve);

/* Horizontal bars on a scale from 0 to `top` with whiskers from low to high (no whisker where they are NaN). */
typedef struct svg_bar {
    const char *label;
    double value, low, high;
} svg_bar;
void svg_interval_bars(strbuf *out, const char *name, const svg_bar *bars, size_t n, double top);

/* Round tick distance for about `count` ticks over `span` (1, 2 or 5 times a power of ten). */
double svg_tick_step(double span, int count);

#endif
