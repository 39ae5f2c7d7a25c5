#include "report/evaluations.h"
#include "report/html.h"
#include "report/metric_names.h"
#include "report/reward_diagrams.h"
#include "report/svg_chart.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static double number(const json_value *v, const char *key) {
    double x;
    return json_get_double(v, key, &x) ? x : NAN;
}

static void text_cell(strbuf *out, const char *tag, const char *s) {
    strbuf_printf(out, "<%s>", tag);
    html_string(out, s);
    strbuf_printf(out, "</%s>", tag);
}

static void signed_number(strbuf *out, double v, const char *format) {
    if (!isfinite(v)) {
        strbuf_puts(out, "–");
        return;
    }
    strbuf_puts(out, v < 0 ? "−" : "+");
    strbuf_printf(out, format, fabs(v));
}

/* --- policies --- */
static void headline(strbuf *out, const evaluation *first, const evaluation *last) {
    static const struct {
        const char *key, *name;
    } tiles[] = {{"true_quality", "true quality"}, {"reward", "mean reward"}, {"reply_tokens", "tokens a reply"}};
    strbuf_puts(out, "<div class=\"tiles\">\n");
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        double a = number(first->value, tiles[i].key), b = number(last->value, tiles[i].key);
        if (!isfinite(a) || !isfinite(b)) continue;
        strbuf_printf(out, "<div class=\"tile\"><span class=\"soft small\">%s</span><b>", tiles[i].name);
        strbuf_printf(out, i == 2 ? "%.1f → %.1f" : "%.3f → %.3f", a, b);
        strbuf_printf(out, "</b><span class=\"small %s\">", i == 2 ? "soft" : b > a ? "good" : b < a ? "bad" : "soft");
        signed_number(out, b - a, i == 2 ? "%.1f" : "%.3f");
        strbuf_puts(out, "</span></div>\n");
    }
    strbuf_puts(out, "</div>\n");
    double low = number(last->value, "true_quality_low"), high = number(first->value, "true_quality_high");
    if (!isfinite(low) || !isfinite(high)) return;
    double before_low = number(first->value, "true_quality_low"), after_high = number(last->value, "true_quality_high");
    const char *verdict = low > high                ? "True quality rose: the 95&nbsp;% intervals do not overlap."
                          : after_high < before_low ? "True quality fell: the 95&nbsp;% intervals do not overlap."
                                                    : "The 95&nbsp;% intervals of true quality overlap.";
    strbuf_printf(out, "<p class=\"%s\">%s</p>\n",
                  low > high                ? "good"
                  : after_high < before_low ? "bad"
                                            : "soft",
                  verdict);
}

static void policy_table(strbuf *out, const evaluation *const *e, size_t n) {
    static const struct {
        const char *key, *name;
    } rows[] = {{"true_quality", "True quality"},
                {"reward", "Mean reward"},
                {"reply_tokens", "Tokens a reply"},
                {"stop_share", "Replies that ended by themselves"},
                {"prompts", "Prompts"},
                {"replies", "Replies"}};
    strbuf_puts(out, "<div class=\"card scroll\"><table><tr><th>measure</th>");
    for (size_t i = 0; i < n; i++) text_cell(out, "th", e[i]->name);
    strbuf_puts(out, "</tr>\n");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        bool any = false;
        for (size_t i = 0; i < n; i++) any |= isfinite(number(e[i]->value, rows[r].key));
        if (!any) continue;
        strbuf_puts(out, "<tr>");
        text_cell(out, "td", rows[r].name);
        for (size_t i = 0; i < n; i++) {
            char low[40], high[40];
            snprintf(low, sizeof low, "%s_low", rows[r].key);
            snprintf(high, sizeof high, "%s_high", rows[r].key);
            double l = number(e[i]->value, low), h = number(e[i]->value, high);
            strbuf_puts(out, "<td>");
            html_number(out, number(e[i]->value, rows[r].key));
            if (isfinite(l) && isfinite(h)) {
                strbuf_puts(out, " <span class=\"soft small\">");
                html_number(out, l);
                strbuf_puts(out, " … ");
                html_number(out, h);
                strbuf_puts(out, "</span>");
            }
            strbuf_puts(out, "</td>");
        }
        strbuf_puts(out, "</tr>\n");
    }
    strbuf_puts(out, "</table></div>\n");
}

static void meter_cell(strbuf *out, double v, bool after) {
    strbuf_puts(out, "<td>");
    if (isfinite(v))
        strbuf_printf(out, "%.3f<span class=\"meter%s\"><i style=\"width:%.0f%%\"></i></span>", v,
                      after ? " after" : "", 100 * fmin(1, fmax(0, v)));
    else
        strbuf_puts(out, "–");
    strbuf_puts(out, "</td>");
}

