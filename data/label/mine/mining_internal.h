/* The inside of a `mining`, for data/label/mine/mining*.c only. */
#ifndef WR_DATA_LABEL_MINE_MINING_INTERNAL_H
#define WR_DATA_LABEL_MINE_MINING_INTERNAL_H

#include "data/label/mine/mining.h"
#include "data/label/mine/term_counts.h"

/* A turn kept for calibration: the terms of its query, its follow-up and the next turn's follow-up, one behind the
 * other. */
typedef struct mining_sample {
    uint64_t key, conversation;
    uint32_t turn, n[3];
    bool has_next;
    term terms[];
} mining_sample;

struct mining {
    uint64_t seed, turns;
    term_counts counts;
    mining_sample *samples[MINING_SAMPLES]; /* owned; the smallest keys, ascending */
    size_t n_samples;
    /* calibrated */
    float *idf; /* (TERM_BUCKETS) */
    double threshold[MINING_REACH + 1];
    size_t pairs;
    /* scratch */
    term_bag *a, *b;
    term *terms; /* of the messages of the conversation at hand */
    size_t n_terms, term_capacity;
    size_t *bounds; /* (2 n + 1, 2) first term and number of terms of each turn's query and follow-up */
    size_t bound_capacity;
};

/* Room for so many terms; NULL when memory is out. Free with free(). */
mining_sample *mining_sample_new(size_t terms);
/* Keeps the sample if it belongs to the smallest; takes it in any case. */
void mining_keep(mining *m, mining_sample *s);
bool mining_wants(const mining *m, uint64_t key);

#endif
