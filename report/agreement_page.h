/* The part of a report that comes from `wildreward agree`. LOCAL. */
#ifndef WR_REPORT_AGREEMENT_PAGE_H
#define WR_REPORT_AGREEMENT_PAGE_H

#include "report/evaluations.h"

/* An evaluation of kind "agreement": figures of all annotators and of every pair with their intervals, tables of the
 * pairs, and each annotator's confusion by the Dawid–Skene consensus. */
void agreement_section(strbuf *out, const evaluation *e);

#endif
