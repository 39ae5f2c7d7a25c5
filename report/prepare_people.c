/* Users, refusals and examples of a prepared folder's page. */
#include "report/html.h"
#include "report/prepare_parts.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- users --- */

/* Share of instances over share of users, poorest first; the area to the diagonal is half the Gini coefficient. */
static void lorenz_curve(strbuf *out, const json_value *points) {
    enum { SIZE = 220, LEFT = 34, TOP = 6 };
    if (!json_is(points, JSON_ARRAY) || !points->first) return;
    strbuf_printf(
        out,
        "<svg class=\"lorenz\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Lorenz curve of instances over users\">",
        SIZE + LEFT + 14, SIZE + TOP + 34);
    for (int i = 0; i <= 4; i++) {
        double y = TOP + SIZE - i * SIZE / 4.0, x = LEFT + i * SIZE / 4.0;
        strbuf_printf(out,
                      "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" "
                      "text-anchor=\"end\">%d</text>",
                      LEFT, LEFT + SIZE, y, y, LEFT - 6, y + 4, 25 * i);
        strbuf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>", x, TOP + SIZE + 16, 25 * i);
    }
    strbuf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%% of users, fewest instances first</text>",
                  LEFT + SIZE / 2, TOP + SIZE + 31);
    strbuf_printf(out,
                  "<line class=\"axis\" stroke-dasharray=\"4 4\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/><polyline "
                  "class=\"curve\" points=\"",
                  LEFT, TOP + SIZE, LEFT + SIZE, TOP);
    for (const json_value *p = points->first; p; p = p->next) {
        double x, y;
        if (!json_is(p, JSON_ARRAY) || !json_to_double(json_at(p, 0), &x) || !json_to_double(json_at(p, 1), &y))
            continue;
        strbuf_printf(out, "%.1f,%.1f ", LEFT + SIZE * fmin(1, fmax(0, x)), TOP + SIZE * (1 - fmin(1, fmax(0, y))));
    }
    strbuf_puts(out, "\"/></svg>\n");
}

void prepare_users(strbuf *out, const json_value *users) {
    char note[160];
    if (!json_is(users, JSON_OBJECT)) return;
    strbuf_puts(out, "<h3>Users</h3>\n<div class=\"grid wide\">\n");
    snprintf(note, sizeof note, "%.0f train, %.0f test users; largest %.0f", part_count(users, "train"),
             part_count(users, "test"), part_count(users, "largest"));
    part_bars(
        out,
        &(bar_list){
            .title = "Instances a user", .note = note, .count_key = "n", .count_title = "users", .logarithmic = true},
        json_get(users, "histogram"));
    double gini = part_number(users, "gini");
    if (isfinite(gini)) {
        strbuf_printf(out,
                      "<div class=\"card\"><div class=\"head\"><b>%% of instances</b><span class=\"soft small\">Gini "
                      "%.2f; the busiest 1&nbsp;%% of users hold "
                      "%.0f&nbsp;%%</span></div>\n",
                      gini, 100 * part_count(users, "top_percent_share"));
        lorenz_curve(out, json_get(users, "lorenz"));
        strbuf_puts(out, "</div>\n");
    }
    strbuf_puts(out, "</div>\n<p class=\"soft small\">Bars of users are on a logarithmic scale. Gini and curve: users "
                     "with at least one instance.</p>\n");
}

/* --- refusals --- */

static void share_cell(strbuf *out, const json_value *v, const char *key, int decimals) {
    char low[48], high[48];
    double p = part_number(v, key);
    snprintf(low, sizeof low, "%s_low", key);
    snprintf(high, sizeof high, "%s_high", key);
    if (!isfinite(p)) {
        strbuf_puts(out, "<td>–</td>");
        return;
    }
    strbuf_printf(out, "<td>%.*f&nbsp;%% <span class=\"soft small\">%.*f – %.*f</span></td>", decimals, 100 * p,
                  decimals, 100 * part_count(v, low), decimals, 100 * part_count(v, high));
}

static void count_cell(strbuf *out, const json_value *v, const char *key) {
    strbuf_puts(out, "<td>");
    html_number(out, part_number(v, key));
    strbuf_puts(out, "</td>");
}

static void level_table(strbuf *out, const json_value *refusals, bool answered) {
    const json_value *rows = json_get(refusals, "by_level");
    if (!json_is(rows, JSON_ARRAY) || !rows->first) return;
    strbuf_printf(out,
                  "<div class=\"card scroll\"><div class=\"head\"><b>Satisfaction × refusal</b><span class=\"soft "
                  "small\">the annotator's own level of the "
                  "follow-up</span></div><table><tr><th>level</th><th>follow-ups</th><th>false "
                  "refusal</th><th>justified</th>%s<th>no refusal</th><th>false, of "
                  "the level</th></tr>\n",
                  answered ? "<th>phrase, but answered</th>" : "");
    for (const json_value *r = rows->first; r; r = r->next) {
        int64_t level = 0;
        json_get_int(r, "level", &level);
        if (!(part_number(r, "turns") > 0)) continue;
        strbuf_puts(out, "<tr><td>");
        strbuf_puts(out, level_name((int)level));
        strbuf_puts(out, "</td>");
        count_cell(out, r, "turns");
        count_cell(out, r, "false");
        count_cell(out, r, "justified");
        if (answered) count_cell(out, r, "answered");
        count_cell(out, r, "none");
        share_cell(out, r, "false_rate", 1);
        strbuf_puts(out, "</tr>\n");
    }
    strbuf_puts(out, "</table></div>\n");
}

