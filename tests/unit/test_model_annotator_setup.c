/* What makes a model annotator: a folder, options, prompts, and the fingerprint of all that its answers depend on;
 * wrong models and prompts are refused. */
#include "tests/support/model_annotator_fixture.h"

static void test_directory(void **state) {
    const fixture *f = *state;
    const model_annotator_options o = {.prompts_dir = prompts_dir, .calibrate = true};
    annotator *a = NULL, *b = create(f, true, o);
    int8_t x[TURNS], y[TURNS];
    assert_ok(model_annotator_open(model_dir, PRECISION_F32, &o, &a));
    assert_int_equal(a->levels(a, f->turns, TURNS, x), WR_OK);
    assert_int_equal(b->levels(b, f->turns, TURNS, y), WR_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_string_equal(a->name, "model");
    annotator_free(a);
    annotator_free(b);
    assert_true(model_annotator_open("/nonexistent", PRECISION_F32, &o, &a) < 0);
    assert_null(a);
}

/* What --annotator-model and its siblings make. */
static void test_options(void **state) {
    const fixture *f = *state;
    const option_group groups[] = {{.rows = annotator_model_rows}, {0}};
    annotator_model_options how = {0}, none = {0};
    char *with[] = {"x", "--annotator-model", model_dir, "--annotator-history",
                    "2", "--annotator-clip",  "30",      "--no-annotator-calibrate"},
         *without[] = {"x"};
    options *o = NULL;
    bool help;
    annotator_model keep;
    annotator *a = NULL, *b = create(f, true, (model_annotator_options){.history = 2, .clip = 30});
    int8_t x[TURNS], y[TURNS];
    assert_int_equal(options_parse(groups, 8, with, &o, &help), WR_OK);
    assert_int_equal(options_fill(o, &how, sizeof how), WR_OK);
    assert_ok(annotator_model_make(&how, NULL, prompts_dir, NULL, &keep, &a));
    assert_int_equal(a->levels(a, f->turns, TURNS, x), WR_OK);
    assert_int_equal(b->levels(b, f->turns, TURNS, y), WR_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_true(count(a, "clipped") == count(b, "clipped") && count(a, "clipped") > 0);
    annotator_free(a);
    annotator_free(b);
    annotator_model_free(&keep);
    options_free(o);
    assert_int_equal(options_parse(groups, 1, without, &o, &help), WR_OK);
    assert_int_equal(options_fill(o, &none, sizeof none), WR_OK);
    assert_int_equal(annotator_model_make(&none, NULL, NULL, NULL, &keep, &a), WR_E_USAGE);
    assert_error_says("--annotator-model DIR");
    options_free(o);
}

static void test_fingerprint(void **state) {
    fixture *f = *state;
    const model_annotator_options o = {.calibrate = true};
    const uint64_t h = fingerprint(f, true, o);
    assert_true(h == fingerprint(f, true, o));
    assert_true(h != fingerprint(f, false, o));
    assert_true(h != fingerprint(f, true, (model_annotator_options){.calibrate = false}));
    assert_true(h != fingerprint(f, true, (model_annotator_options){.calibrate = true, .max_length = 700}));
    assert_true(h != fingerprint(f, true, (model_annotator_options){.calibrate = true, .clip = 700}));
    assert_true(h != fingerprint(f, true, (model_annotator_options){.calibrate = true, .history = 700}));
    write_prompt(ASK_REFUSAL, "{query} {reply} Refused??");
    assert_true(h != fingerprint(f, true, o));
    write_prompt(ASK_REFUSAL, refusal_text);
    f->m->params[0] += 1;
    assert_true(h != fingerprint(f, true, o));
    f->m->params[0] -= 1;
}

static void check_bad_prompt(model_question q, const char *text, const char *why) {
    model_prompt *p = NULL;
    assert_int_equal(model_prompt_from_text(text, q, &p), WR_E_FORMAT);
    if (!strstr(wr_error(), why)) fail_msg("%s: %s", text, wr_error());
}

static void test_prompts(void **state) {
    const fixture *f = *state;
    annotator *a = NULL;
    model_prompt *p = NULL;
    strbuf out = {0};
    char missing[PATH_CAP];
    size_t clipped = 0;
    const chat_message q = {"user", "{reply}", 7, NULL}, r = {"assistant", "R", 1, NULL}, u = {"user", "U", 1, NULL},
                       h[] = {{"user", "a", 1, NULL}, {"assistant", "b", 1, NULL}};
    const annotated_turn t = {"c", 1, h, 2, &q, &r, &u};
    assert_int_equal(model_prompt_from_text("<{followup}|{reply}|{history}|{query}>", ASK_LEVEL, &p), WR_OK);
    assert_int_equal(model_prompt_render(p, &t, 0, 0, &out, &clipped), WR_OK);
    assert_string_equal(strbuf_str(&out),
                        "<U|R|User: a\nAssistant: b|{reply}>"); /* a slot's name inside a message is text */
    strbuf_clear(&out);
    assert_int_equal(model_prompt_render(p, &(annotated_turn){.reply = &r, .followup = &u}, 0, 0, &out, &clipped),
                     WR_OK);
    assert_string_equal(strbuf_str(&out), "<U|R|(none)|(none)>");
    model_prompt_free(p);
    strbuf_free(&out);
    assert_int_equal(model_prompt_from_text("{followup}", ASK_LEVEL, &p), WR_OK);
    assert_false(model_prompt_has_history(p));
    model_prompt_free(p);
    check_bad_prompt(ASK_LEVEL, "{query} {reply}", "{followup}");
    check_bad_prompt(ASK_REFUSAL, "{query}", "{reply}");
    check_bad_prompt(ASK_REFUSAL, "{query} {reply} {query}", "twice");

    assert_int_equal(path_join(missing, test_folder(), "none"), WR_OK);
    assert_int_equal(
        model_annotator_create(f->m, f->tok, f->chat, &(model_annotator_options){.prompts_dir = missing}, &a), WR_E_IO);
    assert_error_says(missing);
    assert_int_equal(dir_make(missing), WR_OK); /* empty: built in */
    assert_true(fingerprint(f, true, (model_annotator_options){.prompts_dir = missing}) !=
                fingerprint(f, true, (model_annotator_options){0}));
    assert_int_equal(model_annotator_create(f->m, f->tok, f->chat, &(model_annotator_options){.max_length = 200}, &a),
                     WR_E_MISMATCH);
    assert_error_says("model-annotate.txt");
    assert_null(a);
    for (model_question which = 0; which < MODEL_QUESTIONS; which++) { /* what is built in is itself a good prompt */
        assert_int_equal(model_prompt_load(NULL, which, &p), WR_OK);
        assert_true(model_prompt_has_history(p));
        model_prompt_free(p);
    }
}

static void test_wrong_models(void **state) {
    const fixture *f = *state;
    annotator *a = NULL;
    model *score = make_model(tokenizer_vocab(f->tok), HEAD_SCORE, SEED),
          *small = make_model(tokenizer_vocab(f->tok) - 1, HEAD_LM, SEED);
    assert_int_equal(model_annotator_create(score, f->tok, f->chat, &(model_annotator_options){0}, &a), WR_E_MISMATCH);
    assert_int_equal(model_annotator_create(small, f->tok, f->chat, &(model_annotator_options){0}, &a), WR_E_MISMATCH);
    assert_error_says("vocab_size");
    model_free(score), model_free(small);
}

int main(void) {
    printf("# seed %d\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_directory), cmocka_unit_test(test_options),
                                       cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_prompts),
                                       cmocka_unit_test(test_wrong_models)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
