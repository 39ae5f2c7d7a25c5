/* What data/label/annotate/endpoint.c (the annotator), endpoint_ask.c, endpoint_embed.c (its two kinds of request)
 * and endpoint_settle.c share. LOCAL. */
#ifndef WR_DATA_LABEL_ANNOTATE_ENDPOINT_INTERNAL_H
#define WR_DATA_LABEL_ANNOTATE_ENDPOINT_INTERNAL_H

#include "base/string_map.h"
#include "data/label/annotate/annotation_prompt.h"
#include "data/label/annotate/answer_cache.h"
#include "data/label/annotate/endpoint.h"
#include "net/http_pool.h"

typedef struct endpoint {
    annotator base; /* first: an annotator * is an endpoint * */
    http_pool *pool;
    answer_cache *cache;
    annotation_prompt *prompts[2]; /* by prompt_kind */
    prompt_limits limits;
    char *model, *embedding_model;
    strbuf head;       /* of a chat request, up to the prompt's JSON string */
    strbuf embed_head; /* of an embeddings request, up to the first input */
    strbuf prompt;     /* being rendered */
    arena *arena;      /* of one answer */
    bool warned;       /* the first failed question was told */
    double price_in, price_out;
    uint64_t answers, cached, no_label, refusal_no_answer, no_similarity, prompt_tokens, completion_tokens, odd_usage;
} endpoint;

/* n questions to the chat model. body: the request body of question i. answered: the text of its answer, new or cached;
 * not called for a question that failed. Questions with equal bodies are asked once. */
typedef struct question_set {
    size_t n;
    void *context;
    wr_status (*body)(void *context, size_t i, strbuf *out);
    wr_status (*answered)(void *context, size_t i, const char *text, size_t length);
    const char *(*name)(void *context, size_t i, char *buffer, size_t capacity); /* of question i, for messages */
} question_set;
wr_status endpoint_ask(endpoint *e, const question_set *q);

/* annotator.cosines. */
wr_status endpoint_cosines(annotator *a, const turn_text *x, const turn_text *y, size_t n, double *cosine);

/* What ends every round of requests: the cache is synced, and an error says where the answers are. Returns status, or
 * the cache's error. */
wr_status endpoint_settle(endpoint *e, wr_status status);
/* "usage" of a response into the counts; *prompt, *completion: -1 where it is not told, or not in earnest. */
void endpoint_usage(endpoint *e, const json_value *response, int64_t *prompt, int64_t *completion);

#endif
