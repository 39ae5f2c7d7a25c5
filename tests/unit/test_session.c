/* Sessions of the sampler: prompts that come while others run, each with parameters of its own; the order in which they
 * are taken; sessions that are given up. Replies are compared with those of each prompt in a batch of its own. */
#include "sampler/session.h"
#include "tests/support/sampler_fixture.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <stdlib.h>

static model *policy;
static sampler *s;
static sample_prompt prompts[TINY_PROMPTS];
static const stop_tokens stops[2] = {{.ids = {7, 11}, .n = 2}, {.ids = {3, 5, 20, 21, 22, 40}, .n = 6}};

/* What prompt i is sampled with. */
static sampling_options options_of(size_t i) {
    return (sampling_options){.n = 1 + i % 3,
                              .max_tokens = 4 + 3 * i,
                              .temperature = i % 4 == 3 ? 0.0 : 0.6 + 0.2 * (double)i,
                              .top_k = i % 2 ? 10 : 0,
                              .top_p = i % 3 ? 1.0 : 0.9,
                              .seed = 9 + i / 4,
                              .step = i % 2};
}

static void assert_as_alone(const answered *a) {
    const size_t i = a->ticket;
    const sampling_options o = options_of(i);
    sample_reply want[3];
    assert_int_equal(a->n, o.n);
    sampler *other;
    assert_int_equal(sampler_create(policy, &other), WR_OK);
    assert_int_equal(sampler_generate(other, 1, &prompts[i], &o, NULL, NULL, want), WR_OK);
    for (size_t j = 0; j < o.n; j++) assert_same_reply(&a->replies[j], &want[j]);
    sample_replies_free(want, o.n);
    sampler_free(other);
}

static void submit(session *x, size_t i) {
    size_t ticket;
    const sampling_options o = options_of(i);
    /* What is submitted is copied. */
    int32_t *ids = calloc(prompts[i].n, sizeof *ids);
    stop_tokens own = prompts[i].stops ? *prompts[i].stops : (stop_tokens){.n = 0};
    for (size_t k = 0; k < prompts[i].n; k++) ids[k] = prompts[i].ids[k];
    sample_prompt p = {ids, prompts[i].n, prompts[i].key, prompts[i].stops ? &own : NULL};
    assert_int_equal(session_submit(x, &p, &o, &ticket), WR_OK);
    assert_int_equal(ticket, i);
    for (size_t k = 0; k < p.n; k++) ids[k] = -1;
    free(ids);
    own.n = 0;
}

/* A prompt comes every `every` steps (0: all at once). */
static void run_session(size_t every) {
    session *x;
    answered done;
    size_t sent = 0, taken = 0, steps = 0, stopped = 0;
    assert_int_equal(session_create(s, &x), WR_OK);
    assert_false(session_busy(x));
    assert_int_equal(session_step(x), WR_OK); /* nothing to do */
    while (sent < TINY_PROMPTS || session_busy(x)) {
        while (sent < TINY_PROMPTS && (every == 0 || steps >= every * sent)) submit(x, sent++);
        assert_int_equal(session_step(x), WR_OK);
        steps++;
        while (session_take(x, &done)) {
            assert_as_alone(&done);
            for (size_t j = 0; j < done.n; j++) stopped += done.replies[j].finish == FINISH_STOP;
            answered_free(&done);
            taken++;
        }
    }
    assert_int_equal(taken, TINY_PROMPTS);
    assert_false(session_take(x, &done));
    assert_true(stopped > 0);
    session_free(x);
}

static void test_others_run(void **state) {
    (void)state;
    for (size_t every = 0; every < 4; every++) run_session(every);
}

