/* The model annotator on a tiny random checkpoint: its answers are those of a plain comparison of log-probabilities,
 * turn by turn, in double precision; they do not depend on what is asked together; what does not fit, is not finite or
 * ties gets no label and is counted; vectors are plain means. */
#include "tests/support/model_annotator_fixture.h"
#include "tests/support/near.h"

/* --- the plain computation ---------------------------------------------------------------------------------------- */

static void render(const fixture *f, bool chat, model_question q, const annotated_turn *t, size_t skip,
                   token_ids *out) {
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

static void plain_answers(const fixture *f, bool chat, model_question q, const annotated_turn *t, size_t skip,
                          double *logprob) {
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
static int plain_answer(const fixture *f, bool chat, model_question q, const annotated_turn *t, bool calibrate,
                        double *margin) {
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

/* --- tests -------------------------------------------------------------------------------------------------------- */

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

/* What the cache knows is not read again, by another annotator or rank either; what the answer depends on makes another
 * question of it. */
static void test_cache(void **state) {
    fixture *f = *state;
    char cache[PATH_CAP];
    assert_int_equal(path_join(cache, test_folder(), "answers/model"), WR_OK);
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
    for (size_t c = 0; c < 32; c++)
        dot[0] += v[0][c] * v[1][c], dot[1] += v[0][c] * v[0][c], dot[2] += v[1][c] * v[1][c];
    return dot[0] / sqrt(dot[1] * dot[2]);
}

static turn_text text_of(const annotated_turn *t) {
    return (turn_text){t->query ? t->query->content : "", t->query ? t->query->length : 0, t->followup->content,
                       t->followup->length};
}

static void test_cosines(void **state) {
    const fixture *f = *state;
    enum { MANY = 40 * TURNS };
    turn_text *x = calloc(MANY, sizeof *x), *y = calloc(MANY, sizeof *y);
    double *cosine = calloc(MANY, sizeof *cosine), one;
    annotator *a = create(f, true, (model_annotator_options){.batch_tokens = 300});
    for (size_t i = 0; i < MANY; i++)
        x[i] = text_of(&f->turns[i % TURNS]), y[i] = text_of(&f->turns[(i + 1 + i / TURNS) % TURNS]);
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
        assert_near(one, 1, 1e-12);
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
    const turn_text x = {words, 3 * LONGEST, "Paris", 5}, end = {words, 3 * LONGEST - 3, "Paris", 5},
                    followup = {words, 3 * LONGEST, "cat", 3};
    annotator *a = create(f, true, (model_annotator_options){.max_length = 400});
    double cosine[2];
    assert_int_equal(a->cosines(a, (const turn_text[]){x, x}, (const turn_text[]){end, followup}, 2, cosine), WR_OK);
    assert_int_equal(count(a, "similarity_shortened"), 3);
    assert_near(cosine[0], 1, 1e-12);        /* the ends of the queries differ */
    assert_true(fabs(cosine[1] - 1) > 1e-9); /* the follow-ups do, and are kept */
    assert_true(count(a, "tokens") <= 3 * 400);
    annotator_free(a);
    free(words);
}

int main(void) {
    printf("# seed %d\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels),  cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_batches), cmocka_unit_test(test_cache),
                                       cmocka_unit_test(test_length),  cmocka_unit_test(test_no_answer),
                                       cmocka_unit_test(test_cosines), cmocka_unit_test(test_long_texts)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
