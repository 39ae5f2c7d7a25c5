/* Refusal validation: a short reply with a refusal phrase to a harmful query was right to refuse (level 5); to a
 * harmless one it was a false refusal (level 1); everything else is unchanged. One list of phrases for all uses, whole
 * words, English and Chinese (data/rules/refusals.txt). LOCAL; one thread. */
#ifndef WR_DATA_LABEL_MATCH_REFUSAL_H
#define WR_DATA_LABEL_MATCH_REFUSAL_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REFUSAL_CHARACTERS = 300 };
typedef enum refusal_kind { REFUSAL_NONE, REFUSAL_FALSE, REFUSAL_JUSTIFIED } refusal_kind;

typedef struct refusal refusal;
/* file: a rule file that replaces the built-in one, or NULL. Its examples are checked: WR_E_USAGE, with file, line and
 * rule. */
wr_status refusal_create(const char *file, refusal **out);
void refusal_free(refusal *r); /* NULL is fine */
uint64_t refusal_fingerprint(const refusal *r);
wr_status refusal_check(const refusal *r, size_t *examples); /* of the rules; *examples: how many */

/* Looks like a refusal: short, with a refusal phrase. These are what an annotator is asked about. */
bool refusal_suspected(const refusal *r, const char *reply, size_t reply_length);
/* The verdict by rules. */
refusal_kind refusal_judge(const refusal *r, const char *query, size_t query_length, const char *reply,
                           size_t reply_length);

#endif
