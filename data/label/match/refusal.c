#include "data/label/match/refusal.h"

#include "data/label/match/rule_set.h"

#include <stdlib.h>

typedef enum phrase_kind { KIND_PHRASE, KIND_ANSWER, KIND_HARM, KINDS } phrase_kind;
static const char *const kind_names[] = {"phrase", "answer", "harm", NULL};

struct refusal {
    rule_file *file;
    rule_set *sets[KINDS];
};

void refusal_free(refusal *r) {
    if (!r) return;
    for (int k = 0; k < KINDS; k++) rule_set_free(r->sets[k]);
    rules_free(r->file);
    free(r);
}

wr_status refusal_create(const char *file, refusal **out) {
    wr_status status = WR_OK;
    refusal *r = mem_calloc(1, sizeof *r);
    TRY_ALLOC(r);
    TRY(rules_read(RULES_REFUSALS, file, &r->file));
    for (int k = 0; k < KINDS; k++) TRY(rule_set_create(r->file, &r->sets[k]));
    for (size_t i = 0; i < r->file->n; i++) {
        const rule *x = &r->file->rules[i];
        int kind;
        if (!rule_field(x, "kind")) TRY(rule_fail(r->file, x, 0, "has no kind: give 'kind phrase', answer or harm"));
        TRY(rule_choice(r->file, x, "kind", kind_names, 0, &kind));
        TRY(rule_set_add(r->sets[kind], x, 0));
    }
    for (int k = 0; k < KINDS; k++) TRY(rule_set_build(r->sets[k]));
    if (file) TRY(refusal_check(r, NULL));
    *out = r;
    r = NULL;
cleanup:
    refusal_free(r);
    return status;
}

uint64_t refusal_fingerprint(const refusal *r) { return r->file->fingerprint; }

wr_status refusal_check(const refusal *r, size_t *examples) {
    wr_status status = WR_OK;
    if (examples) *examples = 0;
    for (int k = 0; k < KINDS; k++) TRY(rule_set_check(r->sets[k], NULL, examples));
cleanup:
    return status;
}

static bool has(const refusal *r, phrase_kind k, const char *text, size_t n) {
    return rule_set_find(r->sets[k], text, n, 0, NULL, NULL);
}

bool refusal_suspected(const refusal *r, const char *reply, size_t n) {
    if (n >= (size_t)4 * REFUSAL_CHARACTERS || text_characters(reply, n) >= REFUSAL_CHARACTERS) return false;
    return has(r, KIND_PHRASE, reply, n);
}

refusal_kind refusal_judge(const refusal *r, const char *query, size_t query_length, const char *reply,
                           size_t reply_length) {
    if (!refusal_suspected(r, reply, reply_length) || has(r, KIND_ANSWER, reply, reply_length)) return REFUSAL_NONE;
    return has(r, KIND_HARM, query, query_length) ? REFUSAL_JUSTIFIED : REFUSAL_FALSE;
}
