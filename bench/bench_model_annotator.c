/* Quality and speed of a local model as annotator, against labelled turns: 5-way accuracy, 3-way (negative {1,2},
 * neutral 3, positive {4,5}) macro-F1, confusion, turns a second; and of its topic similarity: how often a turn is
 * closer to a later turn of its own conversation than to one of another (AUC).
 *
 * bench_model_annotator --model DIR CHATS LABELS [--max-length N] [--history N] [--clip N] [--batch-tokens N]
 * [--prompts DIR] [--precision P]
 *     [--every N: each Nth labelled turn] [--pairs N: of turns to measure the similarity by, 0] [--calibrate] [--show]
 * CHATS: WildChat rows; LABELS: {"conversation_hash", "turn_identifier", "label"} a line. A turn without an answer
 * counts as wrong in the accuracy and as neutral in F1. Prints a table on stderr and one line of JSON on stdout. */
#include "base/log.h"
#include "base/stream.h"
#include "base/string_map.h"
#include "data/label/annotate/model_annotator.h"
#include "data/source/fields.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEVELS = 5, CLASSES = 3, MOST_PAIRS = 500 };
static int class_of(int level) { return level == 0 ? 1 : level <= 2 ? 0 : level == 3 ? 1 : 2; }

typedef struct settings {
    const char *dir, *precision, *chats, *labels;
    model_annotator_options annotator;
    size_t every, pairs;
    bool show;
} settings;

typedef struct bench {
    const settings *s;
    arena *keep;
    string_map labels;
    annotated_turn *turns;
    int8_t *truth;
    size_t n, seen, turn_room, truth_room;
    size_t confusion[LEVELS][LEVELS + 1];           /* [label - 1][level] */
    turn_text first[MOST_PAIRS], third[MOST_PAIRS]; /* (n_pairs) of one conversation each */
    size_t n_pairs;
    double seconds, cpu_seconds, auc;
} bench;

static void turn_key(char key[320], const char *hash, int64_t turn) {
    snprintf(key, 320, "%.256s:%" PRId64, hash, turn);
}

static wr_status read_labels(bench *b) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line, *hash;
    size_t n, length;
    TRY(instream_open(b->s->labels, &in));
    for (;;) {
        const wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        const json_value *v;
        int64_t turn, label;
        string_entry *slot;
        int fresh;
        char key[320];
        TRY(json_parse(b->keep, line, n, &v));
        if (!json_get_string(v, "conversation_hash", &hash, &length) || !json_get_int(v, "turn_identifier", &turn) ||
            !json_get_int(v, "label", &label) || label < 1 || label > LEVELS || length > 256)
            TRY(wr_fail(WR_E_FORMAT, "%s:%zu: needs conversation_hash, turn_identifier and label 1 … 5", b->s->labels,
                        instream_line_number(in)));
        turn_key(key, hash, turn);
        char *copy = arena_strndup(b->keep, key, strlen(key));
        TRY_ALLOC(copy);
        TRY(string_map_put(&b->labels, copy, strlen(copy), (int32_t)label, &slot, &fresh));
    }
cleanup:
    instream_close(in);
    return status;
}

static wr_status take_turns(bench *b, const conversation *c) {
    wr_status status = WR_OK;
    size_t at;
    for (size_t from = 0; conversation_followup(c, from, &at); from = at + 1) {
        char key[320];
        turn_key(key, c->id, c->turns[at]);
        const string_entry *e = string_map_find(&b->labels, key, strlen(key));
        if (!e || b->seen++ % b->s->every != 0) continue;
        annotated_turn t = {.id = c->id,
                            .turn = c->turns[at],
                            .history = c->messages,
                            .reply = &c->messages[at - 1],
                            .followup = &c->messages[at]};
        const bool asked = conversation_query(c, at, &t.query);
        t.n_history = asked ? at - 2 : at - 1;
        TRY(mem_reserve((void **)&b->truth, &b->truth_room, b->n + 1, sizeof *b->truth));
        b->truth[b->n] = (int8_t)e->value;
        VEC_PUSH(b->turns, b->n, b->turn_room, t);
    }
cleanup:
    return status;
}

static turn_text text_at(const conversation *c, size_t at) {
    const chat_message *q = NULL, *f = &c->messages[at];
    conversation_query(c, at, &q);
    return (turn_text){q ? q->content : "", q ? q->length : 0, f->content, f->length};
}

