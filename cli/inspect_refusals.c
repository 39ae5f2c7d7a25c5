#include "cli/inspect_refusals.h"

#include "base/file.h"
#include "base/log.h"
#include "base/printable.h"
#include "data/label/agree/refusal_report.h"

#include <inttypes.h>
#include <stdio.h>

static wr_status add(void *report, const turn_line *t) { return refusal_report_add(report, t); }

/* " 32.0 % (25.1 to 39.9)" */
static void print_share(uint64_t k, uint64_t n) {
    double low, high;
    if (!n) {
        printf("%8s\n", "-");
        return;
    }
    wilson_interval(k, n, &low, &high);
    printf("%6.1f %% (%.1f to %.1f)\n", 100 * (double)k / (double)n, 100 * low, 100 * high);
}

static void print_group(const char *title, const tally_row *rows, size_t n) {
    if (!n) return;
    printf("  %-28s %9s %9s %9s %9s  false, of refusals\n", title, "turns", "refusals", "false", "justified");
    for (size_t i = 0; i < n; i++) {
        char name[27];
        const uint64_t *c = rows[i].counts; /* refusals, false, justified, answered, turns */
        printf("    %-26s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64,
               rows[i].name[0] ? printable_string(rows[i].name, name, sizeof name) : "unknown", c[4], c[0], c[1], c[2]);
        print_share(c[1], c[0]);
    }
}

static void print_levels(const refusal_report *r) {
    static const char *const names[] = {"no level",  "1 rejection",           "2 error correction",
                                        "3 neutral", "4 positive engagement", "5 explicit satisfaction"};
    printf("  %-28s %9s %9s %9s %9s  false, of the level\n", "level (annotator's own)", "turns", "false", "justified",
           r->answered_known ? "answered" : "");
    for (int l = 0; l < 6; l++) {
        const uint64_t *c = r->axes[l];
        uint64_t turns = c[TURN_NO_PHRASE] + c[TURN_ANSWERED] + c[TURN_FALSE] + c[TURN_JUSTIFIED];
        if (!turns) continue;
        printf("    %-26s %9" PRIu64 " %9" PRIu64 " %9" PRIu64, names[l], turns, c[TURN_FALSE], c[TURN_JUSTIFIED]);
        if (r->answered_known)
            printf(" %9" PRIu64, c[TURN_ANSWERED]);
        else
            printf(" %9s", "");
        print_share(c[TURN_FALSE], turns);
    }
}

wr_status inspect_refusals(const char *dir) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    refusal_report r = {0};
    uint64_t bad = 0;
    TRY(path_join(path, dir, "turns.jsonl.zst"));
    if (!file_exists(path))
        TRY(wr_fail(WR_E_IO, "%s: not there; refusals are told from the follow-ups that prepare writes into it", path));
    TRY(refusal_report_create(&r));
    TRY(turns_read(path, add, &r, &bad));
    uint64_t wrong = r.total[TURN_FALSE], right = r.total[TURN_JUSTIFIED];
    printf("refusals: %" PRIu64 ", false (harmless query) %" PRIu64 ", justified %" PRIu64, wrong + right, wrong,
           right);
    if (r.answered_known) printf("; a refusal's phrase but answered %" PRIu64, r.total[TURN_ANSWERED]);
    printf("\nfalse, of refusals:");
    print_share(wrong, wrong + right);
    printf("  the paper's sample: %.0f %%; intervals are Wilson's, 95 %%, as if turns were independent\n",
           100 * REFUSAL_PAPER_FALSE_SHARE);
    print_levels(&r);
    print_group("model", tally_by_size(r.models), tally_count(r.models));
    print_group("language", tally_by_size(r.languages), tally_count(r.languages));
    print_group("month", tally_by_name(r.months), tally_count(r.months));
    if (bad) {
        log_warn("%s: %" PRIu64 " damaged lines skipped", path, bad);
        TRY(wr_fail(WR_E_FAILED, "%s: %" PRIu64 " lines are damaged and were left out", path, bad));
    }
cleanup:
    refusal_report_free(&r);
    return status;
}
