/* Any bytes as a row: every suite takes it for an item, or refuses it by field. What it takes has replies for all its
 * scores, the right ones among them; judged with any scores, all figures are numbers that can be (or none). */
#include "evaluate/suites/suite_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static wr_status encode_text(const void *context, const char *text, size_t n, token_ids *out) {
    (void)context;
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum = (sum * 31 + text[i]) % 7; /* few scores, many ties */
    return token_ids_push(out, sum);
}

static wr_status encode_chat(const void *context, const chat_message *messages, size_t n, const json_value *row,
                             token_ids *out) {
    (void)row;
    return encode_text(context, messages[n - 1].content, messages[n - 1].length, out);
}

static void judge(const suite *kind, const suite_set *set) {
    suite_figures f = {0};
    double *scores = mem_calloc(set->n_texts + 1, sizeof *scores);
    for (size_t i = 0; scores && i < set->n_texts; i++) scores[i] = set->texts[i].ids[0];
    if (scores && kind->judge(set, scores, &f) >= 0 && (f.overall < 0 || f.overall > 1.01)) __builtin_trap();
    for (size_t i = 0; i < f.n; i++)
        if (strcmp(f.list[i].part, "best_of_k") != 0 && (f.list[i].value < 0 || f.list[i].value > 1.01))
            __builtin_trap();
    suite_figures_free(&f);
    free(scores);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const suite_encoder encoder = {NULL, encode_chat, encode_text, true};
    const json_value *row;
    const suite *kind;
    arena *a = arena_create();
    if (a && json_parse(a, (const char *)data, size, &row) >= 0 && json_is(row, JSON_OBJECT)) {
        for (size_t i = 0; (kind = suite_at(i)); i++) {
            suite_set set;
            suite_reader r = {.set = &set, .encoder = &encoder, .path = "math/chat.jsonl", .row = a};
            if (suite_set_init(&set) >= 0 && kind->read(&r, row) >= 0 && !r.none && !r.refused) {
                if (r.item.n != set.n_texts || r.item.n_right > r.item.n || !r.item.n) __builtin_trap();
                set.items = &r.item;
                set.n = 1;
                judge(kind, &set);
                set.items = NULL;
            }
            suite_set_free(&set);
        }
    }
    arena_free(a);
    return 0;
}
