/* A row → ids of both sides → a record: the chosen side's ids, then the rejected one's (instance.n_chosen). */
#include "trainer/pair_shards.h"

#include "base/file.h"
#include "base/log.h"
#include "data/shard/shard.h"
#include "data/source/table_rows.h"
#include "reward/pair_row.h"
#include "reward/reward_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WITHOUT_LIMIT = 1 << 30 };

typedef struct pair_reader {
    const pair_input *in;
    reward_model how; /* tokenizer and template alone */
    arena *row;
    shard_writer *shards;
    token_ids ids;
    size_t read, kept, equal, empty, long_ones;
    bool chats; /* some pair is one of chats */
} pair_reader;

static wr_status encode_chat(pair_reader *r, const pair_row *row, const pair_side *side, bool *too_long) {
    wr_status status = WR_OK;
    const size_t start = r->ids.n;
    r->chats = true;
    r->how.max_length = WITHOUT_LIMIT;
    TRY(reward_model_encode(&r->how, side->chat, side->n, row->variables, &r->ids, NULL));
    if (r->ids.n - start <= r->in->max_length || !r->how.tpl) goto cleanup;
    /* the template may leave the oldest history out; what is too long without it stays too long */
    r->ids.n = start;
    r->how.max_length = r->in->max_length;
    status = reward_model_encode(&r->how, side->chat, side->n, row->variables, &r->ids, NULL);
    if (status == WR_E_FORMAT) *too_long = true, status = WR_OK;
cleanup:
    return status;
}

static wr_status encode_text(pair_reader *r, const pair_side *side) {
    r->how.max_length = WITHOUT_LIMIT;
    return reward_model_encode_text(&r->how, side->text, side->length, &r->ids);
}

/* Number of a field, which may be absent. */
static wr_status read_number(const json_value *row, const char *name, double *out) {
    const json_value *v = json_get(row, name);
    if (v && !json_is(v, JSON_NULL) && (!json_to_double(v, out) || !isfinite(*out) || fabs(*out) > 1e6))
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not a number", name);
    return WR_OK;
}

/* x->n_chosen 0: the pair is left out. */
static wr_status read_row(pair_reader *r, const json_value *row, instance *x) {
    wr_status status = WR_OK;
    pair_row pair;
    size_t ends[2] = {0};
    bool too_long = false;
    double grade = 0;
    TRY(pair_row_read(r->row, row, r->how.chat != NULL, &pair));
    TRY(read_number(row, "grade", &grade));
    x->margin = r->in->per_grade * grade;
    TRY(read_number(row, "margin", &x->margin));
    r->ids.n = 0;
    bool empty = false;
    for (int k = 0; k < 2 && !empty; k++) empty = !pair.side[k].chat && !pair.side[k].length;
    for (int k = 0; k < 2 && !empty; k++) {
        const pair_side *side = &pair.side[k];
        status = side->chat ? encode_chat(r, &pair, side, &too_long) : encode_text(r, side);
        TRY(status);
        ends[k] = r->ids.n;
    }
    const size_t second = ends[1] - ends[0];
    if (too_long || ends[0] > r->in->max_length || second > r->in->max_length)
        r->long_ones++;
    else if (empty)
        r->empty++; /* nothing that could be scored */
    else if (ends[0] == second && memcmp(r->ids.ids, r->ids.ids + ends[0], second * sizeof *r->ids.ids) == 0)
        r->equal++;
    else
        x->n_chosen = ends[0];
    x->ids = r->ids.ids;
    x->n_ids = ends[1];
cleanup:
    return status;
}

