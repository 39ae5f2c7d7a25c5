#include "report/html.h"
#include "base/utf8.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void html_text(strbuf *out, const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        int32_t code;
        size_t length = utf8_decode(s + i, n - i, &code);
        char c = s[i];
        if (code < 0 || code == 0x7F || (code < 0x20 && c != '\n' && c != '\t')) {
            strbuf_puts(out, "\xEF\xBF\xBD");
            i += length;
            continue;
        }
        switch (c) {
        case '&':
            strbuf_puts(out, "&amp;");
            break;
        case '<':
            strbuf_puts(out, "&lt;");
            break;
        case '>':
            strbuf_puts(out, "&gt;");
            break;
        case '"':
            strbuf_puts(out, "&quot;");
            break;
        case '\'':
            strbuf_puts(out, "&#39;");
            break;
        default:
            strbuf_append(out, s + i, length);
            break;
        }
        i += length;
    }
}

void html_string(strbuf *out, const char *s) {
    if (s) html_text(out, s, strlen(s));
}

void html_number(strbuf *out, double v) {
    if (!isfinite(v)) {
        strbuf_puts(out, "–");
        return;
    }
    if (fabs(v) < 1000) {
        strbuf_printf(out, v == floor(v) ? "%.0f" : "%.4g", v);
        return;
    }
    if (fabs(v) > 1e12) {
        strbuf_printf(out, "%.3e", v);
        return;
    }
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%.0f", fabs(v));
    if (v < 0) strbuf_puts(out, "−");
    for (int i = 0; i < n; i++) {
        strbuf_putc(out, digits[i]);
        if ((n - 1 - i) % 3 == 0 && i + 1 < n) strbuf_puts(out, "\xE2\x80\xAF"); /* narrow space */
    }
}

