/* Columns are as wide as what stands in them; where all of them are too wide for a terminal, the names lose their
 * beginnings. */
#include "status/status_rows.h"

#include "base/printable.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80, NAME_LEAST = 12, INDENT = 4, CELL = 128, N_CELLS = 8, NAME_CELL = 2 * PATH_CAP };

typedef struct table_row {
    char name[NAME_CELL];
    char cell[N_CELLS][CELL]; /* [0] is the name's */
    notes notes;
} table_row;

/* Columns that a text takes, about: characters. */
static size_t width_of(const char *s) {
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* "41k tok": rep and rec are replies and records. */
static void rate_text(double x, const char *unit, char out[CELL]) {
    const char *k = x >= 1e6 ? "M" : x >= 1e3 ? "k" : "";
    const double shown = x >= 1e6 ? x / 1e6 : x >= 1e3 ? x / 1e3 : x;
    snprintf(out, CELL, "%.*f%s %.3s", shown < 10 ? 1 : 0, shown, k, unit);
}

static void fill_run(const run_look *r, table_row *row) {
    char age[SHORT_TIME];
    for (int i = 3; i < N_CELLS; i++) snprintf(row->cell[i], CELL, "-");
    snprintf(row->cell[1], CELL, "%s", run_state_name(r->state));
    if (r->steps > 0)
        snprintf(row->cell[2], CELL, "%lld/%lld", (long long)r->step, (long long)r->steps);
    else
        snprintf(row->cell[2], CELL, "%lld", (long long)r->step);
    if (!isnan(r->tail.loss)) snprintf(row->cell[3], CELL, "%.4g", r->tail.loss);
    if (!isnan(r->tail.per_s) && r->tail.unit) rate_text(r->tail.per_s, r->tail.unit, row->cell[4]);
    snprintf(row->cell[5], CELL, "%s", time_left_text(r->left_s, age));
    if (r->tail.there) snprintf(row->cell[6], CELL, "%s", age_text(r->tail.age_s, age));
    if (r->checkpoint >= 0)
        snprintf(row->cell[7], CELL, "%lld, %s", (long long)r->checkpoint, age_text(r->checkpoint_age_s, age));
    row->notes = r->notes;
}

static void fill_job(const job_look *j, table_row *row) {
    snprintf(row->cell[1], CELL, "%.*s", 60, j->state);
    notes_add(&row->notes, "%s%s%s%s%s%s%s", j->name, j->nodes[0] ? " on " : "", j->nodes, j->used[0] ? ", " : "",
              j->used, j->limit[0] ? " of " : "", j->limit);
    if (j->reason[0]) notes_add(&row->notes, "reason: %s", j->reason);
    if (j->exit_code[0]) notes_add(&row->notes, "exit code %s", j->exit_code);
    if (j->tasks > 1)
        notes_add(&row->notes, "the first of %zu lines of an array; give %.*s_N for a task", j->tasks,
                  (int)strcspn(j->id, "_"), j->id);
}

/* Words below a row, none of them longer than a line but what is. */
static void write_notes(const notes *list, strbuf *out) {
    size_t at = 0;
    for (size_t i = 0; i < list->n; i++) {
        char text[NOTE_LENGTH + 2], *next = NULL;
        snprintf(text, sizeof text, "%s%s", list->text[i], i + 1 < list->n ? ";" : "");
        for (char *word = strtok_r(text, " ", &next); word; word = strtok_r(NULL, " ", &next)) {
            const size_t n = width_of(word);
            if (at && at + 1 + n > WIDTH) strbuf_putc(out, '\n'), at = 0;
            strbuf_printf(out, "%*s%s", at ? 1 : INDENT, "", word);
            at += n + (at ? 1 : INDENT);
        }
    }
    if (at) strbuf_putc(out, '\n');
}

/* The end of the name, where it is too long. */
static void write_name(const char *name, size_t width, strbuf *out) {
    size_t n = width_of(name);
    const bool cut = n > width;
    for (; cut && *name && n >= width; n--) do
            name++;
        while (((unsigned char)*name & 0xC0) == 0x80);
    strbuf_printf(out, "%s%s%*s", cut ? "…" : "", name, cut ? 0 : (int)(width - n), "");
}

static void write_rows(table_row *rows, size_t n, strbuf *out) {
    size_t widths[N_CELLS] = {0}, rest = 0;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < N_CELLS; k++) {
            const size_t w = width_of(k ? rows[i].cell[k] : rows[i].name);
            if (w > widths[k]) widths[k] = w;
        }
    for (int k = 1; k < N_CELLS; k++) rest += widths[k] + 2;
    if (widths[0] + rest > WIDTH) {
        const size_t room = rest + NAME_LEAST < WIDTH ? WIDTH - rest : NAME_LEAST;
        if (room < widths[0]) widths[0] = room;
    }
    for (size_t i = 0; i < n; i++) {
        write_name(rows[i].name, widths[0], out);
        for (int k = 1; k < N_CELLS; k++)
            strbuf_printf(out, "  %s%*s", rows[i].cell[k], (int)(widths[k] - width_of(rows[i].cell[k])), "");
        while (out->len && out->data[out->len - 1] == ' ') out->data[--out->len] = 0;
        strbuf_putc(out, '\n');
        write_notes(&rows[i].notes, out);
    }
}

void status_table(const status_item *items, size_t n, strbuf *out) {
    static const char *const heads[N_CELLS] = {"", "state", "step", "loss", "per s", "left", "line", "saved"};
    table_row *rows = calloc(2 * n + 1, sizeof *rows);
    size_t used = 1;
    out->failed = out->failed || !rows;
    if (!rows) return;
    snprintf(rows[0].name, NAME_CELL, "run or job");
    for (int k = 1; k < N_CELLS; k++) snprintf(rows[0].cell[k], CELL, "%s", heads[k]);
    for (size_t i = 0; i < n; i++) {
        if (items[i].error) continue;
        table_row *row = &rows[used++];
        printable_string(items[i].argument, row->name, NAME_CELL);
        if (!items[i].is_job) {
            fill_run(&items[i].run, row);
            continue;
        }
        fill_job(&items[i].job, row);
        if (items[i].run_fault) notes_add(&row->notes, "%s", items[i].run_fault);
        if (!items[i].has_run) continue;
        row = &rows[used++];
        snprintf(row->name, NAME_CELL, "  ");
        printable_string(items[i].job.run, row->name + 2, NAME_CELL - 2);
        fill_run(&items[i].run, row);
    }
    if (used > 1) write_rows(rows, used, out);
    free(rows);
}
