/* Models of a few thousand parameters with random weights, and what computing reads of them. LOCAL. */
#ifndef WR_TESTS_SUPPORT_TINY_MODEL_H
#define WR_TESTS_SUPPORT_TINY_MODEL_H

#include "model/model.h"
#include "tests/support/asserts.h"

/* As `--new SPEC` says (model_config_from_spec), with a vocabulary of V. The head: HEAD_LM until
 * model_config_set_head. */
model_config tiny_config(const char *spec, size_t V);
/* Weights as of a model that is to be trained (model_init_params). */
model *tiny_model(model_config c, uint64_t seed);
/* Every parameter, norms too, another number that bf16 does not hold. */
model *tiny_random_model(model_config c);
/* The same with ends 1 and 2, V 23 and 16 channels, of a family: for what concerns names and files. */
model *tiny_family_model(const char *type, model_head head, bool tied);

/* Without special ids, 16 channels, one layer: for what concerns runs and their checkpoints. */
model *checkpoint_model(uint64_t seed);

/* What computing reads element k of tensor i as. */
float weight_at(const model *m, size_t i, size_t k);
/* got computes with want's masters, which a file of type `stored` kept and got reads in its precision. */
void assert_weights_of(const model *want, const model *got, precision stored);

#endif
