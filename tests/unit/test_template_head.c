/* The head of template files: each key's effect on the text and on the tokens, the same as a chat template, and what is
 * refused. */
#include "base/file.h"
#include "reward/template.h"
#include "tests/support/temp_folder.h"
#include "text/chat/jinja.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY "H:{history}|Q:{query}|R:{response}"
#define HEAD(keys) "---\n" keys "---\n"

static const chat_message two[2] = {{"user", "a", 1, NULL}, {"Assistant", "b\n", 2, NULL}};

typedef struct rendering {
    const char *file;
    size_t n_history; /* of two */
    const char *response, *want;
} rendering;

static const rendering renderings[] = {
    {BODY, 2, "r", "H:User: a\nAssistant: b\n|Q:q|R:r"},
    {HEAD("") BODY, 2, "r", "H:User: a\nAssistant: b\n|Q:q|R:r"},
    {HEAD("# a remark\n") BODY, 0, "r", "H:none|Q:q|R:r"},
    {"--- \t\r\ntrim: false\r\n---\r\n" BODY, 0, "r", "H:none|Q:q|R:r"},
    {HEAD("history_line: \"{role}: {content}\\n\"\n") BODY, 2, "r", "H:User: a\nAssistant: b\n\n|Q:q|R:r"},
    {HEAD("history_line: \"{role}: {content}\"\n") BODY, 2, "r", "H:User: aAssistant: b\n|Q:q|R:r"},
    {HEAD("history_line: '<{content}>{role};\\n'\n") BODY, 2, "r", "H:<a>User;\\n<b\n>Assistant;\\n|Q:q|R:r"},
    {HEAD("history_line: |\n  [{role}]\n  {content}\n") BODY, 2, "r", "H:[User]\na\n[Assistant]\nb\n\n|Q:q|R:r"},
    {HEAD("history_empty: \"\"\n") BODY, 0, "r", "H:|Q:q|R:r"},
    {HEAD("history_empty: nothing was said, yet\n") BODY, 0, "r", "H:nothing was said, yet|Q:q|R:r"},
    {HEAD("history_empty: \"{query}'\\\\\\r\\n\"\n") BODY, 0, "r", "H:{query}'\\\r\n|Q:q|R:r"},
    {HEAD("roles: {}\n") BODY, 2, "r", "H:user: a\nAssistant: b\n|Q:q|R:r"},
    {HEAD("roles: {user: \"Mensch's\"}\n") BODY, 2, "r", "H:Mensch's: a\nAssistant: b\n|Q:q|R:r"},
    {HEAD("roles:\n  Assistant: \"\"\n  user: \"yes\"\n") BODY, 2, "r", "H:yes: a\n: b\n|Q:q|R:r"},
    {HEAD("trim: true\n") " \n{history}{query}{response}\n\xC2\xA0\x1C", 1, " r ", "User: aq r"},
    {HEAD("trim: True\n") "{query} {history} {response} ", 0, "\xE2\x80\x83", "q none"},
    {HEAD("trim: no\n") " {history}{query}{response} ", 1, "r", " User: aqr "},
    {HEAD("strip_thoughts: true\n") BODY, 1, "x</think>y</think>\n r </think", "H:User: a|Q:q|R:r </think"},
    {HEAD("strip_thoughts: true\n") BODY, 1, " r \n", "H:User: a|Q:q|R:r"},
    {HEAD("strip_thoughts: true\n") BODY, 1, "r</think>", "H:User: a|Q:q|R:"},
    {HEAD("strip_thoughts: off\n") BODY, 1, "x</think> r", "H:User: a|Q:q|R:x</think> r"},
    {HEAD("max_length: 4096\ntruncate: right\n") BODY, 0, "r", "H:none|Q:q|R:r"},
    {HEAD("history_line: \"{role}: {content}\\n\"\nhistory_empty: \"\"\nroles: {}\ntruncate: right\nmax_length: 4096\n"
          "trim: true\nstrip_thoughts: true\n") "\n" BODY "\n",
     2, "<think>t</think>\n\nr\n", "H:user: a\nAssistant: b\n\n|Q:q|R:r"},
};

