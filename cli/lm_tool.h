/* What the JSONL tools that run a language model share: loading, and reading their fields. */
#ifndef WR_CLI_LM_TOOL_H
#define WR_CLI_LM_TOOL_H

#include "cli/jsonl.h"
#include "cli/model_options.h"
#include "text/chat/chat_template.h"
#include "model/model.h"

typedef struct chat_options {
    const char *file; /* instead of the model's own template; NULL: that */
} chat_options;
extern const option_spec chat_rows[]; /* --chat-template. Its place may be any const char * */

typedef struct lm_options {
    model_options model;
    chat_options chat;
    size_t max_length; /* 0: as the model's positions allow */
} lm_options;
extern const option_spec lm_rows[]; /* --model --max-length */

typedef struct lm_tool {
    model *m;
    tokenizer *t;        /* NULL when the directory has none and that is allowed */
    chat_template *chat; /* NULL: see chat_error */
    char *chat_error;    /* why there is no chat template */
    size_t max_length;   /* 0 when not given */
} lm_tool;

/* Loads o->model as a language model. Its tokenizer must not have more tokens than the
 * model. */
wr_status lm_tool_load(const lm_options *o, bool need_tokenizer, lm_tool *out);
void lm_tool_free(lm_tool *l);

/* Reads an array of token ids below `vocab`; those above INT32_MAX become INT32_MAX. WR_E_FORMAT names the field. */
wr_status read_ids(const json_value *object, const char *field, size_t vocab, token_ids *out);
/* Reads a string field and encodes it. */
wr_status read_text(const json_value *object, const char *field, const tokenizer *t, int flags, token_ids *out);
void write_ids(json_writer *w, const int32_t *ids, size_t n);

#endif
