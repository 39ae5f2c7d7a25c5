#include "evaluate/evaluate.h"
#include "reward/objective.h"
#include "trainer/train_loop.h"

#include <math.h>

static wr_status reward_micro(void *scratch, const train_micro *x, step_sums *sums) {
    wr_status status = WR_OK;
    head_scratch *s = scratch;
    const objective_use *u = &x->o->objective;
    const packed *p = x->p;
    const float *hidden; /* (T, C) */
    const size_t T = p->batch.offsets[p->batch.B], n = x->n, N = u->outputs;
    TRY(model_forward(x->m, &p->batch, x->work, true, &hidden));
    TRY(head_scratch_fit(s, T * x->m->config.C, n * N));
    TRY(score_logits(x->m, hidden, n, p->rows, s->out)); /* (n, N) */
    sums->loss += u->kind->loss(u, n, s->out, p->targets, x->scale, s->dout);
    for (size_t i = 0; i < n && u->kind->class; i++) {
        sums->correct += u->kind->class(u, s->out + i * N) == p->targets[i];
        sums->judged += 1;
    }
    if (!isfinite(sums->loss)) return WR_OK; /* the loop names it */
    TRY(score_backward(x->m, hidden, n, p->rows, s->dout, s->dhidden, x->grads));
    TRY(model_backward_hooked(x->m, &p->batch, x->work, s->dhidden, x->grads, x->hook));
cleanup:
    return status;
}

static size_t reward_terms(const train_options *o, const sequence *s) {
    return o->objective.kind->terms(&o->objective, s->label);
}

static void reward_describe(const train_options *o, const step_sums *sums, double terms, json_writer *line) {
    (void)terms;
    if (!o->objective.kind->class) return;
    json_member_double(line, "accuracy", sums->correct / sums->judged);
}

static wr_status reward_evaluate(world *w, const train_options *o, const model *m, model_workspace *work,
                                 record_source *test, json_writer *line, bool *nothing) {
    reward_figures f;
    evaluate_options e = {.max_length = o->max_length,
                          .max_tokens = o->micro_tokens,
                          .limit = o->eval_records,
                          .objective = o->objective};
    wr_status status = evaluate_reward(w, m, work, test, &e, &f);
    *nothing = status >= 0 && f.records == 0;
    if (status < 0 || *nothing) goto cleanup;
    json_member_double(line, "eval_loss", f.loss);
    if (o->objective.kind->class) {
        json_member_double(line, "eval_accuracy", f.accuracy);
    }
    if (o->objective.kind->scores_classes) {
        json_member_double(line, "eval_mae", f.mae);
    }
    json_member_double(line, "eval_spearman", f.spearman);
    json_member_int(line, "eval_records", (int64_t)f.records);
cleanup:
    reward_figures_free(&f);
    return status;
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
