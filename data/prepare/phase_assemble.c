/* Phase assemble, on rank 0: the parts of all units are joined in source order into the files of the result. Frames are
 * copied, never unpacked; a stopped assembly begins again. */
#include "base/log.h"
#include "data/prepare/label_file.h"
#include "data/prepare/pipeline.h"
#include "data/prepare/prepare_result.h"
#include "data/prepare/unit_part.h"
#include "text/chat/chat_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct assembly {
    const prepare_context *c;
    const unit_list *units;
    user_table *table;
    prepare_account *account;
    prepare_result result;
    shard_set shards[PART_TURNS];
    outstream *text[PART_STREAMS]; /* of the text streams: their zstd frames, as they are */
    uint64_t frames[PART_STREAMS];
    char made[PART_STREAMS][PATH_CAP];
    outstream *users;
    arena *arena;
    strbuf line;
    char *frame;
    size_t frame_capacity;
    part_counts counts;
    strbuf refused; /* a chat that the template refused, and why */
} assembly;

static const char *const text_names[PART_STREAMS] = {
    [PART_TURNS] = "turns.jsonl.zst", [PART_AUDIT] = "audit.jsonl.zst"};

static wr_status join_stream(assembly *a, const unit_reader *file, part_stream k, bytes_reader *r) {
    wr_status status = WR_OK;
    size_t frames = bytes_get_count(r, 16);
    for (size_t i = 0; i < frames; i++) {
        built_frame f = {0};
        uint64_t at = bytes_get_u64(r);
        if (k < PART_TURNS)
            TRY(built_frame_unpack(r, part_classes(k), a->arena, &f));
        else
            f.n = bytes_get_u64(r);
        uint64_t body = unit_body(file);
        if (r->bad || at > body || f.n > body - at) TRY(unit_damaged(file, "frames"));
        TRY(mem_reserve((void **)&a->frame, &a->frame_capacity, f.n + 1, 1));
        TRY(unit_read_at(file, a->frame, f.n, at));
        f.bytes = a->frame;
        a->frames[k]++;
        TRY(k < PART_TURNS ? shard_set_add_frame(&a->shards[k], &f) : outstream_write(a->text[k], f.bytes, f.n));
    }
cleanup:
    return status;
}

static wr_status join_unit(assembly *a, unit_id id) {
    wr_status status = WR_OK;
    unit_reader *file = NULL;
    char path[PATH_CAP];
    size_t n;
    TRY(unit_path(path, a->c->dir.work, id, ".part"));
    TRY(unit_open(path, &file));
    const void *table = unit_table(file, &n);
    bytes_reader r = bytes_reader_make(table, n);
    for (int f = 0; f < FILTERS; f++) a->counts.dropped[f] += bytes_get_u64(&r);
    a->counts.histories_shortened += bytes_get_u64(&r);
    a->counts.chats_no_reply += bytes_get_u64(&r);
    a->counts.chats_too_long += bytes_get_u64(&r);
    a->counts.chats_shortened += bytes_get_u64(&r);
    a->counts.chats_refused += bytes_get_u64(&r);
    size_t why;
    const char *refused = bytes_get_string(&r, &why);
    if (!r.bad && why && !a->refused.len) strbuf_append(&a->refused, refused, why);
    size_t lost = bytes_get_count(&r, 9);
    for (size_t i = 0; i < lost; i++) {
        size_t length;
        const char *name = bytes_get_string(&r, &length);
        uint32_t stratum = bytes_get_u32(&r);
        split_user *u = user_table_find(a->table, name, length);
        if (r.bad || !u || stratum >= SPLIT_STRATA || !u->instances[stratum]) TRY(unit_damaged(file, "users"));
        u->instances[stratum]--;
    }
    arena_reset(a->arena);
    for (int k = 0; k < PART_STREAMS; k++) TRY(join_stream(a, file, (part_stream)k, &r));
    if (r.bad) TRY(unit_damaged(file, "table"));
cleanup:
    unit_close(file);
    return status;
}

/* After the parts, when every user's count is final: users in the order of their first conversation. */
static wr_status write_users(assembly *a) {
    wr_status status = WR_OK;
    label_file l = {0};
    char path[PATH_CAP];
    TRY(path_join(path, a->c->dir.result, "users.jsonl.zst"));
    TRY(outstream_create(path, &a->users));
    for (size_t i = 0; i < a->units->n; i++) {
        TRY(label_file_open(a->c->dir.work, a->units->units[i].id, &l));
        for (size_t k = 0; k < l.n_users; k++) {
            split_user *u = user_table_find(a->table, l.users[k].name, strlen(l.users[k].name));
            if (!u || u->listed) continue;
            u->listed = true;
            TRY(result_user(a->users, &a->line, l.users[k].name, u));
        }
        label_file_close(&l);
    }
    TRY(outstream_commit(&a->users));
cleanup:
    label_file_close(&l);
    return status;
}

