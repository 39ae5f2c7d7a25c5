/* The model annotator on a tiny random checkpoint: its answers are those of a plain comparison of log-probabilities, turn by turn, in double precision; they
 * do not depend on what is asked together; what does not fit, is not finite or ties gets no label and is counted; vectors are plain means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "cli/annotator_model.h"
#include "data/annotate/model_annotator.h"
#include "data/annotate/model_prompts.h"
#include "tests/support/ref_double.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 5, TURNS = 12, SPARE_IDS = 3, HISTORY = 6, LONGEST = 1200, POSITIONS = 1500 };

static char folder[] = "/tmp/wr-annotator-XXXXXX", prompts_dir[PATH_CAP], model_dir[PATH_CAP];
static const char level_text[] = "{history}\n{query}\n{reply}\nThen: {followup}\nRate it.", refusal_text[] = "{query} {reply} Refused?";

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

/* --- making --------------------------------------------------------------------------------------------------------------------------- */

static model *make_model(size_t V, model_head head, uint64_t seed) {
    model *m = NULL;
    model_config c = {.C = 32, .H = 4, .G = 2, .D = 8, .F = 64, .V = V, .L = 2, .max_positions = POSITIONS, .rope_theta = 10000, .norm_eps = 1e-5, .head = head,
                      .n_labels = head == HEAD_SCORE ? 3 : 0, .init_std = 0.4, .bos_id = -1, .eos_id = -1, .pad_id = -1};
    assert_int_equal(model_create(&c, &m), WR_OK);
    assert_int_equal(model_alloc_params(m), WR_OK);
    model_init_params(m, seed);
    return m;
}

static void use_model(fixture *f, model *m) {
    model_free(f->m);
    free(f->params);
    f->m = m;
    f->params = calloc(m->n_params, sizeof *f->params);
    for (size_t i = 0; i < m->n_params; i++) f->params[i] = (double)m->params[i];
    f->ref = (refd_model){.m = m, .params = f->params};
}

static void write_prompt(model_question q, const char *text) {
    char path[PATH_CAP];
    assert_int_equal(path_join(path, prompts_dir, model_prompt_file(q)), WR_OK);
    assert_int_equal(file_write_atomic(path, text, strlen(text)), WR_OK);
}

static void make_turns(fixture *f) {
    static const char *const words[] = {"cat", "again", "wrong", "thanks", "2", "the", "Paris", "no", "explain", "为什么", "ok", "?"};
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
        f->turns[i] = (annotated_turn){"c", (int64_t)i, m, i % 4 == 0 ? 0 : HISTORY, m + HISTORY, m + HISTORY + 1, m + HISTORY + 2};
        if (i == 4) f->turns[i].query = NULL;
    }
}

