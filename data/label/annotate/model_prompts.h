/* What the model annotator asks: a text with the slots {history}, {query}, {reply} and {followup}, built in or from a
 * file that a user edits. Slot contents are plain text, the instruction comes first so that the turns of a batch share
 * it. LOCAL; immutable once loaded. */
#ifndef WR_DATA_LABEL_ANNOTATE_MODEL_PROMPTS_H
#define WR_DATA_LABEL_ANNOTATE_MODEL_PROMPTS_H

#include "data/label/annotate/annotator.h"

typedef enum model_question { ASK_LEVEL, ASK_REFUSAL, MODEL_QUESTIONS } model_question;

typedef struct model_prompt model_prompt;
/* dir NULL: built in. Otherwise DIR/model-annotate.txt or DIR/model-refusal.txt, and where DIR has no such file the
 * built-in text, which is logged. A slot may occur once; {followup} must for ASK_LEVEL, {query} and {reply} for
 * ASK_REFUSAL: WR_E_FORMAT naming the file otherwise. */
wr_status model_prompt_load(const char *dir, model_question q, model_prompt **out);
wr_status model_prompt_from_text(const char *text, model_question q, model_prompt **out);
void model_prompt_free(model_prompt *p);
const char *model_prompt_text(const model_prompt *p);
const char *model_prompt_file(model_question q); /* "model-annotate.txt", … */
/* Appends the text for a turn without the oldest `skip` messages of its history. clip > 0: of a message of more
 * characters, the first and the last clip/2 with " [...] " between; *clipped messages are counted. */
wr_status model_prompt_render(const model_prompt *p, const annotated_turn *t, size_t skip, size_t clip, strbuf *out,
                              size_t *clipped);
bool model_prompt_has_history(const model_prompt *p);

#endif
