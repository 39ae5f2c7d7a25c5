/* Tokenizer files of many kinds: ids and texts as Hugging Face gives them (tests/oracle/tokenizer_variants.py), or a
 * refusal that names what it is about. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/tokenizer/tokenizer.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The base document, with some of its members in other words. */
static tokenizer *load_variant(const json_value *base, const json_value *members, wr_status want) {
    strbuf file = {0};
    tokenizer *t = NULL;
    arena *a = arena_create();
    json_writer w = json_writer_make(&file);
    json_begin_object(&w);
    for (const json_value *v = base->first; v; v = v->next) {
        const char *text;
        size_t n;
        json_key(&w, v->key);
        const json_value *other = v;
        if (json_get_string(members, v->key, &text, &n)) assert_int_equal(json_parse(a, text, n, &other), WR_OK);
        json_copy(&w, other);
    }
    json_end_object(&w);
    put_file("variant.json", file.data, file.len);
    wr_status status = tokenizer_load(in_folder("variant.json"), &t);
    if (status != want) fail_msg("%s: %s", status < 0 ? "refused" : "not refused", status < 0 ? wr_error() : file.data);
    strbuf_free(&file);
    arena_free(a);
    return t;
}

static void check_row(const tokenizer *t, const char *name, const json_value *row) {
    const json_value *text = json_at(row, 0), *ids = json_at(row, 1), *back = json_at(row, 2);
    token_ids got = {0};
    strbuf decoded = {0};
    size_t i = 0;
    if (tokenizer_encode(t, text->text, text->length, TOK_DEFAULT, &got) < 0) fail_msg("%s: %s", name, wr_error());
    bool equal = got.n == ids->length;
    for (const json_value *v = ids->first; v && equal; v = v->next) {
        int64_t id;
        equal = json_to_int(v, &id) && got.ids[i++] == id;
    }
    if (!equal) fail_msg("%s: other ids of \"%s\"", name, text->text);
    assert_int_equal(token_ids_push(&got, 5000), WR_OK); /* beyond the vocabulary: no text */
    if (tokenizer_decode(t, got.ids, got.n, false, &decoded) < 0) fail_msg("%s: %s", name, wr_error());
    if (decoded.len != back->length || memcmp(strbuf_str(&decoded), back->text, decoded.len) != 0)
        fail_msg("%s: \"%s\" decoded, not \"%s\"", name, strbuf_str(&decoded), back->text);
    token_ids_free(&got);
    strbuf_free(&decoded);
}

static void test_variants(void **state) {
    (void)state;
    char *bytes;
    size_t n, variants = 0, refused = 0;
    arena *a = arena_create();
    const json_value *base = NULL, *row;
    assert_int_equal(file_read("tests/golden/tokenizer/variants.jsonl", 0, &bytes, &n), WR_OK);
    for (char *line = bytes, *end; (end = memchr(line, '\n', n - (size_t)(line - bytes))); line = end + 1) {
        const char *name = "", *word;
        size_t length;
        assert_int_equal(json_parse(a, line, (size_t)(end - line), &row), WR_OK);
        const json_value *members = json_get(row, "members");
        json_get_string(row, "name", &name, &length);
        if (!members) {
            base = json_get(row, "base");
        } else if (json_get_string(row, "refused", &word, &length)) {
            tokenizer_free(load_variant(base, members, WR_E_FORMAT));
            if (!strstr(wr_error(), word)) fail_msg("\"%s\" does not name %s", wr_error(), word);
            refused++;
        } else {
            tokenizer *t = load_variant(base, members, WR_OK);
            for (const json_value *v = json_get(row, "rows")->first; v; v = v->next) check_row(t, name, v);
            tokenizer_free(t);
            variants++;
        }
    }
    assert_true(variants > 100 && refused > 20);
    free(bytes);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_variants)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
