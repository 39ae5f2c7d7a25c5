#include "report/prepare_parts.h"

#include "report/html.h"

#include <math.h>
#include <string.h>

double part_number(const json_value *v, const char *key) {
    double x;
    return json_get_double(v, key, &x) ? x : NAN;
}

double part_count(const json_value *v, const char *key) {
    double x = part_number(v, key);
    return isfinite(x) ? x : 0;
}

const char *part_text(const json_value *v, const char *key, const char *otherwise) {
    const char *s;
    size_t n;
    return json_get_string(v, key, &s, &n) && n ? s : otherwise;
}

const char *level_name(int level) {
    static const char *const names[] = {"no level",  "1 rejection",           "2 error correction",
                                        "3 neutral", "4 positive engagement", "5 explicit satisfaction"};
    return names[level >= 1 && level <= 5 ? level : 0];
}

void part_bars(strbuf *out, const bar_list *b, const json_value *rows) {
    double most = 0, total = 0;
    if (!json_is(rows, JSON_ARRAY) || !rows->first) return;
    for (const json_value *r = rows->first; r; r = r->next) {
        double n = part_number(r, b->count_key);
        if (!(n >= 0)) continue;
        most = fmax(most, b->logarithmic ? log1p(n) : n);
        total += n;
    }
    strbuf_printf(out,
                  "<div class=\"card scroll\"><div class=\"head\"><b>%s</b><span class=\"soft "
                  "small\">%s</span></div><table class=\"list\"><tr><th></th><th></th><th>%s</th>",
                  b->title, b->note ? b->note : "", b->count_title);
    strbuf_printf(out, b->second_key ? "<th>%s</th></tr>\n" : "<th>share</th></tr>\n", b->second_title);
    for (const json_value *r = rows->first; r; r = r->next) {
        double n = part_number(r, b->count_key), from = part_number(r, "from"), to = part_number(r, "to");
        if (!(n >= 0)) continue;
        strbuf_puts(out, "<tr><td>");
        if (isfinite(from)) {
            html_number(out, from);
            if (to > from) strbuf_puts(out, "–"), html_number(out, to);
        } else {
            html_string(out, part_text(r, "name", "unknown"));
        }
        strbuf_printf(out, "</td><td><i class=\"rod\" style=\"width:%.1f%%\"></i></td><td>",
                      most > 0 ? 100 * (b->logarithmic ? log1p(n) : n) / most : 0);
        html_number(out, n);
        strbuf_puts(out, "</td><td>");
        if (b->second_key)
            html_number(out, part_number(r, b->second_key));
        else
            strbuf_printf(out, "%.1f&nbsp;%%", total > 0 ? 100 * n / total : 0);
        strbuf_puts(out, "</td></tr>\n");
    }
    strbuf_puts(out, "</table></div>\n");
}
