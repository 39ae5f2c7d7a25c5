/* Phase write: with the tokenizer there and the users split, the kept follow-ups of a unit become instances and the
 * conversations chats, train and test apart; every follow-up's fate becomes a line of turns.jsonl.zst. All of it as
 * frames that only have to be joined. */
#include "base/stream.h"
#include "data/prepare/label_file.h"
#include "data/prepare/pipeline.h"
#include "data/prepare/turn_lines.h"
#include "data/prepare/unit_part.h"
#include "data/prepare/unit_rows.h"
#include "reward/reward_encoder.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_FRAME = 4 << 20, TEXT_LEVEL = 1 };

typedef struct write_state write_state;
typedef struct part_out {
    write_state *s;
    part_stream stream;
    frame_builder *builder; /* shards */
    strbuf text;            /* lines not written yet */
    strbuf index;
    uint64_t frames;
} part_out;

/* What a record is made with, on every rank. */
typedef struct writer {
    const prepare_context *c;
    const test_users *test;
    const prepare_tools *t;
} writer;

struct write_state {
    const prepare_options *o;
    const test_users *test;
    const prepare_tools *t;
    const unit_task *task;
    label_file labels;
    const uint8_t *answers;
    unit_writer *file;
    part_counts counts;
    strbuf refused; /* the first chat that the template refuses, and why */
    strbuf lost;    /* users who lost an instance */
    uint64_t n_lost;
    part_out out[PART_STREAMS];
    strbuf packed;
    size_t *at, at_capacity;
    reward_encoder *encoder; /* NULL without a tokenizer */
    token_ids ids;
    token_spans spans;
};

static wr_status take_frame(void *context, const built_frame *f) {
    part_out *o = context;
    o->frames++;
    bytes_put_u64(&o->index, unit_written(o->s->file));
    built_frame_pack(f, part_classes(o->stream), &o->index);
    return unit_append(o->s->file, f->bytes, f->n);
}

static wr_status flush_text(part_out *o) {
    wr_status status = WR_OK;
    strbuf *packed = &o->s->packed;
    TRY(strbuf_status(&o->text));
    if (!o->text.len) return WR_OK;
    strbuf_clear(packed);
    TRY(zstd_frame_append(packed, o->text.data, o->text.len, TEXT_LEVEL));
    o->frames++;
    bytes_put_u64(&o->index, unit_written(o->s->file));
    bytes_put_u64(&o->index, packed->len);
    TRY(unit_append(o->s->file, packed->data, packed->len));
    strbuf_clear(&o->text);
cleanup:
    return status;
}

/* --- records --- */

static wr_status write_instance(write_state *s, const conversation *c, size_t at, turn_state *t, bool test) {
    wr_status status = WR_OK;
    const chat_message *query = &c->messages[at - 2], *reply = &c->messages[at - 1];
    char id[300];
    snprintf(id, sizeof id, "%s:%lld", c->id, (long long)c->turns[at]);
    instance x = {.id = id,
                  .user = c->user,
                  .language = c->language,
                  .model = c->model,
                  .timestamp = c->timestamp,
                  .how = how_text(&s->t->panel, (how)t->how),
                  .weight = t->weight,
                  .turn = c->turns[at],
                  .label = turn_label(t->final),
                  .history = c->messages,
                  .n_history = at - 2,
                  .query = query->content,
                  .query_length = query->length,
                  .response = reply->content,
                  .response_length = reply->length};
    if (s->t->tok) {
        size_t left_out = 0;
        s->ids.n = 0;
        wr_status got =
            reward_encoder_encode(s->encoder, c->messages, x.n_history, s->o->max_length, &s->ids, &left_out);
        if (got == WR_E_FORMAT) {
            t->dropped = FILTER_TOO_LONG;
            bytes_put_string(&s->lost, c->user, strlen(c->user));
            bytes_put_u32(&s->lost, (uint32_t)split_stratum(x.label, CLASSES));
            s->n_lost++;
            return WR_OK;
        }
        TRY(got);
        x.ids = s->ids.ids;
        x.n_ids = s->ids.n;
        s->counts.histories_shortened += left_out > 0;
    }
    TRY(frame_builder_add_instance(s->out[test ? PART_REWARD_TEST : PART_REWARD].builder, &x));
cleanup:
    return status;
}