static void take_pair(bench *b, const conversation *c) {
    size_t at[3], n = 0;
    for (size_t from = 0; n < 3 && conversation_followup(c, from, &at[n]); from = at[n++] + 1) continue;
    if (n < 3 || at[2] - at[0] < 4 || b->n_pairs >= b->s->pairs) return;
    b->first[b->n_pairs] = text_at(c, at[0]);
    b->third[b->n_pairs++] = text_at(c, at[2]);
}

static wr_status read_chats(bench *b) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n;
    TRY(instream_open(b->s->chats, &in));
    for (;;) {
        const wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        conversation c;
        row_fault fault;
        const char *kept = arena_strndup(b->keep, line, n); /* what is read points into it */
        TRY_ALLOC(kept);
        TRY(wildchat_parse(b->keep, kept, n, false, &c, &fault));
        if (fault != ROW_GOOD) continue;
        TRY(take_turns(b, &c));
        take_pair(b, &c);
    }
    if (!b->n) TRY(wr_fail(WR_E_MISMATCH, "no label of %s belongs to a follow-up of %s", b->s->labels, b->s->chats));
cleanup:
    instream_close(in);
    return status;
}

static wr_status annotate(bench *b, annotator *a) {
    wr_status status = WR_OK;
    int8_t *level = mem_calloc(b->n, 1);
    TRY_ALLOC(level);
    const double start = clock_seconds(), start_cpu = (double)clock() / CLOCKS_PER_SEC;
    progress *p = progress_create("annotating", "turns", b->n);
    for (size_t from = 0; from < b->n; from += a->batch) {
        const size_t n = b->n - from < a->batch ? b->n - from : a->batch;
        TRY(a->levels(a, b->turns + from, n, level + from));
        progress_update(p, from + n, NULL);
    }
    progress_finish(p);
    b->seconds = clock_seconds() - start;
    b->cpu_seconds = (double)clock() / CLOCKS_PER_SEC - start_cpu; /* of all threads */
    for (size_t i = 0; i < b->n; i++) {
        b->confusion[b->truth[i] - 1][level[i]]++;
        const chat_message *f = b->turns[i].followup;
        if (b->s->show)
            fprintf(stderr, "%d %d %.*s\n", b->truth[i], level[i], f->length < 100 ? (int)f->length : 100, f->content);
    }
cleanup:
    free(level);
    return status;
}

/* One conversation's first turn and its third, which share no message, beside the third of another conversation. */
static wr_status similarity(bench *b, annotator *a) {
    wr_status status = WR_OK;
    const size_t n = b->n_pairs;
    double *same = NULL, *other = NULL;
    size_t right = 0, ties = 0;
    turn_text *y = NULL;
    TRY_ALLOC(y = mem_calloc(n, sizeof *y));
    TRY_ALLOC(same = mem_calloc(n, sizeof *same));
    TRY_ALLOC(other = mem_calloc(n, sizeof *other));
    for (size_t i = 0; i < n; i++) y[i] = b->third[(i + 1) % n];
    TRY(a->cosines(a, b->first, b->third, n, same));
    TRY(a->cosines(a, b->first, y, n, other));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) right += same[i] > other[j], ties += same[i] == other[j];
    b->auc = n ? ((double)right + 0.5 * (double)ties) / ((double)n * (double)n) : NAN;
cleanup:
    free(y);
    free(same);
    free(other);
    return status;
}

static double ratio(size_t a, size_t b) { return b ? (double)a / (double)b : 0; }

static double macro_f1(const bench *b) {
    double sum = 0;
    size_t table[CLASSES][CLASSES] = {{0}};
    for (int t = 1; t <= LEVELS; t++)
        for (int s = 0; s <= LEVELS; s++) table[class_of(t)][class_of(s)] += b->confusion[t - 1][s];
    for (int k = 0; k < CLASSES; k++) {
        size_t row = 0, column = 0;
        for (int j = 0; j < CLASSES; j++) row += table[k][j], column += table[j][k];
        sum += ratio(2 * table[k][k], row + column) / CLASSES;
    }
    return sum;
}

