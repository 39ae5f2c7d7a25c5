/* Quality of the lexical annotator against hand-checked labels: 3-way (negative {1,2}, neutral 3, positive {4,5})
 * macro-F1. bench_annotator CHATS LABELS [--half even|odd] [--errors] CHATS: WildChat rows; LABELS:
 * {"conversation_hash", "turn_identifier", "label"} a line. --half: only labels of conversations whose hash's last hex
 * digit is even or odd (rules are written on the even half). Prints a table on stderr and one line of JSON on stdout.
 */
#include "base/stream.h"
#include "data/lexicon.h"
#include "data/wildchat.h"
#include "model/string_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 3 };
static const char *const class_names[CLASSES] = {"negative", "neutral", "positive"};
static int class_of(int level) { return level <= 2 ? 0 : level == 3 ? 1 : 2; }

typedef struct bench {
    arena *keys;
    string_map labels;
    uint64_t confusion[CLASSES][CLASSES]; /* [label][annotator] */
    uint64_t joined;
    const char *half;
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
        int truth = class_of(e->value), said = class_of(v.level ? v.level : 3);
        b->confusion[truth][said]++;
        b->joined++;
        if (b->errors && truth != said) {
            fprintf(stderr, "%s for %s (%s): %.*s\n", class_names[said], class_names[truth], v.rule,
                    f->length < 300 ? (int)f->length : 300, f->content);
        }
    }
cleanup:
    return status;
}

static double ratio(uint64_t a, uint64_t b) { return b ? (double)a / (double)b : 0; }

static void report(const bench *b) {
    double macro = 0;
    strbuf out = {0};
    json_writer w = json_writer_make(&out);
    json_begin_object(&w);
    json_key(&w, "bench"), json_string(&w, "annotator");
    json_key(&w, "labels"), json_int(&w, (int64_t)b->joined);
    fprintf(stderr, "%-10s %9s %9s %9s %10s %8s %8s\n", "label", "negative", "neutral", "positive", "precision",
            "recall", "F1");
    for (int k = 0; k < CLASSES; k++) {
        uint64_t row = 0, column = 0, hit = b->confusion[k][k];
        for (int j = 0; j < CLASSES; j++) row += b->confusion[k][j], column += b->confusion[j][k];
        double precision = ratio(hit, column), recall = ratio(hit, row),
               f1 = precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
        macro += f1 / CLASSES;
        fprintf(stderr, "%-10s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10.3f %8.3f %8.3f\n", class_names[k],
                b->confusion[k][0], b->confusion[k][1], b->confusion[k][2], precision, recall, f1);
        json_key(&w, class_names[k]);
        json_begin_object(&w);
        json_key(&w, "precision"), json_double(&w, precision);
        json_key(&w, "recall"), json_double(&w, recall);
        json_key(&w, "f1"), json_double(&w, f1);
        json_end_object(&w);
    }
    json_key(&w, "confusion"), json_begin_array(&w);
    for (int k = 0; k < CLASSES; k++) {
        json_begin_array(&w);
        for (int j = 0; j < CLASSES; j++) json_int(&w, (int64_t)b->confusion[k][j]);
        json_end_array(&w);
    }
    json_end_array(&w);
    json_key(&w, "macro_f1"), json_double(&w, macro);
    json_end_object(&w);
    fprintf(stderr, "macro-F1 %.3f over %" PRIu64 " labels\n", macro, b->joined);
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
    TRY(lexicon_create(NULL, &l));
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
        else if (n < 2)
            files[n++] = argv[i];
    }
    if (n < 2) {
        fprintf(stderr, "usage: bench_annotator CHATS LABELS [--half even|odd] [--errors]\n");
        return 2;
    }
    if (run(&b, files[0], files[1]) < 0) {
        fprintf(stderr, "bench_annotator: %s\n", wr_error());
        return 1;
    }
    return 0;
}
