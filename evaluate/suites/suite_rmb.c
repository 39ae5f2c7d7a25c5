/* RMB (arXiv 2410.09893): pairs (`chosen` and `reject`), and lists (`bon_best` and `loser_list`), which are right where
 * the best reply scores strictly above every other. Four sections, by what a row is and the half that its category is
 * of; overall is the plain mean of those that are there. */
#include "evaluate/suites/suite_rows.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static const char *const sections[] = {"pairwise_helpfulness", "pairwise_harmlessness", "bon_helpfulness",
                                       "bon_harmlessness"};
enum { SECTIONS = sizeof sections / sizeof *sections };

/* {"answer": …} of a model. */
static wr_status answer(suite_reader *r, const json_value *v, const char *name) {
    wr_status status = WR_OK;
    const char *text;
    size_t n;
    if (!json_is(v, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "field \"%s\" is missing, or no object", name);
    TRY(wr_context(suite_text(v, "answer", &text, &n), "\"%s\"", name));
    TRY(suite_reply(r, text, n));
cleanup:
    return status;
}

/* Pairwise_set/Helpfulness/Chat/… or BoN_set/Harmlessness/S1 */
static wr_status read_section(suite_reader *r, const json_value *row, bool lists) {
    wr_status status = WR_OK;
    const char *path;
    size_t n;
    TRY(suite_text(row, "category_path", &path, &n));
    const bool helpful = strstr(path, "Helpfulness") != NULL, harmless = strstr(path, "Harmlessness") != NULL;
    if (helpful == harmless)
        TRY(wr_fail(WR_E_FORMAT, "category_path \"%.80s\" names neither Helpfulness nor Harmlessness", path));
    const char *section = sections[2 * lists + harmless];
    TRY(suite_in_group(r, section, strlen(section)));
cleanup:
    return status;
}

static wr_status read(suite_reader *r, const json_value *row) {
    wr_status status = WR_OK;
    const json_value *best = suite_field(row, "bon_best"), *losers = suite_field(row, "loser_list"),
                     *chosen = suite_field(row, "chosen");
    const bool lists = best || losers;
    if (lists && chosen) TRY(wr_fail(WR_E_FORMAT, "fields \"chosen\" and \"bon_best\" are of two kinds of rows"));
    TRY(suite_prompt(r, row, "conversation_input"));
    TRY(read_section(r, row, lists));
    r->item.n_right = 1;
    TRY(lists ? answer(r, best, "bon_best") : answer(r, chosen, "chosen"));
    if (lists && (!json_is(losers, JSON_ARRAY) || !losers->length))
        TRY(wr_fail(WR_E_FORMAT, "field \"loser_list\" is no list of at least one reply"));
    if (!lists) TRY(answer(r, suite_field(row, "reject"), "reject"));
    for (const json_value *v = lists ? losers->first : NULL; v; v = v->next) TRY(answer(r, v, "loser_list"));
cleanup:
    return status;
}

static wr_status judge(const suite_set *s, const double *scores, suite_figures *out) {
    wr_status status = WR_OK;
    double total = 0;
    int present = 0;
    suite_share *shares = mem_calloc(s->n_groups + 1, sizeof *shares);
    TRY_ALLOC(shares);
    suite_shares(s, scores, &out->ties, shares);
    for (int k = 0; k < SECTIONS; k++) {
        for (size_t g = 0; g < s->n_groups; g++) {
            if (strcmp(s->groups[g], sections[k]) != 0 || !shares[g].n) continue;
            TRY(suite_put(out, "sections", sections[k], suite_mean(&shares[g])));
            total += suite_mean(&shares[g]);
            present++;
        }
    }
    if (present < SECTIONS && !out->sample)
        log_warn("rmb: rows of %d of %d sections, whose mean overall is", present, SECTIONS);
    out->overall = total / present;
cleanup:
    free(shares);
    return status;
}

static const char *const names[] = {"conversation_input", "category_path", "chosen", "reject",
                                    "bon_best",           "loser_list",    NULL},
                         *const needed[] = {"conversation_input", "category_path", NULL},
                         *const typed[] = {"conversation_input", "chosen", "reject", "bon_best", "loser_list", NULL},
                         *const texts[] = {NULL};
const suite suite_rmb = {.name = "rmb",
                         .columns = {.names = names, .needed = needed, .typed = typed, .texts = texts},
                         .needs =
                             "conversation_input, category_path, and chosen and reject or bon_best and loser_list, "
                             "each with its answer",
                         .read = read,
                         .judge = judge};
