#include "report/prepare_page.h"
#include "report/html.h"
#include "report/prepare_parts.h"
#include "report/sankey.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void tile(strbuf *out, const char *name, double v, const char *format, const char *below) {
    if (!isfinite(v)) return;
    strbuf_printf(out, "<div class=\"tile\"><span class=\"soft small\">%s</span><b>", name);
    if (format)
        strbuf_printf(out, format, v);
    else
        html_number(out, v);
    strbuf_printf(out, "</b><span class=\"small soft\">%s</span></div>\n", below);
}

static void headline(strbuf *out, const json_value *s) {
    const json_value *turns = json_get(s, "turns"), *records = json_get(s, "records"), *users = json_get(s, "users"),
                     *refusals = json_get(s, "refusals");
    char split[96] = "", holders[96] = "", interval[96] = "", share[96] = "";
    double kept = part_number(records, "n"), seen = part_number(turns, "n"),
           low = part_number(refusals, "false_share_low");
    if (isfinite(kept))
        snprintf(split, sizeof split, "%.0f train, %.0f test", part_count(records, "train"),
                 part_count(records, "test"));
    if (json_is(users, JSON_OBJECT))
        snprintf(holders, sizeof holders, "%.0f of them with instances", part_count(users, "with_instances"));
    if (isfinite(kept) && seen > 0) snprintf(share, sizeof share, "%.1f %% became instances", 100 * kept / seen);
    if (isfinite(low))
        snprintf(interval, sizeof interval, "%.0f – %.0f %%; the paper's sample: 32 %%", 100 * low,
                 100 * part_count(refusals, "false_share_high"));
    strbuf_puts(out, "<div class=\"tiles\">\n");
    tile(out, "follow-ups", seen, NULL, share);
    tile(out, "instances kept", kept, NULL, split);
    tile(out, "users", part_number(users, "n"), NULL, holders);
    tile(out, "false among refusals", 100 * part_number(refusals, "false_share"), "%.0f %%", interval);
    strbuf_puts(out, "</div>\n");
}

/* --- the flow of labels --- */

enum { LEVELS = 6, MAX_OUTCOMES = 40 };

typedef struct flow {
    sankey_node nodes[2 * LEVELS + MAX_OUTCOMES];
    sankey_link links[LEVELS * LEVELS + LEVELS * MAX_OUTCOMES];
    size_t n_nodes, n_links;
} flow;

static void add_link(flow *f, size_t from, size_t to, double value) {
    for (size_t k = 0; k < f->n_links; k++) {
        if (f->links[k].from == from && f->links[k].to == to) {
            f->links[k].value += value;
            return;
        }
    }
    if (f->n_links < sizeof f->links / sizeof *f->links) f->links[f->n_links++] = (sankey_link){from, to, value};
}

/* Node of an outcome, made when new; those beyond the room share the last node. */
static size_t outcome_node(flow *f, const char *name) {
    for (size_t i = 2 * LEVELS; i < f->n_nodes; i++) {
        if (strcmp(f->nodes[i].name, name) == 0) return i;
    }
    if (f->n_nodes == 2 * LEVELS + MAX_OUTCOMES) return f->n_nodes - 1;
    f->nodes[f->n_nodes] = (sankey_node){name, 2, 0};
    return f->n_nodes++;
}

