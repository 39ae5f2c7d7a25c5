/* What the test double of an OpenAI-compatible server says: a function of the request and of the fault alone
 * (tests/server/openai_server.c names them). LOCAL. */
#ifndef WR_TESTS_SERVER_OPENAI_ANSWERS_H
#define WR_TESTS_SERVER_OPENAI_ANSWERS_H

#include "base/json.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <string.h>

static inline bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

/* key: the one that was sent, which a bad server may tell; NULL: none. */
void chat_response(const char *key, const json_value *v, const char *fault, strbuf *out);
void embeddings_response(const json_value *v, const char *fault, strbuf *out);
/* The key as a JSON string may hold it, percent-encoded and as entities, behind what moves a cursor and turns text
 * around. */
void spelled(const char *key, strbuf *out);

#endif
