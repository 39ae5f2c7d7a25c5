/* What net/http_pool.c (set-up, window) and net/http_transfer.c (one request and its retries)
 * share. LOCAL. */
#ifndef WR_NET_HTTP_INTERNAL_H
#define WR_NET_HTTP_INTERNAL_H

#include "net/curl_library.h"
#include "net/http_message.h"
#include "net/http_pool.h"

typedef enum phase { IDLE, RUNNING, WAITING } phase;

typedef struct transfer {
    http_pool *pool;
    CURL *easy; /* made at first use; its connection goes back to the pool's cache between uses */
    strbuf body, response;
    uint64_t tag;
    unsigned sent;      /* times it was sent */
    int tries;          /* of them, those that count against the limit */
    uint64_t succeeded; /* the pool's successes when this one was last turned away */
    double not_before;
    phase phase;
    bool too_long;
    char error[CURL_ERROR_SIZE];
} transfer;

struct http_pool {
    http_options o;
    char *url, *key, *key_name, *ca_file;
    curl_library curl;
    CURLM *multi;
    struct curl_slist *headers;
    transfer *transfers; /* (n) window and waiting ones */
    size_t n, running, waiting;
    double window, shrunk; /* requests allowed in flight; when it last became smaller */
    double hold_until, warned;
    uint64_t succeeded;
    size_t in_a_row; /* failures since the last success */
    http_counts counts;
    char where[PATH_MAX_URL]; /* URL of the run */
};

/* Sends a transfer whose body and tag are set. */
wr_status http_transfer_start(http_pool *p, transfer *t);
/* What a finished one came to: an answer, a retry (then it waits), or a failure. */
wr_status http_transfer_finish(http_pool *p, const http_job *job, transfer *t, CURLcode result);

#endif
