/* What annotation costs: nanoseconds per byte of JSON for the lexicon, mining, refusal validation and filters, one
 * thread, beside a bare yajl parse of the same lines (callbacks that do nothing). bench_annotate_speed CHATS [ROUNDS];
 * CHATS: WildChat rows. The best of ROUNDS (default 7) counts. Prints a table on stderr and one line of JSON on stdout.
 */
#include "base/log.h"
#include "base/hash.h"
#include "base/stream.h"
#include "data/label/match/filters.h"
#include "data/label/match/lexicon.h"
#include "data/label/mine/mining.h"
#include "data/label/match/refusal.h"
#include "data/source/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

enum { STAGES = 7 };
static const char *const stage_names[STAGES] = {"yajl",         "lexicon", "mining_observe", "mining_merge",
                                                "mining_apply", "refusal", "filters"};

typedef struct turn {
    size_t conversation, place;
    turn_text text;
    const chat_message *reply;
    size_t history;
    int8_t level, final;
} turn;
typedef struct talk {
    conversation c;
    size_t first, n; /* its turns */
    size_t bytes;    /* of its line */
} talk;
typedef struct bench {
    arena *memory;
    strbuf lines; /* all of them, \n behind each */
    talk *talks;
    size_t n_talks, talk_capacity;
    turn *turns;
    size_t n_turns, turn_capacity;
    lexicon *lexicon;
    refusal *refusal;
    filters *filters;
    mining *mining, *part;
    strbuf wire;
    double best[STAGES];
    size_t kept;
} bench;

static wr_status read_chats(bench *b, const char *path) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n, at;
    row_fault fault;
    TRY(instream_open(path, &in));
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        strbuf_append(&b->lines, line, n);
        strbuf_putc(&b->lines, '\n');
        talk t = {.first = b->n_turns, .bytes = n + 1};
        const char *kept = arena_strndup(b->memory, line, n); /* what is read points into it */
        TRY_ALLOC(kept);
        TRY(wildchat_parse(b->memory, kept, n, false, &t.c, &fault));
        if (fault != ROW_GOOD) continue;
        for (size_t from = 0; conversation_followup(&t.c, from, &at); from = at + 1, t.n++) {
            const chat_message *q = NULL, *f = &t.c.messages[at];
            turn x = {
                .conversation = b->n_talks, .place = t.n, .text = {NULL, 0, f->content, f->length}, .reply = f - 1};
            if (conversation_query(&t.c, at, &q))
                x.text.query = q->content, x.text.query_length = q->length, x.history = at - 2;
            VEC_PUSH(b->turns, b->n_turns, b->turn_capacity, x);
        }
        VEC_PUSH(b->talks, b->n_talks, b->talk_capacity, t);
    }
    TRY(strbuf_status(&b->lines));
cleanup:
    instream_close(in);
    return status;
}

static int on_null(void *c) {
    (void)c;
    return 1;
}
static int on_bool(void *c, int v) {
    (void)c, (void)v;
    return 1;
}
static int on_text(void *c, const char *s, size_t n) {
    (void)c, (void)s, (void)n;
    return 1;
}
static int on_string(void *c, const unsigned char *s, size_t n) {
    (void)c, (void)s, (void)n;
    return 1;
}

static wr_status parse_bare(bench *b) {
    static const yajl_callbacks nothing = {on_null, on_bool,   NULL,    NULL,    on_text, on_string,
                                           on_null, on_string, on_null, on_null, on_null};
    for (size_t at = 0; at < b->lines.len;) {
        const char *s = b->lines.data + at, *end = memchr(s, '\n', b->lines.len - at);
        yajl_handle h = yajl_alloc(&nothing, NULL, NULL);
        bool good = h && yajl_parse(h, (const unsigned char *)s, (size_t)(end - s)) == yajl_status_ok &&
                    yajl_complete_parse(h) == yajl_status_ok;
        if (h) yajl_free(h);
        if (!good) return wr_fail(WR_E_FORMAT, "a line that is not JSON");
        at += (size_t)(end - s) + 1;
    }
    return WR_OK;
}

static wr_status judge_levels(bench *b) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < b->n_turns; i++) {
        turn *t = &b->turns[i];
        verdict v;
        TRY(lexicon_judge(b->lexicon, t->text.query ? t->text.query : "", t->text.query_length, t->reply->content,
                          t->reply->length, t->text.followup, t->text.followup_length, &v));
        t->level = (int8_t)v.level;
    }
cleanup:
    return status;
}

static wr_status observe(bench *b) {
    wr_status status = WR_OK;
    turn_text texts[2048];
    mining_free(b->part);
    b->part = NULL;
    TRY(mining_create(1, &b->part));
    for (size_t i = 0; i < b->n_talks; i++) {
        const talk *t = &b->talks[i];
        for (size_t k = 0; k < t->n && k < 2048; k++) texts[k] = b->turns[t->first + k].text;
        TRY(mining_observe(b->part, hash64(t->c.id, strlen(t->c.id), 3), texts, t->n < 2048 ? t->n : 2048));
    }
cleanup:
    return status;
}

static wr_status merge(bench *b) {
    wr_status status = WR_OK;
    mining_free(b->mining);
    b->mining = NULL;
    TRY(mining_create(1, &b->mining));
    strbuf_clear(&b->wire);
    TRY(mining_write(b->part, &b->wire));
    TRY(mining_merge(b->mining, b->wire.data, b->wire.len));
cleanup:
    return status;
}

