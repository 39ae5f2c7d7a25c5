/* Implicit-feedback mining: a neutral turn takes the positive level of a later turn at most two follow-ups ahead when
 * both are about the same topic, measured as the TF-IDF cosine of [query + follow-up] of the two turns. Terms are
 * words, and pairs of characters in Chinese, hashed into 2^20 counters.
 *
 * The threshold is calibrated on the data: among pairs of turns of *different* conversations at most 5 % may reach it
 * (and never less than a floor). Neighbouring turns share a message by construction (the follow-up of one is the query
 * of the next), so they have a threshold of their own, calibrated on pairs that share a message in the same way. LOCAL;
 * one thread. */
#ifndef WR_DATA_MINING_H
#define WR_DATA_MINING_H

#include "base/mem.h"
#include "base/strbuf.h"
#include <stdbool.h>

enum { MINING_REACH = 2 };
#define MINING_EXCEED 0.05
#define MINING_FLOOR 0.15

typedef struct mining mining;
wr_status mining_create(uint64_t seed, mining **out);
void mining_free(mining *m);

/* The texts of one turn. */
typedef struct turn_text {
    const char *query;
    size_t query_length;
    const char *followup;
    size_t followup_length;
} turn_text;

/* First pass: counts the terms, and keeps the turn for calibration by a rule that depends on (conversation, turn) alone: neither order nor
 * who counts matters. next_followup: of the conversation's next turn, or NULL. */
wr_status mining_observe(mining *m, uint64_t conversation, size_t turn, const turn_text *t, const char *next_followup,
                         size_t next_length);
/* Counts, samples and thresholds as bytes, and adding them to what another has counted (the thresholds are taken over). */
wr_status mining_pack(const mining *m, strbuf *out);
wr_status mining_merge(mining *m, const void *bytes, size_t n);
/* Between the passes. */
wr_status mining_calibrate(mining *m);
void mining_set_threshold(mining *m, double threshold); /* instead, where another similarity is used */
double mining_threshold(const mining *m, int distance); /* 1 … MINING_REACH */
size_t mining_pairs(const mining *m);                   /* pairs the calibration saw */
/* Second pass. */
wr_status mining_similarity(mining *m, const turn_text *a, const turn_text *b, double *out);

/* levels: (n) annotated levels of a conversation's follow-ups in order (0: none). similarity(context, i, j) is asked
 * for as few pairs as possible. Fills final: the level after mining; a neutral turn that finds nothing stays 3. */
wr_status mining_apply(const mining *m, const int8_t *levels, size_t n,
                       wr_status (*similarity)(void *context, size_t i, size_t j, double *out), void *context,
                       int8_t *final);

#endif
