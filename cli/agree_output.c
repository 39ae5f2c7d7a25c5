#include "cli/agree_output.h"

#include "base/json.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/stream.h"

#include <math.h>
#include <stdio.h>

static const char *const way_names[AGREEMENT_WAYS] = {"5-way", "3-way"};

/* --- JSON --- */

static void put_result(json_writer *w, const agreement_result *r, bool intervals) {
    json_begin_object(w);
    for (int f = 0; f < AGREEMENT_FIGURES; f++) {
        char name[64];
        const char *figure = agreement_figure_name((agreement_figure)f);
        json_member_double(w, figure, r->value[f]);
        if (!intervals) continue;
        snprintf(name, sizeof name, "%s_low", figure);
        json_member_double(w, name, r->low[f]);
        snprintf(name, sizeof name, "%s_high", figure);
        json_member_double(w, name, r->high[f]);
    }
    json_end_object(w);
}

static void put_files(json_writer *w, const answers *in) {
    json_member_array(w, "files");
    for (size_t i = 0; i < in->n_files; i++) {
        const answer_file *f = &in->files[i];
        json_begin_object(w);
        json_member_string(w, "path", f->path);
        json_member_count(w, "rows", f->rows);
        json_member_object(w, "bad");
        for (int k = 0; k < ANSWER_FAULTS; k++) {
            if (f->faults[k]) json_member_count(w, answer_fault_name((answer_fault)k), f->faults[k]);
        }
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_member_array(w, "annotators");
    for (size_t i = 0; i < in->n_columns; i++) {
        json_begin_object(w);
        json_member_string(w, "name", in->columns[i].name);
        json_member_string(w, "file", in->files[in->columns[i].file].path);
        json_member_array(w, "levels");
        for (int l = 1; l <= PATTERN_LEVELS; l++) json_int(w, (int64_t)in->columns[i].levels[l]);
        json_end_array(w);
        json_member_count(w, "no_answer", in->columns[i].levels[0]);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_pairs(json_writer *w, const measured *m, bool intervals) {
    size_t n = m->in.n_columns;
    json_member_array(w, "pairs");
    for (size_t a = 0; a < n; a++) {
        for (size_t b = a + 1; b < n; b++) {
            uint64_t table[PATTERN_LEVELS][PATTERN_LEVELS];
            const agreement_result *r = m->pairs[agreement_pair(a, b, n)];
            json_begin_object(w);
            json_member_string(w, "a", m->in.columns[a].name);
            json_member_string(w, "b", m->in.columns[b].name);
            json_member_count(w, "turns", (uint64_t)r->turns);
            for (int way = 0; way < AGREEMENT_WAYS; way++) {
                json_key(w, way_names[way]);
                put_result(w, &r[way], intervals);
            }
            agreement_table(m->all, a, b, table);
            json_member_array(w, "table");
            for (int i = 0; i < PATTERN_LEVELS; i++) {
                json_begin_array(w);
                for (int k = 0; k < PATTERN_LEVELS; k++) json_int(w, (int64_t)table[i][k]);
                json_end_array(w);
            }
            json_end_array(w);
            json_end_object(w);
        }
    }
    json_end_array(w);
}

static void put_row(json_writer *w, const double *row) {
    json_begin_array(w);
    for (int l = 0; l < PATTERN_LEVELS; l++) json_double(w, row[l]);
    json_end_array(w);
}

static void put_consensus(json_writer *w, const measured *m) {
    const dawid_skene *d = m->consensus;
    json_member_object(w, "dawid_skene");
    json_member_bool(w, "determined", m->in.n_columns > 2);
    json_member_bool(w, "converged", dawid_skene_converged(d) != 0);
    json_member_count(w, "iterations", dawid_skene_iterations(d));
    json_member_double(w, "log_likelihood", dawid_skene_log_likelihood(d));
    json_key(w, "prior"), put_row(w, dawid_skene_prior(d));
    json_member_object(w, "confusion");
    for (size_t a = 0; a < m->in.n_columns; a++) {
        json_member_array(w, m->in.columns[a].name);
        for (int k = 0; k < PATTERN_LEVELS; k++) put_row(w, dawid_skene_confusion(d, a) + k * PATTERN_LEVELS);
        json_end_array(w);
    }
    json_end_object(w);
    json_end_object(w);
}

wr_status agree_write_json(const measured *m, const char *path) {
    wr_status status = WR_OK;
    strbuf text = {0};
    bool intervals = m->resamples > 0;
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    json_member_string(&w, "kind", "agreement");
    json_member_count(&w, "turns", m->in.n_rows);
    json_member_count(&w, "turns_compared", (uint64_t)m->overall[FIVE_WAYS].turns);
    json_member_count(&w, "users", m->in.n_users);
    json_member_count(&w, "users_compared", agreement_users(m->all));
    json_member_count(&w, "resamples", m->resamples);
    json_member_count(&w, "seed", m->seed);
    for (int way = 0; way < AGREEMENT_WAYS; way++) {
        json_key(&w, way_names[way]);
        put_result(&w, &m->overall[way], intervals);
    }
    put_files(&w, &m->in);
    put_pairs(&w, m, intervals);
    put_consensus(&w, m);
    json_end_object(&w);
    TRY(outstream_write_line(path, &text));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status agree_write_consensus(const measured *m, const char *path) {
    wr_status status = WR_OK;
    strbuf line = {0};
    outstream *out = NULL;
    TRY(outstream_create(path, &out));
    for (size_t i = 0; i < m->in.n_rows; i++) {
        const answer_row *r = &m->in.rows[i];
        double posterior;
        int level = dawid_skene_level(m->consensus, pattern_of(r->answers, m->in.n_columns), &posterior);
        strbuf_clear(&line);
        json_writer w = json_writer_make(&line);
        json_begin_object(&w);
        json_member_string(&w, "conversation_hash", r->conversation);
        json_member_int(&w, "turn_identifier", r->turn);
        json_key(&w, "level");
        if (level)
            json_int(&w, level);
        else
            json_null(&w);
        json_key(&w, "posterior");
        if (level)
            json_double(&w, posterior);
        else
            json_null(&w);
        json_end_object(&w);
        TRY(outstream_line(out, &line));
    }
    TRY(outstream_commit(&out));
cleanup:
    outstream_discard(out);
    strbuf_free(&line);
    return status;
}

/* --- the table --- */

static void print_results(const char *a, const char *b, const agreement_result *r, bool intervals) {
    static const char *const titles[AGREEMENT_FIGURES] = {"% agreement",      "kappa",          "kappa, linear",
                                                          "kappa, quadratic", "alpha, nominal", "alpha, ordinal",
                                                          "alpha, interval"};
    char first[200], second[200];
    fprintf(stderr, "%s%s%s, %.0f turns\n  %-18s %-24s %s\n", printable_string(a, first, sizeof first),
            b ? " and " : "", b ? printable_string(b, second, sizeof second) : "", r[0].turns, "", "5-way", "3-way");
    for (int f = 0; f < AGREEMENT_FIGURES; f++) {
        fprintf(stderr, "  %-18s", titles[f]);
        for (int way = 0; way < AGREEMENT_WAYS; way++) {
            double unit = f == AGREEMENT_SHARE ? 100 : 1;
            char cell[128] = "-";
            int decimals = f == AGREEMENT_SHARE ? 1 : 3;
            if (isfinite(r[way].value[f]) && intervals && isfinite(r[way].low[f]))
                snprintf(cell, sizeof cell, "%.*f (%.*f to %.*f)", decimals, unit * r[way].value[f], decimals,
                         unit * r[way].low[f], decimals, unit * r[way].high[f]);
            else if (isfinite(r[way].value[f]))
                snprintf(cell, sizeof cell, "%.*f", decimals, unit * r[way].value[f]);
            fprintf(stderr, " %-24s", cell);
        }
        fputc('\n', stderr);
    }
}

static void print_confusions(const measured *m) {
    const double *prior = dawid_skene_prior(m->consensus);
    fprintf(stderr, "Dawid-Skene consensus: true levels");
    for (int k = 0; k < PATTERN_LEVELS; k++)
        fprintf(stderr, " %d: %.1f %%%s", k + 1, 100 * prior[k], k + 1 < PATTERN_LEVELS ? "," : "");
    fprintf(stderr, "; %zu iterations\n", dawid_skene_iterations(m->consensus));
    for (size_t a = 0; a < m->in.n_columns; a++) {
        char name[200];
        fprintf(stderr, "  %s: %% of each answer, by true level\n    true      1     2     3     4     5\n",
                printable_string(m->in.columns[a].name, name, sizeof name));
        for (int k = 0; k < PATTERN_LEVELS; k++) {
            fprintf(stderr, "    %4d ", k + 1);
            for (int l = 0; l < PATTERN_LEVELS; l++)
                fprintf(stderr, " %5.1f", 100 * dawid_skene_confusion(m->consensus, a)[k * PATTERN_LEVELS + l]);
            fputc('\n', stderr);
        }
    }
}

void agree_print_table(const measured *m) {
    bool intervals = m->resamples > 0;
    size_t n = m->in.n_columns;
    fprintf(stderr, "%zu annotators, %zu follow-ups, %.0f of %zu users with two answers or more", n, m->in.n_rows,
            m->overall[0].turns, agreement_users(m->all));
    if (m->in.n_known_users < m->in.n_users)
        fprintf(stderr, "; %zu conversations count as users, because no file tells whose they are",
                m->in.n_users - m->in.n_known_users);
    fputc('\n', stderr);
    for (size_t a = 0; a < n; a++) {
        for (size_t b = a + 1; b < n; b++)
            print_results(m->in.columns[a].name, m->in.columns[b].name, m->pairs[agreement_pair(a, b, n)], intervals);
    }
    if (n > 2) print_results("all together", NULL, m->overall, intervals);
    print_confusions(m);
    if (n == 2)
        log_warn(
            "two annotators do not determine their confusions: the consensus rests on the start of EM; a third would");
    if (!dawid_skene_converged(m->consensus))
        log_warn("Dawid-Skene: not converged after %zu iterations", dawid_skene_iterations(m->consensus));
}
