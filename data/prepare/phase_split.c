/* Phase split: rank 0 adds up users and labels of all units and says who is a test user. */
#include "data/prepare/label_file.h"
#include "data/prepare/pipeline.h"

#include <stdio.h>

static wr_status add_unit(user_split *s, funnel *f, const label_file *l) {
    wr_status status = WR_OK;
    for (int i = 0; i < 6; i++) TRY(funnel_count(f, "level", turn_level_name(i), l->counts.levels[i]));
    TRY(funnel_count(f, "mining", "neutral -> 4", l->counts.mined[0]));
    TRY(funnel_count(f, "mining", "neutral -> 5", l->counts.mined[1]));
    TRY(funnel_count(f, "refusal", "false refusal -> 1", l->counts.refusals[0]));
    TRY(funnel_count(f, "refusal", "justified refusal -> 5", l->counts.refusals[1]));
    for (size_t i = 0; i < l->n_users; i++) {
        split_user *u;
        TRY(user_table_get(&s->users, l->users[i].name, strlen(l->users[i].name), &u));
        u->turns += l->users[i].turns;
        for (int k = 0; k < SPLIT_STRATA; k++) {
            u->instances[k] += l->users[i].instances[k];
            s->instances += l->users[i].instances[k];
        }
    }
cleanup:
    return status;
}

static wr_status put_mining(const prepare_options *o, const mining *m, prepare_account *account) {
    wr_status status = WR_OK;
    funnel *f = &account->funnel;
    char note[160];
    bool tfidf = !o->similarity;
    double near = tfidf ? mining_threshold(m, 1) : mining_cosine_threshold(o),
           far = tfidf ? mining_threshold(m, 2) : near;
    size_t pairs = tfidf ? mining_pairs(m) : 0;
    uint64_t mined = funnel_get(f, "mining", "neutral -> 4") + funnel_get(f, "mining", "neutral -> 5"),
             neutral = funnel_get(f, "level", "3 neutral");
    double share = neutral ? (double)mined / (double)neutral : 0;
    snprintf(note, sizeof note, "%.2f %% of the neutral; thresholds %.3f (next turn), %.3f (2 ahead), from %zu pairs",
             100 * share, near, far, pairs);
    TRY(funnel_count(f, "mining", "mined", mined));
    TRY(funnel_note(f, "mining", "mined", note));
    strbuf_printf(&account->extra,
                  "\"mining\":{\"similarity\":\"%s\",\"thresholds\":[%.9g,%.9g],\"pairs\":%zu,\"mined\":%llu,\"share_"
                  "of_neutral\":%.9g}",
                  tfidf ? "tfidf" : o->similarity->name, near, far, pairs, (unsigned long long)mined, share);
    TRY(strbuf_status(&account->extra));
cleanup:
    return status;
}

static wr_status split(const prepare_context *c, const unit_list *units, const mining *m, user_split *out,
                       prepare_account *account) {
    wr_status status = WR_OK;
    label_file l = {0};
    uint64_t test_instances, users[2] = {0, 0};
    for (size_t i = 0; i < units->n; i++) {
        TRY(label_file_open(c->dir.work, units->units[i].id, &l));
        TRY(add_unit(out, &account->funnel, &l));
        label_file_close(&l);
    }
    TRY(put_mining(c->o, m, account));
    TRY(split_users(out->users.users, out->users.n, c->o->seed, split_target(c->o->test_instances, out->instances),
                    &test_instances));
    for (size_t i = 0; i < out->users.n; i++) users[out->users.users[i].test]++;
    TRY(test_users_collect(&out->users, &out->test));
    TRY(funnel_count(&account->funnel, "split", "train users", users[0]));
    TRY(funnel_count(&account->funnel, "split", "test users", users[1]));
cleanup:
    label_file_close(&l);
    return status;
}

static wr_status share_split(const prepare_context *c, test_users *t) {
    wr_status status = WR_OK;
    strbuf bytes = {0};
    if (!c->w) return WR_OK;
    if (c->root) strbuf_append(&bytes, t->hashes, t->n * 16);
    TRY(world_bcast(c->w, 0, &bytes));
    if (!c->root) {
        t->n = bytes.len / 16;
        t->hashes = mem_calloc(2 * t->n + 2, sizeof *t->hashes);
        if (!t->hashes)
            status = wr_fail(WR_E_NOMEM, "out of memory for %zu test users", t->n);
        else if (bytes.len)
            memcpy(t->hashes, bytes.data, bytes.len);
    }
    TRY(prepare_agree(c, status));
cleanup:
    strbuf_free(&bytes);
    return status;
}

wr_status phase_split(const prepare_context *c, const unit_list *units, const mining *m, user_split *out,
                      prepare_account *account) {
    wr_status status = WR_OK;
    if (c->root) status = split(c, units, m, out, account);
    TRY(prepare_agree(c, status));
    TRY(share_split(c, &out->test));
cleanup:
    return status;
}
