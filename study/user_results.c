/* The results of a user-count study as files: a table, JSON. */
#include "study/user_figures.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>

/* As JSON has it, but nothing where there is none. */
static void put_value(strbuf *out, double v) {
    if (isfinite(v))
        strbuf_printf(out, ",%.9g", v);
    else
        strbuf_putc(out, ',');
}

void user_results_csv(const user_figures *f, strbuf *out) {
    strbuf_puts(out, "users,seed,instances,steps");
    for (size_t i = 0; i < CELL_FIGURES; i++)
        strbuf_printf(out, ",%s,%s_low,%s_high", cell_figure_names[i], cell_figure_names[i], cell_figure_names[i]);
    strbuf_puts(out, ",test_records,test_users\n");
    for (size_t k = 0; k < f->counts; k++) {
        for (size_t s = 0; s < f->seeds; s++) {
            const study_cell *c = &f->cells[s * f->counts + k];
            strbuf_printf(out, "%zu,%llu,%zu,%lld", c->users, (unsigned long long)c->seed, c->instances,
                          (long long)c->steps);
            for (size_t i = 0; i < CELL_FIGURES; i++) {
                put_value(out, c->figures[i].value);
                put_value(out, c->figures[i].low);
                put_value(out, c->figures[i].high);
            }
            strbuf_printf(out, ",%zu,%zu\n", c->test_records, c->test_users);
        }
    }
}

static void put_interval(json_writer *j, const char *name, double value, double low, double high) {
    char key[64];
    json_member_double(j, name, value);
    snprintf(key, sizeof key, "%s_low", name);
    json_member_double(j, key, low);
    snprintf(key, sizeof key, "%s_high", name);
    json_member_double(j, key, high);
}

static void put_cells(json_writer *j, const user_figures *f) {
    json_member_array(j, "cells");
    for (size_t k = 0; k < f->counts * f->seeds; k++) {
        const study_cell *c = &f->cells[k];
        json_begin_object(j);
        json_member_count(j, "users", c->users);
        json_member_count(j, "seed", c->seed);
        json_member_count(j, "instances", c->instances);
        json_member_int(j, "steps", c->steps);
        for (size_t i = 0; i < CELL_FIGURES; i++)
            put_interval(j, cell_figure_names[i], c->figures[i].value, c->figures[i].low, c->figures[i].high);
        json_member_count(j, "test_records", c->test_records);
        json_member_count(j, "test_users", c->test_users);
        json_end_object(j);
    }
    json_end_array(j);
}

static void put_means(json_writer *j, const mean_interval m[CELL_FIGURES]) {
    for (size_t i = 0; i < CELL_FIGURES; i++) put_interval(j, cell_figure_names[i], m[i].mean, m[i].low, m[i].high);
}

static void put_curve(json_writer *j, const char *name, const fitted_curve *c) {
    json_member_object(j, name);
    json_member_string(j, "form", "a - b * users^-c");
    put_interval(j, "a", c->fit.a, c->a.low, c->a.high);
    put_interval(j, "b", c->fit.b, c->b.low, c->b.high);
    put_interval(j, "c", c->fit.c, c->c.low, c->c.high);
    json_member_double(j, "error", c->fit.error);
    json_member_bool(j, "told", c->made && !c->fit.at_end);
    if (!c->made)
        json_member_string(j, "why", "fewer than three user counts have the figure");
    else if (c->fit.at_end)
        json_member_string(j, "why", "the best c is at an end of what is searched, 0.01 to 10");
    json_end_object(j);
}

void user_results_json(const user_figures *f, const char *data, strbuf *out) {
    json_writer j = json_writer_make(out);
    json_begin_object(&j);
    json_member_string(&j, "kind", "study users");
    json_member_string(&j, "data", data);
    json_member_string(&j, "sentence", strbuf_str(&f->sentence));
    json_member_bool(&j, "match_instances", f->matched);
    json_member_count(&j, "seeds", f->seeds);
    json_member_object(&j, "difference");
    json_member_count(&j, "fewest", f->by_count[0].users);
    json_member_count(&j, "most", f->by_count[f->counts - 1].users);
    put_means(&j, f->difference);
    json_end_object(&j);
    json_member_array(&j, "by_users");
    for (size_t k = 0; k < f->counts; k++) {
        json_begin_object(&j);
        json_member_count(&j, "users", f->by_count[k].users);
        json_member_count(&j, "instances_least", f->by_count[k].least);
        json_member_count(&j, "instances_most", f->by_count[k].most);
        put_means(&j, f->by_count[k].mean);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_member_object(&j, "fit");
    put_curve(&j, "spearman", &f->curve[CELL_SPEARMAN]);
    put_curve(&j, "accuracy", &f->curve[CELL_ACCURACY]);
    json_end_object(&j);
    put_cells(&j, f);
    json_end_object(&j);
    strbuf_putc(out, '\n');
}