typedef struct asked {
    bench *b;
    const talk *talk;
} asked;
static wr_status similarity(void *context, size_t i, size_t j, double *out) {
    asked *a = context;
    const turn *t = a->b->turns + a->talk->first;
    return mining_similarity(a->b->mining, &t[i].text, &t[j].text, out);
}

static wr_status apply(bench *b) {
    wr_status status = WR_OK;
    int8_t levels[2048], final[2048];
    for (size_t i = 0; i < b->n_talks; i++) {
        const talk *t = &b->talks[i];
        size_t n = t->n < 2048 ? t->n : 2048;
        asked a = {b, t};
        for (size_t k = 0; k < n; k++) levels[k] = b->turns[t->first + k].level;
        TRY(mining_apply(b->mining, levels, n, similarity, &a, final));
        for (size_t k = 0; k < n; k++) b->turns[t->first + k].final = final[k];
    }
cleanup:
    return status;
}

static wr_status judge_refusals(bench *b) {
    for (size_t i = 0; i < b->n_turns; i++) {
        turn *t = &b->turns[i];
        refusal_kind k = t->text.query ? refusal_judge(b->refusal, t->text.query, t->text.query_length,
                                                       t->reply->content, t->reply->length)
                                       : REFUSAL_NONE;
        if (k != REFUSAL_NONE) t->final = k == REFUSAL_FALSE ? 1 : 5;
    }
    return WR_OK;
}

static wr_status filter_turns(bench *b) {
    b->kept = 0;
    for (size_t i = 0; i < b->n_turns; i++) {
        const turn *t = &b->turns[i];
        filter_turn x = {t->final,          b->talks[t->conversation].c.language,
                         t->text.query,     t->text.query_length,
                         t->reply->content, t->reply->length,
                         t->history};
        b->kept += filters_judge(b->filters, &x).reason == FILTER_KEEP;
    }
    return WR_OK;
}

static wr_status run(bench *b, const char *path, int rounds) {
    static wr_status (*const stages[STAGES])(bench *) = {parse_bare, judge_levels,   observe,     merge,
                                                         apply,      judge_refusals, filter_turns};
    wr_status status = WR_OK;
    filter_options o = filter_options_default();
    TRY_ALLOC(b->memory = arena_create());
    TRY(lexicon_create(NULL, &b->lexicon));
    TRY(refusal_create(NULL, &b->refusal));
    TRY(filters_create(&o, &b->filters));
    TRY(read_chats(b, path));
    for (int k = 0; k < rounds; k++) {
        for (int s = 0; s < STAGES; s++) {
            double begin = clock_thread_cpu();
            TRY(stages[s](b));
            double took = clock_thread_cpu() - begin;
            if (k == 0 || took < b->best[s]) b->best[s] = took;
            if (s == 3) TRY(mining_calibrate(b->mining)); /* once a run, not once a part */
        }
    }
cleanup:
    return status;
}

static void report(const bench *b) {
    strbuf out = {0};
    json_writer w = json_writer_make(&out);
    double all = 0, bytes = (double)b->lines.len;
    json_begin_object(&w);
    json_member_string(&w, "bench", "annotate_speed");
    json_member_int(&w, "json_bytes", (int64_t)b->lines.len);
    json_member_int(&w, "followups", (int64_t)b->n_turns);
    json_member_int(&w, "kept", (int64_t)b->kept);
    json_member_int(&w, "mining_bytes", (int64_t)b->wire.len);
    json_member_object(&w, "ns_per_json_byte");
    fprintf(stderr, "%-16s %12s %14s\n", "stage", "ns a byte", "us a follow-up");
    for (int s = 0; s < STAGES; s++) {
        if (s) all += b->best[s];
        json_member_double(&w, stage_names[s], 1e9 * b->best[s] / bytes);
        fprintf(stderr, "%-16s %12.3f %14.3f\n", stage_names[s], 1e9 * b->best[s] / bytes,
                1e6 * b->best[s] / (double)b->n_turns);
    }
    json_member_double(&w, "annotation", 1e9 * all / bytes);
    json_end_object(&w);
    json_end_object(&w);
    fprintf(stderr, "annotation %.3f ns a byte of JSON, %.2f of a bare yajl parse (%.0f MB/s)\n", 1e9 * all / bytes,
            all / b->best[0], bytes / b->best[0] / 1e6);
    puts(strbuf_str(&out));
    strbuf_free(&out);
}

int main(int argc, char **argv) {
    bench b = {0};
    int rounds = argc > 2 ? atoi(argv[2]) : 7;
    if (argc < 2 || rounds < 1) {
        fprintf(stderr, "usage: bench_annotate_speed CHATS [ROUNDS]\n");
        return 2;
    }
    wr_status status = run(&b, argv[1], rounds);
    if (status == WR_OK)
        report(&b);
    else
        fprintf(stderr, "bench_annotate_speed: %s\n", wr_error());
    lexicon_free(b.lexicon);
    refusal_free(b.refusal);
    filters_free(b.filters);
    mining_free(b.mining);
    mining_free(b.part);
    arena_free(b.memory);
    strbuf_free(&b.lines);
    strbuf_free(&b.wire);
    free(b.talks);
    free(b.turns);
    return status != WR_OK;
}
