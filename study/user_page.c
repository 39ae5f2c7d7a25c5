/* The results of a user-count study as a page. */
#include "study/user_figures.h"

#include "report/html.h"
#include "report/svg_chart.h"

#include <math.h>

enum { CURVE = 60, MOST_POINTS = 512 };
static const double ends[CELL_FIGURES][2] = {{0, 1}, {-1, 1}, {0, 1}}; /* that the figures can have */
static const char *const shown[CELL_FIGURES] = {"Accuracy", "Spearman's correlation", "ECE"};

static void put_range(strbuf *out, double value, double low, double high) {
    strbuf_puts(out, "<td>");
    html_number(out, value);
    if (isfinite(low) && isfinite(high)) {
        strbuf_puts(out, " <span class=\"soft small\">");
        html_number(out, low);
        strbuf_puts(out, " … ");
        html_number(out, high);
        strbuf_puts(out, "</span>");
    }
    strbuf_puts(out, "</td>");
}

static void put_count(strbuf *out, size_t least, size_t most) {
    strbuf_puts(out, "<td>");
    html_number(out, (double)least);
    if (most != least) {
        strbuf_puts(out, " … ");
        html_number(out, (double)most);
    }
    strbuf_puts(out, "</td>");
}

static double within(double v, const double end[2]) { return v < end[0] ? end[0] : v > end[1] ? end[1] : v; }

static void chart(strbuf *out, const user_figures *f, size_t figure) {
    svg_point points[MOST_POINTS];
    double x[MOST_POINTS], y[MOST_POINTS], curve_x[CURVE], curve_y[CURVE];
    const size_t counts = f->counts < MOST_POINTS ? f->counts : MOST_POINTS;
    size_t n = 0;
    for (size_t k = 0; k < counts; k++) {
        const mean_interval *m = &f->by_count[k].mean[figure];
        points[k] = (svg_point){(double)f->by_count[k].users, m->mean, within(m->low, ends[figure]),
                                within(m->high, ends[figure])};
    }
    for (size_t i = 0; i < f->counts * f->seeds && n < MOST_POINTS; i++, n++) {
        x[n] = (double)f->cells[i].users;
        y[n] = f->cells[i].figures[figure].value;
    }
    if (!counts) return;
    const double first = log(points[0].x), last = log(points[counts - 1].x);
    for (size_t i = 0; i < CURVE; i++) {
        curve_x[i] = exp(first + (last - first) * (double)i / (CURVE - 1));
        curve_y[i] = power_at(&f->curve[figure].fit, curve_x[i]);
    }
    strbuf_puts(out, "<div class=\"card\"><div class=\"head\"><b>");
    html_string(out, shown[figure]);
    strbuf_puts(out, "</b><span class=\"soft small\">by users; faint: each seed</span></div>\n");
    svg_log_chart(out, shown[figure], points, counts, &(svg_series){x, y, NULL, n},
                  f->curve[figure].made && !f->curve[figure].fit.at_end ? &(svg_series){curve_x, curve_y, NULL, CURVE}
                                                                        : NULL);
    strbuf_puts(out, "</div>\n");
}

static void means_table(strbuf *out, const user_figures *f) {
    strbuf_puts(out, "<div class=\"card scroll\"><table><tr><th>users</th><th>instances of a cell</th>");
    for (size_t i = 0; i < CELL_FIGURES; i++) strbuf_printf(out, "<th>%s</th>", shown[i]);
    strbuf_puts(out, "</tr>\n");
    for (size_t k = 0; k < f->counts; k++) {
        const count_figures *c = &f->by_count[k];
        strbuf_printf(out, "<tr><td>%zu</td>", c->users);
        put_count(out, c->least, c->most);
        for (size_t i = 0; i < CELL_FIGURES; i++) put_range(out, c->mean[i].mean, c->mean[i].low, c->mean[i].high);
        strbuf_puts(out, "</tr>\n");
    }
    strbuf_puts(out, "<tr><td>most − fewest</td><td></td>");
    for (size_t i = 0; i < CELL_FIGURES; i++)
        put_range(out, f->difference[i].mean, f->difference[i].low, f->difference[i].high);
    strbuf_puts(out, "</tr></table></div>\n");
}

