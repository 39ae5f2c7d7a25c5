/* Parts of a report on reward models: reliability and confidence as diagrams, comparisons as tables. LOCAL. */
#ifndef WR_REPORT_REWARD_DIAGRAMS_H
#define WR_REPORT_REWARD_DIAGRAMS_H

#include "report/evaluations.h"

/* Of an evaluation of a reward model; nothing where it has neither. */
void reward_diagrams(strbuf *out, const json_value *evaluation);
/* The --out of evaluate --compare. */
void comparison_section(strbuf *out, const evaluation *e);

#endif
