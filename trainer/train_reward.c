#include "evaluate/evaluate.h"
#include "reward/loss.h"
#include "evaluate/metrics.h"
#include "trainer/train_loop.h"

#include <math.h>

static wr_status reward_micro(void *scratch, const model *m, model_workspace *work, const packed *p,
                              const sequence *sequences, size_t n, float scale, float *grads, step_sums *sums) {
    wr_status status = WR_OK;
    head_scratch *s = scratch;
    const float *hidden; /* (T, C) */
    size_t T = p->batch.offsets[p->batch.B], K1 = m->config.n_outputs;
    (void)sequences;
    TRY(model_forward(m, &p->batch, work, true, &hidden));
    TRY(head_scratch_fit(s, T * m->config.C, n * K1));
    TRY(score_logits(m, hidden, n, p->rows, s->out)); /* (n, K-1) */
    sums->loss += ordinal_loss(n, K1, s->out, p->targets, scale, s->dout);
    for (size_t i = 0; i < n; i++) sums->correct += ordinal_class(K1, s->out + i * K1) == p->targets[i];
    if (!isfinite(sums->loss)) return WR_OK; /* the loop names it */
    TRY(score_backward(m, hidden, n, p->rows, s->dout, s->dhidden, grads));
    TRY(model_backward(m, &p->batch, work, s->dhidden, grads));
cleanup:
    return status;
}

static size_t reward_terms(const sequence *s) {
    (void)s;
    return 1;
}

static void reward_describe(const step_sums *sums, double count, json_writer *line) {
    json_key(line, "accuracy");
    json_double(line, sums->correct / count);
}

static wr_status reward_evaluate(world *w, const train_options *o, const model *m, model_workspace *work,
                                 record_source *test, json_writer *line, bool *nothing) {
    reward_figures f;
    evaluate_options e = {.max_length = o->max_length, .max_tokens = o->micro_tokens, .limit = o->eval_records};
    wr_status status = evaluate_reward(w, m, work, test, &e, &f);
    *nothing = status >= 0 && f.records == 0;
    if (status < 0 || *nothing) return status;
    json_key(line, "eval_loss");
    json_double(line, f.loss);
    json_key(line, "eval_accuracy");
    json_double(line, f.accuracy);
    json_key(line, "eval_mae");
    json_double(line, f.mae);
    json_key(line, "eval_spearman");
    json_double(line, f.spearman);
    json_key(line, "eval_records");
    json_int(line, (int64_t)f.records);
    return WR_OK;
}

wr_status train_reward(world *w, const train_options *o) {
    head_scratch scratch = {0};
    train_kind kind = {.train_prefix = "reward-train-",
                       .test_prefix = "reward-test-",
                       .kind = SHARD_REWARD,
                       .head = HEAD_SCORE,
                       .min_length = 1,
                       .micro = reward_micro,
                       .terms = reward_terms,
                       .evaluate = reward_evaluate,
                       .describe = reward_describe,
                       .scratch = &scratch};
    wr_status status = train_run(w, o, &kind);
    head_scratch_free(&scratch);
    return status;
}
