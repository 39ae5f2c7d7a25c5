/* Chats of a Llama-2-style file: ids as transformers 5 gives them for the class that tokenizer_config.json names
 * (transformers 5.24 was asked for each); other texts as the file says. */
#include "base/file.h"
#include "base/mem.h"
#include "text/tokenizer/tokenizer.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char file[] = "{\"added_tokens\":[{\"id\":2,\"content\":\"</"
                           "s>\",\"special\":true,\"normalized\":false}],\"normalizer\":{\"type\":\"Sequence\","
                           "\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"},{\"type\":\"Replace\","
                           "\"pattern\":{\"String\":\" \"},"
                           "\"content\":\"\xE2\x96\x81\"}]},\"pre_tokenizer\":null,\"decoder\":null,\"model\":{"
                           "\"type\":\"BPE\",\"unk_token\":\"<unk>\","
                           "\"vocab\":{\"<unk>\":0,\"</s>\":2,\"\xE2\x96\x81\":3,\"a\":4,\"b\":5},\"merges\":[]}}";

/* NULL: no such file. */
static void put(const char *name, const char *text) {
    if (text)
        put_text(name, text);
    else
        unlink(in_folder(name));
}

/* want: the ids' digits for "a</s>b", " a</s> b" and U+2581 "a". */
static void check(const char *config, const char *model, const char *const want[3]) {
    static const char *const texts[] = {"a</s>b", " a</s> b",
                                        "\xE2\x96\x81"
                                        "a"};
    static const char *const plain[] = {"34235", "3342335", "334"};
    tokenizer *t = NULL;
    put("tokenizer_config.json", config);
    put("config.json", model);
    assert_ok(tokenizer_load(test_folder(), &t));
    for (int i = 0; i < 3; i++) {
        for (int chat = 0; chat < 2; chat++) {
            uint16_t origin[16] = {0};
            token_ids ids = {0};
            char got[16] = {0};
            if (chat)
                assert_int_equal(tokenizer_encode_marked(t, texts[i], strlen(texts[i]), origin, NULL, 0, NULL, &ids),
                                 WR_OK);
            else
                assert_int_equal(tokenizer_encode(t, texts[i], strlen(texts[i]), TOK_DEFAULT, &ids), WR_OK);
            for (size_t k = 0; k < ids.n && k < 15; k++) got[k] = (char)('0' + ids.ids[k]);
            assert_string_equal(got, chat ? want[i] : plain[i]);
            token_ids_free(&ids);
        }
    }
    tokenizer_free(t);
}

static void test_chat_marks(void **state) {
    (void)state;
    static const char *const as_file[] = {"34235", "3342335", "334"}, *const first[] = {"3425", "34235", "34"},
                             *const always[] = {"34235", "34235", "34"}, *const never[] = {"425", "34235", "34"};
    put("tokenizer.json", file);
    check(NULL, NULL, as_file);
    check("{\"tokenizer_class\":\"LlamaTokenizer\"}", NULL, first);
    check("{\"tokenizer_class\":\"LlamaTokenizerFast\",\"legacy\":false}", "{\"model_type\":\"llama\"}", first);
    check("{\"tokenizer_class\":\"LlamaTokenizer\",\"legacy\":null}", "{\"model_type\":\"llama\"}", first);
    check("{\"tokenizer_class\":\"LlamaTokenizer\",\"legacy\":true}", "{\"model_type\":\"llama\"}", always);
    check("{\"tokenizer_class\":\"LlamaTokenizer\",\"add_prefix_space\":false}", "{\"model_type\":\"llama\"}", never);
    check("{\"tokenizer_class\":\"LlamaTokenizer\"}", "{\"model_type\":\"mistral\"}", as_file);
    check("{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}", "{\"model_type\":\"llama\"}", as_file);
}

/* entries: of added_tokens_decoder. word: what a refusal names; NULL: taken. */
static void check_decoder(const char *class, const char *entries, const char *word) {
    char config[512];
    tokenizer *t = NULL;
    snprintf(config, sizeof config, "{\"tokenizer_class\":\"%s\",\"added_tokens_decoder\":%s}", class, entries);
    put("tokenizer_config.json", config);
    wr_status status = tokenizer_load(test_folder(), &t);
    if (!word) assert_ok(status);
    if (word && status >= 0) fail_msg("%s is taken", entries);
    if (word && (!strstr(wr_error(), word) || !strstr(wr_error(), "tokenizer_config.json")))
        fail_msg("\"%s\" does not name %s", wr_error(), word);
    tokenizer_free(t);
}

/* What transformers makes of two files that differ depends on the class: refused. */
static void test_contradiction(void **state) {
    (void)state;
    static const char plain[] = "PreTrainedTokenizerFast", qwen[] = "Qwen2Tokenizer";
    put("tokenizer.json", file);
    check_decoder(plain, "{\"2\":{\"content\":\"</s>\",\"special\":true,\"lstrip\":false}}", NULL);
    check_decoder(qwen, "{\"2\":{\"content\":\"</s>\",\"special\":true,\"normalized\":false}}", NULL);
    check_decoder(plain, "null", NULL);
    check_decoder(plain, "{}", NULL);
    check_decoder(qwen, "{}", "lacks \"</s>\"");
    check_decoder(plain, "{\"2\":{\"content\":\"</s>\",\"special\":true,\"rstrip\":true}}", "\"</s>\" has other flags");
    check_decoder(plain, "{\"2\":{\"content\":\"</s>\",\"special\":false,\"normalized\":false}}", "other flags");
    check_decoder(plain, "{\"2\":{\"content\":\"</s>\",\"special\":true,\"normalized\":true}}", "other flags");
    check_decoder(plain, "{\"4\":{\"content\":\"</s>\",\"special\":true}}", "another id");
    check_decoder(plain, "{\"2x\":{\"content\":\"</s>\",\"special\":true}}", "another id");
    check_decoder(plain, "{\"4\":{\"content\":\"a\"}}", "\"a\" is not among the added tokens");
    check_decoder(plain, "{\"9\":{\"content\":\"<new>\",\"special\":true}}", "<new>");
    check_decoder(plain, "{\"2\":\"</s>\"}", "\"2\" is no token");
}

/* A chat whose template wrote "a<x>b": transformers 5.24 has <x> as one token there where a file beside names it (every
 * row with a refusal was asked). */
static void test_named(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        bool refused;
    } rows[] = {
        {"tokenizer_config.json", "{\"pad_token\":\"<x>\"}", true},
        {"tokenizer_config.json", "{\"image_token\":\"<x>\"}", true},
        {"tokenizer_config.json", "{\"unk_token\":{\"__type\":\"AddedToken\",\"content\":\"<x>\"}}", true},
        {"tokenizer_config.json", "{\"bos_token\":\"b\"}", true}, /* of the vocabulary: its id, but matched first */
        {"tokenizer_config.json", "{\"additional_special_tokens\":[\"<y>\",\"<x>\"]}", true},
        {"tokenizer_config.json", "{\"additional_special_tokens\":[{\"content\":\"<x>\"}]}", true},
        {"tokenizer_config.json", "{\"extra_special_tokens\":[\"<x>\"]}", true},
        {"tokenizer_config.json", "{\"extra_special_tokens\":{\"image\":\"<x>\"}}", true},
        {"special_tokens_map.json", "{\"pad_token\":\"<x>\"}", true},
        {"added_tokens.json", "{\"<x>\":6}", true},
        {"tokenizer_config.json",
         "{\"eos_token\":\"</s>\",\"pad_token\":\"<y>\",\"mask_token\":null,\"cls_token\":\"\"}", false},
        {"tokenizer_config.json", "{\"eos_token\":{\"content\":\"</s>\",\"lstrip\":true}}",
         false}, /* tokenizer.json's flags count */
        {"tokenizer_config.json", "{\"some_token\":[\"<x>\"],\"token\":\"<x>\",\"add_bos_token\":true}", false},
        {"tokenizer_config.json", "{\"bos_token\":\"</\"}", false}, /* within a token of the file */
    };
    static const char written[] = "a<x>b</s>";
    put("tokenizer.json", file);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint16_t origin[sizeof written] = {0};
        token_ids chat = {0}, text = {0};
        tokenizer *t = NULL;
        put(rows[i].name, rows[i].text);
        if (tokenizer_load(test_folder(), &t) < 0) fail_msg("%s: %s", rows[i].text, wr_error());
        wr_status status = tokenizer_encode_marked(t, written, sizeof written - 1, origin, NULL, 0, NULL, &chat);
        if ((status < 0) != rows[i].refused) fail_msg("%s", rows[i].text);
        if (status < 0 &&
            (status != WR_E_FORMAT || !strstr(wr_error(), strstr(rows[i].text, "<x>") ? "\"<x>\"" : "\"b\"")))
            fail_msg("%s: %s", rows[i].text, wr_error());
        for (size_t k = 1; k < 5; k++) origin[k] = 1; /* what somebody typed is no token */
        assert_int_equal(tokenizer_encode_marked(t, written, sizeof written - 1, origin, NULL, 0, NULL, &chat), WR_OK);
        assert_int_equal(tokenizer_encode(t, written, sizeof written - 1, TOK_DEFAULT, &text),
                         WR_OK); /* as Tokenizer.from_file */
        token_ids_free(&chat);
        token_ids_free(&text);
        tokenizer_free(t);
        put(rows[i].name, NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chat_marks, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_contradiction, folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(test_named, folder_set_up, folder_tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
