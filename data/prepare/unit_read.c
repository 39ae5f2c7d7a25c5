/* Phase read: a unit's rows are checked; the good ones are spilled with the annotators' answers to their follow-ups and
 * the keys by which duplicates are found. Table of a .read file: answers, counts, keys. */
#include "data/prepare/dedupe.h"
#include "data/prepare/read_counts.h"
#include "data/prepare/unit_rows.h"
#include "data/shard/bytes.h"

#include <stdlib.h>

enum { BLOCK = 256 << 10, BLOCK_SLOW = 4 << 20, POLL_ROWS = 64, BATCH_SLOW = 256 };

typedef struct read_state {
    const prepare_context *c;
    const prepare_tools *t;
    unit_writer *out;
    read_counts counts;
    strbuf block, slim, keys, answers; /* block: conversations not spilled yet */
    uint32_t numbers;                  /* number of the first of them */
    conversation *conversations;       /* (in_block) during flush_block */
    size_t conversation_capacity;
    size_t in_block, block_bytes;
    size_t *offsets, offset_capacity; /* (in_block) of their records in block */
    arena *arena;
    annotated_turn *turns;
    size_t turn_capacity, *at, at_capacity;
    int8_t *levels;
    size_t level_capacity;
} read_state;

static wr_status ask(read_state *s, size_t n) {
    wr_status status = WR_OK;
    size_t annotators = s->t->panel.n;
    TRY(mem_reserve((void **)&s->levels, &s->level_capacity, n * annotators + 1, 1));
    for (size_t a = 0; a < annotators; a++) {
        annotator *x = s->t->panel.annotators[a];
        if (n) TRY(wr_context(x->levels(x, s->turns, n, s->levels + a * n), "annotator %s", x->name));
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t a = 0; a < annotators; a++) {
            const uint8_t level = (uint8_t)s->levels[a * n + i];
            strbuf_putc(&s->answers, (char)(level <= 5 ? level : 0));
        }
    }
cleanup:
    return status;
}

static wr_status put_record(strbuf *block, uint32_t number, const conversation *c) {
    size_t start = block->len;
    bytes_put_u32(block, number);
    bytes_put_u32(block, 0);
    conversation_pack(c, block);
    if (strbuf_status(block) < 0) return WR_E_NOMEM;
    uint32_t bytes = (uint32_t)(block->len - start - 8);
    for (int i = 0; i < 4; i++) block->data[start + 4 + (size_t)i] = (char)(bytes >> (8 * i));
    return WR_OK;
}

/* Can turn k of these still be an instance? By its level, by what mining finds ahead of it, or as a refusal. */
static bool may_be_kept(const read_state *s, const conversation *c, const int8_t *levels, size_t k, size_t n) {
    if (levels[k] == 0) return false;
    if (levels[k] != 3) return true;
    for (size_t d = 1; d <= MINING_REACH && k + d < n; d++) {
        if (levels[k + d] >= 4) return true;
    }
    const chat_message *reply = &c->messages[s->at[k] - 1];
    return refusal_suspected(s->t->refusal, reply->content, reply->length);
}

/* Without chats, a reply that no instance will hold and that is no refusal is never looked at again: most of all text.
 * The block is packed anew without them. */
static wr_status slim_block(read_state *s) {
    wr_status status = WR_OK;
    const int8_t *levels = s->levels;
    strbuf_clear(&s->slim);
    for (size_t i = 0; i < s->in_block; i++) {
        conversation *c = &s->conversations[i];
        size_t n, kept = 0;
        TRY(followups(c, &s->at, &s->at_capacity, &n));
        for (size_t k = 0; k < n; k++) {
            if (may_be_kept(s, c, levels, k, n)) kept = s->at[k];
        }
        levels += n;
        for (size_t m = kept; m < c->n; m++) {
            if (strcmp(c->messages[m].role, "user") != 0)
                c->messages[m].length = 0, c->messages[m].content = "", c->messages[m].fields = NULL;
        }
        TRY(put_record(&s->slim, s->numbers + (uint32_t)i, c));
    }
cleanup:
    return status;
}

