/* prepare --format labelled and --format wildfb: rated replies straight to shards. Rows are spilled as they are read;
 * how many labels there are, and so the split by user, is known when all are. */
#include "data/prepare/prepare_job.h"
#include "data/prepare/published_split.h"
#include "data/prepare/rated_row.h"

#include <stdlib.h>
#include <string.h>

typedef struct labelled {
    prepare_job *job;
    const rated_format *format;
    published_split *split; /* NULL: by user */
    arena *arena;
    uint64_t rows, texts; /* of all rows, of the good ones that bring their text */
    int64_t largest;
    bpe_trainer *trainer;
    shard_set reward[2];
    strbuf line, where, text;
    token_ids ids;
} labelled;

static wr_status count_fault(labelled *p, row_fault fault, const char *wrong, const char *where) {
    wr_status status = WR_OK;
    strbuf_clear(&p->where);
    strbuf_puts(&p->where, where);
    if (wrong) strbuf_puts(&p->where, fault == ROW_FIELD ? ", field " : ", "), strbuf_puts(&p->where, wrong);
    TRY(strbuf_status(&p->where));
    TRY(job_fault(p->job, row_fault_name(fault), p->where.data));
cleanup:
    return status;
}

static wr_status read_row(void *context, const char *line, size_t n, row_fault fault, const char *where) {
    wr_status status = WR_OK;
    labelled *p = context;
    rated_row r = {0};
    split_user *user;
    p->rows++;
    arena_reset(p->arena);
    TRY(funnel_count(p->job->funnel, "rows", "read", 1));
    if (fault == ROW_CSV) r.wrong = line;
    if (fault == ROW_GOOD) TRY(rated_row_read(p->format, p->arena, p->job->c->o, line, n, p->rows, &r, &fault));
    if (fault == ROW_GOOD && string_map_find(&p->job->t->excluded, r.user, strlen(r.user))) fault = ROW_EXCLUDED;
    if (fault != ROW_GOOD) {
        TRY(count_fault(p, fault, r.wrong, where));
        return WR_OK;
    }
    TRY(funnel_count(p->job->funnel, "rows", "good", 1));
    TRY(job_user(p->job, r.user, &user));
    user->turns++;
    if (p->split) user->test = r.test = published_split_test(p->split, p->job->source, r.id);
    if (r.label > p->largest) p->largest = r.label;
    p->texts += r.text != NULL;
    strbuf_clear(&p->line);
    json_writer w = json_writer_make(&p->line);
    rated_row_spill(&r, &w);
    TRY(job_spill(p->job, &p->line));
cleanup:
    return status;
}

static wr_status respilled(labelled *p, const char *line, size_t n, rated_row *r, split_user **user) {
    wr_status status = WR_OK;
    arena_reset(p->arena);
    TRY(rated_row_respilled(p->arena, line, n, r));
    TRY(job_user(p->job, r->user, user));
cleanup:
    return status;
}

static wr_status render(labelled *p, const rated_row *r) {
    strbuf_clear(&p->text);
    return reward_template_render(p->job->t->template, r->history, r->n_history, r->query, r->query_length, r->response,
                                  r->response_length, &p->text);
}

static wr_status train_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    labelled *p = context;
    rated_row r;
    split_user *user;
    TRY(respilled(p, line, n, &r, &user));
    if (user->test) goto cleanup;
    if (!r.text) TRY(render(p, &r));
    TRY(r.text ? bpe_trainer_add(p->trainer, r.text, r.text_length)
               : bpe_trainer_add(p->trainer, p->text.data, p->text.len));
cleanup:
    return status;
}

/* Is a ready-made text what the template makes of the row's messages? Then the template is the one it was made with. */
static wr_status compare_text(labelled *p, const rated_row *r) {
    wr_status status = WR_OK;
    if (!p->job->t->template || !r->response_length) return WR_OK;
    TRY(render(p, r));
    const bool same = p->text.len == r->text_length && memcmp(strbuf_str(&p->text), r->text, r->text_length) == 0;
    TRY(funnel_count(p->job->funnel, "texts", same ? "as the template has them" : "other than the template's", 1));
cleanup:
    return status;
}

/* WR_E_FORMAT: the record is too long. */
static wr_status encode(labelled *p, const rated_row *r) {
    wr_status status = WR_OK;
    const prepare_tools *t = p->job->t;
    const size_t most = p->job->c->o->max_length;
    size_t left_out = 0;
    p->ids.n = 0;
    TRY(r->text ? reward_template_cut_text(t->template, t->tok, r->text, r->text_length, most, &p->ids, &left_out)
                : reward_template_encode(t->template, t->tok, r->history, r->n_history, r->query, r->query_length,
                                         r->response, r->response_length, most, &p->ids, &left_out));
    if (left_out) TRY(funnel_count(p->job->funnel, "tokens", prepare_shortened(t->template), 1));
cleanup:
    return status;
}

static wr_status write_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    labelled *p = context;
    rated_row r;
    split_user *user;
    TRY(respilled(p, line, n, &r, &user));
    instance x = {.id = r.id,
                  .user = r.user,
                  .language = "",
                  .model = "",
                  .how = "given",
                  .turn = -1,
                  .label = (int)r.label,
                  .history = r.history,
                  .n_history = r.n_history,
                  .query = r.query,
                  .query_length = r.query_length,
                  .response = r.response,
                  .response_length = r.response_length,
                  .text = r.text,
                  .text_length = r.text_length};
    if (r.text) TRY(compare_text(p, &r));
    if (p->job->t->tok) {
        const wr_status s = encode(p, &r);
        if (s == WR_E_FORMAT) {
            user->instances[split_stratum(x.label, p->job->classes)]--;
            return funnel_count(p->job->funnel, "dropped", "too_long", 1);
        }
        TRY(s);
        x.ids = p->ids.ids;
        x.n_ids = p->ids.n;
    }
    TRY(shard_set_add(&p->reward[user->test], &x));
