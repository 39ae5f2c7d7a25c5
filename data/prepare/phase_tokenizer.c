/* Phase tokenizer: rank 0 trains one on the train users' text when none was given; all load it. */
#include "base/log.h"
#include "data/prepare/pipeline.h"
#include "data/prepare/unit_rows.h"

#include <stdio.h>

/* Text of this many bytes of input teaches a tokenizer all it will learn; of more, evenly spread units are taken. */
#define TRAIN_BYTES ((uint64_t)512 << 20)

typedef struct lesson {
    const prepare_context *c;
    const unit_list *units;
    const user_split *split;
    const prepare_tools *t;
} lesson;

static wr_status train_unit(const lesson *l, const unit_entry *u, bpe_trainer *trainer) {
    wr_status status = WR_OK;
    spill_reader *r = NULL;
    const spilled *rows;
    size_t n;
    TRY(spill_reader_open(l->c->dir.work, u->id, l->t->panel.n, &r));
    for (;;) {
        wr_status got = spill_reader_next(r, &rows, &n);
        TRY(got);
        if (got == WR_END) break;
        if (world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
        for (size_t i = 0; i < n; i++) {
            const conversation *c = &rows[i].c;
            size_t number = u->first + rows[i].number;
            if (number >= l->units->conversations || unit_list_dropped(l->units, number) ||
                test_users_has(&l->split->test, c->user))
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
static wr_status train_fixed_text(const lesson *l, bpe_trainer *trainer) {
    wr_status status = WR_OK;
    strbuf text = {0};
    chat_message turn[2] = {{"user", "", 0, NULL}, {"assistant", "", 0, NULL}};
    TRY(reward_template_render(l->t->template, turn, 2, "", 0, "", 0, &text));
    uint64_t times = l->split->instances / 10 + 1;
    for (uint64_t i = 0; i < times && i < 20000; i++) {
        TRY(bpe_trainer_add(trainer, text.data, text.len));
        TRY(bpe_trainer_add(trainer, "user\nassistant\n", 15));
    }
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status train(const lesson *l, const char *dir) {
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    wr_status status = WR_OK;
    char made[PATH_CAP];
    bpe_trainer *trainer = NULL;
    TRY(path_join(made, l->c->dir.work, "tokenizer.new"));
    TRY(dir_remove_tree(made));
    TRY(dir_make(made));
    TRY(bpe_trainer_create(l->c->o->vocab_size, special, &trainer));
    size_t stride = (size_t)(l->units->bytes / TRAIN_BYTES) + 1;
    progress *shown = progress_create("prepare: tokenizer", "units", l->units->n / stride);
    for (size_t i = 0; i < l->units->n && status >= 0; i += stride) {
        status = train_unit(l, &l->units->units[i], trainer);
        progress_update(shown, i / stride + 1, NULL);
    }
    progress_finish(shown);
    TRY(status);
    TRY(train_fixed_text(l, trainer));
    TRY(bpe_trainer_finish(trainer, made));
    if (rename(made, dir) != 0) TRY(wr_fail(WR_E_IO, "%s: cannot be renamed", made));
cleanup:
    bpe_trainer_free(trainer);
    return status;
}

wr_status phase_tokenizer(const prepare_context *c, const unit_list *units, const user_split *split, prepare_tools *t) {
    wr_status status = WR_OK;
    char dir[PATH_CAP];
    lesson l = {c, units, split, t};
    if (t->tok || c->o->no_tokens) return WR_OK;
    TRY(path_join(dir, c->dir.work, "tokenizer"));
    if (c->root && !dir_exists(dir)) status = train(&l, dir);
    TRY(prepare_agree(c, status));
    status = tokenizer_load(dir, &t->tok);
    if (status >= 0) status = chat_template_load(dir, c->o->chat_template, t->tok, &t->chat);
    TRY(prepare_agree(c, status));
cleanup:
    return status;
}
