/* Answers of several annotators to one turn as one number: digit a (base 6) is annotator a's level 1 … 5, 0 where it
 * gave none. How often each pattern occurs is all that agreement and Dawid–Skene need, and counts of parts (ranks,
 * users, resamples) simply add up. LOCAL. */
#ifndef WR_DATA_LABEL_ANNOTATE_ANSWER_PATTERN_H
#define WR_DATA_LABEL_ANNOTATE_ANSWER_PATTERN_H

#include <stddef.h>
#include <stdint.h>

enum { PATTERN_ANNOTATORS = 8, PATTERN_LEVELS = 5, PATTERN_BASE = PATTERN_LEVELS + 1 };

/* Number of patterns: 6^annotators (1,679,616 for eight). */
static inline size_t pattern_count(size_t annotators) {
    size_t n = 1;
    for (size_t a = 0; a < annotators; a++) n *= PATTERN_BASE;
    return n;
}

/* answers: (annotators) each 0 … 5. */
static inline uint32_t pattern_of(const uint8_t *answers, size_t annotators) {
    uint32_t p = 0;
    for (size_t a = annotators; a-- > 0;) p = p * PATTERN_BASE + answers[a];
    return p;
}

static inline void pattern_answers(uint32_t pattern, size_t annotators, uint8_t *answers) {
    for (size_t a = 0; a < annotators; a++, pattern /= PATTERN_BASE) answers[a] = (uint8_t)(pattern % PATTERN_BASE);
}

#endif
