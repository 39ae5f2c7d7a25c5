/* The follow-ups of a prepared folder: what they were called, what became of them, and whose they were. */
#include "data/prepare/prepare_summary.h"
#include "data/prepare/summary_parts.h"

#include "base/file.h"
#include "data/label/agree/refusal_report.h"

#include <stdio.h>
#include <string.h>

enum { SEEN, KEPT };

typedef struct turn_counts {
    uint64_t n, levels[6], final[6];
    tally *flow, *how, *dropped, *languages, *models, *months; /* flow: "level final outcome" */
    refusal_report refusals;
} turn_counts;

static wr_status count_group(tally *t, const char *name, bool kept) {
    wr_status status = WR_OK;
    if (!name) return WR_OK;
    TRY(tally_add(t, name, SEEN, 1));
    if (kept) TRY(tally_add(t, name, KEPT, 1));
cleanup:
    return status;
}

static wr_status count_turn(void *context, const turn_line *t) {
    wr_status status = WR_OK;
    turn_counts *c = context;
    char flow[160];
    bool kept = !t->dropped;
    c->n++;
    c->levels[t->level]++;
    c->final[t->final_level]++;
    snprintf(flow, sizeof flow, "%d %d %s", t->level, t->final_level, kept ? "kept" : t->dropped);
    TRY(tally_add(c->flow, flow, 0, 1));
    if (t->how) TRY(tally_add(c->how, t->how, 0, 1));
    if (t->dropped) TRY(tally_add(c->dropped, t->dropped, 0, 1));
    TRY(count_group(c->languages, t->language, kept));
    TRY(count_group(c->models, t->model, kept));
    TRY(count_group(c->months, t->month, kept));
    TRY(refusal_report_add(&c->refusals, t));
cleanup:
    return status;
}

static void put_levels(json_writer *w, const char *key, const uint64_t *counts) {
    json_member_array(w, key);
    for (int l = 0; l < 6; l++) json_int(w, (int64_t)counts[l]);
    json_end_array(w);
}

static void put_level(json_writer *w, const char *key, char digit) {
    json_key(w, key);
    if (digit == '0')
        json_null(w);
    else
        json_int(w, digit - '0');
}

static void put_flow(json_writer *w, tally *flow) {
    const tally_row *rows = tally_by_name(flow);
    json_member_array(w, "flow");
    for (size_t i = 0; i < tally_count(flow); i++) {
        json_begin_object(w);
        put_level(w, "level", rows[i].name[0]);
        put_level(w, "final", rows[i].name[2]);
        json_member_string(w, "outcome", rows[i].name + 4);
        json_member_int(w, "n", (int64_t)rows[i].counts[0]);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_turns(json_writer *w, turn_counts *c, uint64_t bad) {
    static const char *const number[] = {"n", NULL}, *const groups[] = {"turns", "kept", NULL};
    json_member_object(w, "turns");
    json_member_int(w, "n", (int64_t)c->n);
    json_member_int(w, "bad_lines", (int64_t)bad);
    put_levels(w, "levels", c->levels);
    put_levels(w, "final", c->final);
    put_flow(w, c->flow);
    summary_list(w, "how", tally_by_size(c->how), tally_count(c->how), SIZE_MAX, number);
    summary_list(w, "dropped", tally_by_size(c->dropped), tally_count(c->dropped), SIZE_MAX, number);
    if (tally_count(c->languages))
        summary_list(w, "languages", tally_by_size(c->languages), tally_count(c->languages), SUMMARY_NAMES, groups);
    if (tally_count(c->models))
        summary_list(w, "models", tally_by_size(c->models), tally_count(c->models), SUMMARY_NAMES, groups);
    if (tally_count(c->months))
        summary_list(w, "months", tally_by_name(c->months), tally_count(c->months), SIZE_MAX, groups);
    json_end_object(w);
    json_key(w, "refusals"), refusal_report_json(&c->refusals, SUMMARY_NAMES, w);
}

wr_status summary_turns(const char *dir, json_writer *w) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    turn_counts c = {0};
    tally **all[] = {&c.flow, &c.how, &c.dropped, &c.languages, &c.models, &c.months};
    uint64_t bad = 0;
    TRY(path_join(path, dir, "turns.jsonl.zst"));
    if (!file_exists(path)) return WR_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) TRY(tally_create(all[i]));
    TRY(refusal_report_create(&c.refusals));
    TRY(turns_read(path, count_turn, &c, &bad));
    put_turns(w, &c, bad);
cleanup:
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tally_free(*all[i]);
    refusal_report_free(&c.refusals);
    return status;
}
