/* Scores that were computed once, kept in a folder: a text that the same model has scored is not scored again, whatever
 * became of the run that scored it. The file is an answer cache's (data/label/annotate/answer_cache.h): lines of JSON,
 * appended and synced as scores come. A key is the hash of the model's files (and its
 * adapter's), its arithmetic, the rule of the score, and
 * the text's ids; so what changes a score changes the key. LOCAL; belongs to one thread at a time. */
#ifndef WR_EVALUATE_SUITES_SCORE_CACHE_H
#define WR_EVALUATE_SUITES_SCORE_CACHE_H

#include "reward/reward_model.h"

typedef struct score_cache score_cache;
/* adapter: its folder, of a model that has one merged in; else NULL. */
wr_status score_cache_open(const char *dir, const reward_model *r, const char *adapter, score_cache **out);
void score_cache_close(score_cache *c); /* NULL is fine */
/* WR_END: not known. */
wr_status score_cache_find(score_cache *c, const token_ids *text, double *score);
wr_status score_cache_add(score_cache *c, const token_ids *text, double score);

#endif
