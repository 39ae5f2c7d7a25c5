/* A flow between columns of nodes as inline SVG; colours from the page's style sheet. LOCAL. */
#ifndef WR_REPORT_SANKEY_H
#define WR_REPORT_SANKEY_H

#include "base/strbuf.h"

typedef struct sankey_node {
    const char *name;
    size_t column;
    int tone; /* 0 … 5: style classes t0 … t5; -1: accent */
} sankey_node;

typedef struct sankey_link {
    size_t from, to; /* nodes; `from` in an earlier column */
    double value;    /* > 0; others are left out */
} sankey_link;

/* Nodes are drawn in their order, top down in their column; nodes that no link touches are left out. Links of one pair
 * of nodes should be one link. titles: (columns); nodes: (n); links: (n_links), all the caller's. SANKEY_NODES nodes
 * and SANKEY_COLUMNS columns are drawn at most; every node stands in a column below that. Appends to out; the only
 * error is out of memory, which strbuf_status(out) tells. */
enum { SANKEY_NODES = 64, SANKEY_COLUMNS = 6 };
void svg_sankey(strbuf *out, const char *name, const char *const *titles, size_t columns, const sankey_node *nodes,
                size_t n, const sankey_link *links, size_t n_links);

#endif
