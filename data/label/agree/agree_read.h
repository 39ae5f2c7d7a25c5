/* Answers of several annotators to the same follow-ups, read from files and joined on (conversation_hash,
 * turn_identifier). A file is JSONL, plain or compressed, with one row a follow-up, as prepare writes turns.jsonl.zst
 * and people write labels:
 *   {"conversation_hash","turn_identifier","level"|"label": 1 … 5 or null, "user"?}          one annotator, named after
 * the file
 *   {"conversation_hash","turn_identifier","levels": {"lexicon": 3, "endpoint": null}, …}     one annotator a key
 * ("level" is then not read) A follow-up that some file lacks has no answer there. Bad rows are counted and the first
 * of each kind is named. 48 bytes a follow-up and 60 a conversation stay in memory. LOCAL. */
#ifndef WR_DATA_LABEL_AGREE_AGREE_READ_H
#define WR_DATA_LABEL_AGREE_AGREE_READ_H

#include "data/label/annotate/answer_pattern.h"
#include "base/status.h"

typedef enum answer_fault {
    ANSWER_NOT_JSON,
    ANSWER_NO_KEY,
    ANSWER_NO_LEVEL,
    ANSWER_BAD_LEVEL,
    ANSWER_DUPLICATE,
    ANSWER_FAULTS
} answer_fault;
const char *answer_fault_name(answer_fault f); /* "not_json", "no_key", … */

typedef struct answer_file {
    char *path;
    uint64_t rows; /* good ones */
    uint64_t faults[ANSWER_FAULTS];
    char *first[ANSWER_FAULTS]; /* "file:line: what is wrong", NULL where none */
} answer_file;

typedef struct answer_column {
    char *name;
    size_t file;
    char *key;                     /* of "levels"; NULL: level or label */
    uint64_t levels[PATTERN_BASE]; /* [0]: rows of its file without an answer by it */
} answer_column;

typedef struct answer_row {
    const char *conversation;
    int64_t turn;
    uint32_t user; /* 0 … n_users - 1; where no file tells, the conversation counts as a user of its own */
    uint8_t answers[PATTERN_ANNOTATORS];
    uint16_t last_file;
} answer_row;

typedef struct answers {
    answer_file *files;
    size_t n_files;
    answer_column columns[PATTERN_ANNOTATORS];
    size_t n_columns;
    answer_row *rows; /* (n_rows) in order of first appearance */
    size_t n_rows, n_users, n_known_users;
    struct answers_index *index;
} answers;

/* WR_E_USAGE for more than PATTERN_ANNOTATORS annotators; WR_E_FORMAT for a file without a good row. */
wr_status answers_read(const char *const *paths, size_t n, answers *out);
void answers_free(answers *a);
uint64_t answers_bad(const answers *a); /* bad rows of all files */

#endif