static wr_status flush_block(read_state *s) {
    wr_status status = WR_OK;
    size_t n = 0;
    TRY(strbuf_status(&s->block));
    if (!s->in_block) return WR_OK;
    arena_reset(s->arena);
    TRY(mem_reserve((void **)&s->conversations, &s->conversation_capacity, s->in_block, sizeof *s->conversations));
    for (size_t i = 0; i < s->in_block; i++) {
        bytes_reader r = bytes_reader_make(s->block.data + s->offsets[i], s->block.len - s->offsets[i]);
        conversation *c = &s->conversations[i];
        size_t count;
        bytes_get_u32(&r);
        size_t bytes = bytes_get_u32(&r);
        TRY(conversation_unpack(s->arena, r.at, bytes, c));
        TRY(followups(c, &s->at, &s->at_capacity, &count));
        TRY(mem_reserve((void **)&s->turns, &s->turn_capacity, n + count, sizeof *s->turns));
        for (size_t k = 0; k < count; k++) s->turns[n++] = turn_view(c, s->at[k]);
    }
    TRY(ask(s, n));
    s->counts.turns += n;
    bool slim = s->c->o->no_chats && s->t->panel.n == 1;
    if (slim) TRY(slim_block(s));
    TRY(rows_append(s->out, slim ? &s->slim : &s->block, s->in_block));
    s->numbers += (uint32_t)s->in_block;
    strbuf_clear(&s->block);
    s->in_block = 0;
    TRY(prepare_stopped(s->c));
cleanup:
    return status;
}

static wr_status spill(read_state *s, const conversation *row) {
    wr_status status = WR_OK;
    conversation c = *row;
    size_t n;
    TRY(dedupe_key(&c, &s->keys));
    TRY(followups(&c, &s->at, &s->at_capacity, &n));
    bytes_put_u32(&s->keys, (uint32_t)n);
    /* what comes behind the last follow-up is not looked at again */
    if (s->c->o->no_chats) c.n = n ? s->at[n - 1] + 1 : 0;
    TRY(mem_reserve((void **)&s->offsets, &s->offset_capacity, s->in_block + 1, sizeof *s->offsets));
    s->offsets[s->in_block++] = s->block.len;
    TRY(put_record(&s->block, (uint32_t)s->counts.conversations++, &c));
    s->counts.messages += row->n;
    if (s->block.len >= s->block_bytes) TRY(flush_block(s));
cleanup:
    return status;
}

static wr_status take_row(void *context, const conversation *c, row_fault fault, const char *where) {
    wr_status status = WR_OK;
    read_state *s = context;
    s->counts.rows++;
    if (s->counts.rows % POLL_ROWS == 0) TRY(prepare_stopped(s->c));
    if (fault == ROW_GOOD && string_map_find(&s->t->excluded, c->user, strlen(c->user))) fault = ROW_EXCLUDED;
    if (fault == ROW_GOOD) return spill(s, c);
    if (!s->counts.faults[fault]++) {
        strbuf_clear(&s->counts.first[fault]);
        strbuf_puts(&s->counts.first[fault], where);
        TRY(strbuf_status(&s->counts.first[fault]));
    }
cleanup:
    return status;
}

static wr_status put_table(read_state *s) {
    wr_status status = WR_OK;
    strbuf table = {0};
    bytes_put_u64(&table, s->counts.turns);
    strbuf_append(&table, strbuf_str(&s->answers), s->answers.len);
    read_counts_pack(&s->counts, &table);
    strbuf_append(&table, strbuf_str(&s->keys), s->keys.len);
    TRY(strbuf_status(&s->answers));
    TRY(strbuf_status(&s->keys));
    TRY(unit_commit(&s->out, &table));
cleanup:
    strbuf_free(&table);
    return status;
}

wr_status unit_read(const prepare_context *c, const prepare_tools *t, unit_id id, uint64_t *bytes, bool *end) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    read_state s = {.c = c, .t = t, .block_bytes = BLOCK};
    *end = false;
    for (size_t a = 0; a < t->panel.n; a++) {
        if (t->panel.annotators[a]->batch > BATCH_SLOW)
            s.block_bytes = BLOCK_SLOW; /* one that likes many turns at once */
    }
    TRY_ALLOC(s.arena = arena_create());
    TRY(unit_path(path, c->dir.work, id, ".read"));
    TRY(unit_create(path, &s.out));
    world_task(c->w, "reading block %u of %s", id.block + 1, sources_path(t->sources, id.file));
    wr_status got = sources_read(t->sources, id.file, id.block, take_row, &s, bytes);
    TRY(got);
    if (got == WR_END) {
        *end = true;
        TRY(unit_path(path, c->dir.work, id, ".end"));
        TRY(file_write_atomic(path, "", 0));
        goto cleanup;
    }
    TRY(flush_block(&s));
    s.counts.bytes = *bytes;
    TRY(put_table(&s));
cleanup:
    unit_discard(s.out);
    read_counts_free(&s.counts);
    strbuf_free(&s.block);
    strbuf_free(&s.slim);
    strbuf_free(&s.keys);
    strbuf_free(&s.answers);
    arena_free(s.arena);
    free(s.offsets);
    free(s.conversations);
    free(s.turns);
    free(s.at);
    free(s.levels);
    return status;
}
