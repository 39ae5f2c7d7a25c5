/* The annotator "model": a causal language model of this program's own engine reads each turn and is asked for a
 * number. The answer is the number with the largest log-probability after the prompt; nothing is sampled. A turn whose
 * prompt is too long even without history, or for which the model gives no finite numbers or a tie, gets no label and
 * is counted.
 *
 * Refusals are asked for in the same way; topic similarity is the cosine of mean-pooled states
 * (data/label/annotate/text_vectors.h).
 *
 * With a cache (data/label/annotate/answer_cache.h) an answer is written down as soon as it is there, and a prompt
 * whose answer by this model is known is not read again: other filters or a new split cost no new annotation.
 *
 * In f32 a turn's answer has the same bits whatever it is asked together with, and on whatever rank. LOCAL: every rank
 * that annotates holds one; give it a model of node-shared memory to hold the weights once a host. */
#ifndef WR_DATA_LABEL_ANNOTATE_MODEL_ANNOTATOR_H
#define WR_DATA_LABEL_ANNOTATE_MODEL_ANNOTATOR_H

#include "data/label/annotate/annotator.h"
#include "model/model.h"

typedef struct model_annotator_options {
    const char *cache_dir;   /* NULL: no cache */
    int rank;                /* whose file of the cache is written */
    const char *prompts_dir; /* NULL: built-in prompts (data/label/annotate/model_prompts.h) */
    /* tokens of prompt and answer, 0: MODEL_ANNOTATOR_LENGTH; never more than the model's positions */
    size_t max_length;
    size_t history;      /* earlier messages that a prompt shows at most, 0: all that fit */
    size_t clip;         /* characters of a message that a prompt shows, its beginning and its end; 0: all */
    size_t batch_tokens; /* of a forward pass; 0: MODEL_ANNOTATOR_BATCH */
    /* Contextual calibration (Zhao et al. 2021, "Calibrate Before Use"): an answer counts by its log-probability less
     * that after the same prompt with nothing in its slots, because small models favour one number whatever they read.
     */
    bool calibrate;
} model_annotator_options;
enum { MODEL_ANNOTATOR_LENGTH = 4096, MODEL_ANNOTATOR_BATCH = 8192 };

/* m (with an LM head), t and chat are borrowed and must outlive the annotator. chat NULL: prompts are plain text that
 * ends in "Answer:". A model or tokenizer that does not fit, or a max_length too short for the prompt alone, is
 * WR_E_MISMATCH. */
wr_status model_annotator_create(const model *m, const tokenizer *t, const chat_template *chat,
                                 const model_annotator_options *o, annotator **out);
/* Loads a Hugging Face directory, mapped where it is stored in p, and owns it. A chat template that this program does
 * not know is said in the log, and prompts go as plain text. */
wr_status model_annotator_open(const char *dir, precision p, const model_annotator_options *o, annotator **out);
/* What model_annotator_open finds in the directory of a model loaded elsewhere; *chat NULL: plain text. */
wr_status model_annotator_chat(const char *dir, const tokenizer *t, chat_template **chat);

#endif
