#include "base/options.h"

#include "base/options_internal.h"
#include <stdio.h>
#include <string.h>

#define MAX_WORD 64
#define HELP_COLUMN 30

static void help_line(strbuf *out, const char *left, const char *help, const char *note) {
    int width = (int)strlen(left);
    strbuf_printf(out, "  %s", left);
    if (width + 2 < HELP_COLUMN) {
        strbuf_printf(out, "%*s", HELP_COLUMN - width - 2, "");
    } else {
        strbuf_printf(out, "\n%*s", HELP_COLUMN, "");
    }
    strbuf_printf(out, "%s%s\n", help ? help : "", note);
}

static void row_help(const option_spec *s, strbuf *out) {
    char left[256], note[256] = "";
    bool negatable = s->kind == OPT_FLAG && s->default_value && strcmp(s->default_value, "true") == 0;
    snprintf(left, sizeof left, "--%s%s%s%s", negatable ? "[no-]" : "", s->name, s->kind == OPT_FLAG ? "" : " ",
             s->kind == OPT_FLAG ? ""
             : s->arg            ? s->arg
                                 : "VALUE");
    if (s->required) {
        snprintf(note, sizeof note, " (required)");
    } else if (s->default_value && s->kind != OPT_FLAG) {
        snprintf(note, sizeof note, " (default %s)", s->default_value);
    }
    if (s->may_differ) {
        snprintf(note + strlen(note), sizeof note - strlen(note), " (ranks may differ)");
    }
    help_line(out, left, s->help, note);
}

void options_help(const option_group *groups, strbuf *out) {
    for (const option_group *g = groups; g->rows; g++) {
        for (const option_spec *row = g->rows; row->name; row++) {
            const option_spec here = option_of_group(g, row);
            row_help(&here, out);
        }
    }
    help_line(out, "--config FILE", "run file (YAML) with any of these options; '-' in names becomes '_'", "");
    help_line(out, "--set KEY=VALUE", "sets one key of the run file; repeatable", "");
    help_line(out, "--help", "this text", "");
}

/* Edit distance with transpositions of neighbours (optimal string alignment); '-' and '_' are the same letter. */
static size_t distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    unsigned char rows[3][MAX_WORD + 1];
    if (n > MAX_WORD || m > MAX_WORD) {
        return MAX_WORD;
    }
    for (size_t j = 0; j <= m; j++) {
        rows[0][j] = (unsigned char)j;
    }
    for (size_t i = 1; i <= n; i++) {
        unsigned char *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= m; j++) {
            char x = a[i - 1] == '_' ? '-' : a[i - 1], y = b[j - 1] == '_' ? '-' : b[j - 1];
            size_t best = above[j - 1] + (x != y);
            best = above[j] + 1u < best ? above[j] + 1u : best;
            best = row[j - 1] + 1u < best ? row[j - 1] + 1u : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_above[j - 2] + 1u < best) {
                best = two_above[j - 2] + 1u;
            }
            row[j] = (unsigned char)best;
        }
    }
    return rows[n % 3][m];
}

const char *nearest_name(const char *word, const char *const *names) {
    const char *best = NULL;
    size_t best_distance = 0, length = strlen(word);
    for (size_t i = 0; names[i]; i++) {
        size_t d = distance(word, names[i]);
        /* A beginning is as good as one typing error: "glob" means "global-batch". */
        if (length >= 3 && strncmp(word, names[i], length) == 0 && d > 1) {
            d = 1;
        }
        if (d <= 1 + length / 3 && d < strlen(names[i]) && (!best || d < best_distance)) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}