static void report(const bench *b, const annotator *a) {
    size_t hits = 0, answered = 0;
    strbuf out = {0};
    json_writer w = json_writer_make(&out);
    fprintf(stderr, "label   none      1      2      3      4      5\n");
    json_begin_object(&w);
    json_member_string(&w, "bench", "model_annotator");
    json_member_int(&w, "labels", (int64_t)b->n);
    json_member_array(&w, "confusion");
    for (int t = 0; t < LEVELS; t++) {
        fprintf(stderr, "%5d ", t + 1);
        json_begin_array(&w);
        for (int s = 0; s <= LEVELS; s++) {
            fprintf(stderr, " %6zu", b->confusion[t][s]);
            json_int(&w, (int64_t)b->confusion[t][s]);
            if (s) answered += b->confusion[t][s];
        }
        json_end_array(&w);
        fputc('\n', stderr);
        hits += b->confusion[t][t + 1];
    }
    json_end_array(&w);
    json_member_int(&w, "answered", (int64_t)answered);
    json_member_double(&w, "accuracy", ratio(hits, b->n));
    json_member_double(&w, "macro_f1", macro_f1(b));
    json_member_double(&w, "similarity_auc", b->auc);
    json_member_int(&w, "similarity_pairs", (int64_t)b->n_pairs);
    json_member_double(&w, "turns_per_s", (double)b->n / b->seconds);
    json_member_double(&w, "turns_per_cpu_s", (double)b->n / b->cpu_seconds);
    json_member_object(&w, "counts");
    a->counts(a, &w);
    json_end_object(&w);
    json_end_object(&w);
    fprintf(stderr,
            "5-way accuracy %.3f, 3-way macro-F1 %.3f over %zu labels (%zu answered), %.2f turns/s, %.2f a CPU second; "
            "similarity AUC "
            "%.3f over %zu pairs\n",
            ratio(hits, b->n), macro_f1(b), b->n, answered, (double)b->n / b->seconds, (double)b->n / b->cpu_seconds,
            b->auc, b->n_pairs);
    puts(strbuf_str(&out));
    strbuf_free(&out);
}

static wr_status run(bench *b) {
    wr_status status = WR_OK;
    annotator *a = NULL;
    precision p;
    const char *why;
    TRY(precision_choose(b->s->precision, &p, &why));
    TRY_ALLOC(b->keep = arena_create());
    TRY(read_labels(b));
    TRY(read_chats(b));
    TRY(model_annotator_open(b->s->dir, p, &b->s->annotator, &a));
    TRY(annotate(b, a));
    TRY(similarity(b, a));
    report(b, a);
cleanup:
    annotator_free(a);
    free(b->turns);
    free(b->truth);
    arena_free(b->keep);
    string_map_free(&b->labels);
    return status;
}

int main(int argc, char **argv) {
    settings s = {.precision = "f32", .every = 1, .pairs = 0};
    bench b = {.s = &s};
    const char *files[2] = {NULL, NULL};
    int n = 0;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        const bool option = strncmp(name, "--", 2) == 0, flag = !strcmp(name, "--calibrate") || !strcmp(name, "--show");
        if (!strcmp(name, "--calibrate"))
            s.annotator.calibrate = true;
        else if (!strcmp(name, "--show"))
            s.show = true;
        else if (!strcmp(name, "--model"))
            s.dir = value;
        else if (!strcmp(name, "--precision"))
            s.precision = value;
        else if (!strcmp(name, "--prompts"))
            s.annotator.prompts_dir = value;
        else if (!strcmp(name, "--max-length"))
            s.annotator.max_length = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--clip"))
            s.annotator.clip = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--history"))
            s.annotator.history = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--batch-tokens"))
            s.annotator.batch_tokens = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--pairs"))
            s.pairs = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--every"))
            s.every = strtoull(value, NULL, 10);
        else if (!option && n < 2)
            files[n++] = name;
        else
            n = 3;
        if (option && !flag) i++;
    }
    if (n != 2 || !s.dir || s.every == 0 || s.pairs > MOST_PAIRS) {
        fprintf(stderr, "usage: bench_model_annotator --model DIR CHATS LABELS [--max-length N] [--history N] [--clip "
                        "N] [--batch-tokens N] "
                        "[--prompts DIR] [--precision P] "
                        "[--every N] [--pairs N] [--calibrate] [--show]\n");
        return 2;
    }
    s.chats = files[0], s.labels = files[1];
    if (run(&b) < 0) {
        fprintf(stderr, "bench_model_annotator: %s\n", wr_error());
        return 1;
    }
    return 0;
}