static void by_kind_table(strbuf *out, const evaluation *const *e, size_t n) {
    const json_value *kinds = json_get(e[0]->value, "by_kind");
    if (!json_is(kinds, JSON_OBJECT) || !kinds->first) return;
    strbuf_puts(
        out,
        "<h3>True quality by kind of task</h3>\n<div class=\"card scroll\"><table><tr><th>kind</th><th>replies</th>");
    for (size_t i = 0; i < n; i++) text_cell(out, "th", e[i]->name);
    strbuf_puts(out, n > 1 ? "<th>change</th></tr>\n" : "</tr>\n");
    for (const json_value *k = kinds->first; k; k = k->next) {
        strbuf_puts(out, "<tr><td>");
        html_text(out, k->key, k->key_length);
        strbuf_puts(out, "</td><td>");
        html_number(out, number(k, "replies"));
        strbuf_puts(out, "</td>");
        double first = NAN, last = NAN;
        for (size_t i = 0; i < n; i++) {
            last = number(json_get(json_get(e[i]->value, "by_kind"), k->key), "true_quality");
            if (i == 0) first = last;
            meter_cell(out, last, i > 0);
        }
        if (n > 1) {
            strbuf_printf(out, "<td class=\"%s\">", last > first ? "good" : last < first ? "bad" : "soft");
            signed_number(out, last - first, "%.3f");
            strbuf_puts(out, "</td>");
        }
        strbuf_puts(out, "</tr>\n");
    }
    strbuf_puts(out, "</table></div>\n");
}

/* A string, or a list of messages: those by role. */
static void prompt_text(strbuf *out, const json_value *v) {
    if (json_is(v, JSON_STRING)) html_text(out, v->text, v->length);
    if (!json_is(v, JSON_ARRAY)) return;
    for (const json_value *m = v->first; m; m = m->next) {
        const char *role, *text;
        size_t role_length, length;
        if (!json_get_string(m, "role", &role, &role_length) || !json_get_string(m, "content", &text, &length))
            continue;
        if (v->length > 1) {
            html_text(out, role, role_length);
            strbuf_puts(out, ": ");
        }
        html_text(out, text, length);
        if (m->next) strbuf_putc(out, '\n');
    }
}

static bool same_prompt(strbuf *out, const json_value *a, const json_value *b) {
    if (!a || !b || a->kind != b->kind) return false;
    strbuf x = {0}, y = {0};
    prompt_text(&x, a);
    prompt_text(&y, b);
    bool same = x.len == y.len && memcmp(strbuf_str(&x), strbuf_str(&y), x.len) == 0;
    out->failed |= x.failed || y.failed; /* then the page is not written */
    strbuf_free(&x);
    strbuf_free(&y);
    return same;
}

static void example_reply(strbuf *out, const char *name, const json_value *example, bool after) {
    const char *reply;
    size_t length;
    strbuf_puts(out, "<div><div class=\"small soft\">");
    html_string(out, name);
    double quality = number(example, "true_quality"), reward = number(example, "reward");
    if (isfinite(quality)) strbuf_printf(out, " · quality %.2f", quality);
    if (isfinite(reward)) strbuf_printf(out, " · reward %.3f", reward);
    strbuf_printf(out, "</div><div class=\"said%s\">", after ? " after" : "");
    if (json_get_string(example, "reply", &reply, &length)) html_text(out, reply, length);
    strbuf_puts(out, "</div></div>\n");
}

static void examples(strbuf *out, const evaluation *const *e, size_t n) {
    const json_value *list = json_get(e[0]->value, "examples");
    if (!json_is(list, JSON_ARRAY) || !list->first) return;
    strbuf_puts(out, n > 1 ? "<h3>Examples side by side</h3>\n" : "<h3>Examples</h3>\n");
    for (const json_value *x = list->first; x; x = x->next) {
        strbuf_puts(out, "<div class=\"card\"><div class=\"ask\">");
        prompt_text(out, json_get(x, "prompt"));
        strbuf_puts(out, "</div><div class=\"pair\">\n");
        example_reply(out, e[0]->name, x, false);
        for (size_t i = 1; i < n; i++) {
            const json_value *others = json_get(e[i]->value, "examples");
            for (const json_value *y = json_is(others, JSON_ARRAY) ? others->first : NULL; y; y = y->next)
                if (same_prompt(out, json_get(x, "prompt"), json_get(y, "prompt"))) {
                    example_reply(out, e[i]->name, y, true);
                    break;
                }
        }
        strbuf_puts(out, "</div></div>\n");
    }
}

