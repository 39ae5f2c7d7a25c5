#include "data/label/agree/refusal_report.h"

#include <math.h>
#include <string.h>

enum { REFUSALS, FALSE_ONES, JUSTIFIED_ONES, ANSWERED_ONES, TURNS };

void wilson_interval(uint64_t k, uint64_t n, double *low, double *high) {
    static const double z = 1.959963984540054; /* normal quantile of 0.975 */
    *low = 0;
    *high = 1;
    if (!n) return;
    double count = (double)n, p = (double)k / count, s = z * z / count;
    double middle = (p + s / 2) / (1 + s), half = z / (1 + s) * sqrt(p * (1 - p) / count + s / (4 * count));
    *low = k ? fmax(0, middle - half) : 0; /* exact ends, where rounding would leave 1e-17 */
    *high = k < n ? fmin(1, middle + half) : 1;
}

wr_status refusal_report_create(refusal_report *out) {
    wr_status status = WR_OK;
    *out = (refusal_report){0};
    TRY(tally_create(&out->models));
    TRY(tally_create(&out->languages));
    TRY(tally_create(&out->months));
cleanup:
    if (status < 0) refusal_report_free(out);
    return status;
}

void refusal_report_free(refusal_report *r) {
    tally_free(r->models);
    tally_free(r->languages);
    tally_free(r->months);
    *r = (refusal_report){0};
}

static wr_status count_in(tally *t, const char *name, turn_refusal kind) {
    static const size_t column[TURN_REFUSALS] = {
        [TURN_FALSE] = FALSE_ONES, [TURN_JUSTIFIED] = JUSTIFIED_ONES, [TURN_ANSWERED] = ANSWERED_ONES};
    wr_status status = WR_OK;
    if (!name) return WR_OK;
    TRY(tally_add(t, name, TURNS, 1));
    if (column[kind]) TRY(tally_add(t, name, column[kind], 1));
    if (kind == TURN_FALSE || kind == TURN_JUSTIFIED) TRY(tally_add(t, name, REFUSALS, 1));
cleanup:
    return status;
}

wr_status refusal_report_add(refusal_report *r, const turn_line *t) {
    wr_status status = WR_OK;
    r->axes[t->level][t->refusal]++;
    r->total[t->refusal]++;
    r->answered_known |= t->refusal_stated;
    TRY(count_in(r->models, t->model, t->refusal));
    TRY(count_in(r->languages, t->language, t->refusal));
    TRY(count_in(r->months, t->month, t->refusal));
cleanup:
    return status;
}

/* "name", "name_low", "name_high"; null where n is 0. */
static void share(json_writer *w, const char *name, const char *low_name, const char *high_name, uint64_t k,
                  uint64_t n) {
    double low = NAN, high = NAN;
    if (n) wilson_interval(k, n, &low, &high);
    json_member_double(w, name, n ? (double)k / (double)n : NAN);
    json_member_double(w, low_name, low);
    json_member_double(w, high_name, high);
}

static void false_share(json_writer *w, uint64_t k, uint64_t n) {
    share(w, "false_share", "false_share_low", "false_share_high", k, n);
}

static void put_list(json_writer *w, const char *key, const tally_row *rows, size_t n, bool answered) {
    json_member_array(w, key);
    for (size_t i = 0; i < n; i++) {
        const uint64_t *c = rows[i].counts;
        json_begin_object(w);
        json_member_string(w, "name", rows[i].name);
        json_member_count(w, "turns", c[TURNS]);
        json_member_count(w, "refusals", c[REFUSALS]);
        json_member_count(w, "false", c[FALSE_ONES]);
        json_member_count(w, "justified", c[JUSTIFIED_ONES]);
        if (answered) json_member_count(w, "answered", c[ANSWERED_ONES]);
        false_share(w, c[FALSE_ONES], c[REFUSALS]);
        json_end_object(w);
    }
    json_end_array(w);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

void refusal_report_json(refusal_report *r, size_t most, json_writer *w) {
    uint64_t refusals = r->total[TURN_FALSE] + r->total[TURN_JUSTIFIED];
    json_begin_object(w);
    json_member_count(w, "refusals", refusals);
    json_member_count(w, "false", r->total[TURN_FALSE]);
    json_member_count(w, "justified", r->total[TURN_JUSTIFIED]);
    if (r->answered_known) json_member_count(w, "answered", r->total[TURN_ANSWERED]);
    false_share(w, r->total[TURN_FALSE], refusals);
    json_member_double(w, "paper_false_share", REFUSAL_PAPER_FALSE_SHARE);
    json_member_array(w, "by_level");
    for (int level = 0; level < 6; level++) {
        const uint64_t *c = r->axes[level];
        uint64_t turns = c[TURN_FALSE] + c[TURN_JUSTIFIED] + c[TURN_ANSWERED] + c[TURN_NO_PHRASE];
        json_begin_object(w);
        json_key(w, "level");
        if (level)
            json_int(w, level);
        else
            json_null(w);
        json_member_count(w, "turns", turns);
        json_member_count(w, "false", c[TURN_FALSE]);
        json_member_count(w, "justified", c[TURN_JUSTIFIED]);
        if (r->answered_known) json_member_count(w, "answered", c[TURN_ANSWERED]);
        json_member_count(w, "none", c[TURN_NO_PHRASE]);
        share(w, "false_rate", "false_rate_low", "false_rate_high", c[TURN_FALSE], turns);
        json_end_object(w);
    }
    json_end_array(w);
    if (tally_count(r->models))
        put_list(w, "by_model", tally_by_size(r->models), least(most, tally_count(r->models)), r->answered_known);
    if (tally_count(r->languages))
        put_list(w, "by_language", tally_by_size(r->languages), least(most, tally_count(r->languages)),
                 r->answered_known);
    if (tally_count(r->months))
        put_list(w, "by_month", tally_by_name(r->months), tally_count(r->months), r->answered_known);
    json_end_object(w);
}