static const char style[] =
    ":root{color-scheme:light "
    "dark;--page:#f6f7f9;--card:#fff;--ink:#1c2330;--soft:#667085;--line:#e3e7ee;--grid:#edf0f4;"
    "--a:#2563eb;--b:#0d9488;--good:#15803d;--bad:#b42318;--track:#e9edf3;"
    "--t0:#a8b1c0;--t1:#d64545;--t2:#e8963a;--t3:#8e99ab;--t4:#3aa899;--t5:#2f9e57}\n"
    "@media "
    "(prefers-color-scheme:dark){:root{--page:#11151c;--card:#1a202b;--ink:#e6e9ef;--soft:#94a0b3;--line:#2c3544;--"
    "grid:#252d3a;"
    "--a:#7aa7ff;--b:#4fd1c0;--good:#5ad18a;--bad:#ff8a80;--track:#2a3342;"
    "--t0:#566174;--t1:#e5716b;--t2:#e0a052;--t3:#7b879a;--t4:#45b5a5;--t5:#57c07c}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Noto Sans CJK SC',sans-serif}\n"
    "main{max-width:1120px;margin:0 auto;padding:24px 16px 64px}h1{font-size:1.7rem;line-height:1.2;margin:.2em 0 "
    ".6em;letter-spacing:-.01em}\n"
    "h2{font-size:1.2rem;margin:2em 0 .6em;overflow-wrap:anywhere}h3{font-size:1rem;margin:1.4em 0 .5em}p{margin:.4em "
    "0}\n"
    ".soft{color:var(--soft)}.small{font-size:.85rem}td "
    ".small{white-space:nowrap}.good{color:var(--good)}.bad{color:var(--bad)}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px;margin:0 0 16px}\n"
    ".grid{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr))}.grid "
    ".card{margin:0;padding:12px 14px 6px}\n"
    ".tiles{display:flex;flex-wrap:wrap;gap:14px;margin:0 0 16px}.tile{flex:1 1 "
    "150px;background:var(--card);border:1px solid var(--line);"
    "border-radius:12px;padding:12px 16px}.tile "
    "b{display:block;white-space:nowrap;font-size:clamp(1.1rem,4vw,1.5rem);line-height:1.25;font-variant-numeric:"
    "tabular-nums}\n"
    ".head{display:flex;justify-content:space-between;gap:8px;align-items:baseline}.head b{font-size:.95rem}.head "
    "span{font-variant-numeric:tabular-nums}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:."
    "95rem}\n"
    "th,td{padding:7px 10px;text-align:right;border-bottom:1px solid "
    "var(--line);vertical-align:top}th{font-weight:600;color:var(--soft);font-size:.85rem}\n"
    "th:first-child,td:first-child{text-align:left;padding-left:0}tr:last-child td{border-bottom:0}\n"
    ".meter{display:inline-block;width:76px;height:8px;border-radius:4px;background:var(--track);margin-left:8px;"
    "overflow:hidden;vertical-align:middle}\n"
    ".meter i{display:block;height:100%;background:var(--a)}.after .meter i,.meter.after i{background:var(--b)}\n"
    ".pair{display:grid;gap:10px;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));margin:.5em 0 0}\n"
    ".said{border-left:3px solid var(--a);padding:2px 0 2px "
    "10px;white-space:pre-wrap;overflow-wrap:anywhere}.said.after{border-color:var(--b)}\n"
    ".ask{font-weight:600;white-space:pre-wrap;overflow-wrap:anywhere}pre{overflow-x:auto;font-size:.85rem;line-height:"
    "1.45;margin:.6em 0}\n"
    "summary{cursor:pointer;color:var(--soft)}svg{display:block;width:100%;height:auto}svg.bars{max-width:660px}\n"
    "svg text{fill:var(--soft);font:11px system-ui,sans-serif;font-variant-numeric:tabular-nums}svg "
    ".label{fill:var(--ink);font-size:13px}\n"
    "svg .value{fill:var(--ink);font-size:13px;font-weight:600}svg .g{stroke:var(--grid);stroke-width:1}svg "
    ".axis{stroke:var(--line)}\n"
    "svg .raw{fill:none;stroke:var(--a);stroke-width:1;opacity:.3}svg "
    ".curve{fill:none;stroke:var(--a);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\n"
    "svg .dot{fill:var(--a)}svg .faint{fill:var(--a);opacity:.35}svg .bar{fill:var(--a)}svg "
    ".bar.after{fill:var(--b)}svg .track{fill:var(--track)}"
    "svg .whisker{stroke:var(--ink);stroke-width:1.6}\n"
    ".left{text-align:left!important}.code{font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere}"
    "\n"
    ".grid.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,460px),1fr));align-items:start}h4{font-size:."
    "95rem;margin:1.2em 0 .4em}\n"
    ".list td{padding:3px 8px;border-bottom:0;white-space:nowrap}.list th{padding:3px 8px}.list "
    "td:nth-child(2){width:50%}"
    ".list td:first-child{max-width:14em;overflow:hidden;text-overflow:ellipsis}\n"
    ".rod{display:block;height:11px;margin:6px 0;min-width:1px;border-radius:3px;background:var(--a)}\n"
    ".sankey{min-width:760px}.sankey .t0{fill:var(--t0)}.sankey .t1{fill:var(--t1)}.sankey .t2{fill:var(--t2)}.sankey "
    ".t3{fill:var(--t3)}"
    ".sankey .t4{fill:var(--t4)}.sankey .t5{fill:var(--t5)}.sankey .ta{fill:var(--a)}.sankey .flow{opacity:.38}.sankey "
    ".flow:hover{opacity:.65}\n"
    ".sankey .label{paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round}.sankey "
    ".count{fill:var(--soft)}\n"
    ".lorenz{max-width:330px;margin:0 auto}.turn{margin:.55em "
    "0}.said.faint{border-color:var(--line)}.said.answer{border-color:var(--t2)}\n"
    ".long summary{list-style:none;color:inherit}.long summary::-webkit-details-marker{display:none}.long[open] "
    "summary{display:none}"
    ".more{color:var(--a);font-weight:400;white-space:nowrap}.square td,.square th{white-space:nowrap;padding:4px "
    "9px}\n";

void html_begin(strbuf *out, const char *title) {
    strbuf_puts(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    html_string(out, title);
    strbuf_puts(out, "</title>\n<style>\n");
    strbuf_puts(out, style);
    strbuf_puts(out, "</style>\n</head>\n<body>\n<main>\n<h1>");
    html_string(out, title);
    strbuf_puts(out, "</h1>\n");
}

void html_end(strbuf *out) { strbuf_puts(out, "</main>\n</body>\n</html>\n"); }