static wr_status put_outcome(assembly *a) {
    wr_status status = WR_OK;
    funnel *f = &a->account->funnel;
    const part_counts *c = &a->counts;
    for (int i = FILTER_KEEP + 1; i < FILTERS; i++)
        TRY(funnel_count(f, "dropped", filter_name((filter)i), c->dropped[i]));
    if (c->histories_shortened)
        TRY(funnel_count(f, "tokens", prepare_shortened(a->result.template), c->histories_shortened));
    if (c->chats_no_reply) TRY(funnel_count(f, "chats", "no reply", c->chats_no_reply));
    if (c->chats_too_long) TRY(funnel_count(f, "chats", "too long", c->chats_too_long));
    if (c->chats_shortened) TRY(funnel_count(f, "chats", "shortened", c->chats_shortened));
    if (c->chats_refused) {
        TRY(funnel_count(f, "chats", CHATS_REFUSED, c->chats_refused));
        TRY(funnel_note(f, "chats", CHATS_REFUSED, strbuf_str(&a->refused)));
    }
    const shard_set *s = a->shards;
    TRY(funnel_count(f, "kept", "instances, train", s[PART_REWARD].records));
    TRY(funnel_count(f, "kept", "instances, test", s[PART_REWARD_TEST].records));
    TRY(funnel_count(f, "kept", "instance tokens", s[PART_REWARD].tokens + s[PART_REWARD_TEST].tokens));
    TRY(funnel_count(f, "kept", "chats, train", s[PART_CHATS].records));
    TRY(funnel_count(f, "kept", "chats, test", s[PART_CHATS_TEST].records));
    TRY(funnel_count(f, "kept", "chat tokens", s[PART_CHATS].tokens + s[PART_CHATS_TEST].tokens));
cleanup:
    return status;
}

static wr_status begin(assembly *a, const prepare_tools *t) {
    wr_status status = WR_OK;
    const char *dir = a->c->dir.result;
    static const char *const prefixes[] = {"reward-train", "reward-test", "chats-train", "chats-test"};
    TRY_ALLOC(a->arena = arena_create());
    TRY(dir_remove_tree(dir));
    TRY(dir_make(dir));
    a->result = (prepare_result){.o = a->c->o,
                                 .dir = dir,
                                 .classes = CLASSES,
                                 .tok = t->tok,
                                 .template = t->template,
                                 .extra = &a->account->extra,
                                 .funnel = &a->account->funnel};
    for (int k = 0; k < PART_TURNS; k++)
        a->shards[k] = result_shards(&a->result, prefixes[k], k <= PART_REWARD_TEST ? SHARD_REWARD : SHARD_CHAT);
    for (int k = PART_TURNS; k < PART_STREAMS; k++) {
        char name[64];
        snprintf(name, sizeof name, ".joining-%d", k); /* not .zst: it is compressed already */
        TRY(path_join(a->made[k], dir, name));
        TRY(outstream_create(a->made[k], &a->text[k]));
    }
cleanup:
    return status;
}

static wr_status finish_text(assembly *a, part_stream k) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    strbuf empty = {0};
    if (!a->frames[k]) { /* nothing to say, which is a frame too: 0 bytes are no .zst file */
        TRY(zstd_frame_append(&empty, "", 0, 1));
        TRY(outstream_write(a->text[k], empty.data, empty.len));
    }
    TRY(outstream_commit(&a->text[k]));
    TRY(path_join(path, a->c->dir.result, text_names[k]));
    if (rename(a->made[k], path) != 0) TRY(wr_fail(WR_E_IO, "cannot write %s: %s", path, strerror(errno)));
cleanup:
    strbuf_free(&empty);
    return status;
}

/* The tokenizer's files beside the shards. */
static wr_status put_tokenizer(const assembly *a, const prepare_tools *t) {
    wr_status status = WR_OK;
    char trained[PATH_CAP];
    const prepare_options *o = a->c->o;
    TRY(path_join(trained, a->c->dir.work, "tokenizer"));
    TRY(result_tokenizer(&a->result, o->tokenizer ? o->tokenizer : trained));
    if (o->chat_template && t->chat) /* in place of the tokenizer's own */
        TRY(chat_source_write(a->result.dir, chat_template_source(t->chat)));
cleanup:
    return status;
}

static wr_status assemble(assembly *a, const prepare_tools *t) {
    wr_status status = WR_OK;
    progress *shown = progress_create("prepare: joining", "units", a->units->n);
    TRY(begin(a, t));
    for (size_t i = 0; i < a->units->n; i++) {
        TRY(join_unit(a, a->units->units[i].id));
        progress_update(shown, i + 1, NULL);
        if (world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
    }
    for (int k = 0; k < PART_TURNS; k++) {
        if (k <= PART_REWARD_TEST || prepare_has_chats(a->c->o, t)) TRY(shard_set_finish(&a->shards[k]));
    }
    for (int k = PART_TURNS; k < PART_STREAMS; k++) TRY(finish_text(a, (part_stream)k));
    TRY(write_users(a));
    if (t->tok) TRY(put_tokenizer(a, t));
    TRY(put_outcome(a));
    TRY(result_finish(&a->result));
cleanup:
    progress_finish(shown);
    return status;
}

static void assembly_free(assembly *a) {
    for (int k = 0; k < PART_TURNS; k++) shard_set_discard(&a->shards[k]);
    for (int k = PART_TURNS; k < PART_STREAMS; k++) outstream_discard(a->text[k]);
    outstream_discard(a->users);
    arena_free(a->arena);
    strbuf_free(&a->line);
    strbuf_free(&a->refused);
    free(a->frame);
}

wr_status phase_assemble(const prepare_context *c, const unit_list *units, user_table *users, const prepare_tools *t,
                         prepare_account *account) {
    assembly a = {.c = c, .units = units, .table = users, .account = account};
    wr_status status = c->root ? assemble(&a, t) : WR_OK;
    assembly_free(&a);
    return prepare_agree(c, status);
}
