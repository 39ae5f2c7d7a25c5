/* Quality of the lexical annotator against labelled turns: macro-F1 of negative {1,2}, neutral 3, positive {4,5}, and
 * the share of turns with the very level. bench_annotator CHATS LABELS [--half even|odd] [--lexicon FILE] [--errors].
 * CHATS: WildChat rows; LABELS: {"conversation_hash", "turn_identifier", "label"} a line. --half: only labels of
 * conversations whose hash's last hex digit is even or odd: rules are written on the even half, errors of the odd half
 * are never looked at. Prints tables on stderr and one line of JSON on stdout. */
#include "base/stream.h"
#include "base/string_map.h"
#include "data/label/match/lexicon.h"
#include "data/source/fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 5, CLASSES = 3 };
static const char *const class_names[CLASSES] = {"negative", "neutral", "positive"};
static int class_of(int level) { return level <= 2 ? 0 : level == 3 ? 1 : 2; }

typedef struct bench {
    arena *keys;
    string_map labels;
    uint64_t levels[LEVELS][LEVELS]; /* [label - 1][annotator - 1] */
    uint64_t joined;
    const char *half, *rules;
    bool errors;
} bench;

static wr_status read_labels(bench *b, const char *path) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line, *hash;
    size_t n, length;
    TRY(instream_open(path, &in));
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        const json_value *v;
        int64_t turn, label;
        string_entry *slot;
        int fresh;
        char key[320];
        TRY(json_parse(b->keys, line, n, &v));
        if (!json_get_string(v, "conversation_hash", &hash, &length) || !json_get_int(v, "turn_identifier", &turn) ||
            !json_get_int(v, "label", &label) || label < 1 || label > 5 || length == 0 || length > 256) {
            TRY(wr_fail(WR_E_FORMAT, "%s:%zu: needs conversation_hash, turn_identifier and label 1 … 5", path,
                        instream_line_number(in)));
        }
        if (b->half && (strchr("02468ace", hash[length - 1]) != NULL) != (strcmp(b->half, "even") == 0)) continue;
        snprintf(key, sizeof key, "%s:%" PRId64, hash, turn);
        char *copy = arena_strndup(b->keys, key, strlen(key));
        TRY_ALLOC(copy);
        TRY(string_map_put(&b->labels, copy, strlen(copy), (int32_t)label, &slot, &fresh));
    }
cleanup:
    instream_close(in);
    return status;
}

static wr_status judge_conversation(bench *b, lexicon *l, const conversation *c) {
    wr_status status = WR_OK;
    size_t at;
    for (size_t from = 0; conversation_followup(c, from, &at); from = at + 1) {
        char key[320];
        snprintf(key, sizeof key, "%s:%" PRId64, c->id, c->turns[at]);
        const string_entry *e = string_map_find(&b->labels, key, strlen(key));
        if (!e) continue;
        const chat_message *q = NULL, *r = &c->messages[at - 1], *f = &c->messages[at];
        conversation_query(c, at, &q);
        verdict v;
        TRY(lexicon_judge(l, q ? q->content : "", q ? q->length : 0, r->content, r->length, f->content, f->length, &v));
        int said = v.level ? v.level : 3;
        b->levels[e->value - 1][said - 1]++;
        b->joined++;
        if (b->errors && e->value != said) {
            fprintf(stderr, "%d for %d (%s): %.*s\n", said, (int)e->value, v.rule,
                    f->length < 300 ? (int)f->length : 300, f->content);
        }
    }
cleanup:
    return status;
}

static double ratio(uint64_t a, uint64_t b) { return b ? (double)a / (double)b : 0; }

static void put_matrix(json_writer *w, const char *name, const uint64_t *counts, size_t n) {
    json_member_array(w, name);
    for (size_t i = 0; i < n; i++) {
        json_begin_array(w);
        for (size_t k = 0; k < n; k++) json_int(w, (int64_t)counts[i * n + k]);
        json_end_array(w);
    }
    json_end_array(w);
}