/* The part of a conversation a language model can learn from: an optional system message, then user and assistant in
 * turn (between two replies there may be results of tools that the first one called), ending with a reply. */
static size_t trainable(const conversation *c, size_t *first) {
    size_t i = 0, end = 0;
    while (i < c->n && strcmp(c->messages[i].role, "user") != 0) i++;
    *first = i && strcmp(c->messages[i - 1].role, "system") == 0 ? i - 1 : i;
    for (bool user = true; i < c->n && strcmp(c->messages[i].role, user ? "user" : "assistant") == 0;
         i++, user = !user) {
        if (!user) end = i + 1;
        const size_t reply = i;
        while (end == reply + 1 && i + 1 < c->n && strcmp(c->messages[i + 1].role, "tool") == 0) i++;
        user |= i > reply; /* then another reply comes */
    }
    return end;
}

/* Without its last reply: as many messages as end with the reply before. */
static size_t without_reply(const chat_message *m, size_t n) {
    for (n--; n && strcmp(m[n - 1].role, "assistant") != 0; n--) {
    }
    return n;
}

static wr_status write_chat(write_state *s, const conversation *c, bool test) {
    wr_status status = WR_OK;
    size_t first, end = trainable(c, &first), limit = s->o->max_length;
    if (!end) {
        s->counts.chats_no_reply++;
        return WR_OK;
    }
    chat_record x = {.id = c->id, .user = c->user, .messages = c->messages + first, .n_messages = end - first};
    if (s->t->tok) {
        for (int round = 0;; round++) {
            s->ids.n = 0;
            s->spans.n = 0;
            const wr_status got = chat_render_training(
                s->t->chat, s->t->tok, &(chat_request){x.messages, x.n_messages, c->row, false}, &s->ids, &s->spans);
            if (got == WR_E_FORMAT) { /* the chat's own fault: others may be fine */
                if (!s->counts.chats_refused++) strbuf_printf(&s->refused, "%s: %s", c->id, wr_error());
                return WR_OK;
            }
            TRY(got);
            if (!limit || s->ids.n <= limit) break;
            /* The last replies go, as many as do not fit. What follows a reply's end token (a line break) may go over
             * the limit: then one more. */
            size_t fit = 0, replies = s->spans.n;
            while (fit < replies && s->spans.bounds[2 * fit + 1] + 1 <= limit) fit++;
            if (fit >= replies) fit = replies - 1;
            if (fit == 0) {
                s->counts.chats_too_long++;
                return WR_OK;
            }
            for (; replies > fit && x.n_messages; replies--) x.n_messages = without_reply(x.messages, x.n_messages);
            if (!x.n_messages) {
                s->counts.chats_too_long++;
                return WR_OK;
            }
            s->counts.chats_shortened += round == 0;
        }
        x.ids = s->ids.ids, x.n_ids = s->ids.n;
        x.spans = s->spans.bounds, x.n_spans = s->spans.n;
    }
    TRY(frame_builder_add_chat(s->out[test ? PART_CHATS_TEST : PART_CHATS].builder, &x));
cleanup:
    return status;
}

static wr_status write_row(write_state *s, const conversation *c, size_t *next, bool dropped) {
    wr_status status = WR_OK;
    const annotator_panel *panel = &s->t->panel;
    size_t n;
    TRY(followups(c, &s->at, &s->at_capacity, &n));
    if (n > s->labels.n_turns - *next) TRY(wr_fail(WR_E_FORMAT, "working files of prepare do not belong together"));
    if (!dropped) {
        bool test = test_users_has(s->test, c->user);
        if (s->encoder) reward_encoder_begin(s->encoder);
        for (size_t k = 0; k < n; k++) {
            turn_state *t = &s->labels.turns[*next + k];
            const uint8_t *answers = s->answers + (*next + k) * panel->n;
            if (t->dropped == FILTER_KEEP) TRY(write_instance(s, c, s->at[k], t, test));
            s->counts.dropped[t->dropped]++;
            turn_line(panel, c, s->at[k], t, answers, &s->out[PART_TURNS].text);
            if (t->dropped) audit_line(c, s->at[k], t, &s->out[PART_AUDIT].text);
        }
        if (prepare_has_chats(s->o, s->t)) TRY(write_chat(s, c, test));
        for (int k = PART_TURNS; k <= PART_AUDIT; k++) {
            if (s->out[k].text.len >= TEXT_FRAME) TRY(flush_text(&s->out[k]));
        }
    }
    *next += n;
cleanup:
    return status;
}

