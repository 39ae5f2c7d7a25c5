/* Annotates the follow-ups of WildChat rows with the options of prepare, and writes what the annotators said: a way to
 * test and to time them alone. usage: annotate_turns CHATS [--limit N] [--repeat N] [annotator options] > turns.jsonl;
 * counts go to standard error as one JSON line. Each output line:
 * {"conversation_hash","turn_identifier","levels":{NAME:level…},"refusal","cosine" to the turn before}. Under mpirun
 * each rank takes every size-th conversation and writes its own lines. */
#include "base/log.h"
#include "base/stream.h"
#include "cli/annotator_options.h"
#include "data/source/fields.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct turns_call {
    annotator_options who;
    size_t limit;
} turns_call;
static const option_spec own_rows[] = {
    OPTION_TEXT(turns_call, who.beside, "out", NULL, "DIR", "only the default of --answer-cache depends on it"),
    OPTION_INT(turns_call, limit, "limit", "0", "N", 0, 1e9, "turns at most; 0: all"),
    {0},
};
static const option_group groups[] = {{.rows = own_rows}, OPTION_GROUP(annotator_rows, turns_call, who), {0}};

typedef struct turns {
    arena *texts;
    annotated_turn *items;
    size_t n, capacity;
    size_t limit;
} turns;

static wr_status read_turns(turns *t, const char *path, const world *w) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n, row = 0;
    TRY(instream_open(path, &in));
    for (;;) {
        conversation c;
        row_fault fault;
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END || (t->limit && t->n >= t->limit)) break;
        if (row++ % (size_t)world_size(w) != (size_t)world_rank(w)) continue;
        const char *kept = arena_strndup(t->texts, line, n); /* what is read points into it */
        TRY_ALLOC(kept);
        TRY(wildchat_parse(t->texts, kept, n, false, &c, &fault));
        if (fault != ROW_GOOD) continue;
        for (size_t from = 0, at; conversation_followup(&c, from, &at) && !(t->limit && t->n >= t->limit);
             from = at + 1) {
            annotated_turn turn = {.id = c.id,
                                   .turn = c.turns[at],
                                   .history = c.messages,
                                   .reply = &c.messages[at - 1],
                                   .followup = &c.messages[at]};
            conversation_query(&c, at, &turn.query);
            turn.n_history = turn.query ? at - 2 : at - 1;
            VEC_PUSH(t->items, t->n, t->capacity, turn);
        }
    }
cleanup:
    instream_close(in);
    return status;
}

static turn_text text_of(const annotated_turn *t) {
    return (turn_text){.query = t->query ? t->query->content : "",
                       .query_length = t->query ? t->query->length : 0,
                       .followup = t->followup->content,
                       .followup_length = t->followup->length};
}

typedef struct results {
    int8_t *level[ANNOTATORS_MAX];
    refusal_kind *refusal;
    double *cosine;
} results;

static wr_status annotate(const annotator_set *s, const turns *t, results *r) {
    wr_status status = WR_OK;
    turn_text *x = NULL, *y = NULL;
    for (size_t k = 0; k < s->n; k++) TRY_ALLOC(r->level[k] = mem_calloc(t->n + 1, 1));
    TRY_ALLOC(r->refusal = mem_calloc(t->n + 1, sizeof *r->refusal));
    TRY_ALLOC(r->cosine = mem_calloc(t->n + 1, sizeof *r->cosine));
    for (size_t k = 0; k < s->n; k++) {
        size_t batch = s->levels[k]->batch;
        for (size_t at = 0; at < t->n; at += batch)
            TRY(s->levels[k]->levels(s->levels[k], t->items + at, t->n - at < batch ? t->n - at : batch,
                                     r->level[k] + at));
    }
    TRY(s->refusals->refusals(s->refusals, t->items, t->n, r->refusal));
    if (!s->similarity || t->n < 2) goto cleanup;
    TRY_ALLOC(x = mem_calloc(t->n, sizeof *x));
    TRY_ALLOC(y = mem_calloc(t->n, sizeof *y));
    for (size_t i = 1; i < t->n; i++) x[i - 1] = text_of(&t->items[i - 1]), y[i - 1] = text_of(&t->items[i]);
    TRY(s->similarity->cosines(s->similarity, x, y, t->n - 1, r->cosine + 1));
cleanup:
    free(x);
    free(y);
    return status;
}

static wr_status print(const annotator_set *s, const turns *t, const results *r) {
    wr_status status = WR_OK;
    strbuf line = {0};
    for (size_t i = 0; i < t->n; i++) {
        strbuf_clear(&line);
        json_writer w = json_writer_make(&line);
        json_begin_object(&w);
        json_member_string(&w, "conversation_hash", t->items[i].id),
            json_member_int(&w, "turn_identifier", t->items[i].turn);
        json_member_object(&w, "levels");
        for (size_t k = 0; k < s->n; k++) json_member_int(&w, s->levels[k]->name, r->level[k][i]);
        json_end_object(&w);
        json_member_int(&w, "refusal", r->refusal[i]);
        if (s->similarity) json_member_double(&w, "cosine", r->cosine[i]);
        json_end_object(&w);
        TRY(strbuf_status(&line));
        puts(line.data);
    }
    fflush(stdout);
cleanup:
    strbuf_free(&line);
    return status;
}

static void print_counts(const annotator_set *s, double seconds) {
    strbuf line = {0};
    json_writer w = json_writer_make(&line);
    json_begin_object(&w);
    json_member_double(&w, "seconds", seconds);
    for (size_t i = 0; i < s->n_owned; i++) {
        json_member_object(&w, s->owned[i]->name);
        json_member_int(&w, "fingerprint", (int64_t)(s->owned[i]->fingerprint >> 1));
        if (s->owned[i]->counts) s->owned[i]->counts(s->owned[i], &w);
        json_end_object(&w);
    }
    json_end_object(&w);
    fprintf(stderr, "%s\n", strbuf_str(&line));
    strbuf_free(&line);
}

static wr_status run(int argc, char **argv, world *w) {
    wr_status status = WR_OK;
    options *o = NULL;
    turns_call c = {0};
    annotator_set set = {0};
    turns t = {0};
    results r = {0};
    bool help;
    TRY(options_parse(groups, argc - 1, argv + 1, &o, &help));
    TRY(options_fill(o, &c, sizeof c));
    annotator_options_resolve(o, &c.who);
    if (options_count(o) != 1) TRY(wr_fail(WR_E_USAGE, "annotate_turns CHATS [options]"));
    TRY_ALLOC(t.texts = arena_create());
    t.limit = c.limit;
    TRY(annotators_create(&c.who, w, &set));
    TRY(read_turns(&t, options_positional(o, 0), w));
    double started = clock_seconds();
    status = annotate(&set, &t, &r);
    print_counts(&set, clock_seconds() - started);
    TRY(status);
    TRY(print(&set, &t, &r));
cleanup:
    annotators_free(&set);
    for (size_t k = 0; k < ANNOTATORS_MAX; k++) free(r.level[k]);
    free(r.refusal);
    free(r.cosine);
    free(t.items);
    arena_free(t.texts);
    options_free(o);
    return status;
}

int main(int argc, char **argv) {
    world *w = NULL;
    signal(SIGPIPE, SIG_IGN);
    wr_status status = world_create(&argc, &argv, &w);
    if (status >= 0) log_setup(world_rank(w), LOG_INFO);
    if (status >= 0) status = run(argc, argv, w);
    if (status < 0) fprintf(stderr, "annotate_turns: error: %s\n", wr_error());
    world_free(w);
    return exit_code(status);
}
