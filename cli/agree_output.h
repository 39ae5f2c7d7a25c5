/* What agree writes: JSON, the consensus of every follow-up, and the table for people. LOCAL. */
#ifndef WR_CLI_AGREE_OUTPUT_H
#define WR_CLI_AGREE_OUTPUT_H

#include "data/label/agree/agree_read.h"
#include "data/label/agree/agreement.h"
#include "data/label/agree/dawid_skene.h"

typedef struct measured {
    answers in;
    agreement *all;
    agreement_result (*pairs)[AGREEMENT_WAYS]; /* see agreement_measure */
    agreement_result overall[AGREEMENT_WAYS];
    dawid_skene *consensus;
    size_t resamples; /* 0: there are no intervals */
    uint64_t seed;
} measured;

wr_status agree_write_json(const measured *m, const char *path);
wr_status agree_write_consensus(const measured *m, const char *path);
void agree_print_table(const measured *m); /* to standard error */

#endif