void policy_section(strbuf *out, const evaluation *const *e, size_t n) {
    enum { MAX_BARS = 16 };
    svg_bar bars[MAX_BARS];
    size_t n_bars = 0;
    double top = 0;
    strbuf_puts(out, n > 1 ? "<h2>Before and after</h2>\n" : "<h2>Policy</h2>\n");
    if (n > 1) headline(out, e[0], e[n - 1]);
    for (size_t i = 0; i < n && n_bars < MAX_BARS; i++) {
        svg_bar b = {e[i]->name, number(e[i]->value, "true_quality"), number(e[i]->value, "true_quality_low"),
                     number(e[i]->value, "true_quality_high")};
        if (!isfinite(b.value)) continue;
        bars[n_bars++] = b;
        top = fmax(top, isfinite(b.high) ? b.high : b.value);
    }
    if (n_bars) {
        strbuf_puts(out, "<div class=\"card\"><div class=\"head\"><b>True quality</b><span class=\"soft small\">mean "
                         "of all replies, 95&nbsp;% interval</span></div>\n");
        svg_interval_bars(out, "True quality", bars, n_bars, top > 1 ? top : 1);
        strbuf_puts(out, "</div>\n");
    }
    policy_table(out, e, n);
    by_kind_table(out, e, n);
    examples(out, e, n);
}

/* --- others --- */
static void rows_of(strbuf *out, const json_value *object, const char *prefix, int depth) {
    for (const json_value *v = object->first; v; v = v->next) {
        double x;
        /* what is for programs */
        if (!prefix[0] && v->key_length == 10 && memcmp(v->key, "per_record", 10) == 0) continue;
        if (json_is(v, JSON_OBJECT) && depth < 3) {
            strbuf name = {0};
            strbuf_puts(&name, prefix);
            strbuf_append(&name, v->key, v->key_length);
            strbuf_puts(&name, " · ");
            rows_of(out, v, strbuf_str(&name), depth + 1);
            out->failed |= name.failed;
            strbuf_free(&name);
            continue;
        }
        bool numbers = json_is(v, JSON_ARRAY) && json_is(v->first, JSON_NUMBER);
        if (!numbers && !json_is(v, JSON_NUMBER) && !json_is(v, JSON_STRING)) continue;
        strbuf_puts(out, "<tr><td>");
        html_string(out, prefix);
        html_text(out, v->key, v->key_length);
        strbuf_puts(out, "</td><td>");
        if (json_is(v, JSON_STRING)) html_text(out, v->text, v->length);
        if (json_to_double(v, &x)) html_number(out, x);
        for (const json_value *i = numbers ? v->first : NULL; i; i = i->next) {
            html_number(out, json_to_double(i, &x) ? x : NAN);
            if (i->next) strbuf_puts(out, " · ");
        }
        strbuf_puts(out, "</td><td class=\"left soft small\">");
        html_string(out, evaluation_meaning(v->key));
        strbuf_puts(out, "</td></tr>\n");
    }
}

void evaluation_section(strbuf *out, const evaluation *e) {
    const char *kind;
    size_t n;
    strbuf_puts(out, "<h2>");
    if (json_get_string(e->value, "kind", &kind, &n) && n == 6 && memcmp(kind, "reward", 6) == 0)
        strbuf_puts(out, "Reward model: ");
    html_string(out, e->name);
    strbuf_puts(out, "</h2>\n<div class=\"tiles\">\n");
    const json_value *truth = json_get(e->value, "truth");
    const struct {
        const json_value *v;
        const char *key, *name;
    } tiles[] = {{truth, "spearman", "Spearman with true quality"},
                 {e->value, "spearman", "Spearman with labels"},
                 {e->value, "accuracy", "accuracy"},
                 {e->value, "loss", "loss"}};
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        double v = number(tiles[i].v, tiles[i].key);
        if (!isfinite(v)) continue;
        strbuf_printf(out, "<div class=\"tile\"><span class=\"soft small\">%s</span><b>%.3f</b>", tiles[i].name, v);
        double low = number(tiles[i].v, "spearman_low"), high = number(tiles[i].v, "spearman_high");
        if (i < 2 && isfinite(low) && isfinite(high))
            strbuf_printf(out, "<span class=\"small soft\">%.3f … %.3f</span>", low, high);
        strbuf_puts(out, "</div>\n");
    }
    strbuf_puts(out, "</div>\n");
    reward_diagrams(out, e->value);
    strbuf_puts(out, "<div class=\"card scroll\"><table><tr><th>measure</th><th>value</th>"
                     "<th></th></tr>\n");
    rows_of(out, e->value, "", 0);
    strbuf_puts(out, "</table></div>\n");
}
