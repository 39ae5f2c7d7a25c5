/* JudgeBench (arXiv 2410.12784): of two replies to a question the model answers A where that scores strictly higher,
 * else B; so equal scores are right where B is. Sections are those that the authors' program prints, by the beginning
 * of `source`; overall is the share of all pairs. */
#include "evaluate/suites/suite_rows.h"

#include <string.h>

static const char *section_of(const char *source) {
    static const char *const sections[] = {"mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (strncmp(source, sections[i], strlen(sections[i])) == 0) return sections[i];
    return source;
}

static wr_status read(suite_reader *r, const json_value *row) {
    wr_status status = WR_OK;
    const char *text[2], *label, *source;
    size_t n[2], length;
    TRY(suite_prompt(r, row, "question"));
    TRY(suite_text(row, "response_A", &text[0], &n[0]));
    TRY(suite_text(row, "response_B", &text[1], &n[1]));
    TRY(suite_text(row, "label", &label, &length));
    const bool b = strcmp(label, "B>A") == 0;
    if (!b && strcmp(label, "A>B") != 0)
        TRY(wr_fail(WR_E_FORMAT, "label \"%.40s\" is neither \"A>B\" nor \"B>A\"", label));
    TRY(suite_text(row, "source", &source, &length));
    source = section_of(source);
    TRY(suite_in_group(r, source, strlen(source)));
    r->item.n_right = 1;
    r->item.tie_right = b;
    TRY(suite_reply(r, text[b], n[b]));
    TRY(suite_reply(r, text[!b], n[!b]));
cleanup:
    return status;
}

static const char *const names[] = {"question", "response_A", "response_B", "label", "source", NULL},
                         *const none[] = {NULL}, *const texts[] = {"question", "response_A", "response_B", NULL};
const suite suite_judgebench = {.name = "judgebench",
                                .columns = {.names = names, .needed = names, .typed = none, .texts = texts},
                                .needs = "question, response_A, response_B, label (A>B or B>A) and source",
                                .read = read,
                                .judge = suite_judge_rows};
