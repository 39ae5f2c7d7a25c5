/* The BPE trainer: against an obvious trainer that recounts everything, deterministic, and its file loads and
 * round-trips. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "text/chat/chat_template.h"
#include "text/tokenizer/tokenizer.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};

static tokenizer *train(const char *const *texts, size_t n, size_t vocab, const char *name) {
    return tiny_tokenizer(in_folder(name), vocab, texts, n);
}

/* Random words over a small alphabet, so that pairs tie, overlap (aaa) and nest; each line " w w w". */
static char *random_text(uint64_t seed) {
    rng r = rng_make(seed, RNG_TEST, 0, 0, 0);
    strbuf b = {0};
    for (int i = 0; i < 300; i++) {
        strbuf_putc(&b, ' ');
        for (size_t k = 1 + rng_below(&r, 9); k; k--) strbuf_putc(&b, (char)('a' + rng_below(&r, 3)));
    }
    return b.data;
}

/* Reference: words as arrays of strings; recounts all pairs for every join. Writes the tokens of each join to out. */
enum { WORDS = 300, LETTERS = 12, TEXT = 16 };
typedef struct ref_word {
    char symbol[LETTERS][TEXT];
    size_t n;
} ref_word;

static size_t reference(const char *text, size_t joins, char (*out)[TEXT]) {
    static ref_word words[WORDS];
    size_t n = 0, made = 0;
    for (const char *p = text; *p; n++) {
        words[n].n = 0;
        do {
            char *s = words[n].symbol[words[n].n++];
            s[0] = *p++;
            s[1] = '\0';
        } while (*p && *p != ' ');
    }
    for (; made < joins; made++) {
        size_t best = 0;
        char left[TEXT] = "", right[TEXT] = "";
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k + 1 < words[i].n; k++) {
                const char *a = words[i].symbol[k], *b = words[i].symbol[k + 1];
                size_t count = 0;
                for (size_t x = 0; x < n; x++)
                    for (size_t y = 0; y + 1 < words[x].n; y++)
                        count += !strcmp(words[x].symbol[y], a) && !strcmp(words[x].symbol[y + 1], b);
                int order = strcmp(a, left) ? strcmp(a, left) : strcmp(b, right);
                if (count > best || (count == best && order < 0)) {
                    best = count;
                    strcpy(left, a);
                    strcpy(right, b);
                }
            }
        if (best < 2) break;
        snprintf(out[made], TEXT, "%.7s%.7s", left, right);
        for (size_t i = 0; i < n; i++) {
            size_t kept = 0;
            for (size_t k = 0; k < words[i].n; k++) {
                bool join =
                    k + 1 < words[i].n && !strcmp(words[i].symbol[k], left) && !strcmp(words[i].symbol[k + 1], right);
                if (join)
                    snprintf(words[i].symbol[kept], TEXT, "%s", out[made]);
                else
                    memmove(words[i].symbol[kept], words[i].symbol[k], TEXT);
                k += join;
                kept++;
            }
            words[i].n = kept;
        }
    }
    return made;
}

static void test_reference(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        enum { JOINS = 12 }; /* few enough that no token outgrows TEXT */
        char want[JOINS][TEXT], name[32];
        char *text = random_text(seed);
        snprintf(name, sizeof name, "reference-%d", (int)seed);
        tokenizer *t = train((const char *const[]){text}, 1, 259 + JOINS, name);
        size_t made = reference(text, JOINS, want);
        for (size_t i = 0, id = 259; i < made; i++) {
            bool again = false; /* two joins may make the same token, which has one id */
            for (size_t k = 0; k < i; k++) again |= !strcmp(want[k], want[i]);
            if (again || id >= tokenizer_vocab(t)) continue;
            strbuf got = {0};
            assert_int_equal(tokenizer_decode(t, (int32_t[]){(int32_t)id++}, 1, false, &got), WR_OK);
            if (strcmp(strbuf_str(&got), want[i]))
                fail_msg("seed %d: join %zu is \"%s\", not \"%s\"", (int)seed, i, strbuf_str(&got), want[i]);
            strbuf_free(&got);
        }
        tokenizer_free(t);
        free(text);
    }
}

static void test_file(void **state) {
    (void)state;
    static const char *const texts[] = {"The cat sat on the mat. The cat sat. 2024 2024 2024",
                                        "你好，世界。你好，世界。", "<|im_end|><|im_end|><|im_end|>",
                                        "tabs\t\tand\r\nlines\n\n\n bad \xFF\xFE bytes"};
    tokenizer *t = train(texts, 4, 320, "file"), *u = train(texts, 4, 320, "again");
    assert_string_equal(tokenizer_hash(t), tokenizer_hash(u));
    assert_int_equal(tokenizer_id(t, "<|endoftext|>"), 0);
    assert_int_equal(tokenizer_id(t, "<|im_end|>"), 2);
    for (size_t i = 0; i < 3; i++) {
        token_ids ids = {0};
        strbuf back = {0};
        assert_int_equal(tokenizer_encode(t, texts[i], strlen(texts[i]), 0, &ids), WR_OK);
        for (size_t k = 0; k < ids.n; k++) assert_true(ids.ids[k] > 2);
        assert_true(ids.n < strlen(texts[i]));
        assert_int_equal(tokenizer_decode(t, ids.ids, ids.n, false, &back), WR_OK);
        assert_string_equal(strbuf_str(&back), texts[i]);
        token_ids_free(&ids);
        strbuf_free(&back);
    }
    token_ids digits = {0}; /* digits stay single */
    assert_int_equal(tokenizer_encode(t, "2024", 4, 0, &digits), WR_OK);
    assert_int_equal(digits.n, 4);
    token_ids_free(&digits);
    chat_template *c = NULL;
    assert_ok(chat_template_load(tokenizer_dir(t), NULL, t, &c));
    assert_int_equal(chat_end_id(c), 2);
    chat_template_free(c);
    tokenizer_free(t);
    tokenizer_free(u);
}

static void test_refusals(void **state) {
    (void)state;
    bpe_trainer *b = NULL;
    assert_int_equal(bpe_trainer_create(258, special, &b), WR_E_USAGE);
    assert_int_equal(bpe_trainer_create(1000, (const char *const[]){"a", "a", NULL}, &b), WR_E_USAGE);
    assert_null(b);
    tokenizer *t = train(NULL, 0, 300, "empty"); /* nothing to learn from: bytes alone */
    assert_int_equal(tokenizer_vocab(t), 259);
    tokenizer_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_file),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
