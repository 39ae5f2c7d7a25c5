/* A reward model ready to read replies: model, tokenizer, how a chat is written for it, and what its outputs say. Used
 * by score, evaluate, dpo. LOCAL.
 *
 * A chat is written by a reward template (reward/template.h: history, query, response), which a model of this program
 * records and a file may give; or by the model's own chat template, as most published reward models want it. */
#ifndef WR_REWARD_REWARD_MODEL_H
#define WR_REWARD_REWARD_MODEL_H

#include "base/option_row.h"
#include "model/model.h"
#include "reward/objective.h"
#include "reward/template.h"

/* What a user may say about reading; all zero: as the model itself says. */
typedef struct reward_reading {
    const char *template_file; /* --template */
    const char *text;          /* --reward-text: "auto", "template", "chat" */
    const char *rule;          /* --score-rule: SCORE_RULE_WORDS */
} reward_reading;
extern const option_spec reward_reading_rows[];

enum { REWARD_WHY_CAP = 256 };

typedef struct reward_model {
    model *m;
    tokenizer *tok;
    /* At most one of them; neither: only ready-made texts can be read */
    reward_template *tpl;
    chat_template *chat;
    char why[REWARD_WHY_CAP]; /* why there is no chat template */
    objective_use objective;  /* what its outputs mean, where they fit the labels at hand */
    const score_rule *rule;   /* the reward they say */
    bool recorded;            /* the model records the objective: `objective` is no guess */
    size_t max_length;
} reward_model;

/* WR_E_MISMATCH: no reward model, of an objective that this version does not have, or of outputs that the rule makes no
 * score of. A template file's hash must equal the recorded one, else WR_E_MISMATCH. how may be NULL. m may be preset
 * (shared parameters), else loaded from dir: *out must be zeroed but for it. max_length 0: the model's
 * max_position_embeddings; a template may have a smaller limit of its own. Logs in a line what it takes the model
 * for. */
wr_status reward_model_open(const char *dir, const reward_reading *how, size_t max_length, reward_model *out);
/* Only what writes texts (tokenizer and template), of any model's folder or one of shards: m stays NULL. */
wr_status reward_texts_open(const char *dir, const reward_reading *how, reward_model *out);
void reward_model_close(reward_model *r);

/* What outputs say (objective, recorded as given, rule), for ranks that have the model alone. */
wr_status reward_model_outputs(const char *dir, const reward_reading *how, bool recorded, reward_model *r);

/* A chat that ends with a reply, as reward_model_encode reads it: the messages before, the query (NULL: they end with
 * it), the reply. The list is the arena's, the texts stay the caller's. */
wr_status reward_chat(arena *a, const chat_message *before, size_t n_before, const chat_message *query,
                      const chat_message *reply, chat_message **out, size_t *n);

/* WR_E_USAGE, with the cure: it has neither template. */
wr_status reward_model_reads_chats(const reward_model *r);
/* Ids of a chat whose last message is the reply, appended to out. By the reward template: the message before it is the
 * query (WR_E_FORMAT where that is the assistant's), those before that the history, of which the oldest may be left out
 * (*dropped, may be NULL). By the chat template: transformers' apply_chat_template without generation prompt; row (may
 * be NULL): what the template sees beside the messages. WR_E_FORMAT: too long, or the chat template refuses it (its
 * words). WR_E_USAGE: reward_model_reads_chats. */
wr_status reward_model_encode(const reward_model *r, const chat_message *messages, size_t n, const json_value *row,
                              token_ids *out, size_t *dropped);
/* Ids of a text that is written already, as tokenizers give them with special tokens matched, cut where the template
 * says so (reward_template_encode_text). WR_E_FORMAT: none, or too many. */
wr_status reward_model_encode_text(const reward_model *r, const char *text, size_t n, token_ids *out);

#endif
