#include "report/agreement_page.h"
#include "report/html.h"
#include "report/prepare_parts.h"
#include <math.h>
#include <stdio.h>

enum { LEVELS = 5 };

static const struct {
    const char *key, *name;
    double unit;
} figures[] = {{"agreement", "equal answers, %", 100},   {"kappa", "κ", 1},
               {"kappa_linear", "κ, linear weights", 1}, {"kappa_quadratic", "κ, quadratic weights", 1},
               {"alpha_nominal", "α, nominal", 1},       {"alpha_ordinal", "α, ordinal", 1},
               {"alpha_interval", "α, interval", 1}};

static void figure_cell(strbuf *out, const json_value *v, size_t f) {
    char low[48], high[48];
    double x = part_number(v, figures[f].key), unit = figures[f].unit;
    int decimals = unit > 1 ? 1 : 3;
    snprintf(low, sizeof low, "%s_low", figures[f].key);
    snprintf(high, sizeof high, "%s_high", figures[f].key);
    double a = part_number(v, low), b = part_number(v, high);
    if (!isfinite(x)) {
        strbuf_puts(out, "<td>–</td>");
        return;
    }
    strbuf_printf(out, "<td>%.*f", decimals, unit * x);
    if (isfinite(a) && isfinite(b))
        strbuf_printf(out, " <span class=\"soft small\">%.*f – %.*f</span>", decimals, unit * a, decimals, unit * b);
    strbuf_puts(out, "</td>");
}

/* A square of numbers shaded by `top`: rows by one annotator (or the true level), columns by the other. */
static void square(strbuf *out, const char *rows, const char *columns, const json_value *table, double unit, double top,
                   int decimals) {
    if (!json_is(table, JSON_ARRAY) || table->length != LEVELS) return;
    strbuf_puts(out, "<table class=\"square\"><tr><th>");
    html_string(out, rows);
    strbuf_puts(out, " ↓ ");
    html_string(out, columns);
    strbuf_puts(out, " →</th><th>1</th><th>2</th><th>3</th><th>4</th><th>5</th></tr>\n");
    for (size_t i = 0; i < LEVELS; i++) {
        strbuf_printf(out, "<tr><td>%s</td>", level_name((int)i + 1));
        for (size_t k = 0; k < LEVELS; k++) {
            double v = NAN;
            json_to_double(json_at(json_at(table, i), k), &v);
            if (!isfinite(v)) v = 0;
            double shade = top > 0 ? fmin(1, sqrt(v / top)) : 0;
            strbuf_printf(out, "<td style=\"background:color-mix(in srgb,var(--a) %.0f%%,transparent)\">", 55 * shade);
            strbuf_printf(out, "%.*f</td>", decimals, unit * v);
        }
        strbuf_puts(out, "</tr>\n");
    }
    strbuf_puts(out, "</table>\n");
}

static double largest(const json_value *table) {
    double most = 0;
    for (const json_value *r = json_is(table, JSON_ARRAY) ? table->first : NULL; r; r = r->next) {
        for (const json_value *c = json_is(r, JSON_ARRAY) ? r->first : NULL; c; c = c->next) {
            double v;
            if (json_to_double(c, &v)) most = fmax(most, v);
        }
    }
    return most;
}

static void figure_table(strbuf *out, const char *title, const json_value *all, const json_value *pairs,
                         const char *way, bool overall) {
    strbuf_printf(out, "<div class=\"card scroll\"><div class=\"head\"><b>%s</b></div><table><tr><th></th>", title);
    if (overall) strbuf_puts(out, "<th>all together</th>");
    for (const json_value *p = pairs ? pairs->first : NULL; p; p = p->next) {
        strbuf_puts(out, "<th>");
        html_string(out, part_text(p, "a", "?"));
        strbuf_puts(out, " · ");
        html_string(out, part_text(p, "b", "?"));
        strbuf_puts(out, "</th>");
    }
    strbuf_puts(out, "</tr>\n");
    for (size_t f = 0; f < sizeof figures / sizeof *figures; f++) {
        strbuf_printf(out, "<tr><td>%s</td>", figures[f].name);
        if (overall) figure_cell(out, json_get(all, way), f);
        for (const json_value *p = pairs ? pairs->first : NULL; p; p = p->next) figure_cell(out, json_get(p, way), f);
        strbuf_puts(out, "</tr>\n");
    }
    strbuf_puts(out, "</table></div>\n");
}

static void consensus(strbuf *out, const json_value *d) {
    const json_value *confusion = json_get(d, "confusion");
    bool determined = true;
    if (!json_is(confusion, JSON_OBJECT) || !confusion->first) return;
    strbuf_puts(out, "<h3>Consensus (Dawid–Skene)</h3>\n<p class=\"soft small\">How often, in %, each annotator gives "
                     "each answer, by the level that the annotators "
                     "together make most likely.");
    if (json_get_bool(d, "determined", &determined) && !determined)
        strbuf_puts(out,
                    " <span class=\"bad\">Two annotators do not determine this: it follows their majority.</span>");
    strbuf_puts(out, "</p>\n<div class=\"grid wide\">\n");
    for (const json_value *c = confusion->first; c; c = c->next) {
        strbuf name = {0};
        strbuf_append(&name, c->key, c->key_length);
        strbuf_puts(out, "<div class=\"card scroll\">");
        square(out, "true", strbuf_str(&name), c, 100, 1, 1);
        strbuf_puts(out, "</div>\n");
        out->failed |= name.failed;
        strbuf_free(&name);
    }
    strbuf_puts(out, "</div>\n");
}

void agreement_section(strbuf *out, const evaluation *e) {
    const json_value *v = e->value, *pairs = json_get(v, "pairs");
    if (!json_is(pairs, JSON_ARRAY)) pairs = NULL;
    strbuf_puts(out, "<h2>Agreement of annotators: ");
    html_string(out, e->name);
    strbuf_puts(out, "</h2>\n<p class=\"soft small\">");
    html_number(out, part_count(v, "turns_compared"));
    strbuf_puts(out, " follow-ups with two answers or more, of ");
    html_number(out, part_count(v, "users_compared"));
    strbuf_puts(out, " users. Intervals: 95&nbsp;%, bootstrap of whole users. The paper states 82&nbsp;% between its "
                     "annotators on five levels.</p>\n");
    bool overall = pairs && pairs->length > 1;
    figure_table(out, "Five levels", v, pairs, "5-way", overall);
    figure_table(out, "Negative, neutral, positive", v, pairs, "3-way", overall);
    strbuf_puts(out, "<div class=\"grid wide\">\n");
    for (const json_value *p = pairs ? pairs->first : NULL; p; p = p->next) {
        strbuf_puts(out, "<div class=\"card scroll\">");
        square(out, part_text(p, "a", "?"), part_text(p, "b", "?"), json_get(p, "table"), 1,
               largest(json_get(p, "table")), 0);
        strbuf_puts(out, "</div>\n");
    }
    strbuf_puts(out, "</div>\n");
    consensus(out, json_get(v, "dawid_skene"));
}
