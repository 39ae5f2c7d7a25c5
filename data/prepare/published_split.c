#include "data/prepare/published_split.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/stream.h"
#include "base/string_map.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TEST_UNMET, TEST_MET, TRAIN };

struct published_split {
    bool by_ids;
    string_map ids; /* of the file; keys are names' */
    size_t n_tests; /* of them, of the test side */
    arena *names;
    bool *tests; /* by source */
};

void published_split_free(published_split *p) {
    if (!p) return;
    string_map_free(&p->ids);
    arena_free(p->names);
    free(p->tests);
    free(p);
}

/* Is `word` a word of the file's name? "test-00000-of-00001.parquet", "wildfb_test.jsonl"; not "latest.jsonl". */
static bool name_has(const char *path, const char *word) {
    const char *name = strrchr(path, '/'), *end;
    for (name = name ? name + 1 : path; *name; name = end) {
        for (end = name; isalpha((unsigned char)*end); end++) {
        }
        if ((size_t)(end - name) == strlen(word) && strncasecmp(name, word, strlen(word)) == 0) return true;
        if (end == name) end++;
    }
    return false;
}

static wr_status by_names(published_split *p, const sources *s) {
    wr_status status = WR_OK;
    const size_t n = sources_files(s);
    TRY_ALLOC(p->tests = mem_calloc(n ? n : 1, sizeof *p->tests));
    for (size_t i = 0; i < n; i++) {
        const char *path = sources_path(s, i);
        p->tests[i] = name_has(path, "test");
        if (p->tests[i] == name_has(path, "train"))
            TRY(wr_fail(WR_E_USAGE,
                        "%s: its name has %s, so its side of the published split is not known; "
                        "give --split-file FILE with the ids of the test rows, or rename it",
                        path, p->tests[i] ? "both 'train' and 'test'" : "neither 'train' nor 'test'"));
    }
cleanup:
    return status;
}

static wr_status add_id(published_split *p, const char *id, size_t n, bool test) {
    wr_status status = WR_OK;
    string_entry *slot;
    int fresh;
    const char *kept = arena_strndup(p->names, id, n);
    TRY_ALLOC(kept);
    TRY(string_map_put(&p->ids, kept, n, test ? TEST_UNMET : TRAIN, &slot, &fresh));
    const bool known_test = slot->value != TRAIN;
    if (known_test != test)
        TRY(wr_fail(WR_E_FORMAT, "the id %.80s is of the other side in a line above; leave one out", kept));
    p->n_tests += fresh && test;
cleanup:
    return status;
}

static wr_status add_value(published_split *p, const json_value *id, bool test) {
    if (json_is(id, JSON_STRING) || json_is(id, JSON_NUMBER)) return add_id(p, id->text, id->length, test);
    return wr_fail(WR_E_FORMAT, "an id is neither a text nor a number");
}

static wr_status add_list(published_split *p, const json_value *ids, bool test) {
    wr_status status = WR_OK;
    for (const json_value *v = json_is(ids, JSON_ARRAY) ? ids->first : NULL; v; v = v->next) TRY(add_value(p, v, test));
cleanup:
    return status;
}

/* A line of JSON: {"id", "split"} of one row; {"test": [ids], "train": [ids]}, or [ids] of the test side. */
static wr_status add_json(published_split *p, arena *a, const char *line, size_t n) {
    wr_status status = WR_OK;
    const json_value *v = NULL;
    const char *side = "test";
    size_t length = 4;
    TRY(json_parse(a, line, n, &v));
    const json_value *id = json_get(v, "id"), *split = json_get(v, "split"), *test = json_get(v, "test");
    if (json_is(v, JSON_ARRAY)) return add_list(p, v, true);
    if (!id && json_is(test, JSON_ARRAY)) {
        TRY(add_list(p, test, true));
        return add_list(p, json_get(v, "train"), false);
    }
    if (!id) TRY(wr_fail(WR_E_FORMAT, "needs an \"id\""));
    if (split && !json_get_string(v, "split", &side, &length))
        TRY(wr_fail(WR_E_FORMAT, "\"split\" is no text; it must be \"train\" or \"test\""));
    if (strcmp(side, "test") != 0 && strcmp(side, "train") != 0)
        TRY(wr_fail(WR_E_FORMAT, "\"split\" is \"%.40s\"; it must be \"train\" or \"test\"", side));
    TRY(add_value(p, id, strcmp(side, "test") == 0));
cleanup:
    return status;
}

static wr_status by_ids(published_split *p, const char *file) {
    wr_status status = WR_OK;
    instream *in = NULL;
    arena *scratch = arena_create();
    const char *line;
    size_t n;
    TRY_ALLOC(scratch);
    TRY_ALLOC(p->names = arena_create());
    TRY(instream_open(file, &in));
    for (;;) {
        const wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        if (n && line[n - 1] == '\r') n--;
        if (!n) continue;
        arena_reset(scratch);
        const bool json = *line == '{' || *line == '[';
        TRY(wr_context(json ? add_json(p, scratch, line, n) : add_id(p, line, n, true), "%s:%zu", file,
                       instream_line_number(in)));
    }
    if (!p->n_tests) TRY(wr_fail(WR_E_FORMAT, "%s: no id of a test row in it", file));
cleanup:
    arena_free(scratch);
    instream_close(in);
    return status;
}

wr_status published_split_open(const char *file, const sources *s, published_split **out) {
    wr_status status = WR_OK;
    published_split *p = mem_calloc(1, sizeof *p);
    TRY_ALLOC(p);
    p->by_ids = file != NULL;
    TRY(file ? by_ids(p, file) : by_names(p, s));
    *out = p;
    p = NULL;
cleanup:
    published_split_free(p);
    return status;
}

bool published_split_test(published_split *p, size_t source, const char *id) {
    if (!p->by_ids) return p->tests[source];
    const string_entry *found = string_map_find(&p->ids, id, strlen(id));
    if (!found || found->value == TRAIN) return false;
    p->ids.entries[found - p->ids.entries].value = TEST_MET;
    return true;
}

void published_split_unmet(const published_split *p, size_t *ids, size_t *unmet) {
    *ids = p->n_tests;
    *unmet = 0;
    for (size_t i = 0; i < p->ids.capacity; i++)
        *unmet += p->ids.entries[i].key && p->ids.entries[i].value == TEST_UNMET;
}