static void as_chat_template(const reward_template *t, const rendering *r, const strbuf *want) {
    jinja *c = NULL;
    strbuf text = {0};
    arena *a = arena_create();
    jinja_text got;
    chat_message m[4];
    memcpy(m, two, r->n_history * sizeof *m);
    m[r->n_history] = (chat_message){"user", "q", 1, NULL};
    m[r->n_history + 1] = (chat_message){"assistant", r->response, strlen(r->response), NULL};
    assert_ok(reward_template_jinja(t, &text));
    assert_ok(jinja_compile(text.data, text.len, &c));
    assert_ok(jinja_render(c, &(jinja_chat){.messages = m, .n = r->n_history + 2}, a, &got));
    assert_int_equal(got.n, want->len);
    assert_memory_equal(got.bytes, want->data, want->len);
    jinja_free(c);
    arena_free(a);
    strbuf_free(&text);
}

static void texts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof renderings / sizeof *renderings; i++) {
        const rendering *r = &renderings[i];
        reward_template *t;
        strbuf text = {0};
        assert_ok(reward_template_from_text(r->file, &t));
        assert_string_equal(reward_template_text(t), r->file);
        strbuf_puts(&text, "  "); /* what stands before is not the text's */
        assert_ok(reward_template_render(t, two, r->n_history, "q", 1, r->response, strlen(r->response), &text));
        assert_string_equal(text.data + 2, r->want);
        assert_memory_equal(text.data, "  ", 2);
        memmove(text.data, text.data + 2, text.len -= 2);
        as_chat_template(t, r, &text);
        strbuf_free(&text);
        reward_template_free(t);
    }
}

typedef struct fault {
    const char *file, *words;
} fault;

static const fault faults[] = {
    {HEAD("trunc: right\n") BODY, "line 2: unknown key 'trunc'; did you mean 'truncate'?"},
    {HEAD("trim: true\nHistory_line: x\n") BODY, "line 3: unknown key 'History_line'; did you mean 'history_line'?"},
    {HEAD("entirely: else\n") BODY, "unknown key 'entirely'; a template's head has history_line"},
    {HEAD("trim: true\n\ntrim: true\n") BODY, "line 4: the key trim is given twice; leave one out"},
    {HEAD("trim: \"true\"\n") BODY, "line 2: trim must be true or false, without quotes"},
    {HEAD("trim: 1\n") BODY, "trim must be true or false, not 1"},
    {HEAD("trim: maybe\n") BODY, "trim must be true or false, not maybe"},
    {HEAD("trim:\n") BODY, "trim must be true or false"},
    {HEAD("strip_thoughts: [true]\n") BODY, "strip_thoughts must be true or false"},
    {HEAD("max_length: many\n") BODY, "max_length must be a number of tokens from 1 to 10000000, not many"},
    {HEAD("max_length: 0\n") BODY, "not 0"},
    {HEAD("max_length: -1\n") BODY, "not -1"},
    {HEAD("max_length: 4096.0\n") BODY, "not 4096.0"},
    {HEAD("max_length: 04096\n") BODY, "not 04096; write it without the leading 0"},
    {HEAD("max_length: 4_096\n") BODY, "not 4_096; write it without _"},
    {HEAD("max_length: 10000001\n") BODY, "not 10000001"},
    {HEAD("max_length: 1000000000000000000000000\n") BODY, "not 1000000000000000000000000"},
    {HEAD("max_length: \"4096\"\n") BODY, "max_length must be a number of tokens from 1 to 10000000, without quotes"},
    {HEAD("truncate: left\n") BODY, "truncate must be oldest or right, not 'left'"},
    {HEAD("truncate: true\n") BODY, "truncate must be a text"},
    {HEAD("history_line: \"{role}\\n\"\n") BODY, "line 2: history_line must have the slot {content} once"},
    {HEAD("history_line: \"{content}\"\n") BODY, "history_line must have the slot {role} once"},
    {HEAD("history_line: \"{role}{content}{role}\"\n") BODY, "history_line must have the slot {role} once only"},
    {HEAD("history_line: {role}\n") BODY, "history_line must be a text; write it in double quotes"},
    {HEAD("history_line: {role}: {content}\n") BODY, "line 2: history_line must be a text; write it in double quotes"},
    {HEAD("history_line: \"{role}\\0{content}\"\n") BODY, "history_line holds a NUL character"},
    {HEAD("history_empty:\n") BODY, "history_empty has no value; write \"\" for an empty text"},
    {HEAD("history_empty: ~\n") BODY, "history_empty has no value"},
    {HEAD("history_empty: no\n") BODY, "history_empty must be a text, and no without quotes is none: write \"no\""},
    {HEAD("history_empty: 0\n") BODY, "history_empty must be a text, and 0 without quotes is none"},
    {HEAD("history_empty: -.5e3\n") BODY, "history_empty must be a text"},
    {HEAD("history_empty: .inf\n") BODY, "history_empty must be a text"},
    {HEAD("history_empty: [none]\n") BODY, "history_empty must be a text; write it in double quotes"},
    {HEAD("history_empty: !!str none\n") BODY, "anchors and tags are not supported"},
    {HEAD("history_empty: &a none\n") BODY, "anchors and tags are not supported"},
    {HEAD("? [trim]\n: true\n") BODY, "a key of the head must be a word"},
    {HEAD("roles: user\n") BODY, "roles must be a mapping of roles to names, as in {user: User}"},
    {HEAD("roles:\n") BODY, "roles must be a mapping"},
    {HEAD("roles: {user: [User]}\n") BODY, "roles: the name of a role must be a text"},
    {HEAD("roles: {user: }\n") BODY, "roles: the name of a role has no value"},
    {HEAD("roles: {[user]: User}\n") BODY, "roles: a role must be a text"},
    {HEAD("roles: {user: A, user: B}\n") BODY, "line 2: roles: 'user' is given twice; leave one out"},
    {HEAD("- trim\n") BODY, "between its two lines --- a template has lines of 'key: value'"},
    {HEAD("Rate this.\n") BODY, "where the text itself begins with ---, put an empty head"},
    {HEAD("trim: true\n...\ntrim: true\n") BODY, "line 4: not valid YAML"},
    {HEAD("trim: true\n--- {trim: true}\n") BODY, "line 3: a second document starts here; a head is one"},
    {HEAD("trim: true\n\xFF: 1\n") BODY, "byte 16 is not UTF-8"},
    {"---\ntrim: true\n" BODY, "line 1: the line --- opens a head, which no line --- ends; close it"},
    {"---\ntrim: true\n----\n" BODY, "line 1: the line --- opens a head"},
    {"---", "opens a head"},
    {"\xEF\xBB\xBF" HEAD("trim: true\n") BODY, "line 1: a byte order mark before the head"},
    {HEAD("history_line: \"{role}{content}{history}{query}{response}\"\n"),
     "the slot {history} must occur exactly once"},
};

