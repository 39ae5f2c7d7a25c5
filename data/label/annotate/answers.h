/* A language model as a reader: the log-probabilities of a few answers after each of many prompts, and mean-pooled
 * states of texts. Sequences are packed without padding, at most max_tokens a forward pass (a longer one goes alone).
 * In f32 a sequence's numbers have the same bits whatever is packed with it, and in whatever order. LOCAL; one thread a
 * workspace. */
#ifndef WR_DATA_LABEL_ANNOTATE_ANSWERS_H
#define WR_DATA_LABEL_ANNOTATE_ANSWERS_H

#include "model/prefix.h"
#include "text/tokenizer/tokenizer.h"

/* logprob (n, n_answers): the sum of log p(token | prompt, earlier tokens of the answer) over the answer's tokens.
 * prompts (n), answers (n_answers): each of at least one token. Answers of one token each are read off the prompt's
 * last state, and neighbouring prompts share what they begin with; longer ones are computed as a tree, so that a prompt
 * is computed once for all its answers. *tokens (may be NULL): tokens computed are added. */
wr_status answer_logprobs(const model *m, model_workspace *w, prefix_batch *packed, size_t n, const token_ids *prompts,
                          size_t n_answers, const token_ids *answers, size_t max_tokens, double *logprob,
                          size_t *tokens);

/* pooled (n, C): the mean, over all tokens of a text, of the states after the final norm. Each text has at least one
 * token. */
wr_status mean_pooled_states(const model *m, model_workspace *w, prefix_batch *packed, size_t n, const token_ids *texts,
                             size_t max_tokens, float *pooled, size_t *tokens);

#endif
