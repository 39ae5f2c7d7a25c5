#include "report/svg_chart.h"
#include "report/html.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

double svg_tick_step(double span, int count) {
    double raw = span / count;
    if (!(raw > 0) || !isfinite(raw)) return 1;
    double power = pow(10, floor(log10(raw))), m = raw / power;
    return (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10) * power;
}

/* A tick's label: as many decimals as its distance needs; thousands as k. */
static void tick_label(strbuf *out, double v, double step) {
    if (fabs(v) < step * 1e-6) v = 0;
    double size = fmax(fabs(v), step);
    if (v == 0)
        strbuf_puts(out, "0");
    else if (size >= 1e6 || step < 1e-4)
        strbuf_printf(out, "%.3g", v);
    else if (size >= 1e4 && step >= 100)
        strbuf_printf(out, "%gk", v / 1000);
    else {
        int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
        strbuf_printf(out, "%.*f", decimals, v);
    }
}

/* Coordinates: x 0 … W, y downwards. Plot area inside the margins. */
enum { W = 340, H = 190, LEFT = 46, RIGHT = 10, TOP = 8, BOTTOM = 24, MAX_TICKS = 16 };

typedef struct axes {
    double x0, x1, y0, y1;
} axes;
static double px(const axes *a, double x) { return LEFT + (x - a->x0) / (a->x1 - a->x0) * (W - LEFT - RIGHT); }
static double py(const axes *a, double y) {
    return fmin(fmax(H - BOTTOM - (y - a->y0) / (a->y1 - a->y0) * (H - TOP - BOTTOM), -H), 2 * H);
}

static void draw_y(strbuf *out, const axes *a, double y_step) {
    double first = ceil(a->y0 / y_step - 1e-9) * y_step;
    for (int i = 0; i < MAX_TICKS && first + i * y_step <= a->y1 + y_step * 1e-6; i++) {
        double y = first + i * y_step;
        strbuf_printf(out,
                      "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" "
                      "text-anchor=\"end\">",
                      LEFT, W - RIGHT, py(a, y), py(a, y), LEFT - 6, py(a, y) + 4);
        tick_label(out, y, y_step);
        strbuf_puts(out, "</text>");
    }
    strbuf_printf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", LEFT, W - RIGHT, H - BOTTOM,
                  H - BOTTOM);
}

/* A tick at x that says `label`, a number with decimals as of ticks `step` apart. */
static void draw_x(strbuf *out, const axes *a, double x, double label, double step) {
    strbuf_printf(out,
                  "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/><text x=\"%.1f\" y=\"%d\" "
                  "text-anchor=\"middle\">",
                  px(a, x), px(a, x), H - BOTTOM, H - BOTTOM + 4, px(a, x), H - BOTTOM + 17);
    tick_label(out, label, step);
    strbuf_puts(out, "</text>");
}

static void draw_axes(strbuf *out, const axes *a, double x_step, double y_step) {
    draw_y(out, a, y_step);
    const double first = ceil(a->x0 / x_step - 1e-9) * x_step;
    for (int i = 0; i < MAX_TICKS && first + i * x_step <= a->x1 + x_step * 1e-6; i++)
        draw_x(out, a, first + i * x_step, first + i * x_step, x_step);
}

/* The extent of the points; a flat line gets room above and below. Ends of y are ticks. */
static axes extent(const double *x, const double *y, size_t n, double *y_step) {
    axes a = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) continue;
        a.x0 = fmin(a.x0, x[i]), a.x1 = fmax(a.x1, x[i]);
        a.y0 = fmin(a.y0, y[i]), a.y1 = fmax(a.y1, y[i]);
    }
    if (a.x0 > a.x1) a = (axes){0, 1, 0, 1};
    if (!(a.x1 - a.x0 >= 1)) a.x0 -= 0.5, a.x1 += 0.5;
    double span = a.y1 - a.y0, size = fmax(fabs(a.y0), fabs(a.y1));
    if (!(span > 1e-9 * size)) {
        double room = size > 0 ? size * 0.5 : 0.5;
        a.y0 -= room, a.y1 += room;
    }
    /* Half ranges first: the difference of two huge numbers of opposite sign has no finite value. */
    double half = a.y1 / 2 - a.y0 / 2;
    *y_step = 2 * svg_tick_step(half, 4);
    if (!isfinite(half * 2) || !isfinite(*y_step)) return (axes){a.x0, a.x1, 0, 1};
    *y_step = svg_tick_step(2 * half, 4);
    a.y0 = floor(a.y0 / *y_step + 1e-9) * *y_step;
    a.y1 = ceil(a.y1 / *y_step - 1e-9) * *y_step;
    return a;
}