static void refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        reward_template *t;
        put_text("t.txt", faults[i].file);
        assert_int_equal(reward_template_load(in_folder("t.txt"), &t), WR_E_FORMAT);
        assert_error_says(faults[i].words);
        assert_error_says("t.txt: ");
        assert_null(strchr(wr_error(), '\n'));
    }
}

/* Cut anywhere a file is a template or an error, and what lies behind its end is not read. */
static void cut_short(void **state) {
    (void)state;
    static const char whole[] = HEAD("history_line: \"{role}: {content}\\n\"\nroles: {user: U}\nmax_length: 9\n") BODY;
    for (size_t n = 0; n < sizeof whole; n++) {
        reward_template *t;
        char *part = malloc(n + 1);
        memcpy(part, whole, n);
        part[n] = '\0';
        if (reward_template_from_text(part, &t) >= 0) reward_template_free(t);
        free(part);
    }
}

static void text_that_begins_with_dashes(void **state) {
    (void)state;
    static const char *const files[] = {"----\n" BODY, "---x\n" BODY, " ---\n" BODY, "\n---\ntrim: true\n---\n" BODY,
                                        "--- a\n---\n" BODY};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        reward_template *t;
        strbuf text = {0}, want = {0};
        assert_ok(reward_template_from_text(files[i], &t));
        assert_ok(reward_template_render(t, NULL, 0, "q", 1, "r", 1, &text));
        strbuf_append(&want, files[i], strlen(files[i]) - strlen(BODY));
        strbuf_puts(&want, "H:none|Q:q|R:r");
        assert_string_equal(text.data, want.data);
        strbuf_free(&text);
        strbuf_free(&want);
        reward_template_free(t);
    }
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

/* Llama 3's kind with a token in front and one at the end. */
static tokenizer *with_end(void) {
    tokenizer *tok;
    char *text = NULL;
    size_t n;
    assert_ok(file_read("tests/golden/tokenizer/llama3/tokenizer.json", 1 << 20, &text, &n));
    put_changed("tokenizer.json", text, "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\"",
                "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"<|im_end|>\",\"type_id\":0}}],"
                "\"pair\"");
    free(text);
    text = get_file("tokenizer.json", NULL);
    put_changed("tokenizer.json", text, "\"special_tokens\":{",
                "\"special_tokens\":{\"<|im_end|>\":{\"id\":\"<|im_end|>\",\"ids\":[2],\"tokens\":[\"<|im_end|>\"]},");
    free(text);
    assert_ok(tokenizer_load(in_folder("tokenizer.json"), &tok));
    return tok;
}

