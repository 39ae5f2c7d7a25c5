/* One line of an answer cache: how it is written, checked, and found in a file. Only data/label/annotate/answer_cache.c
 * uses it. LOCAL. */
#ifndef WR_DATA_LABEL_ANNOTATE_ANSWER_RECORD_H
#define WR_DATA_LABEL_ANNOTATE_ANSWER_RECORD_H

#include "base/hash.h"
#include "base/strbuf.h"

enum { ANSWER_RECORD_LIMIT = 64 << 20 }; /* bytes of a line */

/* Appends {"key":"KEY",MEMBERS,"sum":"…"}\n. members may be empty. */
void answer_record_write(strbuf *out, const char key[HASH_HEX], const char *members, size_t n);
/* line without its \n: true when it is whole and its sum is right; then key is filled. */
bool answer_record_check(const char *line, size_t n, char key[HASH_HEX]);

typedef struct answer_scan {
    uint64_t good_end; /* end of the last good record, with its \n */
    uint64_t end;      /* bytes of the file */
    uint64_t damaged;  /* bad lines before a good one */
} answer_scan;
/* Calls found(context, key, offset of its line) for every good record of an open file, from its start, in chunks. */
wr_status answer_records_scan(int fd, const char *path,
                              wr_status (*found)(void *context, const char key[HASH_HEX], uint64_t offset),
                              void *context, answer_scan *out);

#endif
