/* A prepared folder's shards as JSONL for other tools. Records come in the order of the shards (train before test), so
 * the same folder gives the same bytes. Formats of rated replies:
 *   jsonl  every field of the record, whatever version wrote it: id, user, language, model, how, turn, label,
 *          history [{"role","content"}], query, response, and what later versions add; ids only where asked for
 *   trl    {"prompt": [{"role","content"}, …], "completion": [{"role": "assistant", "content"}], "label": bool}: TRL's
 *          conversational, unpaired preference rows; true from label `positive_from` on
 *   hf     {"text": the rendered reward template, or the record's ready-made text, "label": 0 … K-1, "id", "user"}: flat
 *          rows for datasets.load_dataset("json"); histories whole, where the shards' tokens may leave out the oldest
 *          messages
 * Chats: jsonl {"id","user","messages"}; trl and hf {"messages"}. LOCAL. */
#ifndef WR_DATA_EXPORT_EXPORT_H
#define WR_DATA_EXPORT_EXPORT_H

#include "base/json.h"
#include "data/shard/shard.h"

typedef enum export_format { EXPORT_JSONL, EXPORT_TRL, EXPORT_HF } export_format;

typedef struct export_options {
    const char *dir;
    const char *split; /* "train", "test" or "all" */
    shard_kind kind;
    export_format format;
    int positive_from;      /* trl; 0: the first label above K/2 */
    const char *chat_model; /* hf: texts by the chat template of this model's folder, as a reward model that records no
                               template reads them; ready-made texts stay. NULL: by the folder's reward template */
    bool tokens;            /* jsonl: with the token ids (and spans) */
    const char *out_path;   /* "-" is standard output; zstd where it ends in .zst; has its name when complete */
} export_options;

/* *records (may be NULL): lines written. */
wr_status export_run(const export_options *o, uint64_t *records);

/* The first label that counts as positive: `given`, or the first above K/2 where that is 0. */
int export_positive_from(int given, int classes);
/* history and, where there is one, the query as [{"role","content"}, …]. */
void export_prompt(json_writer *w, const instance *x);
/* [{"role": "assistant", "content": …}] */
void export_reply(json_writer *w, const char *text, size_t n);

#endif