static const char long_reply[] = "because it is so, and not otherwise, as all of them said <|im_end|>";

static void cut_on_the_right(void **state) {
    (void)state;
    tokenizer *tok = with_end();
    reward_template *t, *oldest;
    token_ids whole = {0}, ids = {0};
    size_t cut = 99;
    assert_ok(reward_template_from_text(HEAD("truncate: right\n") BODY, &t));
    assert_ok(reward_template_from_text(BODY, &oldest));
    assert_true(reward_template_cuts_right(t) && !reward_template_cuts_right(oldest));
    const size_t n = strlen(long_reply);
    assert_ok(reward_template_encode(oldest, tok, two, 2, "q", 1, long_reply, n, 0, &whole, NULL));
    for (size_t limit = whole.n + 1; limit > 2; limit--) {
        ids.n = 0;
        assert_ok(token_ids_push(&ids, 7));
        assert_ok(reward_template_encode(t, tok, two, 2, "q", 1, long_reply, n, limit, &ids, &cut));
        const size_t kept = limit < whole.n ? limit : whole.n;
        assert_int_equal(ids.n, kept + 1);
        assert_int_equal(cut, whole.n - kept);
        assert_int_equal(ids.ids[0], 7);
        assert_memory_equal(ids.ids + 1, whole.ids, (kept - 1) * sizeof *whole.ids);
        assert_int_equal(ids.ids[1], 1);
        assert_int_equal(ids.ids[kept], 2);
    }
    for (size_t limit = 2; limit > 0; limit--) {
        ids.n = 1;
        assert_int_equal(reward_template_encode(t, tok, two, 2, "q", 1, long_reply, n, limit, &ids, &cut), WR_E_FORMAT);
        assert_error_says("leaves none to the text");
        assert_int_equal(ids.n, 1);
    }
    token_ids_free(&whole);
    token_ids_free(&ids);
    reward_template_free(t);
    reward_template_free(oldest);
    tokenizer_free(tok);
}

static void ready_text(void **state) {
    (void)state;
    tokenizer *tok = with_end();
    reward_template *right, *oldest;
    token_ids whole = {0}, ids = {0};
    size_t cut;
    const size_t n = strlen(long_reply);
    assert_ok(reward_template_from_text(
        HEAD("truncate: right\nmax_length: 10\ntrim: true\nstrip_thoughts: true\n") BODY, &right));
    assert_ok(reward_template_from_text(HEAD("max_length: 10\n") BODY, &oldest));
    assert_ok(tokenizer_encode(tok, long_reply, n, TOK_DEFAULT, &whole));
    assert_int_equal(whole.ids[whole.n - 2], 2); /* the text's own special token */
    assert_ok(reward_template_encode_text(right, tok, long_reply, n, 0, &ids));
    assert_int_equal(ids.n, 10);
    assert_memory_equal(ids.ids, whole.ids, 9 * sizeof *ids.ids);
    assert_int_equal(ids.ids[9], 2);
    ids.n = 0;
    assert_ok(reward_template_cut_text(right, tok, long_reply, n, 6, &ids, &cut));
    assert_int_equal(ids.n, 6);
    assert_int_equal(cut, whole.n - 6);
    /* ready: neither trimmed nor stripped */
    ids.n = whole.n = 0;
    assert_ok(reward_template_encode_text(right, tok, " </think> a ", 12, 0, &ids));
    assert_ok(tokenizer_encode(tok, " </think> a ", 12, TOK_DEFAULT, &whole));
    assert_int_equal(ids.n, whole.n);
    assert_memory_equal(ids.ids, whole.ids, whole.n * sizeof *whole.ids);
    for (int own = 0; own < 2; own++) {
        ids.n = 0;
        assert_int_equal(reward_template_encode_text(own ? oldest : NULL, tok, long_reply, n, own ? 100 : 11, &ids),
                         WR_E_FORMAT);
        assert_error_says(own ? "the limit is 10 (max_length of the template)" : "the limit is 11 (--max-length)");
        assert_int_equal(ids.n, 0);
    }
    token_ids_free(&whole);
    token_ids_free(&ids);
    reward_template_free(right);
    reward_template_free(oldest);
    tokenizer_free(tok);
}

