/* The options of --annotator model, and the annotator that they make: its model lies once a host. */
#ifndef WR_CLI_ANNOTATOR_MODEL_H
#define WR_CLI_ANNOTATOR_MODEL_H

#include "cli/command.h"
#include "data/label/annotate/model_annotator.h"
#include "model/host/frozen.h"

typedef struct annotator_model_options {
    const char *dir, *precision;
    model_annotator_options how; /* but for its folders and rank */
} annotator_model_options;
extern const option_spec annotator_model_rows[]; /* --annotator-model … */

/* What the annotator borrows: to be freed after it. */
typedef struct annotator_model {
    frozen_model frozen;
    tokenizer *tok;
    chat_template *chat;
} annotator_model;

/* prompts_dir: of --prompts, may be NULL. cache_dir: folder of its answers, NULL: they are not kept. *keep is zeroed.
 * WR_E_USAGE without --annotator-model. COLLECTIVE when w is not NULL: all ranks or none, with the same options; all
 * compute in f32 where one rank's CPU cannot do the precision asked for with auto. */
wr_status annotator_model_make(const annotator_model_options *o, world *w, const char *prompts_dir,
                               const char *cache_dir, annotator_model *keep, annotator **out);
void annotator_model_free(annotator_model *k); /* COLLECTIVE when w was not NULL */

#endif
