/* What the outputs of a reward model's score head mean: how they are trained, what reward they say, which class. One
 * file and one row of OBJECTIVES for each; training, evaluation, scoring and the command line know no more of it than
 * this interface, and a saved model records its name.
 *
 * Four numbers that are easily taken for one another:
 *   classes  K, the levels of feedback a record is labelled with: labels 1 … K (the shards')
 *   outputs  N, logits that the head gives (config_logits)
 *   rows     of score.weight ("num_labels" of the model's config.json): N, or 1 where logits share it and differ by
 *            parameters of the objective's own (model_config.own)
 *   terms    of the loss a record gives: the loss of a step is the sum over its records by the sum of their terms.
 *            Accuracy is a share of records, whatever the terms.
 * A loss is a sum over records. Of an objective that compares, a record is a pair of replies, which give rows 2i and
 * 2i + 1 of logits. LOCAL. */
#ifndef WR_REWARD_OBJECTIVE_H
#define WR_REWARD_OBJECTIVE_H

#include "base/option_settings.h"
#include "model/weights/config.h"
#include "reward/score_rule.h"

/* The table. X(name): NAME_objective and NAME_options are defined in reward/NAME.c. The first is the default, and what
 * a model that records none is taken for. */
#define OBJECTIVES(X) X(ordinal) X(coral) X(corn) X(thresholds) X(classes) X(regression) X(bt)
enum { OBJECTIVE_CLASSES_MAX = 32 }; /* that they are trained for */

typedef struct objective objective;
/* One at work. */
typedef struct objective_use {
    const objective *kind;
    int classes;                      /* 0: not known; then only score and spread may be asked for */
    size_t outputs;                   /* N */
    double settings[OPTION_SETTINGS]; /* values of the rows of kind->options, in their order */
    double smoothing;                 /* of the targets, in training; below 1, 0: none */
    const float *margins;             /* pairs: by how much the better one must be better, of each; NULL: 0 */
} objective_use;

struct objective {
    const char *name;
    /* its own command-line options: numbers and flags, with defaults; ended by {0}. A saved model records those that are
     * not the defaults. */
    const option_spec *options;
    bool pairs;          /* its records are pairs: labels mean nothing to it, and n is even */
    size_t most_classes; /* that training takes; 0: any number */
    /* N for K classes, at least 1. */
    size_t (*outputs)(int classes);
    /* What a new head begins with beside its one row, N values; NULL: it has N rows, and nothing beside them. */
    head_own (*own)(int classes);
    /* Sum over the n records' terms. z (n, N); labels (n) in 1 … K; dz (n, N), or NULL: scale * d(sum)/dz. */
    double (*loss)(const objective_use *u, size_t n, const float *z, const int *labels, float scale, float *dz);
    /* Terms of a record with this label. */
    size_t (*terms)(const objective_use *u, int label);
    /* Its scores are on the scale of the labels: an error |score - label| means something. */
    bool scores_classes;
    bool smooths; /* its targets can be smoothed */
    /* The reward that the outputs say. */
    const score_rule *rule;
    /* Predicted class, 1 … K. NULL: it predicts none, and no accuracy is told. */
    int (*class)(const objective_use *u, const float *z);
    /* P(better than class k), k = 1 … K-1, into p. NULL: it has no probabilities. */
    void (*passes)(const objective_use *u, const float *z, double *p);
    /* Standard deviation of the level about the score. NULL: not told. */
    double (*spread)(const objective_use *u, const float *z);
};

#define OBJECTIVE_DECLARE(name)                                                                                        \
    extern const objective name##_objective;                                                                           \
    extern const option_spec name##_options[];
OBJECTIVES(OBJECTIVE_DECLARE)
#undef OBJECTIVE_DECLARE

/* "ordinal|…": the values of --objective. */
#define OBJECTIVE_OR_NAME(name) "|" #name
#define OBJECTIVE_NAMES (&(OBJECTIVES(OBJECTIVE_OR_NAME))[1])
/* The objectives' own options, each with a comma behind it: for a command's list of groups. */
#define OBJECTIVE_GROUP(name) {.rows = name##_options},
#define OBJECTIVE_GROUPS OBJECTIVES(OBJECTIVE_GROUP)

/* NULL: there is none of this name. "": the default. */
const objective *objective_find(const char *name);
/* kind with its options' defaults, for K classes (0: not known) and, where K is known, the outputs that needs. */
objective_use objective_with_defaults(const objective *kind, int classes);
/* What --objective names, with the values of its options; classes and outputs are left 0. WR_E_USAGE: an option of
 * another objective is given. */
wr_status objective_from_options(const struct options *o, objective_use *out);
/* The objective that a model records, with its outputs and options. WR_E_MISMATCH naming `model` and the objective:
 * there is no such one here, or no such option. WR_E_FORMAT: it lacks what the objective has beside the head, or has what that has not. */
wr_status objective_of_model(const model_config *c, const char *model, objective_use *out);
/* What a model trained so records: the name, and options that are not the defaults. */
void objective_note(const objective_use *u, model_config *c);
/* Rows of score.weight, and what is beside them, in a new head for K classes. */
size_t objective_rows(const objective *kind, int classes);
head_own objective_own(const objective *kind, int classes);
/* Do the probabilities that z says rise with k, of any two neighbours? None of an ordered level's can. Equal ones are
 * in order. False where it has no probabilities. */
bool objective_violates(const objective_use *u, const float *z);

#endif
