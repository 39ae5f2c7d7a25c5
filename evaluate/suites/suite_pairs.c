/* Preference pairs in TRL's format: `chosen` and `rejected`, and maybe the `prompt` that both answer. Texts are taken
 * as they stand, the prompt before the reply; lists of messages are chats, with the prompt's messages before the
 * reply's. A pair is right where the chosen one scores strictly higher. A file is a section. */
#include "evaluate/suites/suite_rows.h"

#include "reward/pair_row.h"

static wr_status read(suite_reader *r, const json_value *row) {
    wr_status status = WR_OK;
    const char *stem;
    size_t n;
    pair_row pair;
    TRY(pair_row_read(r->row, row, r->encoder && r->encoder->whole, &pair));
    suite_file_stem(r->path, &stem, &n);
    TRY(suite_in_group(r, stem, n));
    r->item.n_right = 1;
    r->variables = pair.variables;
    if (pair.side[0].chat && pair.side[0].n > 1) r->before = pair.side[0].chat, r->n_before = pair.side[0].n - 1;
    for (int k = 0; k < 2; k++) {
        const pair_side *side = &pair.side[k];
        TRY(side->chat ? suite_chat(r, side->chat, side->n) : suite_ready(r, side->text, side->length));
    }
cleanup:
    return status;
}

static const char *const names[] = {"prompt", "chosen", "rejected", NULL},
                         *const needed[] = {"chosen", "rejected", NULL}, *const none[] = {NULL};
const suite suite_pairs = {.name = "pairs",
                           .columns = {.names = names, .needed = needed, .typed = none, .texts = names},
                           .needs = "chosen and rejected, both texts or both lists of messages, and maybe prompt",
                           .read = read,
                           .judge = suite_judge_rows};
