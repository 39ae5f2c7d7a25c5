/* The annotator behind an OpenAI-compatible HTTP endpoint (vLLM, llama.cpp, a provider): chat completions for feedback
 * levels and refusals, embeddings for topic similarity. The prompts are data/label/annotate/annotation_prompt.h's,
 * requests are net/http_pool.h's, answers go to data/label/annotate/answer_cache.h at once.
 *
 * An answer without a usable [[n]] is kept like any other and means "no label"; a request that fails for good means "no
 * label" for this run, and is asked again by the next. Both are counted. When requests fail in a row, the call ends
 * with WR_E_FAILED and one line; after a stop signal with WR_E_INTERRUPTED; whatever was answered before is in the
 * cache. LOCAL. */
#ifndef WR_DATA_LABEL_ANNOTATE_ENDPOINT_H
#define WR_DATA_LABEL_ANNOTATE_ENDPOINT_H

#include "data/label/annotate/annotator.h"

typedef struct endpoint_options {
    const char *url;             /* http(s)://HOST[:PORT]/v1 */
    const char *model;           /* of chat completions; NULL: levels and refusals are not to be had */
    const char *embedding_model; /* of embeddings; NULL: similarity is not to be had */
    /* environment variable with the API key; NULL: WILDREWARD_API_KEY; not set: no key is sent */
    const char *key_env;
    bool key_needed;       /* WR_E_USAGE when the variable is not set */
    const char *ca_file;   /* PEM file of certificates to trust instead of the system's; NULL */
    const char *cache_dir; /* answers-RANK.jsonl; made when absent */
    int rank;
    const char *prompts_dir; /* NULL: the built-in prompts */
    size_t in_flight;        /* requests at once; 0: 64 */
    double timeout_s;        /* of a try; 0: 120 */
    int retries;
    double backoff_s; /* of the first retry; 0: 0.5 */
    /* 0 by default: an annotation should be repeatable. (The reference implementation uses 0.5.) */
    double temperature;
    int max_tokens; /* of an answer; 0: the server's default */
    /* JSON object: further members of a chat request, e.g. {"chat_template_kwargs":{"enable_thinking":false}}; NULL */
    const char *extra;
    size_t history, characters; /* what a prompt shows: data/label/annotate/annotation_prompt.h */
    double price_in, price_out; /* of a million tokens, for the count "cost"; 0: no such count */
    uint64_t seed;              /* of the retries' jitter */
} endpoint_options;

/* WR_E_USAGE: URL, key, prompts or extra are not usable; WR_E_IO: the cache is not. Needs no network. */
wr_status annotator_endpoint_create(const endpoint_options *o, annotator **out);

#endif
