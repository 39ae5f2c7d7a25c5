#include "report/reward_diagrams.h"

#include "report/html.h"
#include "report/svg_chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { POINTS_MAX = 1000 };

static double number(const json_value *v, const char *key) {
    double x;
    return json_get_double(v, key, &x) ? x : NAN;
}

/* A member of every object of a list, as many as fit. */
static size_t member_of_all(const json_value *list, const char *key, double out[POINTS_MAX]) {
    size_t n = 0;
    for (const json_value *v = json_is(list, JSON_ARRAY) ? list->first : NULL; v && n < POINTS_MAX; v = v->next)
        out[n++] = number(v, key);
    return n;
}

static void card(strbuf *out, const char *name, const char *soft) {
    strbuf_puts(out, "<div class=\"card\"><div class=\"head\"><b>");
    html_string(out, name);
    strbuf_puts(out, "</b><span class=\"soft small\">");
    html_string(out, soft);
    strbuf_puts(out, "</span></div>\n");
}

static void reliability(strbuf *out, const json_value *threshold) {
    double x[POINTS_MAX], y[POINTS_MAX], size[POINTS_MAX];
    const json_value *bins = json_get(threshold, "reliability");
    const size_t n = member_of_all(bins, "probability", x);
    char name[64], soft[64];
    if (!n) return;
    member_of_all(bins, "share", y);
    member_of_all(bins, "records", size);
    snprintf(name, sizeof name, "P(label > %.0f): said and true", number(threshold, "above"));
    snprintf(soft, sizeof soft, "ECE %.3f", number(threshold, "ece"));
    card(out, name, soft);
    svg_share_chart(out, name, &(svg_series){x, y, size, n}, NULL);
    strbuf_puts(out, "</div>\n");
}

static void confidence(strbuf *out, const json_value *curve) {
    double x[POINTS_MAX], y[POINTS_MAX], covered[POINTS_MAX];
    const size_t n = member_of_all(curve, "difference", x);
    if (!n) return;
    member_of_all(curve, "accuracy", y);
    member_of_all(curve, "coverage", covered);
    card(out, "Pairs whose scores differ by at least x", "share right; faint: share of all pairs");
    svg_share_chart(out, "confidence curve", &(svg_series){x, y, NULL, n}, &(svg_series){x, covered, NULL, n});
    strbuf_puts(out, "</div>\n");
}

void reward_diagrams(strbuf *out, const json_value *e) {
    const json_value *thresholds = json_get(e, "by_threshold"), *curve = json_get(e, "confidence_curve");
    if (!json_is(thresholds, JSON_ARRAY) && !json_is(curve, JSON_ARRAY)) return;
    strbuf_puts(out, "<div class=\"grid\">\n");
    for (const json_value *t = json_is(thresholds, JSON_ARRAY) ? thresholds->first : NULL; t; t = t->next)
        reliability(out, t);
    confidence(out, curve);
    strbuf_puts(out, "</div>\n");
}

static void cell(strbuf *out, const json_value *v, const char *key) {
    const char *text;
    size_t n;
    strbuf_puts(out, "<td>");
    if (json_get_string(v, key, &text, &n))
        html_text(out, text, n);
    else
        html_number(out, number(v, key));
    strbuf_puts(out, "</td>");
}

/* A row a figure that a pair was compared by. */
static void pair_rows(strbuf *out, const json_value *pair) {
    for (const json_value *f = pair->first; f; f = f->next) {
        bool apart;
        if (!json_is(f, JSON_OBJECT) || !json_get_bool(f, "told_apart", &apart)) continue;
        strbuf_puts(out, "<tr>");
        cell(out, pair, "first");
        cell(out, pair, "second");
        strbuf_puts(out, "<td>");
        html_text(out, f->key, f->key_length);
        strbuf_puts(out, "</td>");
        cell(out, f, "difference");
        cell(out, f, "low");
        cell(out, f, "high");
        cell(out, f, "p_adjusted");
        strbuf_puts(out, apart ? "<td>yes</td></tr>\n" : "<td class=\"soft\">no</td></tr>\n");
    }
}

void comparison_section(strbuf *out, const evaluation *e) {
    const json_value *pairs = json_get(e->value, "pairs");
    strbuf_puts(out, "<h2>Comparison: ");
    html_string(out, e->name);
    strbuf_puts(out, "</h2>\n<p class=\"soft small\">Differences of the first and the second on the same records; "
                     "95&nbsp;% intervals of resampled users.</p>\n<div class=\"card scroll\"><table><tr><th>first</th>"
                     "<th>second</th><th>figure</th><th>difference</th><th>low</th><th>high</th><th>p, adjusted</th>"
                     "<th>told apart</th></tr>\n");
    for (const json_value *p = json_is(pairs, JSON_ARRAY) ? pairs->first : NULL; p; p = p->next)
        if (json_is(p, JSON_OBJECT)) pair_rows(out, p);
    strbuf_puts(out, "</table></div>\n");
}