static void group_table(strbuf *out, const char *title, const json_value *rows) {
    if (!json_is(rows, JSON_ARRAY) || !rows->first) return;
    strbuf_printf(
        out,
        "<div class=\"card scroll\"><table><tr><th>%s</th><th>refusals</th><th>false</th><th>justified</th><th>false, "
        "of refusals</th></tr>\n",
        title);
    for (const json_value *r = rows->first; r; r = r->next) {
        strbuf_puts(out, "<tr><td>");
        html_string(out, part_text(r, "name", "unknown"));
        strbuf_puts(out, "</td>");
        count_cell(out, r, "refusals");
        count_cell(out, r, "false");
        count_cell(out, r, "justified");
        share_cell(out, r, "false_share", 0);
        strbuf_puts(out, "</tr>\n");
    }
    strbuf_puts(out, "</table></div>\n");
}

void prepare_refusals(strbuf *out, const json_value *refusals) {
    if (!json_is(refusals, JSON_OBJECT)) return;
    strbuf_puts(out, "<h3>Refusals</h3>\n<p>");
    html_number(out, part_number(refusals, "refusals"));
    strbuf_puts(out, " refusals: ");
    html_number(out, part_number(refusals, "false"));
    strbuf_puts(out, " of harmless queries (false), ");
    html_number(out, part_number(refusals, "justified"));
    strbuf_puts(out, " of harmful ones (justified).");
    double p = part_number(refusals, "false_share");
    if (isfinite(p))
        strbuf_printf(out,
                      " False: <b>%.0f&nbsp;%%</b> (%.0f – %.0f&nbsp;%%). The paper found %.0f&nbsp;%% in its sample.",
                      100 * p, 100 * part_count(refusals, "false_share_low"),
                      100 * part_count(refusals, "false_share_high"), 100 * part_count(refusals, "paper_false_share"));
    strbuf_puts(out, "</p>\n");
    level_table(out, refusals, isfinite(part_number(refusals, "answered")));
    strbuf_puts(out, "<div class=\"grid wide\">\n");
    group_table(out, "model", json_get(refusals, "by_model"));
    group_table(out, "language", json_get(refusals, "by_language"));
    group_table(out, "month", json_get(refusals, "by_month"));
    strbuf_puts(out,
                "</div>\n<p class=\"soft small\">Intervals: Wilson, 95&nbsp;%, as if turns were independent.</p>\n");
}

/* --- examples --- */

static void spoken(strbuf *out, const char *who, const char *class, const char *s, size_t n) {
    enum { SHOWN = 420 };
    strbuf_printf(out, "<div class=\"turn\"><div class=\"small soft\">%s</div>", who);
    if (n <= SHOWN + 80) {
        strbuf_printf(out, "<div class=\"said%s\">", class);
        html_text(out, s, n);
        strbuf_puts(out, "</div></div>\n");
        return;
    }
    size_t end = SHOWN;
    while (end && ((unsigned char)s[end] & 0xC0) == 0x80) end--;
    strbuf_printf(out, "<details class=\"long\"><summary class=\"said%s\">", class);
    html_text(out, s, end);
    strbuf_printf(out, " <span class=\"more\">… whole text</span></summary><div class=\"said%s\">", class);
    html_text(out, s, n);
    strbuf_puts(out, "</div></details></div>\n");
}

static void part_spoken(strbuf *out, const char *who, const char *class, const json_value *v, const char *key) {
    const char *s;
    size_t n;
    if (json_get_string(v, key, &s, &n) && n) spoken(out, who, class, s, n);
}

static void history(strbuf *out, const json_value *messages) {
    if (!json_is(messages, JSON_ARRAY) || !messages->first) return;
    strbuf_printf(out, "<details><summary class=\"small\">%zu %s before</summary>\n", messages->length,
                  messages->length == 1 ? "message" : "messages");
    for (const json_value *m = messages->first; m; m = m->next) {
        strbuf role = {0};
        html_string(&role, part_text(m, "role", "?"));
        part_spoken(out, strbuf_str(&role), " faint", m, "content");
        out->failed |= role.failed;
        strbuf_free(&role);
    }
    strbuf_puts(out, "</details>\n");
}

void prepare_examples(strbuf *out, const json_value *examples) {
    double before = NAN;
    if (!json_is(examples, JSON_ARRAY) || !examples->first) return;
    strbuf_puts(out, "<h3>Examples</h3>\n<p class=\"soft small\">Drawn by a hash of their id, a few for each label and "
                     "each way a label came.</p>\n");
    for (const json_value *x = examples->first; x; x = x->next) {
        double label = part_count(x, "label");
        if (label != before) strbuf_printf(out, "<h4>Label %.0f</h4>\n", label);
        before = label;
        strbuf_puts(out, "<div class=\"card\"><div class=\"head\"><span class=\"small\"><b>by ");
        html_string(out, part_text(x, "how", "?"));
        strbuf_puts(out, "</b> · ");
        html_string(out, part_text(x, "language", "language unknown"));
        strbuf_puts(out, " · ");
        html_string(out, part_text(x, "model", "model unknown"));
        strbuf_puts(out, " · ");
        html_string(out, part_text(x, "split", ""));
        strbuf_puts(out, "</span><span class=\"soft small code\">");
        html_string(out, part_text(x, "id", ""));
        strbuf_puts(out, "</span></div>\n");
        history(out, json_get(x, "history"));
        part_spoken(out, "query", "", x, "query");
        part_spoken(out, "reply", " after", x, "response");
        part_spoken(out, "follow-up", " answer", x, "followup");
        strbuf_puts(out, "</div>\n");
    }
}
