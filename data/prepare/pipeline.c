/* prepare --format wildchat as a whole: data/prepare/pipeline.h says how. */
#include "data/prepare/pipeline.h"

/* Between two phases: nobody goes on when somebody is to stop. */
static wr_status all_go_on(const prepare_context *c) {
    return prepare_agree(c, world_stop_requested() ? wr_fail(WR_E_INTERRUPTED, "stopped by a signal") : WR_OK);
}

wr_status prepare_wildchat(prepare_context *c, prepare_tools *t, prepare_account *account, bool *nothing) {
    wr_status status = WR_OK;
    unit_list units = {0};
    consensus agreed = {.n_annotators = t->panel.n};
    mining *m = NULL;
    user_split split = {0};
    if (c->w && world_size(c->w) > 1) TRY(coordinator_create(c->w, &c->workers));
    TRY(phase_read(c, t, &units));
    TRY(all_go_on(c));
    world_task(c->w, "duplicates");
    status = phase_dedupe(c, &t->panel, &units, &agreed, account);
    *nothing = status == WR_E_FORMAT && !units.conversations;
    TRY(status);
    TRY(all_go_on(c));
    TRY(phase_count(c, &units, t->panel.n, &m));
    TRY(all_go_on(c));
    TRY(phase_label(
        c, &units,
        &(label_inputs){
            .agreed = &agreed, .mining = m, .refusal = t->refusal, .judge = t->judge, .filters = t->filters}));
    TRY(all_go_on(c));
    world_task(c->w, "split of the users");
    TRY(phase_split(c, &units, m, &split, account));
    world_task(c->w, "training the tokenizer");
    TRY(phase_tokenizer(c, &units, &split, t));
    TRY(all_go_on(c));
    TRY(phase_write(c, &units, &split.test, t));
    TRY(all_go_on(c));
    world_task(c->w, "joining the shards");
    TRY(phase_assemble(c, &units, &split.users, t, account));
    TRY(all_go_on(c));
cleanup:
    coordinator_free(c->workers);
    c->workers = NULL;
    unit_list_free(&units);
    consensus_free(&agreed);
    mining_free(m);
    user_table_free(&split.users);
    test_users_free(&split.test);
    return status;
}
