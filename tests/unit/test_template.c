/* The reward template: slots, rendering, and truncation that leaves out the oldest history and nothing else. */
#include "base/file.h"
#include "reward/template.h"
#include "text/chat/jinja.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tokenizer *tok;

static int set_up(void **state) {
    if (folder_set_up(state) < 0) return -1;
    tok = tiny_tokenizer(test_folder(), 270, (const char *const[]){"User: the the"}, 1);
    return 0;
}

static int tear_down(void **state) {
    tokenizer_free(tok);
    return folder_tear_down(state);
}

static const chat_message history[4] = {{"user", "first", 5, NULL},
                                        {"assistant", "second", 6, NULL},
                                        {"user", "third", 5, NULL},
                                        {"assistant", "fourth", 6, NULL}};

static void rendering(void **state) {
    (void)state;
    reward_template *t, *u;
    strbuf text = {0};
    assert_int_equal(reward_template_from_text("H:{history}|Q:{query}|R:{response}!", &t), WR_OK);
    assert_int_equal(reward_template_render(t, history, 2, "why {response}", 14, "{query}", 7, &text), WR_OK);
    assert_string_equal(text.data, "H:User: first\nAssistant: second|Q:why {response}|R:{query}!");
    strbuf_clear(&text);
    assert_int_equal(reward_template_render(t, NULL, 0, "q", 1, "r", 1, &text), WR_OK);
    assert_string_equal(text.data, "H:none|Q:q|R:r!");
    assert_int_equal(reward_template_from_text("{query}{history}{response}", &u), WR_OK);
    strbuf_clear(&text);
    assert_int_equal(reward_template_render(u, NULL, 0, "q", 1, "r", 1, &text), WR_OK);
    assert_string_equal(text.data, "qnoner");
    assert_string_not_equal(reward_template_hash(t), reward_template_hash(u));
    reward_template_free(u);
    assert_int_equal(reward_template_load(NULL, &u), WR_OK);
    assert_true(strlen(reward_template_text(u)) < 200);
    assert_int_equal(strlen(reward_template_hash(u)), 32);
    strbuf_free(&text);
    reward_template_free(t);
    reward_template_free(u);
}

/* What other programs read of a saved reward model gives the text that this one scores. */
static void as_chat_template(void **state) {
    (void)state;
    static const char *const texts[] = {NULL, "{history}{query}{response}",
                                        "It's \\n \"so\" {{ x }} {% if %}\r\n\n{query}\n|{history}|\n'{response}'\n\n",
                                        "  {history}  \n {query}\t{response} "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        reward_template *t;
        jinja *c = NULL;
        strbuf text = {0}, want = {0};
        arena *a = arena_create();
        jinja_text got;
        assert_int_equal(texts[i] ? reward_template_from_text(texts[i], &t) : reward_template_load(NULL, &t), WR_OK);
        assert_int_equal(reward_template_jinja(t, &text), WR_OK);
        assert_ok(jinja_compile(text.data, text.len, &c));
        for (size_t n = 0; n <= 4; n++) {
            chat_message m[6];
            memcpy(m, history, n * sizeof *m);
            m[n] = (chat_message){"user", " q '{{1}}' \n", 11, NULL};
            m[n + 1] = (chat_message){"assistant", "\nr ", 3, NULL};
            strbuf_clear(&want);
            assert_int_equal(reward_template_render(t, history, n, m[n].content, m[n].length, m[n + 1].content,
                                                    m[n + 1].length, &want),
                             WR_OK);
            assert_ok(jinja_render(c, &(jinja_chat){.messages = m, .n = n + 2}, a, &got));
            assert_int_equal(got.n, want.len);
            assert_memory_equal(got.bytes, want.data, want.len);
        }
        /* no reply to be scored */
        assert_true(jinja_render(c, &(jinja_chat){.messages = history, .n = 1}, a, &got) < 0);
        jinja_free(c);
        arena_free(a);
        reward_template_free(t);
        strbuf_free(&text);
        strbuf_free(&want);
    }
}

static void faults(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "{history}{query}", "{history}{query}{response}{query}",
                                        "{response}{query}{history}", "{history}{response}{query}"};
    reward_template *t;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(reward_template_from_text(wrong[i], &t), WR_E_FORMAT);
    assert_int_equal(reward_template_load("/nonexistent/template", &t), WR_E_IO);
}

static void truncation(void **state) {
    (void)state;
    reward_template *t;
    token_ids full = {0}, ids = {0}, want = {0};
    size_t dropped = 99;
    assert_int_equal(reward_template_load(NULL, &t), WR_OK);
    assert_int_equal(reward_template_encode(t, tok, history, 4, "why?", 4, "because", 7, 0, &full, &dropped), WR_OK);
    assert_int_equal(dropped, 0);
    size_t before = 0;
    for (size_t limit = full.n; limit > 0; limit--) {
        ids.n = 0;
        wr_status s = reward_template_encode(t, tok, history, 4, "why?", 4, "because", 7, limit, &ids, &dropped);
        if (s < 0) {
            assert_int_equal(s, WR_E_FORMAT);
            assert_int_equal(ids.n, 0);
            assert_int_equal(before, 4);
            break;
        }
        assert_true(ids.n <= limit && dropped >= before && dropped <= before + 1);
        before = dropped;
        want.n = 0;
        assert_int_equal(
            reward_template_encode(t, tok, history + dropped, 4 - dropped, "why?", 4, "because", 7, 0, &want, NULL),
            WR_OK);
        assert_int_equal(ids.n, want.n);
        assert_memory_equal(ids.ids, want.ids, want.n * sizeof *want.ids);
    }
    /* Special-token strings inside slots are plain text. */
    int32_t special = tokenizer_id(tok, "<|im_end|>");
    assert_true(special >= 0);
    ids.n = 0;
    assert_int_equal(reward_template_encode(t, tok, NULL, 0, "<|im_end|>", 10, "<|im_end|>", 10, 0, &ids, NULL), WR_OK);
    for (size_t i = 0; i < ids.n; i++) assert_int_not_equal(ids.ids[i], special);
    token_ids_free(&full);
    token_ids_free(&ids);
    token_ids_free(&want);
    reward_template_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rendering), cmocka_unit_test(faults),
                                       cmocka_unit_test(as_chat_template), cmocka_unit_test(truncation)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
