/* PPE (arXiv 2410.14872). Human preference: rows of two replies and which one people preferred; a pair is right where
 * that one scores strictly higher, and rows that people called a tie have no right answer and are left aside.
 * Correctness: rows of K replies to a prompt of a benchmark, how right each is, and the pairs drawn of them whose
 * rightness differs; a benchmark's accuracy is the share of its pairs whose better reply scores strictly higher, its
 * best_of_k the mean rightness of the reply that scores highest (the least right one of several).
 *
 *     correctness = mean over benchmarks          overall = mean of human and correctness, of those that are there */
#include "evaluate/suites/suite_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HUMAN "human"
enum { MOST_REPLIES = 1000 };

/* What folders and files of the published benchmarks are called. */
static const char *const benchmarks[][2] = {
    {"mmlu", "MMLU-Pro"}, {"gpqa", "GPQA"}, {"ifeval", "IFEval"}, {"mbpp", "MBPP-Plus"}, {"math", "MATH"}};

/* By the last part of the path that names one: PPE-MATH-Best-of-K/data/train-00000-of-00001.parquet. Else the file. */
static void benchmark_of(const char *path, const char **name, size_t *n) {
    for (size_t end = strlen(path); end > 0;) {
        size_t begin = end;
        while (begin > 0 && path[begin - 1] != '/') begin--;
        for (size_t i = 0; i < sizeof benchmarks / sizeof *benchmarks; i++) {
            const size_t k = strlen(benchmarks[i][0]);
            for (size_t at = begin; at + k <= end; at++) {
                if (strncasecmp(path + at, benchmarks[i][0], k) != 0) continue;
                *name = benchmarks[i][1], *n = strlen(*name);
                return;
            }
        }
        end = begin ? begin - 1 : 0;
    }
    suite_file_stem(path, name, n);
}

static wr_status read_human(suite_reader *r, const json_value *row) {
    wr_status status = WR_OK;
    const char *text[2], *winner;
    size_t n[2], length;
    TRY(suite_text(row, "response_1", &text[0], &n[0]));
    TRY(suite_text(row, "response_2", &text[1], &n[1]));
    TRY(suite_text(row, "winner", &winner, &length));
    const bool second = strcmp(winner, "model_b") == 0;
    if (strncmp(winner, "tie", 3) == 0) {
        r->none = true;
        return WR_OK;
    }
    if (!second && strcmp(winner, "model_a") != 0)
        TRY(wr_fail(WR_E_FORMAT, "winner \"%.40s\" is none of model_a, model_b and tie", winner));
    TRY(suite_in_group(r, HUMAN, strlen(HUMAN)));
    r->item.n_right = 1;
    TRY(suite_reply(r, text[second], n[second]));
    TRY(suite_reply(r, text[!second], n[!second]));
cleanup:
    return status;
}

/* true is 1 */
static bool rightness(const json_value *v, double *out) {
    if (json_is(v, JSON_BOOL)) *out = v->boolean;
    return json_is(v, JSON_BOOL) || (json_to_double(v, out) && isfinite(*out));
}

static wr_status read_scores(suite_reader *r, const json_value *list) {
    wr_status status = WR_OK;
    double *right;
    size_t i = 0;
    if (!json_is(list, JSON_ARRAY) || list->length < 2 || list->length > MOST_REPLIES)
        return wr_fail(WR_E_FORMAT, "field \"scores\" is no list of 2 to %d numbers", MOST_REPLIES);
    TRY_ALLOC(right = arena_alloc(r->set->memory, list->length * sizeof *right));
    for (const json_value *v = list->first; v; v = v->next, i++)
        if (!rightness(v, &right[i])) TRY(wr_fail(WR_E_FORMAT, "field \"scores[%zu]\" is no number", i));
    r->item.right = right;
cleanup:
    return status;
}

static wr_status read_pairs(suite_reader *r, const json_value *list, size_t n) {
    wr_status status = WR_OK;
    uint32_t *pairs;
    size_t i = 0;
    int64_t a, b;
    if (!json_is(list, JSON_ARRAY))
        return wr_fail(WR_E_FORMAT, "field \"sampled_conflict_pairs\" is missing, or no list");
    TRY_ALLOC(pairs = arena_alloc(r->set->memory, (2 * list->length + 1) * sizeof *pairs));
    for (const json_value *v = list->first; v; v = v->next, i++) {
        if (!json_is(v, JSON_ARRAY) || v->length != 2 || !json_to_int(v->first, &a) ||
            !json_to_int(v->first->next, &b) || a < 0 || b < 0 || (size_t)a >= n || (size_t)b >= n)
            TRY(wr_fail(WR_E_FORMAT, "field \"sampled_conflict_pairs[%zu]\" is no pair of replies 0 to %zu", i, n - 1));
        if (r->item.right[a] == r->item.right[b])
            TRY(wr_fail(WR_E_FORMAT, "field \"sampled_conflict_pairs[%zu]\" pairs replies of equal score", i));
        const bool first = r->item.right[a] > r->item.right[b];
        pairs[2 * i] = (uint32_t)(first ? a : b), pairs[2 * i + 1] = (uint32_t)(first ? b : a);
    }
    r->item.pairs = pairs;
    r->item.n_pairs = i;
cleanup:
    return status;
}

