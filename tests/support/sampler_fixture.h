/* A small random policy, prompts for it, and the comparison of replies, for the tests of sampler/. */
#ifndef WR_TESTS_SAMPLER_FIXTURE_H
#define WR_TESTS_SAMPLER_FIXTURE_H

#include "sampler/sampler.h"

enum { TINY_PROMPTS = 9, TINY_V = 97, TINY_POSITIONS = 64 };

model *tiny_policy(void);
/* Prompts of 1 to 24 tokens, without stop tokens. Their ids are static. */
void tiny_prompts(sample_prompt prompts[TINY_PROMPTS]);
void assert_same_reply(const sample_reply *a, const sample_reply *b);

#endif
