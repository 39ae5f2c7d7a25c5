/* Several annotators of the same turns: how often each pattern of answers occurs gives, by the model of Dawid and Skene
 * (data/label/agree/dawid_skene.h), the most probable level of each pattern and how sure that is, which becomes the
 * instance's weight. Part of data/prepare/pipeline.h. */
#ifndef WR_DATA_PREPARE_CONSENSUS_H
#define WR_DATA_PREPARE_CONSENSUS_H

#include "data/label/annotate/answer_pattern.h"
#include "data/prepare/turns.h"
#include "data/prepare/unit_work.h"

/* Of one annotator: no tables. */
typedef struct consensus {
    size_t n_annotators;
    uint8_t *level; /* (6^annotators) of each pattern of answers */
    double *weight;
} consensus;
void consensus_free(consensus *c);

/* LOCAL, rank 0. patterns: (6^annotators). Fills c, and appends meta.json's "consensus" to meta. */
wr_status consensus_fit(consensus *c, const annotator_panel *panel, const uint64_t *patterns, strbuf *meta);
/* COLLECTIVE: rank 0's tables to all. */
wr_status consensus_share(consensus *c, const prepare_context *context);
/* Level of one turn's answers ((annotators)), and its weight; one annotator: its answer and 1. */
int consensus_of(const consensus *c, const uint8_t *answers, double *weight);

#endif
