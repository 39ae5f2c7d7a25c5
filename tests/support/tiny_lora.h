/* Adapters on a tiny model, and what it makes of one batch. LOCAL. */
#ifndef WR_TESTS_SUPPORT_TINY_LORA_H
#define WR_TESTS_SUPPORT_TINY_LORA_H

#include "model/weights/lora.h"
#include "tests/support/tiny_model.h"

enum { LORA_T = 11 };
extern const token_batch lora_batch; /* two sequences, LORA_T tokens */

model *lora_model(model_head head); /* qwen2, two layers, 32 channels, 24 tokens; three outputs of a score head */
void attach(model *m, size_t rank, const char *targets);
/* Values that are no zeros, A and B; rounded copies too. */
void randomize(model *m);
/* The hidden states, (T, C); free with free(). */
float *hidden_of(const model *m);
const tensor_info *adapter_tensor(const model *m, const char *name);

#endif
