/* What the tests of the model annotator share: a tiny random checkpoint with its tokenizer, template and prompts in a
 * folder of their own, and turns to ask about. `setup` makes a fixture as cmocka's state, `teardown` removes it; one
 * test program at a time. LOCAL. */
#ifndef WR_TESTS_SUPPORT_MODEL_ANNOTATOR_FIXTURE_H
#define WR_TESTS_SUPPORT_MODEL_ANNOTATOR_FIXTURE_H

#include "base/file.h"
#include "base/rng.h"
#include "cli/annotator_model.h"
#include "data/label/annotate/model_annotator.h"
#include "data/label/annotate/model_prompts.h"
#include "tests/support/ref_double.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tiny_tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 5, TURNS = 12, SPARE_IDS = 3, HISTORY = 6, LONGEST = 1200, POSITIONS = 1500 };

static char prompts_dir[PATH_CAP], model_dir[PATH_CAP];
static const char level_text[] = "{history}\n{query}\n{reply}\nThen: {followup}\nRate it.",
                  refusal_text[] = "{query} {reply} Refused?";

typedef struct fixture {
    tokenizer *tok;
    chat_template *chat;
    model *m;
    double *params;
    refd_model ref;
    char text[TURNS][HISTORY + 3][240];
    chat_message messages[TURNS][HISTORY + 3];
    annotated_turn turns[TURNS];
} fixture;

/* --- making ------------------------------------------------------------------------------------------------------- */

static inline model *make_model(size_t V, model_head head, uint64_t seed) {
    model_config c = tiny_config("layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,tied=0", V);
    c.max_positions = POSITIONS;
    c.init_std = 0.4;
    model_config_set_head(&c, head, 3);
    return tiny_model(c, seed);
}

static inline void use_model(fixture *f, model *m) {
    model_free(f->m);
    free(f->params);
    f->m = m;
    f->params = calloc(m->n_params, sizeof *f->params);
    for (size_t i = 0; i < m->n_params; i++) f->params[i] = (double)m->params[i];
    f->ref = (refd_model){.m = m, .params = f->params};
}

static inline void write_prompt(model_question q, const char *text) {
    char path[PATH_CAP];
    assert_int_equal(path_join(path, prompts_dir, model_prompt_file(q)), WR_OK);
    assert_int_equal(file_write_atomic(path, text, strlen(text)), WR_OK);
}

static inline void make_turns(fixture *f) {
    static const char *const words[] = {"cat",   "again", "wrong",   "thanks", "2",  "the",
                                        "Paris", "no",    "explain", "为什么", "ok", "?"};
    rng r = rng_make(SEED, RNG_TEST, 1, 0, 0);
    for (size_t i = 0; i < TURNS; i++) {
        for (size_t k = 0; k < HISTORY + 3; k++) {
            char *s = f->text[i][k];
            for (size_t n = 1 + (size_t)rng_below(&r, 14); n > 0; n--) {
                strcat(s, words[rng_below(&r, sizeof words / sizeof *words)]);
                if (n > 1) strcat(s, " ");
            }
            f->messages[i][k] = (chat_message){k % 2 == 0 ? "user" : "assistant", s, strlen(s), NULL};
        }
        const chat_message *m = f->messages[i];
        f->turns[i] = (annotated_turn){
            "c", (int64_t)i, m, i % 4 == 0 ? 0 : HISTORY, m + HISTORY, m + HISTORY + 1, m + HISTORY + 2};
        if (i == 4) f->turns[i].query = NULL;
    }
}

static inline int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    if (folder_set_up(state) < 0) return -1;
    strcpy(prompts_dir, in_folder("prompts")), strcpy(model_dir, in_folder("model"));
    assert_int_equal(dir_make(prompts_dir), WR_OK);
    assert_int_equal(dir_make(model_dir), WR_OK);
    write_prompt(ASK_LEVEL, level_text);
    write_prompt(ASK_REFUSAL, refusal_text);
    make_turns(f);
    const char *texts[TURNS];
    for (size_t i = 0; i < TURNS; i++) texts[i] = f->text[i][0];
    f->tok = tiny_tokenizer(model_dir, 360, texts, TURNS);
    assert_int_equal(chat_template_load(model_dir, NULL, f->tok, &f->chat), WR_OK);
    use_model(f, make_model(tokenizer_vocab(f->tok) + SPARE_IDS, HEAD_LM, SEED));
    assert_int_equal(model_save(f->m, model_dir, NULL, NULL, PRECISION_F32), WR_OK);
    *state = f;
    return 0;
}

static inline int teardown(void **state) {
    fixture *f = *state;
    model_free(f->m);
    free(f->params);
    chat_template_free(f->chat);
    tokenizer_free(f->tok);
    free(f);
    return folder_tear_down(state);
}

static inline annotator *create(const fixture *f, bool chat, model_annotator_options o) {
    annotator *a = NULL;
    if (!o.prompts_dir) o.prompts_dir = prompts_dir;
    assert_ok(model_annotator_create(f->m, f->tok, chat ? f->chat : NULL, &o, &a));
    return a;
}

static inline int64_t count(const annotator *a, const char *key) {
    strbuf text = {0};
    json_writer w = json_writer_make(&text);
    const json_value *v;
    int64_t n = -1;
    arena *memory = arena_create();
    json_begin_object(&w);
    a->counts(a, &w);
    json_end_object(&w);
    assert_int_equal(json_parse(memory, text.data, text.len, &v), WR_OK);
    if (!json_get_int(v, key, &n)) fail_msg("no count %s in %s", key, text.data);
    arena_free(memory);
    strbuf_free(&text);
    return n;
}

static inline uint64_t fingerprint(const fixture *f, bool chat, model_annotator_options o) {
    annotator *a = create(f, chat, o);
    const uint64_t h = a->fingerprint;
    annotator_free(a);
    return h;
}

#endif
