/* Implicit-feedback mining: a neutral turn takes the positive level of a later turn at most two follow-ups ahead when
 * both are about the same topic, measured as a cosine of [query + follow-up] of the two turns: of TF-IDF vectors over
 * the terms of data/label/mine/term_bag.h, or as an annotator tells it.
 *
 * TF-IDF: first every turn is observed (any number of parts of the data, each into a `mining` of its own; written, sent
 * and merged in any order with the same result), then the threshold is calibrated on the data: among pairs of turns of
 * *different* conversations at most 5 % may reach it (and never less than a floor). Neighbouring turns share a message
 * by construction (the follow-up of one is the query of the next), so they have a threshold of their own, calibrated on
 * pairs that share a message in the same way. LOCAL; one thread. */
#ifndef WR_DATA_LABEL_MINE_MINING_H
#define WR_DATA_LABEL_MINE_MINING_H

#include "base/mem.h"
#include "base/strbuf.h"
#include <stdbool.h>

enum { MINING_REACH = 2, MINING_SAMPLES = 384 /* turns kept for calibration */ };
#define MINING_EXCEED 0.05
#define MINING_FLOOR 0.15

typedef struct mining mining;
wr_status mining_create(uint64_t seed, mining **out);
void mining_free(mining *m); /* NULL is fine */

/* The texts of one turn. */
typedef struct turn_text {
    const char *query;
    size_t query_length;
    const char *followup;
    size_t followup_length;
} turn_text;

/* First: counts the turns' terms. turns: (n) all of one conversation, in order. Which turns are kept for calibration
 * depends on (seed, conversation, place of the turn) alone. Each conversation is to be observed once. */
wr_status mining_observe(mining *m, uint64_t conversation, const turn_text *turns, size_t n);
uint64_t mining_turns(const mining *m); /* observed */
/* What was observed, as bytes (appended); the same bytes for the same turns, whatever the order. A few bytes a distinct
 * term. */
wr_status mining_write(const mining *m, strbuf *out);
/* Adds what another one wrote. WR_E_FORMAT when the bytes are damaged, WR_E_MISMATCH when they are of another seed;
 * then nothing was added. */
wr_status mining_merge(mining *m, const void *bytes, size_t n);

/* Then, when all is observed or merged. May be done again after more. */
wr_status mining_calibrate(mining *m);
double mining_threshold(const mining *m, int distance); /* 1 … MINING_REACH */
size_t mining_pairs(const mining *m);                   /* pairs the calibration saw */

/* Then: cosine of two turns, 0 … 1. */
wr_status mining_similarity(mining *m, const turn_text *a, const turn_text *b, double *out);

/* levels: (n) annotated levels of a conversation's follow-ups in order (0: none). similarity(context, i, j) is asked
 * for as few pairs as possible. Fills final: the level after mining; a neutral turn that finds nothing stays 3. */
wr_status mining_apply(const mining *m, const int8_t *levels, size_t n,
                       wr_status (*similarity)(void *context, size_t i, size_t j, double *out), void *context,
                       int8_t *final);

/* The same in batches, for cosines that somebody else tells (annotator.cosines). Appends the pairs whose cosine may be
 * needed, in order. */
typedef struct mining_pair {
    uint32_t turn, later; /* places in levels; turn < later <= turn + MINING_REACH */
} mining_pair;
wr_status mining_pairs_needed(const int8_t *levels, size_t n, mining_pair **pairs, size_t *n_pairs, size_t *capacity);
/* pairs, cosines: (n_pairs) as needed for these levels; a cosine that is NaN mines nothing. threshold: 0.5 in the paper
 * (sentence embeddings). */
void mining_apply_cosines(const int8_t *levels, size_t n, const mining_pair *pairs, const double *cosines,
                          size_t n_pairs, double threshold, int8_t *final);

#endif
