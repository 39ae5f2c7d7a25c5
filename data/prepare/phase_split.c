/* Phase split: rank 0 adds up users and labels of all units and says who is a test user; then there is a tokenizer,
 * trained on the train users' text if none was given. */
#include "data/prepare/label_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const level_names[] = {"none",      "1 rejection",           "2 correction",
                                          "3 neutral", "4 positive engagement", "5 explicit satisfaction"};

static wr_status add_unit(pipeline *p, const label_file *l) {
    wr_status status = WR_OK;
    funnel *f = &p->funnel;
    for (int i = 0; i < 6; i++) TRY(funnel_count(f, "level", level_names[i], l->counts.levels[i]));
    TRY(funnel_count(f, "mining", "neutral -> 4", l->counts.mined[0]));
    TRY(funnel_count(f, "mining", "neutral -> 5", l->counts.mined[1]));
    TRY(funnel_count(f, "refusal", "false refusal -> 1", l->counts.refusals[0]));
    TRY(funnel_count(f, "refusal", "justified refusal -> 5", l->counts.refusals[1]));
    for (size_t i = 0; i < l->n_users; i++) {
        split_user *u;
        TRY(user_table_get(&p->users, l->users[i].name, strlen(l->users[i].name), &u));
        u->turns += l->users[i].turns;
        for (int k = 0; k < SPLIT_STRATA; k++) {
            u->instances[k] += l->users[i].instances[k];
            p->instances += l->users[i].instances[k];
        }
    }
cleanup:
    return status;
}

static wr_status put_mining(pipeline *p) {
    wr_status status = WR_OK;
    funnel *f = &p->funnel;
    char note[160];
    const mining *m = p->mining;
    bool tfidf = !p->o->similarity;
    double near = tfidf ? mining_threshold(m, 1) : pipeline_threshold(p), far = tfidf ? mining_threshold(m, 2) : near;
    size_t pairs = tfidf ? mining_pairs(m) : 0;
    uint64_t mined = funnel_get(f, "mining", "neutral -> 4") + funnel_get(f, "mining", "neutral -> 5"),
             neutral = funnel_get(f, "level", "3 neutral");
    double share = neutral ? (double)mined / (double)neutral : 0;
    snprintf(note, sizeof note, "%.2f %% of the neutral; thresholds %.3f (next turn), %.3f (2 ahead), from %zu pairs",
             100 * share, near, far, pairs);
    TRY(funnel_count(f, "mining", "mined", mined));
    TRY(funnel_note(f, "mining", "mined", note));
    strbuf_printf(&p->extra,
                  "\"mining\":{\"similarity\":\"%s\",\"thresholds\":[%.9g,%.9g],\"pairs\":%zu,\"mined\":%llu,\"share_"
                  "of_neutral\":%.9g}",
                  tfidf ? "tfidf" : p->o->similarity->name, near, far, pairs, (unsigned long long)mined, share);
    TRY(strbuf_status(&p->extra));
cleanup:
    return status;
}

static int by_hash(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    for (int k = 0; k < 2; k++) {
        if (x[k] != y[k]) return x[k] > y[k] ? 1 : -1;
    }
    return 0;
}

static wr_status split(pipeline *p) {
    wr_status status = WR_OK;
    label_file l = {0};
    uint64_t test_instances, users[2] = {0, 0};
    for (size_t i = 0; i < p->n_units; i++) {
        TRY(label_file_open(p, p->units[i].id, &l));
        TRY(add_unit(p, &l));
        label_file_close(&l);
    }
    TRY(put_mining(p));
    uint64_t tenth = p->instances / 10;
    p->test_target = p->o->test_instances >= 0 ? (uint64_t)p->o->test_instances : tenth < 5000 ? tenth : 5000;
    TRY(split_users(p->users.users, p->users.n, p->o->seed, p->test_target, &test_instances));
    for (size_t i = 0; i < p->users.n; i++) users[p->users.users[i].test]++;
    TRY_ALLOC(p->test_users = mem_calloc(2 * users[1] + 2, sizeof *p->test_users));
    for (size_t i = 0; i < p->users.n; i++) {
        const split_user *u = &p->users.users[i];
        if (!u->test) continue;
        p->test_users[2 * p->n_test_users] = u->hash[0];
        p->test_users[2 * p->n_test_users++ + 1] = u->hash[1];
    }
    qsort(p->test_users, p->n_test_users, 2 * sizeof *p->test_users, by_hash);
    TRY(funnel_count(&p->funnel, "split", "train users", users[0]));
    TRY(funnel_count(&p->funnel, "split", "test users", users[1]));
cleanup:
    label_file_close(&l);
    return status;
}