static double put_class(json_writer *w, const uint64_t confusion[CLASSES][CLASSES], int k) {
    uint64_t row = 0, column = 0, hit = confusion[k][k];
    for (int j = 0; j < CLASSES; j++) row += confusion[k][j], column += confusion[j][k];
    double precision = ratio(hit, column), recall = ratio(hit, row),
           f1 = precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
    fprintf(stderr, "%-10s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10.3f %8.3f %8.3f\n", class_names[k],
            confusion[k][0], confusion[k][1], confusion[k][2], precision, recall, f1);
    json_member_object(w, class_names[k]);
    json_member_double(w, "precision", precision);
    json_member_double(w, "recall", recall);
    json_member_double(w, "f1", f1);
    json_end_object(w);
    return f1;
}

static void report(const bench *b) {
    uint64_t confusion[CLASSES][CLASSES] = {{0}}, hits = 0;
    double macro = 0;
    strbuf out = {0};
    json_writer w = json_writer_make(&out);
    json_begin_object(&w);
    json_member_string(&w, "bench", "annotator");
    json_member_string(&w, "half", b->half ? b->half : "all");
    json_member_int(&w, "labels", (int64_t)b->joined);
    fprintf(stderr, "label %8s %5s %5s %5s %5s   (%s)\n", "said 1", "2", "3", "4", "5", b->half ? b->half : "all");
    for (int i = 0; i < LEVELS; i++) {
        fprintf(stderr, "%5d %8" PRIu64 " %5" PRIu64 " %5" PRIu64 " %5" PRIu64 " %5" PRIu64 "\n", i + 1,
                b->levels[i][0], b->levels[i][1], b->levels[i][2], b->levels[i][3], b->levels[i][4]);
        hits += b->levels[i][i];
        for (int k = 0; k < LEVELS; k++) confusion[class_of(i + 1)][class_of(k + 1)] += b->levels[i][k];
    }
    fprintf(stderr, "%-10s %9s %9s %9s %10s %8s %8s\n", "label", "negative", "neutral", "positive", "precision",
            "recall", "F1");
    for (int k = 0; k < CLASSES; k++) macro += put_class(&w, confusion, k) / CLASSES;
    put_matrix(&w, "confusion", &confusion[0][0], CLASSES);
    put_matrix(&w, "confusion_levels", &b->levels[0][0], LEVELS);
    double accuracy = ratio(hits, b->joined);
    json_member_double(&w, "macro_f1", macro);
    json_member_double(&w, "accuracy", accuracy);
    json_end_object(&w);
    fprintf(stderr, "3-way macro-F1 %.3f, 5-way accuracy %.3f over %" PRIu64 " labels\n", macro, accuracy, b->joined);
    puts(strbuf_str(&out));
    strbuf_free(&out);
}

static wr_status run(bench *b, const char *chats, const char *labels) {
    wr_status status = WR_OK;
    instream *in = NULL;
    lexicon *l = NULL;
    const char *line;
    size_t n;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY_ALLOC(b->keys = arena_create());
    TRY(lexicon_create(b->rules, &l));
    TRY(read_labels(b, labels));
    TRY(instream_open(chats, &in));
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        conversation c;
        row_fault fault;
        arena_reset(a);
        TRY(wildchat_parse(a, line, n, false, &c, &fault));
        if (fault == ROW_GOOD) TRY(judge_conversation(b, l, &c));
    }
    if (!b->joined) TRY(wr_fail(WR_E_MISMATCH, "no label of %s belongs to a follow-up of %s", labels, chats));
    report(b);
cleanup:
    instream_close(in);
    lexicon_free(l);
    arena_free(a);
    arena_free(b->keys);
    string_map_free(&b->labels);
    return status;
}

int main(int argc, char **argv) {
    bench b = {0};
    const char *files[2] = {NULL, NULL};
    int n = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--errors") == 0)
            b.errors = true;
        else if (strcmp(argv[i], "--half") == 0 && i + 1 < argc)
            b.half = argv[++i];
        else if (strcmp(argv[i], "--lexicon") == 0 && i + 1 < argc)
            b.rules = argv[++i];
        else if (n < 2)
            files[n++] = argv[i];
    }
    if (n < 2) {
        fprintf(stderr, "usage: bench_annotator CHATS LABELS [--half even|odd] [--lexicon FILE] [--errors]\n");
        return 2;
    }
    if (run(&b, files[0], files[1]) < 0) {
        fprintf(stderr, "bench_annotator: %s\n", wr_error());
        return 1;
    }
    return 0;
}
