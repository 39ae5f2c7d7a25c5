/* What a record's part of a reward model's loss is multiplied with: a product of what its class, its user and the
 * certainty of its label say. The loss of a step is a weighted mean: sum of weight x loss by sum of weight x terms. */
#ifndef WR_TRAINER_RECORD_WEIGHTS_H
#define WR_TRAINER_RECORD_WEIGHTS_H

#include "base/option_row.h"
#include "data/shard/dataset.h"
#include "mpi/world.h"

/* n_y records of class y: inverse n / (K n_y); effective (1 - beta) / (1 - beta^n_y) (Cui et al. 2019), scaled so that
 * the mean over the training records is 1, as it is of the former. */
typedef enum class_weights { CLASS_WEIGHTS_NONE, CLASS_WEIGHTS_INVERSE, CLASS_WEIGHTS_EFFECTIVE } class_weights;
/* n_u records of a user: 1 / sqrt(n_u), or 1 / n_u: then every user counts alike. */
typedef enum user_weights { USER_WEIGHTS_NONE, USER_WEIGHTS_SQRT, USER_WEIGHTS_INVERSE } user_weights;
typedef struct weight_options {
    unsigned classes, users; /* class_weights, user_weights */
    double beta;             /* of CLASS_WEIGHTS_EFFECTIVE, below 1 */
    bool posterior;          /* the record's own: the posterior of the annotators' consensus */
} weight_options;
extern const option_spec weight_rows[];

typedef struct record_weights record_weights;
/* COLLECTIVE. Counts the records of DIR's side d; the same on every rank. *out NULL: no option asks for weights. Warns
 * (rank 0) of labels that are all of one class, and of classes that no record has. */
wr_status record_weights_create(world *w, const weight_options *o, const char *dir, const dataset_index *d,
                                record_weights **out);
void record_weights_free(record_weights *r); /* NULL is fine */
/* LOCAL. NULL: 1. user: of the side; certainty: instance.weight. */
double record_weight(const record_weights *r, int label, const char *user, double certainty);

#endif
