/* POST requests to one JSON service, many at once: libcurl's multi interface with a window of requests in flight,
 * connections kept alive, a time limit a request, and retries.
 *
 * Retried: no connection, a broken or timed-out transfer, an answer that the caller does not understand, and the HTTP
 * codes 408, 425, 429, 500, 502, 503, 504 and 529; after backoff_s * 2^k seconds times a jitter of 0.5 … 1.5 (keyed by
 * request and try, not by the clock), at most backoff_limit_s. Where the server says Retry-After, no request of the
 * pool starts before. A waiting request does not take part of the window. On 429 the window halves, and grows again
 * with success; while others are answered, a 429 costs a request none of its tries.
 *
 * TLS certificates are always verified. Redirects are not followed, so the key goes to the host that was named and to
 * no other. The key is in no message: it is wiped out of whatever the server says. The proxy is what the environment
 * says (https_proxy, no_proxy). A response has a largest size.
 *
 * LOCAL; a pool belongs to one thread. A stop signal (mpi/world.h) ends a run with WR_E_INTERRUPTED in less than a
 * second. */
#ifndef WR_NET_HTTP_POOL_H
#define WR_NET_HTTP_POOL_H

#include "base/status.h"
#include "base/strbuf.h"
#include <stddef.h>
#include <stdint.h>

typedef struct http_options {
    /* base: http(s)://HOST[:PORT][/PATH], paths are appended. WR_E_USAGE with credentials, a query or a fragment in
     * it */
    const char *url;
    size_t in_flight; /* >= 1 */
    double timeout_s; /* of one try, from start to last byte */
    int retries;      /* after the first try */
    double backoff_s, backoff_limit_s;
    size_t response_limit; /* bytes */
    const char *key;       /* sent as "Authorization: Bearer KEY"; NULL: none. Copied */
    const char *key_name;  /* what messages call it: the environment variable */
    const char *ca_file;   /* PEM certificates to trust instead of the system's; NULL: the system's */
    uint64_t seed;         /* of the jitter */
} http_options;

typedef struct http_counts {
    uint64_t requests; /* tries that were sent */
    uint64_t retries;  /* of them, those after the first */
    uint64_t failed;   /* requests given up */
} http_counts;

typedef struct http_job {
    const char *path; /* appended to the base URL, e.g. "/chat/completions" */
    void *context;
    /* Fills the next request's JSON body and a number of the caller's. WR_END: no more. May take its time only if the
     * pool may be idle meanwhile. */
    wr_status (*next)(void *context, strbuf *body, uint64_t *tag);
    /* A 2xx response. WR_E_FORMAT: not what it should be, try again (wr_error() says why); another error ends the run.
     * body is NUL-terminated. */
    wr_status (*answer)(void *context, uint64_t tag, char *body, size_t n);
    /* A request given up; code: HTTP status of the last try, 0 without one. */
    wr_status (*failed)(void *context, uint64_t tag, long code, const char *why);
    wr_status (*tick)(void *context); /* several times a second; may be NULL */
} http_job;

typedef struct http_pool http_pool;
wr_status http_pool_create(const http_options *o, http_pool **out);
void http_pool_free(http_pool *p); /* NULL is fine */
/* Until next says WR_END and every request is answered or given up. Ends early with WR_E_FAILED when requests fail in a
 * row so that going on makes no sense: the first of all with a certificate that is not trusted, a redirect or the codes
 * 401, 403, 404, 405; else in_flight of them (4 … 32; 32 times as many with the codes 400, 413 and 422, which are about
 * one request). */
wr_status http_pool_run(http_pool *p, const http_job *job);
http_counts http_pool_counts(const http_pool *p);
/* Overwrites the key by asterisks, wherever it stands in text, in whatever writing (net/http_secret.h). */
void http_pool_scrub(const http_pool *p, char *text, size_t n);

#endif
