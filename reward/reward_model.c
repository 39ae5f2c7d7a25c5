#include "reward/reward_model.h"

#include "base/file.h"
#include "base/log.h"
#include "text/chat/chat_template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option_spec reward_reading_rows[] = {
    OPTION_TEXT(reward_reading, template_file, "template", NULL, "FILE",
                "reward template, for a reward model that records none", .input = INPUT_WHOLE),
    OPTION_CHOICE(reward_reading, text, "reward-text", "auto", "auto|template|chat",
                  "how chats are written for the reward model: by its reward template, or by its chat template; auto: "
                  "by the recorded or given template, else by the chat template"),
    OPTION_CHOICE(reward_reading, rule, "score-rule", "auto", SCORE_RULE_WORDS,
                  "reward from the model's outputs: the raw logit, 1 + the sum of sigmoids (corn: of their "
                  "products), or the expected class; auto: "
                  "as the model records, else the raw logit of one output and the sum of several"),
    {0},
};

static wr_status open_template(const char *dir, const char *text, const char *template_file, reward_model *r) {
    wr_status status = WR_OK;
    reward_template *recorded = NULL;
    if (text) TRY(wr_context(reward_template_from_text(text, &recorded), "%s/template.txt", dir));
    if (template_file) {
        TRY(reward_template_load(template_file, &r->tpl));
        if (recorded && strcmp(reward_template_hash(recorded), reward_template_hash(r->tpl)) != 0)
            TRY(wr_fail(WR_E_MISMATCH,
                        "%s: template hash %s differs from %s, which the reward model %s was trained with; leave "
                        "--template out",
                        template_file, reward_template_hash(r->tpl), reward_template_hash(recorded), dir));
    } else {
        r->tpl = recorded;
        recorded = NULL;
    }
cleanup:
    reward_template_free(recorded);
    return status;
}

/* Which of the two writes chats; text: of the recorded template, NULL: none. */
static wr_status open_texts(const char *dir, const char *text, const reward_reading *how, reward_model *r) {
    wr_status status = WR_OK;
    const bool chat = strcmp(how->text, "chat") == 0, template = strcmp(how->text, "template") == 0;
    if (chat && how->template_file)
        TRY(wr_fail(WR_E_USAGE, "--template %s: --reward-text chat reads no reward template", how->template_file));
    if (!chat) TRY(open_template(dir, text, how->template_file, r));
    if (template && !r->tpl)
        TRY(wr_fail(WR_E_USAGE, "%s: this reward model records no template; give it with --template FILE", dir));
    if (r->tpl) goto cleanup;
    const wr_status found = chat_template_load(dir, NULL, r->tok, &r->chat);
    if (found < 0) snprintf(r->why, sizeof r->why, "%s", wr_error());
    char *cure = strstr(r->why, "; give "); /* that of commands with --chat-template */
    if (cure) *cure = '\0';
    if (chat || found == WR_E_NOMEM) status = found;
cleanup:
    return status;
}

wr_status reward_model_outputs(const char *dir, const reward_reading *how, bool recorded, reward_model *r) {
    wr_status status = WR_OK;
    const model_config *c = &r->m->config;
    TRY(objective_of_model(c, dir, &r->objective));
    r->recorded = recorded;
    TRY(score_rule_choose(how ? how->rule : NULL, r->recorded ? r->objective.kind->rule : NULL, config_logits(c), dir,
                          &r->rule));
cleanup:
    return status;
}

wr_status reward_model_open(const char *dir, const reward_reading *how, size_t max_length, reward_model *out) {
    wr_status status = WR_OK;
    reward_reading plain = how ? *how : (reward_reading){0};
    if (!plain.text) plain.text = "auto";
    if (!out->m) TRY(model_load(dir, &(model_load_options){.head = HEAD_SCORE}, &out->m));
    const model_config *c = &out->m->config;
    if (c->head != HEAD_SCORE)
        TRY(wr_fail(WR_E_MISMATCH,
                    "%s: %s is not a reward model (…ForSequenceClassification); train one with 'train reward'", dir,
                    c->architecture));
    /* models of this program's early versions have a template, and say nothing about the objective, which was
     * ordinal */
    TRY(reward_model_outputs(dir, &plain, c->objective[0] || out->m->template_text, out));
    TRY(tokenizer_load(dir, &out->tok));
    if (tokenizer_vocab(out->tok) > c->V)
        TRY(wr_fail(WR_E_MISMATCH, "%s: tokenizer.json has %zu ids but the model's vocab_size is %zu", dir,
                    tokenizer_vocab(out->tok), c->V));
    TRY(open_texts(dir, out->m->template_text, &plain, out));
    out->max_length = max_length ? max_length : c->max_positions ? c->max_positions : 4096;
    const size_t N = config_logits(c);
    if (log_rank() == 0)
        log_info("%s: %s, %zu output%s: %s, %s", dir, c->architecture, N, N == 1 ? "" : "s", out->rule->formula,
                 out->tpl    ? "reward template"
                 : out->chat ? "chat template"
                             : "no template: ready-made texts only");
cleanup:
    if (status < 0) reward_model_close(out);
    return status;
}

