#include "tests/support/turn_records.h"

#include "base/mem.h"
#include "base/rng.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 2000, EXTRA = 3 };

static void fill(rng *r, int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)rng_below(r, TURNS_VOCABULARY);
}

/* own: how many tokens of its own, pads: how many behind them. */
static void add(turn_records *t, rng *r, size_t conversation, size_t turn, const int32_t *history, size_t n, size_t own,
                size_t pads, bool one_user) {
    const size_t i = t->n++;
    int32_t *ids = mem_calloc(n + own + pads, sizeof *ids);
    memcpy(ids, history, n * sizeof *ids);
    fill(r, ids + n, own);
    for (size_t k = n + own; k < n + own + pads; k++) ids[k] = TURNS_PAD;
    t->of[i] = conversation, t->turn[i] = turn;
    t->users[i] = mem_calloc(24, 1), t->ids[i] = mem_calloc(48, 1);
    snprintf(t->users[i], 24, "u%zu", one_user ? 0 : conversation);
    snprintf(t->ids[i], 48, "c%zu:%zu", conversation, turn);
    t->sequences[i] = (sequence){.ids = ids, .n = n + own + pads, .label = 1 + (int)(i % 4), .user = t->users[i]};
}

static void swap(void *a, void *b, size_t n) {
    char c[sizeof(sequence)];
    memcpy(c, a, n), memcpy(a, b, n), memcpy(b, c, n);
}

static void mix(turn_records *t, rng *r) {
    for (size_t i = t->n; i > 1; i--) {
        const size_t a = i - 1, b = (size_t)rng_below(r, (uint32_t)i);
        swap(&t->sequences[a], &t->sequences[b], sizeof *t->sequences);
        swap(&t->of[a], &t->of[b], sizeof *t->of), swap(&t->turn[a], &t->turn[b], sizeof *t->turn);
        swap(&t->users[a], &t->users[b], sizeof *t->users), swap(&t->ids[a], &t->ids[b], sizeof *t->ids);
    }
}

turn_records turn_records_make(uint64_t seed, size_t conversations, size_t turns, bool one_user) {
    const size_t room = conversations * (turns + EXTRA);
    turn_records t = {.sequences = mem_calloc(room, sizeof *t.sequences),
                      .of = mem_calloc(room, sizeof *t.of),
                      .turn = mem_calloc(room, sizeof *t.turn),
                      .users = mem_calloc(room, sizeof *t.users),
                      .ids = mem_calloc(room, sizeof *t.ids)};
    rng r = rng_make(seed, RNG_TEST, 0, 0, 0);
    int32_t history[LONGEST];
    assert_true(turns >= 2 && TURNS_PREAMBLE + turns * 60 < LONGEST);
    fill(&r, history, TURNS_PREAMBLE);
    for (size_t c = 0; c < conversations; c++) {
        size_t n = TURNS_PREAMBLE;
        for (size_t k = 0; k < turns; k++) {
            const size_t step = 33 + (size_t)rng_below(&r, 28), own = 4 + (size_t)rng_below(&r, 17);
            fill(&r, history + n, step);
            n += step;
            if (k == 0) add(&t, &r, c, k, history, n, own, 5, one_user);
            add(&t, &r, c, k, history, n, own, 0, one_user);
            if (k + 2 == turns) { /* twice */
                const sequence *s = &t.sequences[t.n - 1];
                add(&t, &r, c, k, s->ids, s->n, 0, 0, one_user);
            }
            if (k + 1 == turns) add(&t, &r, c, k, history, n - 10, 0, 0, one_user);
        }
    }
    mix(&t, &r);
    return t;
}

void turn_records_free(turn_records *t) {
    for (size_t i = 0; i < t->n; i++) {
        free((void *)(uintptr_t)t->sequences[i].ids);
        free(t->users[i]), free(t->ids[i]);
    }
    free(t->sequences), free(t->of), free(t->turn), free(t->users), free(t->ids);
    *t = (turn_records){0};
}
