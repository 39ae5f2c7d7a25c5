/* Several annotators of the same turns: how often each pattern of answers occurs gives, by the model of Dawid and Skene
 * (data/label/agree/dawid_skene.h), the most probable level of each pattern and how sure that is, which becomes the
 * instance's weight. Part of data/prepare/pipeline.h. */
#ifndef WR_DATA_PREPARE_CONSENSUS_H
#define WR_DATA_PREPARE_CONSENSUS_H

#include "data/label/annotate/answer_pattern.h"
#include "data/prepare/pipeline.h"

/* LOCAL, rank 0. patterns: (6^annotators). Fills p->consensus_level and p->consensus_weight, and meta.json's
 * "consensus". */
wr_status consensus_fit(pipeline *p, const uint64_t *patterns);
/* COLLECTIVE: rank 0's tables to all. */
wr_status consensus_share(pipeline *p);
/* Level of one turn's answers ((annotators)), and its weight; one annotator: its answer and 1. */
int consensus_of(const pipeline *p, const uint8_t *answers, double *weight);

#endif
