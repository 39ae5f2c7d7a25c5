/* score: a reward model on JSONL. */
#include "cli/command.h"
#include "cli/jsonl.h"
#include "cli/model_options.h"

#include "base/mem.h"
#include "text/chat/chat_read.h"
#include "reward/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct score_call {
    model_options model;
    reward_reading reading;
    size_t max_length, batch_tokens;
    jsonl_options files;
} score_call;
static const option_spec score_rows[] = {
    OPTION_TEXT(score_call, model.dir, "model", NULL, "DIR", "reward model", .required = true),
    OPTION_INT(score_call, max_length, "max-length", NULL, "N", 1, 1e7,
               "tokens of a text; default: the model's positions"),
    OPTION_INT(score_call, batch_tokens, "batch-tokens", "8192", "N", 1, 1e8, "tokens of one forward pass"),
    {0},
};
static const option_group score_groups[] = {
    {.rows = score_rows},
    OPTION_GROUP(reward_reading_rows, score_call, reading),
    OPTION_GROUP(jsonl_rows, score_call, files),
    OPTION_GROUP(arithmetic_rows, score_call, model.arithmetic),
    OPTION_GROUP(adapter_rows, score_call, model),
    {0},
};
static const char *const OUTPUT_NAMES[] = {"score", "logits", NULL}, *const SPREAD_NAMES[] = {"score", "logits",
                                                                                              "spread", NULL};

enum { BATCH_LINES = 256 };

typedef struct scorer {
    reward_model r;
    bool spread; /* its objective tells one */
    score_scratch *scratch;
    size_t batch_tokens;
    arena *memory;
    token_ids texts[BATCH_LINES];
    size_t item_of[BATCH_LINES];
    double scores[BATCH_LINES];
    float *logits; /* (BATCH_LINES, N) */
} scorer;

/* Messages as what will write them wants them: a chat template sees their members, a reward template texts alone. */
static wr_status read_messages(scorer *s, const json_value *list, const char *name, chat_message **out, size_t *n) {
    const bool some = json_is(list, JSON_ARRAY) && list->length > 0;
    return s->r.chat && some ? chat_read_messages(s->memory, list, name, out, n)
                             : chat_read_texts(s->memory, list, name, out, n);
}

/* {"history", "query", "response"}, {"prompt", "response"} or {"messages"} as one chat that ends with the reply. */
static wr_status read_chat(scorer *s, const json_value *in, chat_message **out, size_t *n) {
    wr_status status = WR_OK;
    const json_value *list = json_get(in, "messages"), *prompt = json_get(in, "prompt");
    chat_message *before = NULL, query = {.role = "user"}, reply = {.role = "assistant"};
    size_t n_before = 0;
    if (list) return read_messages(s, list, "messages", out, n);
    const bool chat = prompt && prompt->kind == JSON_ARRAY;
    if (!json_get_string(in, "response", &reply.content, &reply.length) ||
        !(chat || json_get_string(in, prompt ? "prompt" : "query", &query.content, &query.length)))
        return wr_fail(WR_E_FORMAT, "needs {\"text\"}, {\"history\",\"query\",\"response\"}, "
                                    "{\"prompt\",\"response\"} or {\"messages\"}, with strings");
    TRY(read_messages(s, chat ? prompt : json_get(in, "history"), chat ? "prompt" : "history", &before, &n_before));
    return reward_chat(s->memory, before, n_before, chat ? NULL : &query, &reply, out, n);
cleanup:
    return status;
}

/* WR_E_USAGE and WR_E_NOMEM end the tool; other errors are the line's own. */
static wr_status encode_line(scorer *s, const json_value *in, token_ids *out) {
    wr_status status = WR_OK;
    const char *text;
    size_t n = 0;
    chat_message *messages = NULL;
    const json_value *variables = NULL;
    if (json_get_string(in, "text", &text, &n)) return reward_model_encode_text(&s->r, text, n, out);
    if (json_get(in, "text")) return wr_fail(WR_E_FORMAT, "text is not a string");
    TRY(read_chat(s, in, &messages, &n));
    if (s->r.chat) TRY(chat_read_variables(s->memory, in, &variables));
    return reward_model_encode(&s->r, messages, n, variables, out, NULL);
cleanup:
    return status;
}

static void write_fields(const scorer *s, size_t i, jsonl_item *item) {
    const size_t N = config_logits(&s->r.m->config);
    if (!isfinite(s->scores[i])) {
        wr_fail(WR_E_NUMERIC, "the model's score is not a number");
        jsonl_fail(item);
        return;
    }
    json_writer w = jsonl_fields(item);
    json_member_double(&w, "score", s->scores[i]);
    json_member_array(&w, "logits");
    for (size_t k = 0; k < N; k++) json_double(&w, s->logits[i * N + k]);
    json_end_array(&w);
    const objective_use *u = &s->r.objective;
    if (s->spread) json_member_double(&w, "spread", u->kind->spread(u, s->logits + i * N));
}

static wr_status score_lines(void *context, jsonl_item *items, size_t n) {
    scorer *s = context;
    wr_status status = WR_OK;
    size_t count = 0;
    arena_reset(s->memory);
    for (size_t i = 0; i < n; i++) {
        s->texts[count].n = 0;
        wr_status encoded = encode_line(s, items[i].input, &s->texts[count]);
        if (encoded == WR_E_USAGE || encoded == WR_E_NOMEM) return encoded;
        if (encoded < 0)
            jsonl_fail(&items[i]);
        else
            s->item_of[count++] = i;
    }
    TRY(score_ids(&s->r, s->scratch, count, s->texts, s->batch_tokens, s->scores, s->logits));
    for (size_t i = 0; i < count; i++) write_fields(s, i, &items[s->item_of[i]]);
cleanup:
    return status;
}

static wr_status run_score(const options *o, world *w) {
    wr_status status = WR_OK;
    (void)w;
    score_call c = {0};
    precision p;
    scorer *s = mem_calloc(1, sizeof *s);
    TRY_ALLOC(s);
    TRY(options_fill(o, &c, sizeof c));
    s->batch_tokens = c.batch_tokens;
    TRY(choose_precision(c.model.arithmetic.precision, NULL, NULL, &p));
    TRY(load_model(&c.model, HEAD_SCORE, true, p, &s->r.m));
    TRY(reward_model_open(c.model.dir, &c.reading, c.max_length, &s->r));
    TRY(score_scratch_create(&s->r, &s->scratch));
    s->memory = arena_create();
    s->logits = mem_calloc(BATCH_LINES * config_logits(&s->r.m->config), sizeof *s->logits);
    TRY_ALLOC(s->memory);
    TRY_ALLOC(s->logits);
    s->spread = s->r.recorded && s->r.objective.kind->spread && s->r.rule == s->r.objective.kind->rule;
    TRY(jsonl_run(&c.files, BATCH_LINES, s->spread ? SPREAD_NAMES : OUTPUT_NAMES, score_lines, s));
cleanup:
    if (s) {
        score_scratch_free(s->scratch);
        reward_model_close(&s->r);
        arena_free(s->memory);
        for (size_t i = 0; i < BATCH_LINES; i++) token_ids_free(&s->texts[i]);
        free(s->logits);
        free(s);
    }
    return status;
}

const command cmd_score = {
    .name = "score",
    .usage = "score --model DIR [--in FILE] [--out FILE]",
    .summary = "score replies with a reward model (JSONL in, JSONL out)",
    .groups = score_groups,
    .run = run_score,
    .no_positionals = true,
};
