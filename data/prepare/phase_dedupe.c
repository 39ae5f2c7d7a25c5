/* Phase dedupe, on rank 0: counts of all units, which conversations are kept, and what several annotators agree on.
 * Reads the tables of the .read files, never their rows. */
#include "data/label/annotate/answer_pattern.h"
#include "data/prepare/dedupe.h"
#include "data/prepare/pipeline.h"
#include "data/prepare/read_counts.h"

#include <stdio.h>
#include <stdlib.h>

/* The table's lines in their order, before anything is counted. */
static wr_status begin_table(funnel *f) {
    wr_status status = WR_OK;
    static const char *const rows[] = {"read", "good", "messages", "follow-ups"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) TRY(funnel_count(f, "rows", rows[i], 0));
    for (int i = ROW_GOOD + 1; i < ROW_FAULTS; i++) TRY(funnel_count(f, "rows", row_fault_name((row_fault)i), 0));
    for (int i = 0; i < 6; i++) TRY(funnel_count(f, "level", turn_level_name(i), 0));
    TRY(funnel_count(f, "mining", "neutral -> 4", 0));
    TRY(funnel_count(f, "mining", "neutral -> 5", 0));
    TRY(funnel_count(f, "mining", "mined", 0));
    TRY(funnel_count(f, "refusal", "false refusal -> 1", 0));
    TRY(funnel_count(f, "refusal", "justified refusal -> 5", 0));
    for (int i = FILTER_KEEP + 1; i < FILTERS; i++) TRY(funnel_count(f, "dropped", filter_name((filter)i), 0));
cleanup:
    return status;
}

/* One round over the tables of all units. counts: of the unit at hand; item: called for each conversation. */
typedef struct dedupe_round {
    const prepare_context *c;
    const annotator_panel *panel;
    unit_list *units;
    dedupe *dedupe;
    funnel *funnel;
    wr_status (*unit)(struct dedupe_round *r, unit_entry *u, const read_counts *c, const uint8_t *answers);
    wr_status (*item)(struct dedupe_round *r, size_t i, const dedupe_item *x, const uint8_t *answers, size_t turns);
    uint64_t *patterns; /* (6^annotators) */
    uint64_t turns, faults[2];
    uint64_t answered[PATTERN_ANNOTATORS]; /* turns that the annotator had a level for */
} dedupe_round;