static wr_status commit_part(write_state *s) {
    wr_status status = WR_OK;
    strbuf table = {0};
    const uint64_t counts[] = {s->counts.histories_shortened, s->counts.chats_no_reply, s->counts.chats_too_long,
                               s->counts.chats_shortened, s->counts.chats_refused};
    for (int k = 0; k < PART_STREAMS; k++)
        TRY(k < PART_TURNS ? frame_builder_flush(s->out[k].builder) : flush_text(&s->out[k]));
    for (int f = 0; f < FILTERS; f++) bytes_put_u64(&table, s->counts.dropped[f]);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) bytes_put_u64(&table, counts[i]);
    bytes_put_string(&table, strbuf_str(&s->refused), s->refused.len);
    TRY(strbuf_status(&s->refused));
    bytes_put_u64(&table, s->n_lost);
    strbuf_append(&table, strbuf_str(&s->lost), s->lost.len);
    TRY(strbuf_status(&s->lost));
    for (int k = 0; k < PART_STREAMS; k++) {
        TRY(strbuf_status(&s->out[k].index));
        bytes_put_u64(&table, s->out[k].frames);
        strbuf_append(&table, strbuf_str(&s->out[k].index), s->out[k].index.len);
    }
    TRY(unit_commit(&s->file, &table));
cleanup:
    strbuf_free(&table);
    return status;
}

static wr_status write_unit(void *context, const unit_task *task) {
    wr_status status = WR_OK;
    const writer *me = context;
    const prepare_tools *t = me->t;
    const char *dir = me->c->dir.work;
    spill_reader *r = NULL;
    const spilled *rows;
    size_t n, next = 0, turns;
    char path[PATH_CAP];
    write_state s = {.o = me->c->o, .test = me->test, .t = t, .task = task};
    TRY(unit_path(path, dir, task->id, ".part"));
    TRY(unit_create(path, &s.file));
    for (int k = 0; k < PART_STREAMS; k++) {
        s.out[k].s = &s, s.out[k].stream = (part_stream)k;
        shard_kind kind = k <= PART_REWARD_TEST ? SHARD_REWARD : SHARD_CHAT;
        if (k < PART_TURNS)
            TRY(frame_builder_create(path, kind, part_classes((part_stream)k), s.o->shard_records, take_frame,
                                     &s.out[k], &s.out[k].builder));
    }
    if (t->tok) TRY(reward_encoder_create(t->template, t->tok, &s.encoder));
    TRY(label_file_open(dir, task->id, &s.labels));
    TRY(spill_reader_open(dir, task->id, t->panel.n, &r));
    s.answers = spill_reader_answers(r, &turns);
    if (turns != s.labels.n_turns) TRY(wr_fail(WR_E_FORMAT, "working files of prepare do not belong together"));
    for (;;) {
        wr_status got = spill_reader_next(r, &rows, &n);
        TRY(got);
        if (got == WR_END) break;
        TRY(prepare_stopped(me->c));
        for (size_t i = 0; i < n; i++) {
            if (rows[i].number >= task->n) TRY(wr_fail(WR_E_FORMAT, "working files of prepare do not belong together"));
            TRY(write_row(&s, &rows[i].c, &next, unit_dropped(task, rows[i].number)));
        }
    }
    TRY(commit_part(&s));
cleanup:
    spill_reader_close(r);
    label_file_close(&s.labels);
    unit_discard(s.file);
    for (int k = 0; k < PART_STREAMS; k++) {
        frame_builder_free(s.out[k].builder);
        strbuf_free(&s.out[k].text);
        strbuf_free(&s.out[k].index);
    }
    reward_encoder_free(s.encoder);
    strbuf_free(&s.lost);
    strbuf_free(&s.refused);
    strbuf_free(&s.packed);
    token_ids_free(&s.ids);
    token_spans_free(&s.spans);
    free(s.at);
    return status;
}

wr_status phase_write(const prepare_context *c, const unit_list *units, const test_users *test,
                      const prepare_tools *t) {
    return units_each(c, units, "shards", ".part", write_unit, &(writer){c, test, t});
}
