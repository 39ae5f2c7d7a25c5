/* The tokens that end a reply: of a raw prompt the model's end tokens, of a chat those and the one its template writes
 * behind a reply. LOCAL. */
#ifndef WR_SAMPLER_STOPS_H
#define WR_SAMPLER_STOPS_H

#include "model/model.h"

enum { MOST_STOPS = 16 };
typedef struct stop_tokens {
    int32_t ids[MOST_STOPS];
    size_t n;
} stop_tokens;

/* The model's end tokens. */
stop_tokens stop_tokens_of(const model_config *c);
/* One more; a negative id is none, one that is there already stays once. */
void stop_tokens_add(stop_tokens *s, int32_t id);
bool stop_tokens_have(const stop_tokens *s, int32_t id); /* s NULL: none */

#endif