static void polyline(strbuf *out, const char *class, const axes *a, const double *x, const double *y, size_t n,
                     double memory) {
    /* memory > 0: exponential mean with bias correction, m/(1 - memory^k). A picture needs no more than some hundred
     * points. */
    size_t stride = n / 600 + 1;
    double mean = 0, weight = 0;
    strbuf_printf(out, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) continue;
        mean = memory * mean + (1 - memory) * y[i];
        weight = memory * weight + (1 - memory);
        if (i % stride && i + 1 < n) continue;
        strbuf_printf(out, "%.1f,%.1f ", px(a, x[i]), py(a, mean / weight));
    }
    strbuf_puts(out, "\"/>");
}

void svg_line_chart(strbuf *out, const char *name, const double *x, const double *y, size_t n) {
    double y_step = 1;
    axes a = extent(x, y, n, &y_step);
    strbuf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", W, H);
    html_string(out, name);
    strbuf_puts(out, " over steps\">");
    draw_axes(out, &a, fmax(1, svg_tick_step(a.x1 - a.x0, 5)), y_step); /* steps are whole */
    if (n >= 40) {
        polyline(out, "raw", &a, x, y, n, 0);
        polyline(out, "curve", &a, x, y, n, 1 - 1 / fmax(1, (double)n / 20));
    } else {
        polyline(out, "curve", &a, x, y, n, 0);
        for (size_t i = 0; i < n && n <= 12; i++)
            if (isfinite(x[i]) && isfinite(y[i]))
                strbuf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", px(&a, x[i]),
                              py(&a, y[i]));
    }
    strbuf_puts(out, "</svg>\n");
}

static void dots(strbuf *out, const axes *a, const svg_series *s) {
    double largest = 0;
    for (size_t i = 0; i < s->n; i++)
        if (isfinite(s->size[i])) largest = fmax(largest, s->size[i]);
    for (size_t i = 0; i < s->n && largest > 0; i++)
        if (isfinite(s->x[i]) && isfinite(s->y[i]) && s->size[i] > 0)
            strbuf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>", px(a, s->x[i]),
                          py(a, s->y[i]), 1.5 + 4.5 * sqrt(s->size[i] / largest));
}

void svg_share_chart(strbuf *out, const char *name, const svg_series *first, const svg_series *second) {
    const axes a = {0, 1, 0, 1};
    const double ends[2] = {0, 1};
    strbuf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", W, H);
    html_string(out, name);
    strbuf_puts(out, "\">");
    draw_axes(out, &a, 0.2, 0.2);
    if (first->size) polyline(out, "axis", &a, ends, ends, 2, 0);
    if (second) polyline(out, "raw", &a, second->x, second->y, second->n, 0);
    polyline(out, "curve", &a, first->x, first->y, first->n, 0);
    if (first->size) dots(out, &a, first);
    strbuf_puts(out, "</svg>\n");
}

static void log_point(strbuf *out, const axes *a, double x, double y, double radius, const char *class) {
    if (isfinite(y))
        strbuf_printf(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>", class, px(a, log(x)), py(a, y),
                      radius);
}

/* Ends of both axes: every finite number drawn, and room beside the outermost points. */
static axes log_extent(const svg_point *p, size_t n, const svg_series *faint, double *y_step) {
    axes a = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (size_t i = 0; i < n; i++) {
        const double y[] = {p[i].value, p[i].low, p[i].high};
        a.x0 = fmin(a.x0, log(p[i].x)), a.x1 = fmax(a.x1, log(p[i].x));
        for (size_t k = 0; k < 3; k++)
            if (isfinite(y[k])) a.y0 = fmin(a.y0, y[k]), a.y1 = fmax(a.y1, y[k]);
    }
    for (size_t i = 0; faint && i < faint->n; i++)
        if (isfinite(faint->y[i])) a.y0 = fmin(a.y0, faint->y[i]), a.y1 = fmax(a.y1, faint->y[i]);
    if (!(a.x0 <= a.x1)) a.x0 = 0, a.x1 = 1;
    if (!(a.y0 <= a.y1)) a.y0 = 0, a.y1 = 1;
    if (!(a.y1 > a.y0)) a.y0 -= 0.5, a.y1 += 0.5;
    const double room = fmax(0.2, (a.x1 - a.x0) * 0.08);
    a.x0 -= room, a.x1 += room;
    *y_step = svg_tick_step(a.y1 - a.y0, 4);
    a.y0 = floor(a.y0 / *y_step + 1e-9) * *y_step;
    a.y1 = ceil(a.y1 / *y_step - 1e-9) * *y_step;
    return a;
}