/* One prompt twice, the second time with a stop token that its reply holds: it ends there, and the first does not. */
static void test_own_stops(void **state) {
    (void)state;
    session *x;
    answered done[2];
    size_t ticket;
    sample_reply whole;
    const sampling_options o = {.n = 1, .max_tokens = 40, .temperature = 1, .top_p = 1, .seed = 2};
    sample_prompt p[2] = {prompts[4], prompts[4]};
    p[0].stops = NULL;
    assert_int_equal(sampler_generate(s, 1, &p[0], &o, NULL, NULL, &whole), WR_OK);
    const stop_tokens end = {.ids = {whole.ids[12]}, .n = 1};
    p[1].stops = &end;
    assert_int_equal(session_create(s, &x), WR_OK);
    for (size_t i = 0; i < 2; i++) assert_int_equal(session_submit(x, &p[i], &o, &ticket), WR_OK);
    while (session_busy(x)) assert_int_equal(session_step(x), WR_OK);
    assert_true(session_take(x, &done[0]) && session_take(x, &done[1]));
    assert_int_equal(done[0].ticket, 1); /* it ended before */
    const sample_reply *cut = done[0].replies;
    assert_same_reply(done[1].replies, &whole);
    assert_int_equal(cut->finish, FINISH_STOP);
    assert_true(cut->n <= 13 && cut->ids[cut->n - 1] == end.ids[0]);
    assert_memory_equal(cut->ids, whole.ids, cut->n * sizeof *cut->ids);
    for (size_t i = 0; i < 2; i++) answered_free(&done[i]);
    sample_replies_free(&whole, 1);
    session_free(x);
}

/* In the order in which they end; those of one step by their tickets. */
static void test_order(void **state) {
    (void)state;
    static const size_t lengths[] = {9, 3, 6, 3, 1, 9}, want[] = {4, 1, 3, 2, 0, 5};
    enum { COUNT = sizeof lengths / sizeof *lengths };
    session *x;
    answered done;
    size_t ticket, taken = 0;
    assert_int_equal(session_create(s, &x), WR_OK);
    for (size_t i = 0; i < COUNT; i++) {
        const sampling_options o = {.n = 2, .max_tokens = lengths[i], .temperature = 1, .top_p = 1};
        const sample_prompt p = {prompts[i].ids, prompts[i].n, i, NULL};
        assert_int_equal(session_submit(x, &p, &o, &ticket), WR_OK);
    }
    for (size_t step = 1; session_busy(x); step++) {
        assert_int_equal(session_step(x), WR_OK);
        for (; session_take(x, &done); taken++) {
            assert_int_equal(done.ticket, want[taken]);
            assert_int_equal(done.replies[1].n, lengths[want[taken]]);
            /* the first step gives the first token and the one behind it */
            assert_int_equal(step, lengths[done.ticket] == 1 ? 1 : lengths[done.ticket] - 1);
            answered_free(&done);
        }
    }
    assert_int_equal(taken, COUNT);
    session_free(x);
}

/* Waiting, running and finished prompts go with the session (the sanitizers' tests see what does not), and the sampler
 * serves the next one. */
static void test_given_up(void **state) {
    (void)state;
    for (size_t steps = 0; steps < 12; steps += 3) {
        session *x;
        assert_int_equal(session_create(s, &x), WR_OK);
        for (size_t i = 0; i < TINY_PROMPTS; i++) submit(x, i);
        for (size_t k = 0; k < steps; k++) assert_int_equal(session_step(x), WR_OK);
        session_free(x);
    }
    session_free(NULL);
    run_session(1);
}

/* A prompt that cannot be is refused, and the others go on. */
static void test_refused(void **state) {
    (void)state;
    session *x;
    answered done;
    size_t ticket = 77;
    int32_t ids[TINY_POSITIONS] = {1};
    sampling_options o = options_of(0);
    assert_int_equal(session_create(s, &x), WR_OK);
    assert_int_equal(session_submit(x, &(sample_prompt){ids, 0, 1, NULL}, &o, &ticket), WR_E_FORMAT);
    assert_int_equal(session_submit(x, &(sample_prompt){ids, TINY_POSITIONS, 1, NULL}, &o, &ticket), WR_E_FORMAT);
    o.top_p = 0;
    assert_int_equal(session_submit(x, &prompts[0], &o, &ticket), WR_E_USAGE);
    assert_int_equal(ticket, 77);
    submit(x, 0);
    while (session_busy(x)) assert_int_equal(session_step(x), WR_OK);
    assert_true(session_take(x, &done));
    assert_as_alone(&done);
    answered_free(&done);
    session_free(x);
}

static int set_up(void **state) {
    (void)state;
    policy = tiny_policy();
    tiny_prompts(prompts);
    for (size_t i = 0; i < TINY_PROMPTS; i++) prompts[i].stops = i % 3 ? &stops[i % 2] : NULL;
    return sampler_create(policy, &s) < 0;
}

static int tear_down(void **state) {
    (void)state;
    sampler_free(s);
    model_free(policy);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_others_run), cmocka_unit_test(test_own_stops),
                                       cmocka_unit_test(test_order), cmocka_unit_test(test_given_up),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