bool pipeline_is_test(const pipeline *p, const char *user) {
    uint64_t hash[2];
    split_hash(user, strlen(user), hash);
    return p->n_test_users && bsearch(hash, p->test_users, p->n_test_users, sizeof hash, by_hash);
}

static wr_status share_split(pipeline *p) {
    wr_status status = WR_OK;
    strbuf bytes = {0};
    if (!p->w) return WR_OK;
    if (p->root) strbuf_append(&bytes, p->test_users, p->n_test_users * 16);
    TRY(world_bcast(p->w, 0, &bytes));
    if (!p->root) {
        p->n_test_users = bytes.len / 16;
        p->test_users = mem_calloc(2 * p->n_test_users + 2, sizeof *p->test_users);
        if (!p->test_users)
            status = wr_fail(WR_E_NOMEM, "out of memory for %zu test users", p->n_test_users);
        else if (bytes.len)
            memcpy(p->test_users, bytes.data, bytes.len);
    }
    TRY(pipeline_agree(p, status));
cleanup:
    strbuf_free(&bytes);
    return status;
}

/* --- tokenizer --- */

/* Text of this many bytes of input teaches a tokenizer all it will learn; of more, evenly spread units are taken. */
#define TRAIN_BYTES ((uint64_t)512 << 20)

static wr_status train_unit(pipeline *p, const unit_entry *u, bpe_trainer *trainer) {
    wr_status status = WR_OK;
    spill_reader *r = NULL;
    const spilled *rows;
    size_t n;
    TRY(spill_reader_open(p, u->id, &r));
    for (;;) {
        wr_status got = spill_reader_next(r, &rows, &n);
        TRY(got);
        if (got == WR_END) break;
        if (world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
        for (size_t i = 0; i < n; i++) {
            const conversation *c = &rows[i].c;
            size_t number = u->first + rows[i].number;
            if (number >= p->conversations || p->dropped[number / 8] >> (number % 8) & 1 ||
                pipeline_is_test(p, c->user))
                continue;
            for (size_t k = 0; k < c->n; k++)
                TRY(bpe_trainer_add(trainer, c->messages[k].content, c->messages[k].length));
        }
    }
cleanup:
    spill_reader_close(r);
    return status;
}

/* The fixed words of both templates occur once a record, so the tokenizer should know them. */
static wr_status train_fixed_text(pipeline *p, bpe_trainer *trainer) {
    wr_status status = WR_OK;
    strbuf text = {0};
    chat_message turn[2] = {{"user", "", 0, NULL}, {"assistant", "", 0, NULL}};
    TRY(reward_template_render(p->template, turn, 2, "", 0, "", 0, &text));
    uint64_t times = p->instances / 10 + 1;
    for (uint64_t i = 0; i < times && i < 20000; i++) {
        TRY(bpe_trainer_add(trainer, text.data, text.len));
        TRY(bpe_trainer_add(trainer, "user\nassistant\n", 15));
    }
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status train(pipeline *p, const char *dir) {
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    wr_status status = WR_OK;
    char made[PATH_CAP];
    bpe_trainer *trainer = NULL;
    TRY(path_join(made, p->dir.work, "tokenizer.new"));
    TRY(dir_remove_tree(made));
    TRY(dir_make(made));
    TRY(bpe_trainer_create(p->o->vocab_size, special, &trainer));
    size_t stride = (size_t)(p->bytes / TRAIN_BYTES) + 1;
    progress *shown = progress_create("prepare: tokenizer", "units", p->n_units / stride);
    for (size_t i = 0; i < p->n_units && status >= 0; i += stride) {
        status = train_unit(p, &p->units[i], trainer);
        progress_update(shown, i / stride + 1, NULL);
    }
    progress_finish(shown);
    TRY(status);
    TRY(train_fixed_text(p, trainer));
    TRY(bpe_trainer_finish(trainer, made));
    if (rename(made, dir) != 0) TRY(wr_fail(WR_E_IO, "%s: cannot be renamed", made));
cleanup:
    bpe_trainer_free(trainer);
    return status;
}

static wr_status train_tokenizer(pipeline *p) {
    wr_status status = WR_OK;
    char dir[PATH_CAP];
    TRY(path_join(dir, p->dir.work, "tokenizer"));
    if (p->root && !dir_exists(dir)) status = train(p, dir);
    TRY(pipeline_agree(p, status));
    status = tokenizer_load(dir, &p->tok);
    if (status >= 0) status = chat_template_load(dir, p->o->chat_template, p->tok, &p->chat);
    TRY(pipeline_agree(p, status));
cleanup:
    return status;
}

wr_status phase_split(pipeline *p) {
    wr_status status = WR_OK;
    if (p->root) status = split(p);
    TRY(pipeline_agree(p, status));
    TRY(share_split(p));
    if (!p->tok && !p->o->no_tokens) TRY(train_tokenizer(p));
cleanup:
    return status;
}
