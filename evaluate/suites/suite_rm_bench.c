/* RM-Bench (arXiv 2410.16184): three right and three wrong replies to a prompt, each concise, detailed, and detailed
 * with markdown, in that order. Within a domain A[i][j] is the share of prompts whose right reply of style i scores
 * strictly above the wrong one of style j:
 *
 *                 wrong: concise  detailed  markdown
 *     right concise      normal     hard      hard
 *           detailed     easy      normal     hard
 *           markdown     easy       easy     normal
 *
 * easy, normal and hard are the means of their three places, over domains the plain mean; a domain's value is the mean
 * of the three, and overall that of the domains. Both files of safety are one domain. */
#include "evaluate/suites/suite_rows.h"

#include "base/log.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { STYLES = 3, EASY = 0, NORMAL, HARD, LEVELS };
static const char *const domains[] = {"chat", "code", "math", "safety"};
enum { DOMAINS = sizeof domains / sizeof *domains };

/* "safety-refuse" is safety */
static int find(const char *name, size_t n) {
    for (int i = 0; i < DOMAINS; i++) {
        const size_t k = strlen(domains[i]);
        if (n >= k && memcmp(name, domains[i], k) == 0 && (n == k || !isalnum((unsigned char)name[k]))) return i;
    }
    return -1;
}

/* The one domain that is a word of the file's name: chat_filtered.json. */
static int of_file(const char *path) {
    const char *stem;
    size_t n;
    int found = -1;
    suite_file_stem(path, &stem, &n);
    for (size_t i = 0; i < n; i++) {
        if (i && isalnum((unsigned char)stem[i - 1])) continue;
        const int k = find(stem + i, n - i);
        if (k >= 0 && found >= 0 && k != found) return -1;
        if (k >= 0) found = k;
    }
    return found;
}

static wr_status three(const json_value *row, const char *name, const json_value **list) {
    wr_status status = WR_OK;
    TRY(suite_texts(row, name, list));
    if ((*list)->length != STYLES)
        TRY(wr_fail(WR_E_FORMAT, "field \"%s\" has %zu texts, not 3 (concise, detailed, markdown)", name,
                    (*list)->length));
cleanup:
    return status;
}

static wr_status read(suite_reader *r, const json_value *row) {
    wr_status status = WR_OK;
    const json_value *chosen, *rejected;
    const char *name = NULL;
    size_t n = 0;
    TRY(suite_prompt(r, row, "prompt"));
    TRY(three(row, "chosen", &chosen));
    TRY(three(row, "rejected", &rejected));
    if (suite_field(row, "domain")) TRY(suite_text(row, "domain", &name, &n));
    const int domain = name ? find(name, n) : of_file(r->path);
    if (domain < 0 && name) TRY(wr_fail(WR_E_FORMAT, "domain \"%.60s\" is none of chat, code, math and safety", name));
    if (domain < 0)
        TRY(wr_fail(WR_E_FORMAT, "field \"domain\" is missing, and the file's name does not say it either"));
    TRY(suite_in_group(r, domains[domain], strlen(domains[domain])));
    r->item.n_right = STYLES;
    TRY(suite_replies(r, chosen));
    TRY(suite_replies(r, rejected));
cleanup:
    return status;
}

typedef struct domain_table {
    double n, above[LEVELS]; /* prompts; comparisons won */
} domain_table;

static void compare(const suite_item *x, const double *scores, domain_table *t, size_t *ties) {
    const double *right = scores + x->first, *wrong = right + STYLES;
    t->n++;
    for (int i = 0; i < STYLES; i++) {
        for (int j = 0; j < STYLES; j++) {
            t->above[i > j ? EASY : i == j ? NORMAL : HARD] += right[i] > wrong[j];
            *ties += right[i] == wrong[j];
        }
    }
}

static wr_status judge(const suite_set *s, const double *scores, suite_figures *out) {
    static const char *const levels[LEVELS] = {"easy", "normal", "hard"};
    wr_status status = WR_OK;
    double level[LEVELS] = {0}, present = 0;
    domain_table *tables = mem_calloc(s->n_groups + 1, sizeof *tables);
    TRY_ALLOC(tables);
    for (size_t i = 0; i < s->n; i++) compare(&s->items[i], scores, &tables[s->items[i].group], &out->ties);
    for (size_t g = 0; g < s->n_groups; g++) present += tables[g].n > 0;
    for (int pass = 0; pass < 2; pass++) { /* the suite's sections are its domains */
        for (size_t g = 0; g < s->n_groups; g++) {
            const domain_table *t = &tables[g];
            if (t->n <= 0) continue;
            double mean = 0;
            for (int k = 0; k < LEVELS; k++) mean += t->above[k] / t->n / STYLES / LEVELS;
            TRY(suite_put(out, pass ? "domains" : "sections", s->groups[g], mean));
            for (int k = 0; k < LEVELS && !pass; k++) level[k] += t->above[k] / t->n / STYLES / present;
        }
    }
    for (int k = 0; k < LEVELS; k++) {
        TRY(suite_put(out, "", levels[k], level[k]));
        out->overall += level[k] / LEVELS;
    }
    if (present < DOMAINS && !out->sample)
        log_warn("rm-bench: rows of %.0f of %d domains, whose mean overall is", present, DOMAINS);
cleanup:
    free(tables);
    return status;
}

static const char *const names[] = {"prompt", "chosen", "rejected", "domain", NULL},
                         *const needed[] = {"prompt", "chosen", "rejected", NULL},
                         *const typed[] = {"chosen", "rejected", NULL}, *const texts[] = {"prompt", NULL};
const suite suite_rm_bench = {.name = "rm-bench",
                              .columns = {.names = names, .needed = needed, .typed = typed, .texts = texts},
                              .needs = "a prompt, three chosen and three rejected texts, and domain (or the file its "
                                       "published name)",
                              .read = read,
                              .judge = judge};
