/* The parts of a report that come from evaluation files (see `wildreward evaluate`). LOCAL. */
#ifndef WR_REPORT_EVALUATIONS_H
#define WR_REPORT_EVALUATIONS_H

#include "base/json.h"

typedef struct evaluation {
    char *name;              /* owned: the file's name without folder and .json */
    const json_value *value; /* an object with a string "kind" */
} evaluation;

/* All policy evaluations of the report, in the order given: the first is "before", the last "after". Headline, bars
 * with 95 % intervals, table, quality by kind, examples side by side. */
void policy_section(strbuf *out, const evaluation *const *e, size_t n);
/* Any other evaluation: its numbers as a table, nested objects flattened. */
void evaluation_section(strbuf *out, const evaluation *e);

#endif
