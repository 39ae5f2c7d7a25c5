/* What the JSONL tools that run a language model share: loading, and reading their fields. */
#ifndef WR_CLI_LM_TOOL_H
#define WR_CLI_LM_TOOL_H

#include "cli/jsonl.h"
#include "text/chat/chat_template.h"
#include "model/model.h"

extern const option_spec lm_options[];   /* --model --max-length */
extern const option_spec chat_options[]; /* --chat-template */

typedef struct lm_tool {
    model *m;
    tokenizer *t;        /* NULL when the directory has none and that is allowed */
    chat_template *chat; /* NULL: see chat_error */
    char *chat_error;    /* why there is no chat template */
    size_t max_length;   /* --max-length, 0 when not given */
} lm_tool;

/* Loads --model as a language model, by cli/model_options.h's options. Its tokenizer must not have more tokens than the
 * model. */
wr_status lm_tool_load(const options *o, bool need_tokenizer, lm_tool *out);
void lm_tool_free(lm_tool *l);

/* Reads an array of token ids below `vocab`; those above INT32_MAX become INT32_MAX. WR_E_FORMAT names the field. */
wr_status read_ids(const json_value *object, const char *field, size_t vocab, token_ids *out);
/* Reads a string field and encodes it. */
wr_status read_text(const json_value *object, const char *field, const tokenizer *t, int flags, token_ids *out);
void write_ids(json_writer *w, const int32_t *ids, size_t n);

#endif
