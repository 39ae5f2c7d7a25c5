/* Inputs joined from pieces are those of the whole text: every golden vocabulary, random conversations full of what
 * pre-tokenizers care about. */
#include "reward/reward_encoder.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 8, TEXT = 60 };
static const char *const bits[] = {" ",
                                   "  ",
                                   "\n",
                                   "\r\n",
                                   "\n\n",
                                   "\t",
                                   "a",
                                   "B",
                                   "word",
                                   " word",
                                   "'s",
                                   "'",
                                   ":",
                                   "!!",
                                   "...",
                                   "1",
                                   "234",
                                   "5678",
                                   "好",
                                   "你",
                                   "é",
                                   "e\xCC\x81",
                                   "\xCC\x81",
                                   "🙂",
                                   "\xEF\xBC\xA1",
                                   "\xC2\xA0",
                                   "\xE2\x80\xA8",
                                   "\xC2\x85",
                                   "_",
                                   "<|im_end|>",
                                   "User: x",
                                   "\nUser: ",
                                   "</think>",
                                   "\nSatisfaction:",
                                   "\xFF",
                                   "\xE5\xA5",
                                   "",
                                   "٣",
                                   "Ⅷ",
                                   "\xE1\x84\x80\xE1\x85\xA1"};

static uint32_t random_below(uint64_t *state, uint32_t n) {
    *state += 0x9E3779B97F4A7C15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

typedef struct random_chat {
    chat_message messages[MESSAGES];
    char text[MESSAGES][TEXT * 16];
} random_chat;

static void fill(random_chat *c, uint64_t *state) {
    static const char *const odd_roles[] = {"tool", "a!", "x y ", "9", "", "\xCC\x81"};
    for (size_t i = 0; i < MESSAGES; i++) {
        size_t n = 0;
        for (uint32_t k = random_below(state, 12); k > 0; k--) {
            const char *bit = bits[random_below(state, sizeof bits / sizeof *bits)];
            memcpy(c->text[i] + n, bit, strlen(bit));
            n += strlen(bit);
        }
        const char *role = i % 2 ? "assistant" : "user";
        if (random_below(state, 30) == 0) role = odd_roles[random_below(state, sizeof odd_roles / sizeof *odd_roles)];
        c->messages[i] = (chat_message){role, c->text[i], n, NULL};
    }
}

static void compare(const reward_template *t, const tokenizer *tok, reward_encoder *e, const random_chat *c,
                    size_t n_history, size_t limit, const char *name) {
    token_ids got = {0}, want = {0};
    size_t dropped = 77, dropped_whole = 77;
    const chat_message *query = &c->messages[n_history], *response = query + 1;
    wr_status whole = reward_template_encode(t, tok, c->messages, n_history, query->content, query->length,
                                             response->content, response->length, limit, &want, &dropped_whole);
    wr_status joined = reward_encoder_encode(e, c->messages, n_history, limit, &got, &dropped);
    assert_int_equal(joined, whole);
    if (got.n != want.n || dropped != dropped_whole ||
        (got.n && memcmp(got.ids, want.ids, got.n * sizeof *got.ids) != 0)) {
        strbuf text = {0};
        reward_template_render(t, c->messages, n_history, query->content, query->length, response->content,
                               response->length, &text);
        print_message("%s: %zu ids, %zu whole; %zu messages left out, %zu whole; of:\n%s\n", name, got.n, want.n,
                      dropped, dropped_whole, strbuf_str(&text));
        fail();
    }
    token_ids_free(&got);
    token_ids_free(&want);
}

static void conversations(const char *vocabulary, const char *text, bool joins, size_t n) {
    char path[200];
    tokenizer *tok;
    reward_template *t;
    reward_encoder *e;
    uint64_t state = 5;
    random_chat *c = malloc(sizeof *c);
    assert_non_null(c);
    snprintf(path, sizeof path, "tests/golden/tokenizer/%s", vocabulary);
    assert_int_equal(tokenizer_load(path, &tok), WR_OK);
    assert_int_equal(text ? reward_template_from_text(text, &t) : reward_template_load(NULL, &t), WR_OK);
    assert_int_equal(reward_encoder_create(t, tok, &e), WR_OK);
    assert_int_equal(reward_encoder_joins(e), joins);
    for (size_t i = 0; i < n; i++) {
        fill(c, &state);
        reward_encoder_begin(e);
        for (size_t history = 0; history + 2 <= MESSAGES; history += 1 + random_below(&state, 3)) {
            compare(t, tok, e, c, history, 0, vocabulary);
            compare(t, tok, e, c, history, 30 + random_below(&state, 200), vocabulary);
        }
    }
    reward_encoder_free(e);
    reward_template_free(t);
    tokenizer_free(tok);
    free(c);
}

static void joined(void **state) {
    (void)state;
    static const char *const byte_level[] = {"qwen2", "llama3", "digits"};
    for (size_t i = 0; i < sizeof byte_level / sizeof *byte_level; i++) {
        conversations(byte_level[i], NULL, true, 1500);
        conversations(byte_level[i], "Rate.\n{history}\nQ: {query}\nA: {response}\nmark", true, 300);
    }
}

/* Heads whose texts are joined all the same, and some that are not: always the ids of the whole. */
static void under_heads(void **state) {
    (void)state;
#define LINES "Q: {query}\nA: {response}\nmark \n\n"
    static const struct {
        const char *text;
        bool joins;
    } files[] = {
        {"---\ntrim: true\nstrip_thoughts: true\n---\n\n Rate.\n{history}\n" LINES, true},
        {"---\ntruncate: right\nmax_length: 90\n---\nRate.\n{history}\n" LINES, true},
        {"---\nmax_length: 90\nroles: {user: Human, tool: \"!\"}\n---\nRate.\n{history}\n" LINES, true},
        {"---\nhistory_line: \"{role}: {content}\\n\"\nhistory_empty: \"\"\nroles: {}\ntrim: true\n"
         "strip_thoughts: true\ntruncate: right\n---\nRate.\n{history}" LINES,
         true},
        {"---\nhistory_line: \"{role}: {content}\\n\"\nhistory_empty: \"nothing\"\n---\nRate.\n{history}" LINES, true},
        {"---\nhistory_line: \"{role}: {content}\\n\"\nhistory_empty: \"nothing\\n\"\n---\nRate.\n{history}" LINES,
         true},
        {"---\nhistory_empty: \"\"\n---\nRate.\n{history}\n" LINES, true},
        {"---\nhistory_empty: \"(nothing) \"\n---\nRate.\n{history}\n" LINES, true},
        {"---\nhistory_empty: \"Nothing\\n\"\n---\nRate.\n{history}\n" LINES, true},
        {"---\nhistory_line: \"{role}: {content}\\n\"\nhistory_empty: \"\"\n---\nRate.\n{history}\n" LINES, true},
        {"---\nhistory_line: \"{role}: {content}\\n\"\ntrim: true\ntruncate: right\nmax_length: 120\n---\nRate.\n\n"
         "{history}\n-- \n\nNow\nQ: {query}\n\n# \nOn: A: {response} . \n\nmark\n",
         true},
        {"Rate.\n{history} that was it\nQ: {query}\n\t\nA: {response}!\n 'x\nmark", true},
        {"---\nstrip_thoughts: true\n---\nRate.\n{history}\nQ: {query}\nA: {response}\n\nmark", true},
        {"---\ntrim: true\n---\n \n{history}\n" LINES, false},
        {"---\nhistory_line: \"{role}: {content}\"\n---\nRate.\n{history}\n" LINES, false},
        {"---\nhistory_line: \"- {role}: {content}\\n\"\n---\nRate.\n{history}" LINES, false},
        {"Rate.\n{history}Q: {query}\nA: {response}\nmark", false}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        conversations("qwen2", files[i].text, files[i].joins, 150);
        conversations("llama3", files[i].text, files[i].joins, 150);
    }
}

static void whole(void **state) {
    (void)state;
    conversations("gpt2", NULL, false, 100); /* adds a space in front of the text */
    conversations("metaspace", NULL, false, 100);
    conversations("sentence", NULL, false, 100);
    /* no line a slot, other labels than "Word: ", and the query first */
    conversations("digits", "{history}{query}{response}", false, 100);
    conversations("qwen2", "x\n{history}\nQ:{query}\nA: {response}\nmark", false, 100);
    conversations("llama3", "x\n{history}\nQ: {query}\nA: {response}\n mark", false, 100);
    conversations("llama3", "x\n{query}\nQ: {history}\nA: {response}\nmark", false, 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(joined), cmocka_unit_test(under_heads),
                                       cmocka_unit_test(whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
