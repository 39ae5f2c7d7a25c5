/* Pieces of a self-contained HTML page: no scripts, no outside files. Everything that comes from a file goes through
 * html_text. LOCAL. */
#ifndef WR_REPORT_HTML_H
#define WR_REPORT_HTML_H

#include "base/json.h"
#include "base/strbuf.h"

/* Escaped for text and for attribute values; bytes that are not UTF-8, and control characters, become U+FFFD. */
void html_text(strbuf *out, const char *s, size_t n);
void html_string(strbuf *out, const char *s); /* NULL writes nothing */
/* Head with the style sheet (light and dark, narrow screens), <body>, the title as a heading. */
void html_begin(strbuf *out, const char *title);
void html_end(strbuf *out);
/* A number for people: 4 significant digits, thousands grouped, "–" for NaN. */
void html_number(strbuf *out, double v);

#endif
