/* wildreward tokenize: {"text"} or {"messages"} -> ids, or with --decode {"ids"} -> text. */
#include "cli/command.h"
#include "cli/lm_tool.h"
#include "text/chat/chat_read.h"

#include <stdlib.h>

typedef struct tokenize_call {
    const char *tokenizer;
    bool no_special, decode, skip_special;
    chat_options chat;
    jsonl_options files;
} tokenize_call;
static const option_spec tokenize_rows[] = {
    OPTION_TEXT(tokenize_call, tokenizer, "tokenizer", NULL, "DIR|FILE",
                "tokenizer.json, or a directory that holds one", .required = true),
    OPTION_FLAG(tokenize_call, no_special, "no-special", NULL,
                "leave out what the post-processor adds (a BOS, for example)"),
    OPTION_FLAG(tokenize_call, decode, "decode", NULL, "turn ids into text"),
    OPTION_FLAG(tokenize_call, skip_special, "skip-special", NULL,
                "with --decode: leave special tokens out of the text"),
    {0},
};
static const option_group tokenize_groups[] = {
    {.rows = tokenize_rows},
    OPTION_GROUP(chat_rows, tokenize_call, chat),
    OPTION_GROUP(jsonl_rows, tokenize_call, files),
    {0},
};

typedef struct tokenize_job {
    tokenizer *t;
    chat_template *chat; /* NULL: see chat_error */
    char *chat_error;
    bool decode, skip_special;
    int flags;
} tokenize_job;

static wr_status decode_item(const tokenize_job *job, jsonl_item *item, token_ids *ids, strbuf *text) {
    wr_status status = WR_OK;
    TRY(read_ids(item->input, "ids", (size_t)1 << 32, ids)); /* what an id may be in Hugging Face's library */
    TRY(tokenizer_decode(job->t, ids->ids, ids->n, job->skip_special, text));
    json_writer w = jsonl_fields(item);
    json_member_string_n(&w, "text", strbuf_str(text), text->len);
cleanup:
    return status;
}

/* A chat, as the template writes it: its text, and the ids that a policy is given. "add_generation_prompt" (true when
 * left out): the reply is to follow. "tools", "documents" and what else the row holds are the template's variables. */
static wr_status chat_item(const tokenize_job *job, jsonl_item *item, token_ids *ids, strbuf *text) {
    wr_status status = WR_OK;
    chat_message *messages = NULL;
    chat_request chat = {.add_generation_prompt = true};
    arena *a = NULL;
    if (!job->chat) return wr_fail(WR_E_FORMAT, "%s", job->chat_error);
    TRY_ALLOC(a = arena_create());
    json_get_bool(item->input, "add_generation_prompt", &chat.add_generation_prompt);
    TRY(chat_read_messages(a, json_get(item->input, "messages"), "messages", &messages, &chat.n));
    TRY(chat_read_variables(a, item->input, &chat.row));
    chat.messages = messages;
    TRY(chat_render(job->chat, job->t, &chat, text, ids));
    json_writer w = jsonl_fields(item);
    json_key(&w, "ids");
    write_ids(&w, ids->ids, ids->n);
    json_member_string_n(&w, "rendered", strbuf_str(text), text->len);
cleanup:
    arena_free(a);
    return status;
}

static wr_status encode_item(const tokenize_job *job, jsonl_item *item, token_ids *ids) {
    wr_status status = WR_OK;
    TRY(read_text(item->input, "text", job->t, job->flags, ids));
    json_writer w = jsonl_fields(item);
    json_key(&w, "ids");
    write_ids(&w, ids->ids, ids->n);
cleanup:
    return status;
}

static wr_status handle(void *context, jsonl_item *items, size_t n) {
    const tokenize_job *job = context;
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < n; i++) {
        token_ids ids = {0};
        strbuf text = {0};
        const bool chat = !job->decode && json_get(items[i].input, "messages");
        if ((job->decode ? decode_item(job, &items[i], &ids, &text)
             : chat      ? chat_item(job, &items[i], &ids, &text)
                         : encode_item(job, &items[i], &ids)) < 0)
            jsonl_fail(&items[i]);
        token_ids_free(&ids);
        strbuf_free(&text);
    }
    return WR_OK;
}

static wr_status run_tokenize(const options *o, world *w) {
    static const char *const encoded[] = {"ids", "rendered", NULL}, *const decoded[] = {"text", NULL};
    wr_status status = WR_OK;
    tokenize_job job = {0};
    tokenize_call c = {0};
    (void)w;
    TRY(options_fill(o, &c, sizeof c));
    job.decode = c.decode;
    job.skip_special = c.skip_special;
    job.flags = c.no_special ? TOK_MATCH_SPECIAL : TOK_DEFAULT;
    if (job.skip_special && !job.decode) TRY(wr_fail(WR_E_USAGE, "--skip-special goes with --decode"));
    TRY(tokenizer_load(c.tokenizer, &job.t));
    if (!job.decode && chat_template_load(tokenizer_dir(job.t), c.chat.file, job.t, &job.chat) < 0)
        TRY_ALLOC(job.chat_error = mem_strdup(wr_error()));
    TRY(jsonl_run(&c.files, 256, job.decode ? decoded : encoded, handle, &job));
cleanup:
    chat_template_free(job.chat);
    free(job.chat_error);
    tokenizer_free(job.t);
    return status;
}

const command cmd_tokenize = {
    .name = "tokenize",
    .usage = "tokenize --tokenizer DIR|FILE [--no-special] [--chat-template FILE] [--decode [--skip-special]] [--in "
             "FILE] [--out FILE]",
    .summary = "texts and chats to token ids, and ids back to text, as Hugging Face tokenizers do it (JSONL)",
    .groups = tokenize_groups,
    .run = run_tokenize,
    .no_positionals = true,
};
