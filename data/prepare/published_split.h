/* The split a data set was published with: which rows are its test side, by a file of ids or by the names of the files
 * that hold the rows. LOCAL. */
#ifndef WR_DATA_PREPARE_PUBLISHED_SPLIT_H
#define WR_DATA_PREPARE_PUBLISHED_SPLIT_H

#include "data/source/sources.h"

typedef struct published_split published_split;
/* file: ids of the test side, one a line; a line may be JSON: {"id", "split"}, of which "split" is "test" (also where
 * it is absent) or "train", or all ids at once, {"test": [ids], "train": [ids]} or [ids]. WR_E_FORMAT for an id on both
 * sides. NULL: a source whose name has the word "test" is of the test side, one with "train" of the other; WR_E_USAGE
 * for a source with neither or both. */
wr_status published_split_open(const char *file, const sources *s, published_split **out);
void published_split_free(published_split *p); /* NULL is fine */
/* Of a row of source i. Remembers that the id was met. */
bool published_split_test(published_split *p, size_t source, const char *id);
/* Ids of the file, and how many of them no row had. */
void published_split_unmet(const published_split *p, size_t *ids, size_t *unmet);

#endif
