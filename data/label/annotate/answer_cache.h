/* Answers of a model behind an endpoint, kept so that no question is asked twice, whatever happens to the run.
 *
 * A folder of append-only files answers-RANK.jsonl. A record is one line that a person can read,
 *   {"key":"<XXH3-128 of the request body, hex>", … members …,"sum":"<XXH3-64 of the line before ,\"sum\", hex>"}
 * written by one write(2) as soon as the answer is there, and synced to disk at least once a second and at the end.
 * Opening reads the files of every rank of every earlier run; damaged lines are skipped, and what a killed writer left
 * unfinished at the end of this rank's file is cut off. The first record of a key (in the order of file names) counts,
 * so that the same folder gives the same answers on any number of ranks.
 *
 * Memory: at most 32 bytes an answer (48 for a moment while the index grows); answers themselves stay on disk. LOCAL; a
 * cache belongs to one thread, a file to one process (flock). */
#ifndef WR_DATA_LABEL_ANNOTATE_ANSWER_CACHE_H
#define WR_DATA_LABEL_ANNOTATE_ANSWER_CACHE_H

#include "base/hash.h"
#include "base/json.h"

typedef struct answer_cache answer_cache;

/* Makes the folder when it is absent. WR_E_IO: another process writes this rank's file (named), or a file cannot be
 * read. */
wr_status answer_cache_open(const char *dir, int rank, answer_cache **out);
void answer_cache_close(answer_cache *c); /* syncs; NULL is fine */

bool answer_cache_has(const answer_cache *c, const char key[HASH_HEX]);
/* The record of key, parsed into a; WR_END when there is none. */
wr_status answer_cache_find(answer_cache *c, const char key[HASH_HEX], arena *a, const json_value **record);
/* members: the record's other members as JSON text, e.g. "answer":"[[4]]","prompt_tokens":210. Nothing is written for a
 * key that is there already. */
wr_status answer_cache_add(answer_cache *c, const char key[HASH_HEX], const char *members, size_t n);
/* Syncs what is older than a second. To be called often while answers are awaited. */
wr_status answer_cache_tick(answer_cache *c);
wr_status answer_cache_sync(answer_cache *c);

size_t answer_cache_count(const answer_cache *c);
size_t answer_cache_bytes(const answer_cache *c); /* memory of the index */

#endif