static void label_flow(strbuf *out, const json_value *turns) {
    static const char *const titles[] = {"annotator's level", "final level, after mining and refusals",
                                         "kept, or dropped by"};
    const json_value *rows = json_get(turns, "flow");
    flow f = {.n_nodes = 2 * LEVELS + 1};
    if (!json_is(rows, JSON_ARRAY) || !rows->first) return;
    /* From satisfied at the top to rejection, then those without a level. */
    for (int column = 0; column < 2; column++) {
        for (int i = 0; i < LEVELS; i++)
            f.nodes[column * LEVELS + i] = (sankey_node){level_name(LEVELS - 1 - i), (size_t)column, LEVELS - 1 - i};
    }
    f.nodes[2 * LEVELS] = (sankey_node){"kept", 2, -1};
    const json_value *dropped = json_get(turns, "dropped"); /* largest first */
    for (const json_value *d = json_is(dropped, JSON_ARRAY) ? dropped->first : NULL; d; d = d->next)
        outcome_node(&f, part_text(d, "name", "?"));
    for (const json_value *r = rows->first; r; r = r->next) {
        int64_t level = 0, final = 0;
        double n = part_number(r, "n");
        json_get_int(r, "level", &level);
        json_get_int(r, "final", &final);
        if (!(n > 0) || level < 0 || level > 5 || final < 0 || final > 5) continue;
        size_t from = (size_t)(LEVELS - 1 - level), to = (size_t)(2 * LEVELS - 1 - final);
        add_link(&f, from, to, n);
        add_link(&f, to, outcome_node(&f, part_text(r, "outcome", "?")), n);
    }
    strbuf_puts(out, "<h3>What became of the follow-ups</h3>\n<div class=\"card scroll\">\n");
    svg_sankey(out, "Flow of follow-ups from annotated level to final level to kept or dropped", titles, 3, f.nodes,
               f.n_nodes, f.links, f.n_links);
    strbuf_puts(out, "</div>\n");
}

static void funnel_table(strbuf *out, const json_value *funnel) {
    if (!json_is(funnel, JSON_OBJECT) || !funnel->first) return;
    strbuf_puts(out, "<details class=\"card\"><summary>Counts of every "
                     "stage</summary><table><tr><th>stage</th><th>what</th><th>count</th></tr>\n");
    for (const json_value *stage = funnel->first; stage; stage = stage->next) {
        bool first = true;
        for (const json_value *line = json_is(stage, JSON_OBJECT) ? stage->first : NULL; line; line = line->next) {
            double v;
            if (!json_to_double(line, &v) || v == 0) continue;
            strbuf_puts(out, "<tr><td>");
            if (first) html_text(out, stage->key, stage->key_length);
            strbuf_puts(out, "</td><td class=\"left\">");
            html_text(out, line->key, line->key_length);
            strbuf_puts(out, "</td><td>");
            html_number(out, v);
            strbuf_puts(out, "</td></tr>\n");
            first = false;
        }
    }
    strbuf_puts(out, "</table></details>\n");
}

/* --- labels --- */

static void label_table(strbuf *out, const json_value *records) {
    const json_value *labels = json_get(records, "labels"), *how = json_get(records, "how");
    double total = part_number(records, "n");
    if (!json_is(labels, JSON_ARRAY) || !labels->first || !(total > 0)) return;
    strbuf_puts(out, "<h3>Labels of the instances</h3>\n<div class=\"card "
                     "scroll\"><table><tr><th>label</th><th>train</th><th>test</th><th>share</th>"
                     "<th class=\"left\">how it came</th></tr>\n");
    for (const json_value *l = labels->first; l; l = l->next) {
        double train = part_count(l, "train"), test = part_count(l, "test"), label = part_count(l, "label");
        if (labels->length > 20 && train + test == 0) continue;
        strbuf_printf(out, "<tr><td>%.0f</td><td>", label);
        html_number(out, train);
        strbuf_puts(out, "</td><td>");
        html_number(out, test);
        strbuf_printf(out, "</td><td>%.1f&nbsp;%%</td><td class=\"left\">", 100 * (train + test) / total);
        bool any = false;
        for (const json_value *h = json_is(how, JSON_ARRAY) ? how->first : NULL; h; h = h->next) {
            if (part_number(h, "label") != label) continue;
            strbuf_puts(out, any ? ", " : "");
            html_string(out, part_text(h, "how", "?"));
            strbuf_puts(out, " ");
            html_number(out, part_number(h, "n"));
            any = true;
        }
        strbuf_puts(out, "</td></tr>\n");
    }
    strbuf_puts(out, "</table></div>\n");
}

/* --- distributions --- */

/* By follow-up where turns.jsonl.zst tells, else by instance. */
static void name_bars(strbuf *out, const char *title, const char *key, const json_value *turns,
                      const json_value *records) {
    const json_value *rows = json_get(turns, key);
    bar_list b = {.title = title,
                  .count_key = "turns",
                  .count_title = "follow-ups",
                  .second_key = "kept",
                  .second_title = "kept"};
    if (!rows) {
        rows = json_get(records, key);
        b.count_key = "n", b.count_title = "instances", b.second_key = NULL;
    }
    part_bars(out, &b, rows);
}