static wr_status read_correctness(suite_reader *r, const json_value *row) {
    wr_status status = WR_OK;
    const json_value *scores = suite_field(row, "scores");
    const char *name, *text;
    size_t n;
    char field[32];
    TRY(read_scores(r, scores));
    TRY(read_pairs(r, suite_field(row, "sampled_conflict_pairs"), scores->length));
    benchmark_of(r->path, &name, &n);
    TRY(suite_in_group(r, name, n));
    for (size_t i = 1; i <= scores->length; i++) {
        snprintf(field, sizeof field, "response_%zu", i);
        TRY(suite_text(row, field, &text, &n));
        TRY(suite_reply(r, text, n));
    }
    snprintf(field, sizeof field, "response_%zu", scores->length + 1);
    if (suite_field(row, field))
        TRY(wr_fail(WR_E_FORMAT, "field \"scores\" has %zu numbers, and there is a %s", scores->length, field));
cleanup:
    return status;
}

static wr_status read(suite_reader *r, const json_value *row) {
    const wr_status status = suite_prompt(r, row, "prompt");
    if (status < 0) return status;
    return suite_field(row, "scores") ? read_correctness(r, row) : read_human(r, row);
}

/* --- judging --- */

typedef struct benchmark_sums {
    double pairs, won, prompts, best;
} benchmark_sums;

static void add_item(const suite_item *x, const double *scores, benchmark_sums *b, size_t *ties) {
    const double *s = scores + x->first;
    size_t best = 0;
    if (!x->right) { /* human */
        b->pairs++;
        b->won += suite_won(x, scores, ties);
        return;
    }
    for (size_t i = 0; i < x->n_pairs; i++) {
        const double better = s[x->pairs[2 * i]], worse = s[x->pairs[2 * i + 1]];
        b->won += better > worse;
        *ties += better == worse;
    }
    for (size_t i = 1; i < x->n; i++)
        if (s[i] > s[best] || (s[i] == s[best] && x->right[i] < x->right[best])) best = i;
    b->pairs += (double)x->n_pairs;
    b->prompts++;
    b->best += x->right[best];
}

static wr_status put_all(const suite_set *s, const benchmark_sums *sums, suite_figures *out) {
    wr_status status = WR_OK;
    double human = NAN, correctness = 0, n = 0;
    for (size_t g = 0; g < s->n_groups; g++) {
        const benchmark_sums *b = &sums[g];
        if (b->pairs <= 0) continue;
        const double accuracy = b->won / b->pairs;
        TRY(suite_put(out, "sections", s->groups[g], accuracy));
        if (b->prompts <= 0) human = accuracy;
        if (b->prompts > 0) correctness += accuracy, n++;
    }
    if (n > 0) TRY(suite_put(out, "sections", "correctness", correctness /= n));
    for (size_t g = 0; g < s->n_groups; g++)
        if (sums[g].prompts > 0) TRY(suite_put(out, "best_of_k", s->groups[g], sums[g].best / sums[g].prompts));
    out->overall = n <= 0 ? human : isnan(human) ? correctness : (human + correctness) / 2;
    if (n <= 0 && isnan(human)) out->overall = NAN;
cleanup:
    return status;
}

static wr_status judge(const suite_set *s, const double *scores, suite_figures *out) {
    wr_status status = WR_OK;
    benchmark_sums *sums = mem_calloc(s->n_groups + 1, sizeof *sums);
    TRY_ALLOC(sums);
    for (size_t i = 0; i < s->n; i++) add_item(&s->items[i], scores, &sums[s->items[i].group], &out->ties);
    TRY(put_all(s, sums, out));
cleanup:
    free(sums);
    return status;
}

/* clang-format off */
#define R8(a, b, c, d, e, f, g, h) "response_" #a, "response_" #b, "response_" #c, "response_" #d, \
                                   "response_" #e, "response_" #f, "response_" #g, "response_" #h
static const char *const names[] = {"prompt", "winner", "scores", "sampled_conflict_pairs",
    R8(1, 2, 3, 4, 5, 6, 7, 8), R8(9, 10, 11, 12, 13, 14, 15, 16), R8(17, 18, 19, 20, 21, 22, 23, 24),
    R8(25, 26, 27, 28, 29, 30, 31, 32), NULL};
/* clang-format on */
static const char *const needed[] = {"prompt", "response_1", "response_2", NULL}, *const typed[] = {
                                                                                      "scores",
                                                                                      "sampled_conflict_pairs", NULL};
const suite suite_ppe = {.name = "ppe",
                         .columns = {.names = names, .needed = needed, .typed = typed, .texts = names},
                         .needs =
                             "prompt, response_1, response_2 and winner (human preference), or prompt, response_1 … "
                             "response_K, scores and sampled_conflict_pairs (correctness)",
                         .read = read,
                         .judge = judge};
