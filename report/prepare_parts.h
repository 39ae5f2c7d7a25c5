/* Pieces that the files of a prepared folder's page share (report/prepare_*.c). LOCAL. */
#ifndef WR_REPORT_PREPARE_PARTS_H
#define WR_REPORT_PREPARE_PARTS_H

#include "base/json.h"
#include "base/strbuf.h"

/* The member as a number, or NaN; or 0. */
double part_number(const json_value *v, const char *key);
double part_count(const json_value *v, const char *key);
/* The member as text, or `otherwise` where it is absent or empty. */
const char *part_text(const json_value *v, const char *key, const char *otherwise);

/* "Languages" as a card: name, bar, count and share of each element of an array of {"name" or "from"/"to", count_key}.
 * logarithmic: bar lengths by log(1 + n). second_key (NULL: none): one more column of counts. */
typedef struct bar_list {
    const char *title, *note, *count_key, *count_title, *second_key, *second_title;
    bool logarithmic;
} bar_list;
void part_bars(strbuf *out, const bar_list *b, const json_value *rows);

void prepare_users(strbuf *out, const json_value *users);
void prepare_refusals(strbuf *out, const json_value *refusals);
void prepare_examples(strbuf *out, const json_value *examples);

/* "1 rejection" … of 1 … 5; "no level" */
const char *level_name(int level);

#endif
