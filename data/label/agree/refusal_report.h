/* Refusals of a prepared folder: how many were false (a harmless query refused), how many justified, by model, language
 * and month, and against how satisfied the user was. Shares carry Wilson's 95 % interval (Wilson 1927), which takes
 * turns as independent; many turns of few users make the truth wider. LOCAL. */
#ifndef WR_DATA_LABEL_AGREE_REFUSAL_REPORT_H
#define WR_DATA_LABEL_AGREE_REFUSAL_REPORT_H

#include "data/shard/tally.h"
#include "data/shard/turns_file.h"

/* Share of refusals that were false in the sample of the WildReward paper (arXiv 2602.08829), for comparison. */
#define REFUSAL_PAPER_FALSE_SHARE 0.32

/* 95 % interval of the share k of n; 0 … 1 when n is 0. */
void wilson_interval(uint64_t k, uint64_t n, double *low, double *high);

typedef struct refusal_report {
    uint64_t axes[6][TURN_REFUSALS]; /* annotator's level (0: none) × what became of the reply */
    uint64_t total[TURN_REFUSALS];
    tally *models, *languages, *months; /* columns: refusals, false, justified, phrase but answered, turns */
    bool answered_known;                /* the file tells replies with a phrase that answered all the same */
} refusal_report;

wr_status refusal_report_create(refusal_report *out);
void refusal_report_free(refusal_report *r);
wr_status refusal_report_add(refusal_report *r, const turn_line *t);
/* {"refusals","false","justified","answered","false_share","false_share_low","false_share_high","paper_false_share",
 *  "by_level": [{"level","turns","false","justified","answered","none","false_rate","false_rate_low",
 *                "false_rate_high"}],
 *  "by_model": [{"name","turns","refusals","false","justified","false_share","false_share_low","false_share_high"}],
 *  "by_language", "by_month"}.
 * false_share: of refusals; false_rate: of all turns of the level. At most `most` names a list, those with most
 * refusals (months: all, in order). */
void refusal_report_json(refusal_report *r, size_t most, json_writer *w);

#endif