static void curve_row(strbuf *out, const char *name, const fitted_curve *c) {
    if (!c->made) return;
    strbuf_printf(out, "<tr><td>%s</td>", name);
    if (c->fit.at_end) {
        strbuf_puts(out, "<td colspan=\"4\">these cells do not tell it</td></tr>\n");
        return;
    }
    put_range(out, c->fit.a, c->a.low, c->a.high);
    put_range(out, c->fit.b, c->b.low, c->b.high);
    put_range(out, c->fit.c, c->c.low, c->c.high);
    put_range(out, c->fit.error, NAN, NAN);
    strbuf_puts(out, "</tr>\n");
}

static void curves(strbuf *out, const user_figures *f) {
    if (!f->curve[CELL_SPEARMAN].made && !f->curve[CELL_ACCURACY].made) return;
    strbuf_puts(out, "<h2>a − b · users<sup>−c</sup></h2><div class=\"card scroll\"><table><tr><th></th><th>a</th>"
                     "<th>b</th><th>c</th><th>error</th></tr>\n");
    curve_row(out, shown[CELL_SPEARMAN], &f->curve[CELL_SPEARMAN]);
    curve_row(out, shown[CELL_ACCURACY], &f->curve[CELL_ACCURACY]);
    strbuf_puts(out, "</table></div>\n");
}

static void cells_table(strbuf *out, const user_figures *f) {
    strbuf_puts(out, "<h2>Cells</h2><p class=\"soft small\">Intervals: 95 %, by resampled test users.</p><div "
                     "class=\"card scroll\"><table><tr><th>users</th><th>seed</th><th>instances</th><th>steps</th>");
    for (size_t i = 0; i < CELL_FIGURES; i++) strbuf_printf(out, "<th>%s</th>", shown[i]);
    strbuf_puts(out, "</tr>\n");
    for (size_t k = 0; k < f->counts; k++) {
        for (size_t s = 0; s < f->seeds; s++) {
            const study_cell *c = &f->cells[s * f->counts + k];
            strbuf_printf(out, "<tr><td>%zu</td><td>%llu</td>", c->users, (unsigned long long)c->seed);
            put_count(out, c->instances, c->instances);
            put_count(out, (size_t)c->steps, (size_t)c->steps);
            for (size_t i = 0; i < CELL_FIGURES; i++)
                put_range(out, c->figures[i].value, c->figures[i].low, c->figures[i].high);
            strbuf_puts(out, "</tr>\n");
        }
    }
    strbuf_puts(out, "</table></div>\n");
}

void user_results_page(const user_figures *f, const char *data, strbuf *out) {
    html_begin(out, "Reward models by number of users");
    strbuf_puts(out, "<p><b>");
    html_string(out, strbuf_str(&f->sentence));
    strbuf_puts(out, "</b></p>\n<p class=\"soft\">Reward models trained on the records of so many users of ");
    html_string(out, data);
    strbuf_printf(
        out,
        ", evaluated on %zu records of %zu users of the test side. %s Every cell has the same steps. Means over "
        "%zu seeds, with 95 %% intervals of Student's distribution.</p>\n<div class=\"grid\">\n",
        f->cells[0].test_records, f->cells[0].test_users,
        f->matched ? "The cells of a seed learn from the same number of instances."
                   : "Cells of more users learn from more instances.",
        f->seeds);
    for (size_t i = 0; i < CELL_FIGURES; i++) chart(out, f, i);
    strbuf_puts(out, "</div>\n<h2>By number of users</h2>\n");
    means_table(out, f);
    curves(out, f);
    cells_table(out, f);
    html_end(out);
}