wr_status reward_texts_open(const char *dir, const reward_reading *how, reward_model *out) {
    enum { TEMPLATE_LIMIT = 1 << 20 };
    wr_status status = WR_OK;
    char path[PATH_CAP], *text = NULL;
    size_t n;
    reward_reading plain = *how;
    *out = (reward_model){0};
    if (!plain.text) plain.text = "auto";
    TRY(tokenizer_load(dir, &out->tok));
    TRY(path_join(path, dir, "template.txt"));
    if (file_exists(path)) TRY(file_read(path, TEMPLATE_LIMIT, &text, &n));
    TRY(open_texts(dir, text, &plain, out));
cleanup:
    free(text);
    if (status < 0) reward_model_close(out);
    return status;
}

void reward_model_close(reward_model *r) {
    model_free(r->m);
    tokenizer_free(r->tok);
    reward_template_free(r->tpl);
    chat_template_free(r->chat);
    *r = (reward_model){0};
}

wr_status reward_chat(arena *a, const chat_message *before, size_t n_before, const chat_message *query,
                      const chat_message *reply, chat_message **out, size_t *n) {
    chat_message *m = *out = arena_alloc(a, (n_before + 2) * sizeof *m);
    if (!m) return WR_E_NOMEM;
    if (n_before) memcpy(m, before, n_before * sizeof *m);
    *n = n_before;
    if (query) m[(*n)++] = *query;
    m[(*n)++] = *reply;
    return WR_OK;
}

wr_status reward_model_reads_chats(const reward_model *r) {
    if (r->tpl || r->chat) return WR_OK;
    return wr_fail(WR_E_USAGE,
                   "the reward model records no template, and has no chat template that can be used (%s): give "
                   "--template FILE, or ready-made texts",
                   r->why);
}

/* As transformers: the whole text is tokenized with special tokens matched, also those that a message spells out, since
 * the model's authors score it so. What trains or answers reads chats otherwise (text/chat/chat_template.h). */
static wr_status by_chat(const reward_model *r, const chat_request *chat, token_ids *out) {
    wr_status status = WR_OK;
    const size_t start = out->n;
    strbuf text = {0};
    status = chat_render(r->chat, NULL, chat, &text, NULL);
    if (status == WR_E_FORMAT) {
        char words[REWARD_WHY_CAP];
        snprintf(words, sizeof words, "%s", wr_error());
        status = wr_fail(WR_E_FORMAT,
                         "reward model: %s (give it the messages it asks for, or a reward template: --reward-text "
                         "template --template FILE)",
                         words);
    }
    TRY(status);
    TRY(tokenizer_encode(r->tok, text.data, text.len, TOK_MATCH_SPECIAL, out));
    if (out->n - start > r->max_length)
        TRY(wr_fail(WR_E_FORMAT, "the chat has %zu tokens, the limit is %zu (--max-length)", out->n - start,
                    r->max_length));
cleanup:
    if (status < 0) out->n = start;
    strbuf_free(&text);
    return status;
}

wr_status reward_model_encode(const reward_model *r, const chat_message *messages, size_t n, const json_value *row,
                              token_ids *out, size_t *dropped) {
    wr_status status = WR_OK;
    if (dropped) *dropped = 0;
    TRY(reward_model_reads_chats(r));
    const chat_message *reply = n ? &messages[n - 1] : NULL, *query = n > 1 ? &messages[n - 2] : NULL;
    if (!reply || strcmp(reply->role, "assistant") != 0)
        TRY(wr_fail(WR_E_FORMAT, "the chat does not end with a message of the assistant, which is what is scored"));
    if (r->chat) return by_chat(r, &(chat_request){messages, n, row, false}, out);
    if (!query || strcmp(query->role, "assistant") == 0)
        TRY(wr_fail(WR_E_FORMAT, "there is no query before the reply, as the reward template needs it"));
    return reward_template_encode(r->tpl, r->tok, messages, n - 2, query->content, query->length, reply->content,
                                  reply->length, r->max_length, out, dropped);
cleanup:
    return status;
}

wr_status reward_model_encode_text(const reward_model *r, const char *text, size_t n, token_ids *out) {
    return reward_template_encode_text(r->tpl, r->tok, text, n, r->max_length, out);
}