static int setup(void **state) {
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    fixture *f = calloc(1, sizeof *f);
    bpe_trainer *trainer = NULL;
    if (!mkdtemp(folder)) return -1;
    assert_int_equal(path_join(prompts_dir, folder, "prompts"), WR_OK);
    assert_int_equal(path_join(model_dir, folder, "model"), WR_OK);
    assert_int_equal(dir_make(prompts_dir), WR_OK);
    assert_int_equal(dir_make(model_dir), WR_OK);
    write_prompt(ASK_LEVEL, level_text);
    write_prompt(ASK_REFUSAL, refusal_text);
    make_turns(f);
    assert_int_equal(bpe_trainer_create(360, special, &trainer), WR_OK);
    for (size_t i = 0; i < TURNS; i++) assert_int_equal(bpe_trainer_add(trainer, f->text[i][0], strlen(f->text[i][0])), WR_OK);
    assert_int_equal(bpe_trainer_finish(trainer, model_dir), WR_OK);
    bpe_trainer_free(trainer);
    assert_int_equal(tokenizer_load(model_dir, &f->tok), WR_OK);
    assert_int_equal(chat_template_load(model_dir, NULL, f->tok, &f->chat), WR_OK);
    use_model(f, make_model(tokenizer_vocab(f->tok) + SPARE_IDS, HEAD_LM, SEED));
    assert_int_equal(model_save(f->m, model_dir, NULL, NULL, PRECISION_F32), WR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    model_free(f->m);
    free(f->params);
    chat_template_free(f->chat);
    tokenizer_free(f->tok);
    free(f);
    return dir_remove_tree(folder) < 0;
}

static annotator *create(const fixture *f, bool chat, model_annotator_options o) {
    annotator *a = NULL;
    if (!o.prompts_dir) o.prompts_dir = prompts_dir;
    if (model_annotator_create(f->m, f->tok, chat ? f->chat : NULL, &o, &a) < 0) fail_msg("%s", wr_error());
    return a;
}

static int64_t count(const annotator *a, const char *key) {
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

/* --- the plain computation ---------------------------------------------------------------------------------------------------------------- */

static void render(const fixture *f, bool chat, model_question q, const annotated_turn *t, size_t skip, token_ids *out) {
    model_prompt *p = NULL;
    strbuf text = {0};
    size_t clipped = 0;
    assert_int_equal(model_prompt_load(prompts_dir, q, &p), WR_OK);
    assert_int_equal(model_prompt_render(p, t, skip, 0, &text, &clipped), WR_OK);
    if (chat) {
        const chat_message m = {"user", text.data, text.len, NULL};
        assert_int_equal(chat_render_prompt(f->chat, f->tok, &m, 1, true, out), WR_OK);
    } else {
        strbuf_puts(&text, "\n\nAnswer:");
        assert_int_equal(tokenizer_encode(f->tok, text.data, text.len, TOK_POST, out), WR_OK);
    }
    model_prompt_free(p);
    strbuf_free(&text);
}

static double plain_logprob(const fixture *f, const token_ids *prompt, const char *answer) {
    token_ids all = {0};
    for (size_t i = 0; i < prompt->n; i++) assert_int_equal(token_ids_push(&all, prompt->ids[i]), WR_OK);
    assert_int_equal(tokenizer_encode(f->tok, answer, strlen(answer), 0, &all), WR_OK);
    double sum = 0, *hidden = calloc(all.n * f->m->config.C, sizeof *hidden);
    const size_t offsets[] = {0, all.n};
    refd_forward(&f->ref, &(token_batch){.B = 1, .offsets = offsets, .ids = all.ids}, hidden);
    for (size_t t = prompt->n; t < all.n; t++) sum += refd_logprob_at(&f->ref, hidden, t - 1, all.ids[t]);
    token_ids_free(&all);
    free(hidden);
    return sum;
}

static void plain_answers(const fixture *f, bool chat, model_question q, const annotated_turn *t, size_t skip, double *logprob) {
    token_ids prompt = {0};
    render(f, chat, q, t, skip, &prompt);
    for (int k = 0; k < (q == ASK_LEVEL ? 5 : 3); k++) {
        char answer[16];
        snprintf(answer, sizeof answer, "%s%d", chat ? "" : " ", k + (q == ASK_LEVEL));
        logprob[k] = plain_logprob(f, &prompt, answer);
    }
    token_ids_free(&prompt);
}

/* The answer, counted from 0; *margin over the next best. */
static int plain_answer(const fixture *f, bool chat, model_question q, const annotated_turn *t, bool calibrate, double *margin) {
    double logprob[5], bias[5];
    const int n = q == ASK_LEVEL ? 5 : 3;
    plain_answers(f, chat, q, t, 0, logprob);
    for (int way = 0; calibrate && way < 3; way++) {
        const char *text = way == 0 ? "N/A" : way == 1 ? "" : "...";
        const chat_message m = {"user", text, strlen(text), NULL};
        plain_answers(f, chat, q, &(annotated_turn){.query = &m, .reply = &m, .followup = &m}, 0, bias);
        for (int k = 0; k < n; k++) logprob[k] -= bias[k] / 3;
    }
    int best = 0;
    for (int k = 1; k < n; k++)
        if (logprob[k] > logprob[best]) best = k;
    *margin = INFINITY;
    for (int k = 0; k < n; k++)
        if (k != best) *margin = fmin(*margin, logprob[best] - logprob[k]);
    return best;
}

/* --- tests ------------------------------------------------------------------------------------------------------------------------------- */

static void check_levels(const fixture *f, bool chat, bool calibrate) {
    annotator *a = create(f, chat, (model_annotator_options){.calibrate = calibrate});
    int8_t level[TURNS];
    unsigned seen = 0;
    size_t compared = 0;
    assert_int_equal(a->levels(a, f->turns, TURNS, level), WR_OK);
    for (size_t i = 0; i < TURNS; i++) {
        double margin;
        const int want = 1 + plain_answer(f, chat, ASK_LEVEL, &f->turns[i], calibrate, &margin);
        seen |= 1u << want;
        if (margin < 1e-3) continue; /* rounding may decide */
        compared++;
        if (level[i] != want) fail_msg("turn %zu: level %d, plainly %d", i, level[i], want);
    }
    assert_true(compared > TURNS - 3);
    if ((seen & (seen - 1)) == 0) fail_msg("all turns have one level: the test says nothing");
    assert_int_equal(count(a, "turns"), TURNS);
    assert_int_equal(count(a, "too_long") + count(a, "not_finite") + count(a, "ties") + count(a, "history_dropped"), 0);
    annotator_free(a);
}

static void test_levels(void **state) {
    check_levels(*state, true, false);
    check_levels(*state, true, true);
    check_levels(*state, false, false);
    check_levels(*state, false, true);
}

static void test_refusals(void **state) {
    const fixture *f = *state;
    static const refusal_kind kinds[] = {REFUSAL_FALSE, REFUSAL_JUSTIFIED, REFUSAL_NONE};
    annotator *a = create(f, true, (model_annotator_options){.calibrate = true});
    refusal_kind kind[TURNS];
    size_t compared = 0;
    unsigned seen = 0;
    assert_int_equal(a->refusals(a, f->turns, TURNS, kind), WR_OK);
    for (size_t i = 0; i < TURNS; i++) {
        double margin;
        const int want = plain_answer(f, true, ASK_REFUSAL, &f->turns[i], true, &margin);
        seen |= 1u << want;
        if (margin < 1e-3) continue;
        compared++;
        assert_int_equal(kind[i], kinds[want]);
    }
    assert_true(compared > TURNS - 3 && (seen & (seen - 1)) != 0);
    assert_int_equal(count(a, "refusal_checks"), TURNS);
    annotator_free(a);
}

/* One by one, in small passes, all together, many times over: the same answers. */
static void test_batches(void **state) {
    const fixture *f = *state;
    enum { MANY = 60 * TURNS };
    annotated_turn *many = calloc(MANY, sizeof *many);
    int8_t alone[TURNS], level[MANY];
    annotator *a = create(f, true, (model_annotator_options){.batch_tokens = 1});
    for (size_t i = 0; i < TURNS; i++) assert_int_equal(a->levels(a, &f->turns[i], 1, &alone[i]), WR_OK);
    const uint64_t fingerprint = a->fingerprint;
    annotator_free(a);
    for (size_t i = 0; i < MANY; i++) many[i] = f->turns[i % TURNS];
    for (size_t budget = 200; budget < 1 << 18; budget *= 30) {
        a = create(f, true, (model_annotator_options){.batch_tokens = budget});
        memset(level, -1, sizeof level);
        assert_int_equal(a->levels(a, many, MANY, level), WR_OK);
        for (size_t i = 0; i < MANY; i++) assert_int_equal(level[i], alone[i % TURNS]);
        assert_true(a->fingerprint == fingerprint); /* speed is no part of it */
        annotator_free(a);
    }
    free(many);
}

/* What the cache knows is not read again, by another annotator or rank either; what the answer depends on makes another question of it. */
static void test_cache(void **state) {
    fixture *f = *state;
    char cache[PATH_CAP];
    assert_int_equal(path_join(cache, folder, "answers/model"), WR_OK);
    model_annotator_options o = {.calibrate = true, .cache_dir = cache};
    annotator *a = create(f, true, o);
    int8_t first[TURNS], again[TURNS];
    refusal_kind kinds[TURNS], kinds_again[TURNS];
    assert_int_equal(a->levels(a, f->turns, TURNS, first), WR_OK);
    assert_int_equal(a->refusals(a, f->turns, TURNS, kinds), WR_OK);
    assert_int_equal(count(a, "cached"), 0);
    assert_int_equal(a->levels(a, f->turns, TURNS / 2, again), WR_OK);
    assert_memory_equal(first, again, TURNS / 2);
    assert_int_equal(count(a, "cached"), TURNS / 2);
    annotator_free(a);

    o.rank = 1;
    o.clip = 5000; /* shortens nothing here: the same prompts */
    a = create(f, true, o);
    memset(again, -1, sizeof again);
    assert_int_equal(a->levels(a, f->turns, TURNS, again), WR_OK);
    assert_int_equal(a->refusals(a, f->turns, TURNS, kinds_again), WR_OK);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_equal(kinds, kinds_again, sizeof kinds);
    assert_int_equal(count(a, "cached"), 2 * TURNS);
    annotator_free(a);

    o.calibrate = false;
    a = create(f, true, o);
    assert_int_equal(a->levels(a, f->turns, TURNS, again), WR_OK);
    assert_int_equal(count(a, "cached"), 0);
    annotator_free(a);
    o.calibrate = true;
    f->m->params[0] += 1;
    a = create(f, true, o);
    f->m->params[0] -= 1;
    assert_int_equal(a->levels(a, f->turns, TURNS, again), WR_OK);
    assert_int_equal(count(a, "cached"), 0);
    annotator_free(a);
}

/* History goes oldest first; what does not fit without any gets no label. */
static void test_length(void **state) {
    const fixture *f = *state;
    annotated_turn turns[3] = {f->turns[1], f->turns[1], f->turns[1]};
    char *words = calloc(4 * LONGEST + 1, 1);
    for (size_t i = 0; i < LONGEST; i++) memcpy(words + 4 * i, "no ?", 4);
    const chat_message huge = {"assistant", words, 4 * LONGEST, NULL};
    chat_message history[HISTORY];
    memcpy(history, turns[0].history, sizeof history);
    history[2] = huge; /* it and the two older ones must go */
    turns[0].history = history;
    turns[1].history = history + 3;
    turns[1].n_history = HISTORY - 3;
    turns[2].reply = &huge;
    annotator *a = create(f, true, (model_annotator_options){.calibrate = true});
    int8_t level[3];
    assert_int_equal(a->levels(a, turns, 3, level), WR_OK);
    assert_true(level[0] >= 1);
    assert_int_equal(level[0], level[1]);
    assert_int_equal(level[2], 0);
    assert_int_equal(count(a, "too_long"), 1);
    assert_int_equal(count(a, "history_dropped"), 3);
    annotator_free(a);

    /* With clipping the same fits; the history that is shown is bounded. */
    annotated_turn last = turns[0];
    last.history += HISTORY - 2;
    last.n_history = 2;
    a = create(f, true, (model_annotator_options){.clip = 100});
    assert_int_equal(a->levels(a, turns, 3, level), WR_OK);
    assert_true(level[0] >= 1 && level[2] >= 1);
    assert_true(count(a, "clipped") >= 2);
    assert_int_equal(count(a, "too_long") + count(a, "history_dropped"), 0);
    annotator_free(a);
    a = create(f, true, (model_annotator_options){.history = 2});
    assert_int_equal(a->levels(a, turns, 1, level), WR_OK);
    const int64_t bounded = count(a, "tokens");
    assert_int_equal(a->levels(a, &last, 1, level + 1), WR_OK);
    assert_int_equal(count(a, "tokens"), 2 * bounded);
    assert_int_equal(level[0], level[1]);
    assert_int_equal(count(a, "history_dropped"), 0);
    annotator_free(a);

    /* To the token: as many as the prompt has are enough, one less is not. */
    token_ids prompt = {0};
    turns[0] = f->turns[1];
    turns[0].n_history = 0;
    turns[0].reply = &(chat_message){"assistant", words, 400, NULL};
    render(f, true, ASK_LEVEL, &turns[0], 0, &prompt);
    a = create(f, true, (model_annotator_options){.max_length = prompt.n});
    assert_int_equal(a->levels(a, turns, 1, level), WR_OK);
    assert_true(level[0] >= 1);
    annotator_free(a);
    a = create(f, true, (model_annotator_options){.max_length = prompt.n - 1});
    assert_int_equal(a->levels(a, turns, 1, level), WR_OK);
    assert_int_equal(level[0], 0);
    annotator_free(a);
    token_ids_free(&prompt);
    free(words);
}

/* "No usable answer" is no label, never a default. */
static void test_no_answer(void **state) {
    fixture *f = *state;
    int8_t level[TURNS];
    refusal_kind kind[TURNS];
    annotator *a = create(f, true, (model_annotator_options){.calibrate = false});
    float *saved = malloc(f->m->n_params * sizeof *saved);
    memcpy(saved, f->m->params, f->m->n_params * sizeof *saved);
    memset(f->m->params, 0, f->m->n_params * sizeof *saved); /* every answer alike */
    assert_int_equal(a->levels(a, f->turns, TURNS, level), WR_OK);
    for (size_t i = 0; i < TURNS; i++) assert_int_equal(level[i], 0);
    assert_int_equal(count(a, "ties"), TURNS);
    for (size_t i = 0; i < f->m->n_params; i++) f->m->params[i] = NAN;
    assert_int_equal(a->levels(a, f->turns, TURNS, level), WR_OK);
    assert_int_equal(a->refusals(a, f->turns, TURNS, kind), WR_OK);
    for (size_t i = 0; i < TURNS; i++) assert_true(level[i] == 0 && kind[i] == REFUSAL_NONE);
    assert_int_equal(count(a, "not_finite"), 2 * TURNS);
    annotator_free(a);
    a = create(f, true, (model_annotator_options){.calibrate = true});
    assert_int_equal(a->levels(a, f->turns, TURNS, level), WR_E_NUMERIC);
    annotator_free(a);
    memcpy(f->m->params, saved, f->m->n_params * sizeof *saved);
    free(saved);
}

static void plain_vector(const fixture *f, const token_ids *ids, double *mean) {
    const size_t C = f->m->config.C, offsets[] = {0, ids->n};
    double *hidden = calloc(ids->n * C, sizeof *hidden);
    refd_forward(&f->ref, &(token_batch){.B = 1, .offsets = offsets, .ids = ids->ids}, hidden);
    for (size_t c = 0; c < C; c++) {
        mean[c] = 0;
        for (size_t t = 0; t < ids->n; t++) mean[c] += hidden[t * C + c] / (double)ids->n;
    }
    free(hidden);
}

static double plain_cosine(const fixture *f, const turn_text *x, const turn_text *y) {
    double v[2][32], dot[3] = {0};
    for (int i = 0; i < 2; i++) {
        const turn_text *t = i ? y : x;
        token_ids ids = {0};
        strbuf text = {0};
        strbuf_append(&text, t->query, t->query_length);
        strbuf_putc(&text, '\n');
        strbuf_append(&text, t->followup, t->followup_length);
        assert_int_equal(tokenizer_encode(f->tok, text.data, text.len, TOK_POST, &ids), WR_OK);
        plain_vector(f, &ids, v[i]);
        token_ids_free(&ids);
        strbuf_free(&text);
    }
    for (size_t c = 0; c < 32; c++) dot[0] += v[0][c] * v[1][c], dot[1] += v[0][c] * v[0][c], dot[2] += v[1][c] * v[1][c];
    return dot[0] / sqrt(dot[1] * dot[2]);
}

static turn_text text_of(const annotated_turn *t) {
    return (turn_text){t->query ? t->query->content : "", t->query ? t->query->length : 0, t->followup->content, t->followup->length};
}

static void test_cosines(void **state) {
    const fixture *f = *state;
    enum { MANY = 40 * TURNS };
    turn_text *x = calloc(MANY, sizeof *x), *y = calloc(MANY, sizeof *y);
    double *cosine = calloc(MANY, sizeof *cosine), one;
    annotator *a = create(f, true, (model_annotator_options){.batch_tokens = 300});
    for (size_t i = 0; i < MANY; i++) x[i] = text_of(&f->turns[i % TURNS]), y[i] = text_of(&f->turns[(i + 1 + i / TURNS) % TURNS]);
    assert_int_equal(a->cosines(a, x, y, TURNS, cosine), WR_OK);
    assert_int_equal(count(a, "similarity_texts"), TURNS); /* each is one of two pairs, and computed once */
    for (size_t i = 0; i < TURNS; i++) {
        const double want = plain_cosine(f, &x[i], &y[i]);
        if (!(fabs(cosine[i] - want) <= 1e-4)) fail_msg("pair %zu: %.9g, plainly %.9g", i, cosine[i], want);
    }
    assert_int_equal(a->cosines(a, x, y, MANY, cosine), WR_OK);
    for (size_t i = 0; i < MANY; i += 7) {
        assert_int_equal(a->cosines(a, &x[i], &y[i], 1, &one), WR_OK);
        assert_true(one == cosine[i]);
        assert_int_equal(a->cosines(a, &x[i], &x[i], 1, &one), WR_OK);
        assert_true(fabs(one - 1) < 1e-12);
    }
    assert_int_equal(a->cosines(a, x, &(turn_text){"", 0, "", 0}, 1, &one), WR_OK);
    assert_true(isnan(one));
    assert_int_equal(a->cosines(a, x, y, 0, NULL), WR_OK);
    annotator_free(a);
    free(x), free(y), free(cosine);
}

/* Of a text that is too long, the beginnings count. */
static void test_long_texts(void **state) {
    const fixture *f = *state;
    char *words = calloc(3 * LONGEST + 1, 1);
    for (size_t i = 0; i < LONGEST; i++) memcpy(words + 3 * i, i == LONGEST - 1 ? "two" : "no ", 3);
    const turn_text x = {words, 3 * LONGEST, "Paris", 5}, end = {words, 3 * LONGEST - 3, "Paris", 5}, followup = {words, 3 * LONGEST, "cat", 3};
    annotator *a = create(f, true, (model_annotator_options){.max_length = 400});
    double cosine[2];
    assert_int_equal(a->cosines(a, (const turn_text[]){x, x}, (const turn_text[]){end, followup}, 2, cosine), WR_OK);
    assert_int_equal(count(a, "similarity_shortened"), 3);
    assert_true(fabs(cosine[0] - 1) < 1e-12);    /* the ends of the queries differ */
    assert_true(fabs(cosine[1] - 1) > 1e-9);     /* the follow-ups do, and are kept */
    assert_true(count(a, "tokens") <= 3 * 400);
    annotator_free(a);
    free(words);
}

static void test_directory(void **state) {
    const fixture *f = *state;
    const model_annotator_options o = {.prompts_dir = prompts_dir, .calibrate = true};
    annotator *a = NULL, *b = create(f, true, o);
    int8_t x[TURNS], y[TURNS];
    if (model_annotator_open(model_dir, PRECISION_F32, &o, &a) < 0) fail_msg("%s", wr_error());
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
    const option_spec *const tables[] = {annotator_model_options, NULL};
    char *with[] = {"x", "--annotator-model", model_dir, "--annotator-history", "2", "--annotator-clip", "30", "--no-annotator-calibrate"}, *without[] = {"x"};
    options *o = NULL;
    bool help;
    annotator_model keep;
    annotator *a = NULL, *b = create(f, true, (model_annotator_options){.history = 2, .clip = 30});
    int8_t x[TURNS], y[TURNS];
    assert_int_equal(options_parse(tables, 8, with, &o, &help), WR_OK);
    if (annotator_model_make(o, NULL, prompts_dir, NULL, &keep, &a) < 0) fail_msg("%s", wr_error());
    assert_int_equal(a->levels(a, f->turns, TURNS, x), WR_OK);
    assert_int_equal(b->levels(b, f->turns, TURNS, y), WR_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_true(count(a, "clipped") == count(b, "clipped") && count(a, "clipped") > 0);
    annotator_free(a);
    annotator_free(b);
    annotator_model_free(&keep);
    options_free(o);
    assert_int_equal(options_parse(tables, 1, without, &o, &help), WR_OK);
    assert_int_equal(annotator_model_make(o, NULL, NULL, NULL, &keep, &a), WR_E_USAGE);
    assert_non_null(strstr(wr_error(), "--annotator-model DIR"));
    options_free(o);
}

static uint64_t fingerprint(const fixture *f, bool chat, model_annotator_options o) {
    annotator *a = create(f, chat, o);
    const uint64_t h = a->fingerprint;
    annotator_free(a);
    return h;
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
    const chat_message q = {"user", "{reply}", 7, NULL}, r = {"assistant", "R", 1, NULL}, u = {"user", "U", 1, NULL}, h[] = {{"user", "a", 1, NULL}, {"assistant", "b", 1, NULL}};
    const annotated_turn t = {"c", 1, h, 2, &q, &r, &u};
    assert_int_equal(model_prompt_from_text("<{followup}|{reply}|{history}|{query}>", ASK_LEVEL, &p), WR_OK);
    assert_int_equal(model_prompt_render(p, &t, 0, 0, &out, &clipped), WR_OK);
    assert_string_equal(strbuf_str(&out), "<U|R|User: a\nAssistant: b|{reply}>"); /* a slot's name inside a message is text */
    strbuf_clear(&out);
    assert_int_equal(model_prompt_render(p, &(annotated_turn){.reply = &r, .followup = &u}, 0, 0, &out, &clipped), WR_OK);
    assert_string_equal(strbuf_str(&out), "<U|R|(none)|(none)>");
    model_prompt_free(p);
    strbuf_free(&out);
    assert_int_equal(model_prompt_from_text("{followup}", ASK_LEVEL, &p), WR_OK);
    assert_false(model_prompt_has_history(p));
    model_prompt_free(p);
    check_bad_prompt(ASK_LEVEL, "{query} {reply}", "{followup}");
    check_bad_prompt(ASK_REFUSAL, "{query}", "{reply}");
    check_bad_prompt(ASK_REFUSAL, "{query} {reply} {query}", "twice");

    assert_int_equal(path_join(missing, folder, "none"), WR_OK);
    assert_int_equal(model_annotator_create(f->m, f->tok, f->chat, &(model_annotator_options){.prompts_dir = missing}, &a), WR_E_IO);
    assert_non_null(strstr(wr_error(), missing));
    assert_int_equal(dir_make(missing), WR_OK); /* empty: built in */
    assert_true(fingerprint(f, true, (model_annotator_options){.prompts_dir = missing}) != fingerprint(f, true, (model_annotator_options){0}));
    assert_int_equal(model_annotator_create(f->m, f->tok, f->chat, &(model_annotator_options){.max_length = 200}, &a), WR_E_MISMATCH);
    assert_non_null(strstr(wr_error(), "model-annotate.txt"));
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
    model *score = make_model(tokenizer_vocab(f->tok), HEAD_SCORE, SEED), *small = make_model(tokenizer_vocab(f->tok) - 1, HEAD_LM, SEED);
    assert_int_equal(model_annotator_create(score, f->tok, f->chat, &(model_annotator_options){0}, &a), WR_E_MISMATCH);
    assert_int_equal(model_annotator_create(small, f->tok, f->chat, &(model_annotator_options){0}, &a), WR_E_MISMATCH);
    assert_non_null(strstr(wr_error(), "vocab_size"));
    model_free(score), model_free(small);
}

int main(void) {
    printf("# seed %d\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels),     cmocka_unit_test(test_refusals),   cmocka_unit_test(test_batches), cmocka_unit_test(test_cache),
                                       cmocka_unit_test(test_length),     cmocka_unit_test(test_no_answer),  cmocka_unit_test(test_cosines),
                                       cmocka_unit_test(test_long_texts), cmocka_unit_test(test_directory), cmocka_unit_test(test_options),  cmocka_unit_test(test_fingerprint),
                                       cmocka_unit_test(test_prompts),    cmocka_unit_test(test_wrong_models)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