static void log_curve(strbuf *out, const axes *a, const svg_series *s) {
    strbuf_puts(out, "<polyline class=\"curve\" points=\"");
    for (size_t i = 0; i < s->n; i++)
        if (isfinite(s->y[i])) strbuf_printf(out, "%.1f,%.1f ", px(a, log(s->x[i])), py(a, s->y[i]));
    strbuf_puts(out, "\"/>");
}

void svg_log_chart(strbuf *out, const char *name, const svg_point *points, size_t n, const svg_series *faint,
                   const svg_series *curve) {
    double y_step = 1;
    const axes a = log_extent(points, n, faint, &y_step);
    strbuf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", W, H);
    html_string(out, name);
    strbuf_puts(out, "\">");
    draw_y(out, &a, y_step);
    for (size_t i = 0; i < n; i++) draw_x(out, &a, log(points[i].x), points[i].x, 1);
    if (curve) log_curve(out, &a, curve);
    for (size_t i = 0; faint && i < faint->n; i++) log_point(out, &a, faint->x[i], faint->y[i], 1.8, "faint");
    for (size_t i = 0; i < n; i++) {
        const svg_point *p = &points[i];
        if (isfinite(p->low) && isfinite(p->high))
            strbuf_printf(out, "<path class=\"whisker\" d=\"M%.1f %.1fV%.1f\"/>", px(&a, log(p->x)), py(&a, p->low),
                          py(&a, p->high));
        log_point(out, &a, p->x, p->value, 3.5, "dot");
    }
    strbuf_puts(out, "</svg>\n");
}

/* Label above its bar, so that names of any length fit; figures to the right. */
enum { BARS_WIDTH = 460, BARS_LEFT = 10, BARS_RIGHT = 96, ROW = 48, BAR = 20 };

void svg_interval_bars(strbuf *out, const char *name, const svg_bar *bars, size_t n, double top) {
    if (!(top > 0)) top = 1;
    double scale = (BARS_WIDTH - BARS_LEFT - BARS_RIGHT) / top, step = svg_tick_step(top, 5);
    int height = (int)n * ROW + 30;
    strbuf_printf(out, "<svg class=\"bars\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", BARS_WIDTH, height);
    html_string(out, name);
    strbuf_puts(out, "\">");
    for (int i = 0; i < MAX_TICKS && i * step <= top * (1 + 1e-6); i++) {
        double at = BARS_LEFT + i * step * scale;
        strbuf_printf(out,
                      "<line class=\"g\" x1=\"%.1f\" x2=\"%.1f\" y1=\"6\" y2=\"%d\"/><text x=\"%.1f\" y=\"%d\" "
                      "text-anchor=\"middle\">",
                      at, at, height - 22, at, height - 8);
        tick_label(out, i * step, step);
        strbuf_puts(out, "</text>");
    }
    for (size_t i = 0; i < n; i++) {
        double y = 24 + (double)i * ROW, middle = y + BAR / 2.0;
        const svg_bar *b = &bars[i];
        bool interval = isfinite(b->low) && isfinite(b->high);
        strbuf_printf(out, "<text class=\"label\" x=\"%d\" y=\"%.1f\">", BARS_LEFT, y - 5);
        html_string(out, b->label);
        strbuf_puts(out, "</text>");
        if (!isfinite(b->value)) continue;
        strbuf_printf(out, "<rect class=\"bar%s\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"4\"/>",
                      i ? " after" : "", BARS_LEFT, y, fmin(fmax(b->value, 0), top) * scale, BAR);
        strbuf_printf(out, "<text class=\"value\" x=\"%d\" y=\"%.1f\">%.3f</text>", BARS_WIDTH - BARS_RIGHT + 14,
                      middle + (interval ? 0 : 4), b->value);
        if (!interval) continue;
        double l = BARS_LEFT + fmin(fmax(0, b->low), top) * scale, h = BARS_LEFT + fmin(fmax(0, b->high), top) * scale;
        strbuf_printf(out, "<path class=\"whisker\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv10M%.1f %.1fv10\"/>", l, middle, h, l,
                      middle - 5, h, middle - 5);
        strbuf_printf(out, "<text x=\"%d\" y=\"%.1f\">%.3f – %.3f</text>", BARS_WIDTH - BARS_RIGHT + 14, middle + 14,
                      b->low, b->high);
    }
    strbuf_puts(out, "</svg>\n");
}
