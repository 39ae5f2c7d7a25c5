#include "report/sankey.h"
#include "report/html.h"
#include <math.h>
#include <stdbool.h>

/* Coordinates: x 0 … W, y downwards. A node's label needs a line of its own, so thin nodes get a slot higher than they
 * are. */
enum { W = 1000, TOP = 30, NODE = 12, LABEL = 190, FLOW_HEIGHT = 300, SLOT = 19, GAP = 5 };

typedef struct placed {
    double in, out, value, y, height, next_in, next_out;
} placed;

static double x_of(const sankey_node *n, size_t columns) {
    return columns > 1 ? (double)n->column * (W - LABEL - NODE) / (double)(columns - 1) : 0;
}

/* Heights are values times one scale, in which the fullest column is FLOW_HEIGHT. Returns the height of the picture. */
static double place(const sankey_node *nodes, size_t n, size_t columns, placed *p) {
    double total[SANKEY_COLUMNS] = {0}, most = 0, bottom = 0;
    for (size_t i = 0; i < n; i++) {
        p[i].value = fmax(p[i].in, p[i].out);
        total[nodes[i].column] += p[i].value;
        most = fmax(most, total[nodes[i].column]);
    }
    double scale = most > 0 ? FLOW_HEIGHT / most : 0;
    for (size_t c = 0; c < columns; c++) {
        double y = TOP;
        for (size_t i = 0; i < n; i++) {
            if (nodes[i].column != c || !(p[i].value > 0)) continue;
            p[i].height = fmax(1.5, p[i].value * scale);
            double slot = fmax(SLOT, p[i].height);
            p[i].y = y + (slot - p[i].height) / 2;
            p[i].next_in = p[i].next_out = p[i].y;
            y += slot + GAP;
        }
        bottom = fmax(bottom, y);
    }
    return bottom;
}

static void tone_class(strbuf *out, int tone) {
    if (tone < 0)
        strbuf_puts(out, "ta");
    else
        strbuf_printf(out, "t%d", tone);
}

static void draw_link(strbuf *out, const sankey_node *nodes, size_t columns, placed *p, const sankey_link *l) {
    placed *a = &p[l->from], *b = &p[l->to];
    double x0 = x_of(&nodes[l->from], columns) + NODE, x1 = x_of(&nodes[l->to], columns), middle = (x0 + x1) / 2;
    double h0 = a->height * l->value / a->value, h1 = b->height * l->value / b->value;
    strbuf_puts(out, "<path class=\"flow ");
    tone_class(out, nodes[l->from].tone);
    strbuf_printf(out, "\" d=\"M%.1f %.2fC%.1f %.2f %.1f %.2f %.1f %.2fV%.2fC%.1f %.2f %.1f %.2f %.1f %.2fZ\"><title>",
                  x0, a->next_out, middle, a->next_out, middle, b->next_in, x1, b->next_in, b->next_in + fmax(h1, 0.5),
                  middle, b->next_in + fmax(h1, 0.5), middle, a->next_out + fmax(h0, 0.5), x0,
                  a->next_out + fmax(h0, 0.5));
    html_string(out, nodes[l->from].name);
    strbuf_puts(out, " → ");
    html_string(out, nodes[l->to].name);
    strbuf_puts(out, ": ");
    html_number(out, l->value);
    strbuf_puts(out, "</title></path>");
    a->next_out += h0;
    b->next_in += h1;
}

static void draw_node(strbuf *out, const sankey_node *node, size_t columns, const placed *p) {
    double x = x_of(node, columns);
    strbuf_puts(out, "<rect class=\"");
    tone_class(out, node->tone);
    strbuf_printf(
        out,
        "\" x=\"%.1f\" y=\"%.2f\" width=\"%d\" height=\"%.2f\" rx=\"2\"/><text class=\"label\" x=\"%.1f\" y=\"%.1f\">",
        x, p->y, NODE, p->height, x + NODE + 7, p->y + p->height / 2 + 4.5);
    html_string(out, node->name);
    strbuf_puts(out, " <tspan class=\"count\">");
    html_number(out, p->value);
    strbuf_puts(out, "</tspan></text>");
}

void svg_sankey(strbuf *out, const char *name, const char *const *titles, size_t columns, const sankey_node *nodes,
                size_t n, const sankey_link *links, size_t n_links) {
    placed p[SANKEY_NODES] = {{0}};
    if (n > SANKEY_NODES) n = SANKEY_NODES;
    if (columns > SANKEY_COLUMNS) columns = SANKEY_COLUMNS;
    for (size_t k = 0; k < n_links; k++) {
        if (!(links[k].value > 0) || links[k].from >= n || links[k].to >= n) continue;
        p[links[k].from].out += links[k].value;
        p[links[k].to].in += links[k].value;
    }
    double height = place(nodes, n, columns, p);
    strbuf_printf(out, "<svg class=\"sankey\" viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"", W, height);
    html_string(out, name);
    strbuf_puts(out, "\">");
    for (size_t c = 0; c < columns; c++) {
        sankey_node at = {.column = c};
        strbuf_printf(out, "<text x=\"%.1f\" y=\"14\">", x_of(&at, columns));
        html_string(out, titles[c]);
        strbuf_puts(out, "</text>");
    }
    /* By source, then target, so that the bands of a node lie in the order of the nodes they lead to. */
    for (size_t from = 0; from < n; from++) {
        for (size_t to = 0; to < n; to++) {
            for (size_t k = 0; k < n_links; k++) {
                if (links[k].from == from && links[k].to == to && links[k].value > 0)
                    draw_link(out, nodes, columns, p, &links[k]);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i].value > 0) draw_node(out, &nodes[i], columns, &p[i]);
    }
    strbuf_puts(out, "</svg>\n");
}