static wr_status round_of(dedupe_round *round) {
    wr_status status = WR_OK;
    const size_t annotators = round->panel->n;
    unit_reader *file = NULL;
    read_counts counts = {0};
    char path[PATH_CAP];
    size_t number = 0;
    arena *a = arena_create();
    TRY_ALLOC(a);
    for (size_t i = 0; i < round->units->n; i++) {
        unit_entry *u = &round->units->units[i];
        size_t n;
        TRY(unit_path(path, round->c->dir.work, u->id, ".read"));
        TRY(unit_open(path, &file));
        const void *table = unit_table(file, &n);
        bytes_reader r = bytes_reader_make(table, n);
        size_t turns = bytes_get_count(&r, annotators), at = 0;
        const uint8_t *answers = bytes_take(&r, turns * annotators);
        TRY(wr_context(read_counts_unpack(&r, &counts), "%s", path));
        if (turns != counts.turns) TRY(unit_damaged(file, "answers"));
        if (round->unit) TRY(round->unit(round, u, &counts, answers));
        for (size_t k = 0; round->item && k < counts.conversations; k++) {
            dedupe_item x;
            arena_reset(a);
            TRY(wr_context(dedupe_item_read(&r, a, &x), "%s", path));
            size_t of_item = bytes_get_u32(&r);
            if (r.bad || of_item > turns - at) TRY(unit_damaged(file, "keys"));
            TRY(round->item(round, number++, &x, answers + at * annotators, of_item));
            at += of_item;
        }
        unit_close(file);
        file = NULL;
        if (i % 64 == 0 && world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
    }
cleanup:
    unit_close(file);
    read_counts_free(&counts);
    arena_free(a);
    return status;
}

static wr_status add_counts(dedupe_round *round, unit_entry *u, const read_counts *c, const uint8_t *answers) {
    wr_status status = WR_OK;
    const size_t annotators = round->panel->n;
    unit_list *l = round->units;
    funnel *f = round->funnel;
    char note[PATH_CAP + 64];
    u->conversations = (uint32_t)c->conversations;
    u->turns = (uint32_t)c->turns;
    u->first = l->conversations;
    l->conversations += c->conversations;
    l->bytes += c->bytes;
    for (size_t t = 0; t < c->turns * annotators; t++) round->answered[t % annotators] += answers[t] != 0;
    TRY(funnel_count(f, "rows", "read", c->rows));
    TRY(funnel_count(f, "rows", "messages", c->messages));
    for (int i = ROW_GOOD + 1; i < ROW_FAULTS; i++) {
        if (!c->faults[i]) continue;
        const char *name = row_fault_name((row_fault)i);
        snprintf(note, sizeof note, "skipped; first: %s", strbuf_str(&c->first[i]));
        TRY(funnel_count(f, "rows", name, c->faults[i]));
        TRY(funnel_note(f, "rows", name, note));
    }
cleanup:
    return status;
}

static wr_status by_id(dedupe_round *r, size_t i, const dedupe_item *x, const uint8_t *answers, size_t turns) {
    (void)answers, (void)turns;
    return dedupe_ids(r->dedupe, i, x);
}

static wr_status by_whole(dedupe_round *r, size_t i, const dedupe_item *x, const uint8_t *answers, size_t turns) {
    (void)answers, (void)turns;
    return dedupe_wholes(r->dedupe, i, x);
}

static wr_status by_head(dedupe_round *r, size_t i, const dedupe_item *x, const uint8_t *answers, size_t turns) {
    (void)answers, (void)turns;
    dedupe_heads(r->dedupe, i, x);
    return WR_OK;
}

/* The verdict is in: what is kept, its follow-ups and, of several annotators, their answers. */
static wr_status settle(dedupe_round *r, size_t i, const dedupe_item *x, const uint8_t *answers, size_t turns) {
    (void)x;
    const size_t annotators = r->panel->n;
    row_fault fate = dedupe_fate(r->dedupe, i);
    if (fate != ROW_GOOD) {
        r->units->dropped[i / 8] |= (uint8_t)(1 << (i % 8));
        r->faults[fate == ROW_FORK]++;
        return WR_OK;
    }
    r->turns += turns;
    for (size_t k = 0; r->patterns && k < turns; k++) r->patterns[pattern_of(answers + k * annotators, annotators)]++;
    return WR_OK;
}

/* An annotator without a single answer was not there: what was read with it is read again when it is. */
static wr_status check_answered(const dedupe_round *r) {
    wr_status status = WR_OK;
    const unit_list *l = r->units;
    const annotator_panel *panel = r->panel;
    uint64_t turns = 0;
    size_t silent = 0;
    char path[PATH_CAP];
    for (size_t i = 0; i < l->n; i++) turns += l->units[i].turns;
    while (silent < panel->n && r->answered[silent]) silent++;
    if (!turns || silent == panel->n) return WR_OK;
    for (size_t i = 0; i < l->n; i++) {
        TRY(unit_path(path, r->c->dir.work, l->units[i].id, ".read"));
        TRY(dir_remove_tree(path));
    }
    TRY(wr_fail(WR_E_FAILED,
                "annotator %s gave no answer to any of %llu follow-ups, so nothing was prepared; see that it answers "
                "and run the same command again",
                panel->annotators[silent]->name, (unsigned long long)turns));
cleanup:
    return status;
}

static wr_status count_outcome(const dedupe_round *r) {
    wr_status status = WR_OK;
    funnel *f = r->funnel;
    const size_t all = r->units->conversations;
    TRY(funnel_count(f, "rows", row_fault_name(ROW_DUPLICATE), r->faults[0]));
    TRY(funnel_count(f, "rows", row_fault_name(ROW_FORK), r->faults[1]));
    TRY(funnel_count(f, "rows", "good", all - r->faults[0] - r->faults[1]));
    TRY(funnel_count(f, "rows", "follow-ups", r->turns));
    if (r->turns) return WR_OK;
    funnel_print(f);
    TRY(wr_fail(WR_E_FORMAT, "%s: no follow-up in the %llu rows read; are these chats of the format of --fields?",
                r->c->o->sources[0], (unsigned long long)funnel_get(f, "rows", "read")));
cleanup:
    return status;
}

static wr_status dedupe_all(dedupe_round *round) {
    wr_status status = WR_OK;
    unit_list *l = round->units;
    TRY(begin_table(round->funnel));
    round->unit = add_counts;
    TRY(round_of(round));
    round->unit = NULL;
    TRY(check_answered(round));
    TRY(dedupe_create(l->conversations, &round->dedupe));
    TRY_ALLOC(l->dropped = mem_calloc(l->conversations / 8 + 1, 1));
    round->item = by_id;
    TRY(round_of(round));
    round->item = by_whole;
    TRY(round_of(round));
    round->item = by_head;
    TRY(round_of(round));
    if (round->panel->n > 1)
        TRY_ALLOC(round->patterns = mem_calloc(pattern_count(round->panel->n), sizeof *round->patterns));
    round->item = settle;
    TRY(round_of(round));
    TRY(count_outcome(round));
cleanup:
    dedupe_free(round->dedupe);
    round->dedupe = NULL;
    return status;
}

wr_status phase_dedupe(const prepare_context *c, const annotator_panel *panel, unit_list *units, consensus *agreed,
                       prepare_account *account) {
    wr_status status = WR_OK;
    dedupe_round round = {.c = c, .panel = panel, .units = units, .funnel = &account->funnel};
    if (c->root) status = dedupe_all(&round);
    if (status >= 0 && round.patterns) status = consensus_fit(agreed, panel, round.patterns, &account->extra);
    TRY(prepare_agree(c, status));
    if (panel->n > 1) TRY(consensus_share(agreed, c));
cleanup:
    free(round.patterns);
    return status;
}
