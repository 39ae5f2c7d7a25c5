/* Evaluation on shard records, spread over the ranks. Batches are cut from the record list alone, so no figure depends
 * on the rank count. */
#ifndef WR_EVALUATE_EVALUATE_H
#define WR_EVALUATE_EVALUATE_H

#include "evaluate/reward_records.h"
#include "reward/reward_model.h"
#include "trainer/packing/sequence.h"

/* Values of one packed batch: (n, width), row i for sequence i. LOCAL. */
typedef wr_status (*evaluate_fn)(void *context, const packed *p, const sequence *sequences, size_t n, double *values);
typedef struct evaluate_job {
    record_source *source;
    const uint32_t *records;
    size_t n; /* record indices */
    sequence_rule rule;
    int32_t pad_id;
    size_t max_tokens; /* of a batch */
    size_t width;
    evaluate_fn fn;
    void *context;
    bool stoppable; /* WR_E_INTERRUPTED after a stop signal */
    bool show;      /* progress line */
} evaluate_job;
/* COLLECTIVE. values (n, width): row i belongs to records[i]; the same on every rank. */
wr_status evaluate_records(world *w, const evaluate_job *job, double *values);

/* Records of the index that the rule accepts and `only` marks (NULL: all), in index order, `limit` at most (0 = all);
 * fresh array. LOCAL. */
wr_status evaluate_select(const dataset_index *d, const sequence_rule *rule, const uint8_t *only, size_t limit,
                          uint32_t **records, size_t *n);
/* COLLECTIVE. *any: one of the records (indices as above, those of the index that evaluate_select lists) has something
 * to predict. Reads until the first that has. The same on every rank. */
wr_status evaluate_any(world *w, record_source *s, const sequence_rule *rule, const uint8_t *only, size_t limit,
                       bool *any);

typedef struct reward_figures {
    size_t records;
    /* loss: mean over the objective's terms; mae: |score - label|; accuracy and kappa
     * (evaluate/statistics/metrics.h): of the class. NaN where the objective gives none, of score or class */
    double loss, accuracy, mae, spearman, kappa;
    double violations; /* records whose P(better than class k) rises with k somewhere; NaN: it has none */
    double spread;     /* mean of the objective's, of a record's level; NaN: it has none */
    int classes;
    double *mean_score; /* (classes), by label - 1; NaN where no record has the label. NULL: no records */
    size_t *count;      /* (classes) */
} reward_figures;
void reward_figures_free(reward_figures *f); /* of one that is all zero, too */
typedef struct evaluate_options {
    size_t max_length, max_tokens, limit;
    const uint8_t *only; /* (records of the source) which are evaluated; NULL: all */
    bool loss_on_all, stoppable, show;
    objective_use objective; /* reward models: kind and settings; classes and outputs are the shards' and the model's */
    /* The reward that is measured; NULL: the objective's own. Where that is another one, or nothing says that the model
     * was trained by the objective (guessed) and its outputs do not fit the shards' classes, only figures of order and
     * mean are told: no loss, class or error. */
    const score_rule *rule;
    bool guessed;
    /* NULL, or to be filled on rank 0 and freed by the caller, also after an error: every record by itself (n = 0 on
     * the others) */
    reward_records *records;
    bool nameless; /* of them users, prompts and lengths are not wanted, and not read */
} evaluate_options;
/* COLLECTIVE. No record that fits: records is 0, and the figures are NaN. *out is to be freed, also after an error. */
wr_status evaluate_reward(world *w, const model *m, model_workspace *work, record_source *s, const evaluate_options *o,
                          reward_figures *out);
/* COLLECTIVE. The same from the records' texts, written as r reads them, whatever the shards' tokens are; figures of
 * order and mean alone, on rank 0. r: complete on rank 0, the others need r->m and r->rule. What r cannot read is left
 * out with a warning; WR_E_FORMAT: nothing is left. o: max_tokens and limit. */
wr_status evaluate_reward_chats(world *w, const reward_model *r, record_source *s, const evaluate_options *o,
                                reward_figures *out);

typedef struct lm_figures {
    size_t records, tokens;
    double loss; /* mean over target tokens */
} lm_figures;
/* COLLECTIVE. No target token in any record: tokens is 0, and the loss NaN. */
wr_status evaluate_lm(world *w, const model *m, model_workspace *work, record_source *s, const evaluate_options *o,
                      lm_figures *out);

#endif
