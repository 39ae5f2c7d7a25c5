/* Preference pairs of a file as a folder of shards, so that training knows them as any other records: lengths, order,
 * ranks that cannot read the file. LOCAL: by the one rank that reads it. */
#ifndef WR_TRAINER_PAIR_SHARDS_H
#define WR_TRAINER_PAIR_SHARDS_H

#include "base/status.h"

#include <stddef.h>

typedef struct pair_input {
    const char *file;          /* JSON lines, a JSON array, Parquet or CSV */
    const char *from;          /* whose tokenizer and template: a model, or a folder that prepare wrote */
    const char *template_file; /* reward template; NULL: that of `from`, if it has one, else its chat template */
    size_t max_length;         /* tokens of a reply's text */
    double per_grade;          /* margin of a pair without one of its own, for each step of its grade */
} pair_input;

/* Rows {"chosen", "rejected"} and maybe "prompt", "margin", "grade": texts as they stand, behind the prompt; or lists of
 * messages that end with the assistant's, behind the prompt's, written by the reward template, else by the chat
 * template. Pairs whose sides are equal, of which one is empty, or that are too long, are left out and counted. WR_E_FORMAT with file
 * and line: a row that is none, a margin that is no finite number, or no pair is left. */
wr_status pair_shards_make(const pair_input *in, const char *dir);

#endif
