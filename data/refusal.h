/* Refusal validation: a short reply with a refusal phrase to a harmful query was right to refuse (level 5); to a
 * harmless one it was a false refusal (level 1); everything else is unchanged. One list of phrases, whole words,
 * English and Chinese. LOCAL; one thread. */
#ifndef WR_DATA_REFUSAL_H
#define WR_DATA_REFUSAL_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

enum { REFUSAL_CHARACTERS = 300 };
typedef enum refusal_kind { REFUSAL_NONE, REFUSAL_FALSE, REFUSAL_JUSTIFIED } refusal_kind;

typedef struct refusal refusal;
wr_status refusal_create(refusal **out);
void refusal_free(refusal *r);
/* A short reply with one of the phrases: what a judge is asked about. */
bool refusal_suspected(const refusal *r, const char *reply, size_t reply_length);
refusal_kind refusal_judge(const refusal *r, const char *query, size_t query_length, const char *reply,
                           size_t reply_length);

#endif
