#include "evaluate/evaluate.h"
#include "trainer/train_loop.h"

#include <math.h>

/* loss = -1/count * sum over target tokens of log p(token), count over the whole global batch: so dlogprob = -scale. */
static wr_status lm_micro(void *scratch, const train_micro *x, step_sums *sums) {
    wr_status status = WR_OK;
    head_scratch *s = scratch;
    const model *m = x->m;
    const packed *p = x->p;
    const float *hidden; /* (T, C) */
    size_t T = p->batch.offsets[p->batch.B];
    if (!p->N) return WR_OK;
    TRY(model_forward(m, &p->batch, x->work, true, &hidden));
    TRY(head_scratch_fit(s, T * m->config.C, p->N));
    TRY(lm_logprobs(m, x->work, hidden, p->N, p->rows, p->targets, s->out));
    for (size_t i = 0; i < p->N; i++) {
        sums->loss -= s->out[i];
        s->dout[i] = -x->scale;
    }
    if (!isfinite(sums->loss)) return WR_OK; /* the loop names it; a backward pass of NaNs would be wasted */
    TRY(lm_logprobs_backward(m, x->work, hidden, p->N, p->rows, p->targets, s->dout, s->dhidden, x->grads));
    TRY(model_backward_hooked(m, &p->batch, x->work, s->dhidden, x->grads, x->hook));
cleanup:
    return status;
}

static double lm_terms(void *scratch, const train_options *o, const sequence *s) {
    (void)scratch, (void)o;
    return (double)s->n_targets;
}

static void lm_describe(const train_options *o, const step_sums *sums, double terms, json_writer *line) {
    (void)o, (void)sums;
    json_member_int(line, "target_tokens", (int64_t)terms);
}

static wr_status lm_evaluate(world *w, const train_options *o, const model *m, model_workspace *work,
                             const test_side *test, json_writer *line, bool *nothing) {
    lm_figures f;
    evaluate_options e = {.max_length = o->max_length,
                          .max_tokens = o->micro_tokens,
                          .limit = o->eval_records,
                          .only = test->only,
                          .loss_on_all = o->loss_on_all};
    wr_status status = evaluate_lm(w, m, work, test->records, &e, &f);
    *nothing = status >= 0 && f.tokens == 0;
    if (status < 0 || *nothing) return status;
    json_member_double(line, "eval_loss", f.loss);
    json_member_double(line, "eval_perplexity", exp(f.loss));
    json_member_int(line, "eval_records", (int64_t)f.records);
    json_member_int(line, "eval_tokens", (int64_t)f.tokens);
    return WR_OK;
}

wr_status train_lm(world *w, const train_options *o) {
    head_scratch scratch = {0};
    train_kind kind = {.train_prefix = "chats-train-",
                       .test_prefix = "chats-test-",
                       .kind = SHARD_CHAT,
                       .head = HEAD_LM,
                       .min_length = 2,
                       .micro = lm_micro,
                       .terms = lm_terms,
                       .evaluate = lm_evaluate,
                       .describe = lm_describe,
                       .scratch = &scratch};
    wr_status status = train_run(w, o, &kind);
    head_scratch_free(&scratch);
    return status;
}
