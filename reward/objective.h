/* What the outputs of a reward model's score head mean: how they are trained, what reward they say, which class. One
 * file and one row of OBJECTIVES for each; training, evaluation, scoring and the command line know no more of it than
 * this interface, and a saved model records its name.
 *
 * Three numbers that are easily taken for one another:
 *   classes  K, the levels of feedback a record is labelled with: labels 1 … K (the shards')
 *   outputs  N, rows of the score head (the model's; "num_labels" of its config.json)
 *   terms    of the loss a record gives: the loss of a step is the sum over its records by the sum of their terms.
 *            Accuracy is a share of records, whatever the terms.
 * A head is a matrix, and a loss a sum over records: parameters of an objective's own (biases, thresholds) and losses
 * that compare records have no place here yet. LOCAL. */
#ifndef WR_REWARD_OBJECTIVE_H
#define WR_REWARD_OBJECTIVE_H

#include "base/option_settings.h"
#include "model/weights/config.h"
#include "reward/score_rule.h"

/* The table. X(name): NAME_objective and NAME_options are defined in reward/NAME.c. The first is the default, and what
 * a model that records none is taken for. */
#define OBJECTIVES(X) X(ordinal)

typedef struct objective objective;
/* One at work. */
typedef struct objective_use {
    const objective *kind;
    int classes;                      /* 0: not known; then only score may be asked for */
    size_t outputs;                   /* N */
    double settings[OPTION_SETTINGS]; /* values of the rows of kind->options, in their order */
} objective_use;

struct objective {
    const char *name;
    /* its own command-line options: numbers and flags, with defaults; ended by {0}. A saved model records the name
     * alone, so they may shape loss and terms, not score and class. */
    const option_spec *options;
    /* N for K classes, at least 1. */
    size_t (*outputs)(int classes);
    /* Sum over the n records' terms. z (n, N); labels (n) in 1 … K; dz (n, N), or NULL: scale * d(sum)/dz. */
    double (*loss)(const objective_use *u, size_t n, const float *z, const int *labels, float scale, float *dz);
    /* Terms of a record with this label. */
    size_t (*terms)(const objective_use *u, int label);
    /* Its scores are on the scale of the labels: an error |score - label| means something. */
    bool scores_classes;
    /* The reward that the outputs say. */
    const score_rule *rule;
    /* Predicted class, 1 … K. NULL: it predicts none, and no accuracy is told. */
    int (*class)(const objective_use *u, const float *z);
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
/* The objective that a model records, with its outputs. WR_E_MISMATCH naming `model` and the objective: there is no
 * such one here. */
wr_status objective_of_model(const model_config *c, const char *model, objective_use *out);

#endif