static wr_status read_line(void *context, const char *line, size_t n, row_fault fault, const char *where) {
    pair_reader *r = context;
    wr_status status = WR_OK;
    const json_value *row = NULL;
    char id[24];
    snprintf(id, sizeof id, "%zu", ++r->read);
    instance x = {.id = id, .user = id, .how = "given", .turn = -1, .label = 2};
    if (fault != ROW_GOOD)
        TRY(wr_fail(WR_E_FORMAT, "%s: %s%s%s", where, row_fault_name(fault), fault == ROW_CSV ? ": " : "",
                    fault == ROW_CSV ? line : ""));
    arena_reset(r->row);
    TRY(wr_context(json_parse(r->row, line, n, &row), "%s", where));
    if (!json_is(row, JSON_OBJECT)) TRY(wr_fail(WR_E_FORMAT, "%s: no JSON object", where));
    TRY(wr_context(read_row(r, row, &x), "%s", where));
    if (!x.n_chosen) goto cleanup;
    r->kept++;
    TRY(shard_writer_add_instance(r->shards, &x));
cleanup:
    return status;
}

static wr_status read_file(pair_reader *r) {
    static const char *const names[] = {"prompt", "chosen", "rejected", "margin", "grade", NULL},
                             *const needed[] = {"chosen", "rejected", NULL}, *const typed[] = {"margin", "grade", NULL},
                             *const texts[] = {"prompt", "chosen", "rejected", NULL};
    static const csv_columns columns = {names, needed, typed, texts};
    wr_status status = WR_OK;
    TRY(table_rows_each(r->in->file, &columns, NULL, read_line, r));
    log_info("%s: %zu of %zu pairs%s", r->in->file, r->kept, r->read,
             r->how.tpl && r->chats ? ", written by the reward template"
             : r->chats             ? ", by the chat template"
                                    : "");
    if (r->equal) log_warn("%s: %zu pairs left out: their sides are equal", r->in->file, r->equal);
    if (r->empty) log_warn("%s: %zu pairs left out: a side is empty", r->in->file, r->empty);
    if (r->long_ones)
        log_warn("%s: %zu pairs left out: a side has more than %zu tokens (--max-length)", r->in->file, r->long_ones,
                 r->in->max_length);
    if (!r->kept) TRY(wr_fail(WR_E_FORMAT, "%s: no pair to train on among %zu rows", r->in->file, r->read));
cleanup:
    return status;
}

/* What the trainer looks for beside shards: the tokenizer, and the template that wrote the chats. */
static wr_status put_beside(const pair_reader *r, const char *dir) {
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                        "added_tokens.json", "chat_template.jinja"};
    wr_status status = WR_OK;
    char from[PATH_CAP], to[PATH_CAP];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        TRY(path_join(from, tokenizer_dir(r->how.tok), names[i]));
        TRY(path_join(to, dir, names[i]));
        if (file_exists(from)) TRY(file_copy(from, to));
    }
    if (!r->how.tpl) goto cleanup;
    const char *text = reward_template_text(r->how.tpl);
    TRY(path_join(to, dir, "template.txt"));
    TRY(file_write_atomic(to, text, strlen(text)));
cleanup:
    return status;
}

wr_status pair_shards_make(const pair_input *in, const char *dir) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    shard_meta meta = {.kind = SHARD_REWARD, .classes = 2};
    pair_reader r = {.in = in, .row = arena_create()};
    TRY_ALLOC(r.row);
    TRY(reward_texts_open(in->from, &(reward_reading){.template_file = in->template_file}, &r.how));
    snprintf(meta.tokenizer_hash, sizeof meta.tokenizer_hash, "%s", tokenizer_hash(r.how.tok));
    if (r.how.tpl) snprintf(meta.template_hash, sizeof meta.template_hash, "%s", reward_template_hash(r.how.tpl));
    TRY(put_beside(&r, dir));
    TRY(path_join(path, dir, "reward-train-00000.wrs"));
    TRY(shard_writer_create(path, &meta, &r.shards));
    TRY(read_file(&r));
    TRY(shard_writer_commit(&r.shards));
cleanup:
    shard_writer_discard(r.shards);
    reward_model_close(&r.how);
    token_ids_free(&r.ids);
    arena_free(r.row);
    return status;
}