cleanup:
    return status;
}

/* Instances by stratum: how many labels there are is known only now. */
static wr_status count_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    labelled *p = context;
    rated_row r;
    split_user *user;
    TRY(respilled(p, line, n, &r, &user));
    user->instances[split_stratum((int)r.label, p->job->classes)]++;
    if (p->split) user->test = r.test;
cleanup:
    return status;
}

/* Ids that no row has are a mistake when they are all, and worth a word when they are some. */
static wr_status tell_split(labelled *p) {
    size_t ids, unmet;
    published_split_unmet(p->split, &ids, &unmet);
    const char *file = p->job->c->o->split_file;
    if (ids && unmet == ids)
        return wr_fail(WR_E_MISMATCH, "%s: none of its %zu ids of test rows is the id of a row of %s", file, ids,
                       p->job->c->o->sources[0]);
    if (unmet) log_warn("%s: %zu of its %zu ids of test rows are in no row", file, unmet, ids);
    return WR_OK;
}

static wr_status write_all(labelled *p) {
    wr_status status = WR_OK;
    prepare_job *job = p->job;
    funnel *f = job->funnel;
    const prepare_options *o = job->c->o;
    const prepare_tools *t = job->t;
    uint64_t users[2] = {0, 0};
    strbuf none = {0};
    bool given = t->tok != NULL;
    TRY(job_tokenizer(job, train_row, p, &p->trainer));
    prepare_result r = {.o = o,
                        .dir = job->c->dir.result,
                        .classes = job->classes,
                        .tok = t->tok,
                        .template = t->template,
                        .extra = &none,
                        .funnel = f};
    if (given) TRY(result_tokenizer(&r, o->tokenizer));
    p->reward[0] = result_shards(&r, "reward-train", SHARD_REWARD);
    p->reward[1] = result_shards(&r, "reward-test", SHARD_REWARD);
    TRY(job_each_spilled(job, "shards", write_row, p));
    for (int s = 0; s < 2; s++) TRY(shard_set_finish(&p->reward[s]));
    for (size_t i = 0; i < job->users.n; i++) users[job->users.users[i].test]++;
    TRY(funnel_count(f, "split", "train users", users[0]));
    TRY(funnel_count(f, "split", "test users", users[1]));
    TRY(funnel_count(f, "kept", "instances, train", p->reward[0].records));
    TRY(funnel_count(f, "kept", "instances, test", p->reward[1].records));
    TRY(funnel_count(f, "kept", "instance tokens", p->reward[0].tokens + p->reward[1].tokens));
    TRY(job_users(job, &r));
    TRY(result_finish(&r));
cleanup:
    return status;
}

static wr_status check_options(const prepare_options *o, const rated_format *f) {
    if (o->classes && (o->classes < 2 || o->classes > RATED_LARGEST_LABEL))
        return wr_fail(WR_E_USAGE, "--classes %d: must be between 2 and %d", o->classes, RATED_LARGEST_LABEL);
    if (o->split_file && !f->published_split)
        return wr_fail(WR_E_USAGE, "--split-file goes with --format wildfb only; rows of --format %s are split by user",
                       f->name);
    if (f->published_split && o->test_instances >= 0)
        return wr_fail(WR_E_USAGE, "--test-instances does not go with --format %s, whose published split is kept",
                       f->name);
    return WR_OK;
}

wr_status prepare_labelled(const prepare_context *c, prepare_tools *t, prepare_account *account, bool *nothing) {
    wr_status status = WR_OK;
    const prepare_options *o = c->o;
    prepare_job job = {.c = c, .t = t, .funnel = &account->funnel};
    labelled p = {.job = &job, .format = rated_format_of(o->format)};
    TRY_ALLOC(p.arena = arena_create());
    TRY(check_options(o, p.format));
    if (p.format->published_split) TRY(published_split_open(o->split_file, t->sources, &p.split));
    TRY(dir_remove_tree(c->dir.result)); /* what a stopped run left: rated replies are quick to read again */
    TRY(dir_make(c->dir.result));
    TRY(path_join(job.spill, c->dir.work, "spill.jsonl.zst"));
    TRY(outstream_create(job.spill, &job.spill_out));
    TRY(job_read_sources(&job, p.format, read_row, &p));
    TRY(job_spill_done(&job));
    uint64_t good = funnel_get(job.funnel, "rows", "good");
    job.classes = o->classes ? o->classes : p.format->classes ? p.format->classes : (int)p.largest;
    if (!good || job.classes < 2) {
        funnel_print(job.funnel);
        *nothing = true;
        TRY(wr_fail(WR_E_FORMAT, "%s: %llu usable rows with %lld classes; rows need %s", o->sources[0],
                    (unsigned long long)good, (long long)p.largest, p.format->needs));
    }
    if (p.texts == good && !o->template_file) { /* the built-in template must not pass for that of the texts */
        reward_template_free(t->template);
        t->template = NULL;
    }
    if (p.split) TRY(tell_split(&p));
    TRY(job_each_spilled(&job, "labels", count_row, &p));
    if (!p.split) TRY(job_split(&job, good));
    TRY(write_all(&p));
cleanup:
    for (int s = 0; s < 2; s++) shard_set_discard(&p.reward[s]);
    bpe_trainer_free(p.trainer);
    outstream_discard(job.spill_out);
    published_split_free(p.split);
    free(job.user_names);
    user_table_free(&job.users);
    strbuf_free(&p.line);
    strbuf_free(&p.where);
    strbuf_free(&p.text);
    token_ids_free(&p.ids);
    arena_free(p.arena);
    return status;
}