static void length_bars(strbuf *out, const char *title, const json_value *lengths) {
    char note[128];
    bar_list b = {.title = title, .note = note, .count_key = "n", .count_title = "instances"};
    if (!json_is(lengths, JSON_OBJECT)) return;
    snprintf(note, sizeof note, "median %.0f, 90 %% up to %.0f, largest %.0f", part_count(lengths, "median"),
             part_count(lengths, "p90"), part_count(lengths, "largest"));
    part_bars(out, &b, json_get(lengths, "histogram"));
}

static void distributions(strbuf *out, const json_value *turns, const json_value *records) {
    if (!turns && !records) return;
    strbuf_puts(out, "<h3>Languages, models, months, lengths</h3>\n<div class=\"grid wide\">\n");
    name_bars(out, "Languages", "languages", turns, records);
    name_bars(out, "Models", "models", turns, records);
    part_bars(out,
              &(bar_list){.title = "Months",
                          .count_key = "turns",
                          .count_title = "follow-ups",
                          .second_key = "kept",
                          .second_title = "kept"},
              json_get(turns, "months"));
    length_bars(out, "Characters of a reply", json_get(records, "reply_characters"));
    length_bars(out, "Characters of a query", json_get(records, "query_characters"));
    length_bars(out, "Messages before the query", json_get(records, "history_messages"));
    length_bars(out, "Tokens of an instance", json_get(records, "tokens"));
    strbuf_puts(out, "</div>\n");
}

/* --- options and hashes --- */

static void settings(strbuf *out, const json_value *v, const char *prefix, int depth) {
    for (const json_value *m = v->first; m; m = m->next) {
        if (depth == 0 && m->key_length == 6 && memcmp(m->key, "funnel", 6) == 0) continue;
        if (json_is(m, JSON_OBJECT) && depth < 4) {
            strbuf name = {0};
            strbuf_puts(&name, prefix);
            strbuf_append(&name, m->key, m->key_length);
            strbuf_puts(&name, " · ");
            settings(out, m, strbuf_str(&name), depth + 1);
            out->failed |= name.failed;
            strbuf_free(&name);
            continue;
        }
        strbuf value = {0};
        json_writer w = json_writer_make(&value);
        json_copy(&w, m);
        strbuf_puts(out, "<tr><td>");
        html_string(out, prefix);
        html_text(out, m->key, m->key_length);
        strbuf_puts(out, "</td><td class=\"left code\">");
        if (json_is(m, JSON_STRING))
            html_text(out, m->text, m->length);
        else
            html_text(out, strbuf_str(&value), value.len < 2000 ? value.len : 2000);
        strbuf_puts(out, "</td></tr>\n");
        out->failed |= value.failed;
        strbuf_free(&value);
    }
}

void prepare_section(strbuf *out, const json_value *s) {
    const json_value *meta = json_get(s, "meta"), *turns = json_get(s, "turns"), *records = json_get(s, "records");
    strbuf_puts(out, "<h2>Prepared data: ");
    html_string(out, part_text(s, "dir", ""));
    strbuf_puts(out, "</h2>\n");
    headline(out, s);
    if (part_number(turns, "bad_lines") > 0)
        strbuf_printf(out, "<p class=\"bad\">turns.jsonl.zst: %.0f damaged lines skipped</p>\n",
                      part_number(turns, "bad_lines"));
    label_flow(out, turns);
    funnel_table(out, json_get(meta, "funnel"));
    label_table(out, records);
    prepare_users(out, json_get(s, "users"));
    distributions(out, turns, records);
    prepare_refusals(out, json_get(s, "refusals"));
    prepare_examples(out, json_get(s, "examples"));
    if (json_is(meta, JSON_OBJECT)) {
        strbuf_puts(out, "<details class=\"card\"><summary>Options and hashes</summary><table>\n");
        settings(out, meta, "", 0);
        strbuf_puts(out, "</table></details>\n");
    }
}
