/* Duplicates and forks against a plain quadratic search. */
#include "base/rng.h"
#include "data/shard/bytes.h"
#include "data/prepare/dedupe.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 400, MESSAGES = 6 };
typedef struct made {
    char id[16], text[MESSAGES][4];
    chat_message messages[MESSAGES];
    int64_t turns[MESSAGES];
    conversation c;
} made;

static void verdicts(made *m, size_t n, row_fault *out) {
    strbuf keys = {0};
    arena *a = arena_create();
    dedupe *d;
    dedupe_item x;
    for (size_t i = 0; i < n; i++) assert_int_equal(dedupe_key(&m[i].c, &keys), WR_OK);
    assert_int_equal(dedupe_create(n, &d), WR_OK);
    for (int round = 0; round < 3; round++) {
        bytes_reader r = bytes_reader_make(keys.data, keys.len);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(dedupe_item_read(&r, a, &x), WR_OK);
            if (round == 0) assert_int_equal(dedupe_ids(d, i, &x), WR_OK);
            if (round == 1) assert_int_equal(dedupe_wholes(d, i, &x), WR_OK);
            if (round == 2) dedupe_heads(d, i, &x);
        }
        assert_false(r.bad);
    }
    for (size_t i = 0; i < n; i++) out[i] = dedupe_fate(d, i);
    dedupe_free(d);
    strbuf_free(&keys);
    arena_free(a);
}

static bool begins(const conversation *x, const conversation *y) { /* x is how y begins, or all of it */
    if (x->n > y->n) return false;
    for (size_t i = 0; i < x->n; i++) {
        if (strcmp(x->messages[i].role, y->messages[i].role) != 0 || x->messages[i].length != y->messages[i].length ||
            memcmp(x->messages[i].content, y->messages[i].content, x->messages[i].length) != 0)
            return false;
    }
    return true;
}

static void plain(const made *m, size_t n, row_fault *out) {
    for (size_t i = 0; i < n; i++) {
        out[i] = ROW_GOOD;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(m[i].id, m[k].id) == 0) out[i] = ROW_DUPLICATE;
        }
    }
    row_fault ids[MOST];
    memcpy(ids, out, n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i && ids[i] == ROW_GOOD; k++) {
            if (ids[k] == ROW_GOOD && m[k].c.n == m[i].c.n && begins(&m[i].c, &m[k].c)) out[i] = ROW_DUPLICATE;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n && out[i] == ROW_GOOD; k++) {
            if (out[k] != ROW_DUPLICATE && m[k].c.n > m[i].c.n && begins(&m[i].c, &m[k].c)) out[i] = ROW_FORK;
        }
    }
}

static void make(made *m, size_t n, rng *r) {
    for (size_t i = 0; i < n; i++) {
        snprintf(m[i].id, sizeof m[i].id, "c%u", (unsigned)rng_below(r, n * 4));
        m[i].c = (conversation){.id = m[i].id,
                                .user = "u",
                                .language = "",
                                .model = "",
                                .timestamp = "",
                                .messages = m[i].messages,
                                .turns = m[i].turns,
                                .n = 1 + rng_below(r, MESSAGES)};
        for (size_t k = 0; k < m[i].c.n; k++) {
            snprintf(m[i].text[k], sizeof m[i].text[k], "%c", 'a' + (char)rng_below(r, 3));
            m[i].messages[k] = (chat_message){k % 2 ? "assistant" : "user", m[i].text[k], strlen(m[i].text[k]), NULL};
        }
    }
}

static void as_a_plain_search(void **state) {
    (void)state;
    static made m[MOST];
    row_fault got[MOST], want[MOST];
    size_t seen[ROW_FAULTS] = {0};
    for (uint64_t seed = 0; seed < 60; seed++) {
        rng r = rng_make(seed, RNG_TEST, 1, 0, 0);
        size_t n = 1 + rng_below(&r, MOST);
        make(m, n, &r);
        verdicts(m, n, got);
        plain(m, n, want);
        for (size_t i = 0; i < n; i++) {
            if (got[i] != want[i])
                fail_msg("seed %u, conversation %zu of %zu: %d, should be %d", (unsigned)seed, i, n, got[i], want[i]);
            seen[got[i]]++;
        }
    }
    assert_true(seen[ROW_GOOD] > 100 && seen[ROW_DUPLICATE] > 100 && seen[ROW_FORK] > 100);
}

/* Same characters, cut elsewhere, are other messages; so are other roles. */
static void boundaries(void **state) {
    (void)state;
    chat_message a[] = {{"user", "ab", 2, NULL}, {"assistant", "c", 1, NULL}},
                 b[] = {{"user", "a", 1, NULL}, {"assistant", "bc", 2, NULL}},
                 c[] = {{"user", "ab", 2, NULL}, {"system", "c", 1, NULL}};
    int64_t turns[2] = {0, 1};
    made m[3] = {{.id = "x"}, {.id = "y"}, {.id = "z"}};
    chat_message *of[] = {a, b, c};
    row_fault got[3];
    for (int i = 0; i < 3; i++) m[i].c = (conversation){.id = m[i].id, .messages = of[i], .turns = turns, .n = 2};
    verdicts(m, 3, got);
    for (int i = 0; i < 3; i++) assert_int_equal(got[i], ROW_GOOD);
}

/* What a template shows beside the texts makes other chats, in a message and beside the messages; the same is a
 * duplicate, a beginning a fork. */
static void what_is_shown(void **state) {
    (void)state;
    static const char *const texts[] = {"null",
                                        "{\"tool_calls\":[1]}",
                                        "{\"tool_calls\":[2]}",
                                        "{\"tool_calls\":[1]}",
                                        "{\"name\":\"x\"}",
                                        "{\"tool_calls\":[2]}"};
    static const row_fault want[2][6] = {{ROW_GOOD, ROW_GOOD, ROW_FORK, ROW_DUPLICATE, ROW_GOOD, ROW_GOOD},
                                         {ROW_GOOD, ROW_GOOD, ROW_FORK, ROW_DUPLICATE, ROW_GOOD, ROW_GOOD}};
    chat_message messages[6][3];
    int64_t turns[3] = {0, 1, 2};
    arena *a = arena_create();
    for (int beside = 0; beside < 2; beside++) {
        made m[6] = {{.id = "0"}, {.id = "1"}, {.id = "2"}, {.id = "3"}, {.id = "4"}, {.id = "5"}};
        row_fault got[6];
        for (size_t i = 0; i < 6; i++) {
            const json_value *v;
            assert_int_equal(json_parse(a, texts[i], strlen(texts[i]), &v), WR_OK);
            if (v->kind == JSON_NULL) v = NULL;
            messages[i][0] = (chat_message){"user", "a", 1, NULL};
            messages[i][1] = (chat_message){"assistant", "b", 1, beside ? NULL : v};
            messages[i][2] = (chat_message){"user", "c", 1, NULL};
            m[i].c = (conversation){
                .id = m[i].id, .messages = messages[i], .turns = turns, .n = i == 5 ? 3 : 2, .row = beside ? v : NULL};
        }
        verdicts(m, 6, got);
        for (int i = 0; i < 6; i++) assert_int_equal(got[i], want[beside][i]);
    }
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_a_plain_search), cmocka_unit_test(boundaries),
                                       cmocka_unit_test(what_is_shown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