/* Of two limits the smaller counts, and the message says which. */
static void own_limit(void **state) {
    (void)state;
    tokenizer *tok = with_end();
    reward_template *t, *plain;
    token_ids ids = {0}, want = {0};
    size_t dropped, dropped_want;
    const size_t n = strlen(long_reply);
    assert_ok(reward_template_from_text(BODY, &plain));
    assert_ok(reward_template_encode(plain, tok, two, 2, "q", 1, long_reply, n, 0, &ids, NULL));
    const size_t limit = ids.n - 1;
    char file[200];
    snprintf(file, sizeof file, "---\nmax_length: %zu\n---\n" BODY, limit);
    assert_ok(reward_template_from_text(file, &t));
    assert_int_equal(reward_template_max_length(t), limit);
    assert_int_equal(reward_template_max_length(plain), 0);
    static const int more[] = {-1, 0, 1, 100}; /* than the template's */
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        const size_t given = limit + (size_t)more[i];
        ids.n = want.n = 0;
        assert_ok(reward_template_encode(t, tok, two, 2, "q", 1, long_reply, n, given, &ids, &dropped));
        assert_ok(reward_template_encode(plain, tok, two, 2, "q", 1, long_reply, n, given < limit ? given : limit,
                                         &want, &dropped_want));
        assert_true(dropped > 0 && dropped == dropped_want);
        assert_int_equal(ids.n, want.n);
        assert_memory_equal(ids.ids, want.ids, want.n * sizeof *want.ids);
    }
    reward_template_free(t);
    assert_ok(reward_template_from_text(HEAD("max_length: 10\n") BODY, &t));
    assert_int_equal(reward_template_encode(t, tok, two, 2, "q", 1, long_reply, n, 500, &ids, NULL), WR_E_FORMAT);
    assert_error_says("the limit is 10 (max_length of the template)");
    assert_int_equal(reward_template_encode(t, tok, two, 2, "q", 1, long_reply, n, 9, &ids, NULL), WR_E_FORMAT);
    assert_error_says("the limit is 9 (--max-length)");
    token_ids_free(&want);
    token_ids_free(&ids);
    reward_template_free(t);
    reward_template_free(plain);
    tokenizer_free(tok);
}

/* The oldest messages go one by one, also where what is left is trimmed of more than they were. */
static void oldest_under_a_head(void **state) {
    (void)state;
    static const char *const files[] = {
        HEAD("trim: true\nhistory_line: \"{content}{role}\"\nroles: {user: \"\"}\n") "{history} {query}{response} ",
        HEAD("trim: true\nhistory_line: \"{role}: {content}\\n\"\nroles: {user: \"The one who asks\"}\n") BODY,
        HEAD("history_empty: \"a history without any message in it\"\n") BODY};
    tokenizer *tok = with_end();
    chat_message m[12];
    char wide[3 * 60 + 2] = ""; /* ideographic spaces, three tokens each, and a word */
    for (size_t i = 0; i < 60; i++) strcat(wide, "\xE3\x80\x80");
    strcat(wide, "x");
    for (size_t i = 0; i < 12; i++)
        m[i] = i % 3 == 1 ? (chat_message){"user", wide, strlen(wide), NULL}
                          : (chat_message){"user", i % 3 ? "\n\t  \n\n    \t\t  \n" : "some words, then", 16, NULL};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        reward_template *t;
        token_ids ids = {0}, want = {0};
        assert_ok(reward_template_from_text(files[f], &t));
        for (size_t limit = 900; limit > 12; limit -= 7) {
            size_t dropped = 0, skip = 0;
            wr_status got, one = WR_OK;
            ids.n = 0;
            got = reward_template_encode(t, tok, m, 12, "q", 1, "r", 1, limit, &ids, &dropped);
            for (; skip <= 12; skip++) {
                want.n = 0;
                one = reward_template_encode(t, tok, m + skip, 12 - skip, "q", 1, "r", 1, 0, &want, NULL);
                assert_ok(one);
                if (want.n <= limit) break;
            }
            assert_int_equal(got, skip <= 12 ? WR_OK : WR_E_FORMAT);
            if (got < 0) break;
            assert_int_equal(dropped, skip);
            assert_int_equal(ids.n, want.n);
            assert_memory_equal(ids.ids, want.ids, want.n * sizeof *want.ids);
        }
        token_ids_free(&ids);
        token_ids_free(&want);
        reward_template_free(t);
    }
    tokenizer_free(tok);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts),
                                       cmocka_unit_test(refused),
                                       cmocka_unit_test(cut_short),
                                       cmocka_unit_test(text_that_begins_with_dashes),
                                       cmocka_unit_test(cut_on_the_right),
                                       cmocka_unit_test(ready_text),
                                       cmocka_unit_test(own_limit),
                                       cmocka_unit_test(oldest_under_a_head)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
