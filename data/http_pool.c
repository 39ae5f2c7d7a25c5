#include "data/http_pool.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/http_message.h"
#include "mpi/world.h"

#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WAITING_PER_FLIGHT = 4, POLL_MS = 200, KEY_SCRUB_MIN = 8, STOP_MIN = 4, STOP_MAX = 32, STOP_FOR_BAD = 32 };
#define CONNECT_LIMIT_S 30.0
#define RETRY_AFTER_LIMIT_S 600.0 /* a longer Retry-After is taken as this */
#define WARN_PERIOD_S 10.0
#define SHRINK_PERIOD_S 1.0

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

http_counts http_pool_counts(const http_pool *p) { return p->counts; }

void http_pool_scrub(const http_pool *p, char *text, size_t n) {
    size_t k = p->key ? strlen(p->key) : 0;
    if (k < KEY_SCRUB_MIN) return;
    for (char *at = text; (at = memmem(at, n - (size_t)(at - text), p->key, k)) != NULL; at += k) memset(at, '*', k);
}

/* --- set-up ---------------------------------------------------------------------------------------------------------------- */

static wr_status check_options(const http_options *o) {
    bool secure;
    wr_status status = http_check_url(o->url, &secure);
    if (status < 0) return status;
    for (const char *c = o->key; c && *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 127)
            return wr_fail(WR_E_USAGE, "the key in $%s holds a space, a line break or another character that cannot be sent", o->key_name);
    if (o->key && !secure && !http_is_local(o->url))
        log_warn("%s is not https: the key in $%s and every text travel readable for the network", o->url, o->key_name);
    return WR_OK;
}

static wr_status make_headers(http_pool *p) {
    wr_status status = WR_OK;
    strbuf line = {0};
    const char *fixed[] = {"Content-Type: application/json", "Accept: application/json", "Expect:"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        struct curl_slist *longer = curl_slist_append(p->headers, fixed[i]);
        TRY_ALLOC(longer);
        p->headers = longer;
    }
    if (p->key) {
        strbuf_printf(&line, "Authorization: Bearer %s", p->key);
        TRY(strbuf_status(&line));
        struct curl_slist *longer = curl_slist_append(p->headers, line.data);
        TRY_ALLOC(longer);
        p->headers = longer;
    }
cleanup:
    strbuf_free(&line);
    return status;
}

static char *copy_or_null(const char *s, bool *failed) {
    char *copy = s ? mem_strdup(s) : NULL;
    if (s && !copy) *failed = true;
    return copy;
}

wr_status http_pool_create(const http_options *o, http_pool **out) {
    wr_status status = WR_OK;
    bool failed = false;
    http_pool *p = NULL;
    TRY(check_options(o));
    TRY_ALLOC(p = mem_calloc(1, sizeof *p));
    p->o = *o;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) TRY(wr_fail(WR_E_FAILED, "libcurl cannot be set up"));
    p->url = copy_or_null(o->url, &failed);
    p->key = copy_or_null(o->key && *o->key ? o->key : NULL, &failed);
    p->key_name = copy_or_null(o->key_name ? o->key_name : "the key", &failed);
    p->ca_file = copy_or_null(o->ca_file, &failed);
    TRY_ALLOC(failed ? NULL : p);
    for (size_t n = strlen(p->url); n && p->url[n - 1] == '/'; n--) p->url[n - 1] = '\0';
    TRY_ALLOC(p->multi = curl_multi_init());
    curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)o->in_flight);
    p->n = o->in_flight * (1 + WAITING_PER_FLIGHT);
    TRY_ALLOC(p->transfers = mem_calloc(p->n, sizeof *p->transfers));
    TRY(make_headers(p));
    p->window = (double)o->in_flight;
    p->warned = p->shrunk = -WARN_PERIOD_S;
    *out = p;
    p = NULL;
cleanup:
    http_pool_free(p);
    return status;
}

void http_pool_free(http_pool *p) {
    if (!p) return;
    for (size_t i = 0; p->transfers && i < p->n; i++) {
        transfer *t = &p->transfers[i];
        if (t->easy) {
            if (t->phase == RUNNING) curl_multi_remove_handle(p->multi, t->easy);
            curl_easy_cleanup(t->easy);
        }
        strbuf_free(&t->body);
        strbuf_free(&t->response);
    }
    free(p->transfers);
    if (p->multi) curl_multi_cleanup(p->multi);
    curl_slist_free_all(p->headers);
    if (p->key) explicit_bzero(p->key, strlen(p->key));
    free(p->key);
    free(p->key_name);
    free(p->ca_file);
    free(p->url);
    free(p);
    curl_global_cleanup();
}

/* --- one transfer ------------------------------------------------------------------------------------------------------------ */

static size_t on_bytes(char *bytes, size_t size, size_t n, void *context) {
    transfer *t = context;
    size_t length = size * n;
    if (length > t->pool->o.response_limit - t->response.len) {
        t->too_long = true;
        return 0;
    }
    strbuf_append(&t->response, bytes, length);
    return t->response.failed ? 0 : length;
}

static wr_status make_easy(http_pool *p, transfer *t) {
    CURL *e = curl_easy_init();
    if (!e) return wr_fail(WR_E_NOMEM, "out of memory for a request");
    double connect = p->o.timeout_s < CONNECT_LIMIT_S ? p->o.timeout_s : CONNECT_LIMIT_S;
    CURLcode bad = CURLE_OK;
#define SET(option, value)                                                                                                                          \
    if (bad == CURLE_OK) bad = curl_easy_setopt(e, option, value)
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (p->ca_file) SET(CURLOPT_CAINFO, p->ca_file);
    /* One connection a request: a connection that breaks or stalls takes one request with it, not the whole window as HTTP/2 would. */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTPHEADER, p->headers);
    SET(CURLOPT_USERAGENT, "wildreward");
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->error);
    SET(CURLOPT_TIMEOUT_MS, (long)(p->o.timeout_s * 1000));
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(connect * 1000));
    SET(CURLOPT_TCP_NODELAY, 1L);
#undef SET
    if (bad != CURLE_OK) {
        curl_easy_cleanup(e);
        return wr_fail(WR_E_FAILED, "libcurl refuses an option: %s", curl_easy_strerror(bad));
    }
    t->pool = p;
    t->easy = e;
    return WR_OK;
}

static wr_status start(http_pool *p, transfer *t) {
    wr_status status = WR_OK;
    if (!t->easy) TRY(make_easy(p, t));
    curl_easy_setopt(t->easy, CURLOPT_URL, p->where);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, strbuf_str(&t->body));
    strbuf_clear(&t->response);
    t->too_long = false;
    t->error[0] = '\0';
    if (curl_multi_add_handle(p->multi, t->easy) != CURLM_OK) TRY(wr_fail(WR_E_FAILED, "libcurl does not take another request"));
    p->counts.requests++;
    if (t->sent) p->counts.retries++;
    t->sent++;
    t->tries++;
    if (t->phase == WAITING) p->waiting--;
    t->phase = RUNNING;
    p->running++;
cleanup:
    return status;
}

static wr_status give_up(http_pool *p, const http_job *job, transfer *t, long code, bool hopeless, const char *why) {
    wr_status status = WR_OK;
    size_t limit = p->o.in_flight < STOP_MIN ? STOP_MIN : p->o.in_flight > STOP_MAX ? STOP_MAX : p->o.in_flight;
    if (p->succeeded && (code == 400 || code == 413 || code == 422)) limit *= STOP_FOR_BAD; /* more likely the questions' fault than the server's */
    t->phase = IDLE;
    p->counts.failed++;
    p->in_a_row++;
    TRY(job->failed(job->context, t->tag, code, why));
    if (hopeless && !p->succeeded)
        TRY(wr_fail(WR_E_FAILED, "%s: %s%s%s", p->where, why, code == 401 || code == 403 ? "; the key is read from $" : "", code == 401 || code == 403 ? p->key_name : ""));
    if (p->in_a_row >= limit) TRY(wr_fail(WR_E_FAILED, "%s: %zu requests in a row failed, the last with: %s", p->where, p->in_a_row, why));
cleanup:
    return status;
}

/* The server sends too many requests away. The window halves, at most once a second, and grows again by one for each window of answers, so that it
 * settles where the server's limit is. While others are answered, being turned away is no failure of this request and costs it no try. */
static void make_way(http_pool *p, transfer *t) {
    double now = clock_seconds();
    if (now - p->shrunk >= SHRINK_PERIOD_S) {
        p->window = p->window > 2 ? p->window / 2 : 1;
        p->shrunk = now;
    }
    if (p->succeeded > t->succeeded) t->tries--;
    t->succeeded = p->succeeded;
}

static double seconds_to_wait(http_pool *p, const transfer *t, double now, curl_off_t after) {
    rng r = rng_make(p->o.seed, RNG_RETRY, t->tag, t->sent, 0);
    double delay = p->o.backoff_s * ldexp(1, t->tries < 1 ? 0 : t->tries < 30 ? t->tries - 1 : 29);
    if (delay > p->o.backoff_limit_s) delay = p->o.backoff_limit_s;
    delay *= 0.5 + rng_uniform(&r);
    if (after <= 0) return delay;
    double wait = (double)after < RETRY_AFTER_LIMIT_S ? (double)after : RETRY_AFTER_LIMIT_S;
    if (now + wait > p->hold_until) p->hold_until = now + wait;
    return wait + delay * 0.1; /* what waited for the same moment should not start in the same moment */
}

static wr_status retry(http_pool *p, const http_job *job, transfer *t, long code, const char *why) {
    double now = clock_seconds();
    curl_off_t after = 0;
    if (code) curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
    if (code == 429 || after > 0) make_way(p, t);
    if (t->tries > p->o.retries) {
        strbuf text = {0};
        strbuf_printf(&text, "%s (after %u tries)", why, t->sent);
        wr_status status = give_up(p, job, t, code, false, strbuf_str(&text));
        strbuf_free(&text);
        return status;
    }
    double delay = seconds_to_wait(p, t, now, after);
    if (now - p->warned >= WARN_PERIOD_S) {
        log_warn("%s: %s; trying again in %.1f s", p->where, why, delay);
        p->warned = now;
    }
    t->not_before = now + delay;
    t->phase = WAITING;
    p->waiting++;
    return WR_OK;
}

static wr_status finish(http_pool *p, const http_job *job, transfer *t, CURLcode result) {
    wr_status status = WR_OK;
    long code = 0;
    char why[HTTP_WHY_CAP];
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
    curl_multi_remove_handle(p->multi, t->easy);
    p->running--;
    t->phase = IDLE;
    if (t->response.failed) return wr_fail(WR_E_NOMEM, "out of memory for a response");
    strbuf_puts(&t->response, "");
    if (t->response.len) http_pool_scrub(p, t->response.data, t->response.len);
    if (t->too_long) {
        snprintf(why, sizeof why, "the response is longer than %zu bytes", p->o.response_limit);
        return give_up(p, job, t, code, false, why);
    }
    if (result != CURLE_OK) {
        snprintf(why, sizeof why, "%s", t->error[0] ? t->error : curl_easy_strerror(result));
        http_pool_scrub(p, why, strlen(why));
        if (http_curl_hopeless(result)) return give_up(p, job, t, 0, true, why);
        return retry(p, job, t, 0, why);
    }
    if (code >= 200 && code < 300) {
        status = job->answer(job->context, t->tag, t->response.data, t->response.len);
        if (status == WR_E_FORMAT) {
            snprintf(why, sizeof why, "a response that is no answer: %s", wr_error());
            http_pool_scrub(p, why, strlen(why));
            return retry(p, job, t, code, why);
        }
        if (status < 0) return status;
        p->succeeded++;
        p->in_a_row = 0;
        if (p->window < (double)p->o.in_flight) p->window += 1 / p->window;
        return WR_OK;
    }
    http_explain(code, t->response.data, t->response.len, why);
    if (http_retryable(code)) return retry(p, job, t, code, why);
    return give_up(p, job, t, code, code < 400 || code == 401 || code == 403 || code == 404 || code == 405, why);
}

/* --- a run -------------------------------------------------------------------------------------------------------------------- */

/* Starts what the window has room for: first what has waited long enough, then new requests. *soonest: when the next waiting one is due. */
static wr_status fill(http_pool *p, const http_job *job, bool *ended, double *soonest) {
    wr_status status = WR_OK;
    double now = clock_seconds();
    *soonest = INFINITY;
    if (now < p->hold_until) {
        *soonest = p->hold_until;
        return WR_OK;
    }
    transfer *idle = NULL;
    size_t at = 0, room = (size_t)p->window;
    if (p->waiting) {
        for (size_t i = 0; i < p->n; i++) {
            transfer *t = &p->transfers[i];
            if (t->phase != WAITING) continue;
            if (t->not_before <= now && p->running < room)
                TRY(start(p, t));
            else if (t->not_before > now && t->not_before < *soonest)
                *soonest = t->not_before;
        }
    }
    while (!*ended && p->running < room && p->running + p->waiting < p->n) {
        for (idle = NULL; at < p->n && !idle; at++)
            if (p->transfers[at].phase == IDLE) idle = &p->transfers[at];
        if (!idle) break;
        strbuf_clear(&idle->body);
        idle->tries = 0;
        idle->sent = 0;
        idle->succeeded = p->succeeded;
        wr_status got = job->next(job->context, &idle->body, &idle->tag);
        TRY(got);
        if (got == WR_END) {
            *ended = true;
            break;
        }
        TRY(strbuf_status(&idle->body));
        TRY(start(p, idle));
        if (world_stop_requested()) break;
    }
cleanup:
    return status;
}

/* Nothing of a run that ended early may go on into the next. */
static void drop_all(http_pool *p) {
    for (size_t i = 0; i < p->n; i++) {
        transfer *t = &p->transfers[i];
        if (t->phase == RUNNING) {
            curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a name server that does not answer */
            curl_multi_remove_handle(p->multi, t->easy);
        }
        t->phase = IDLE;
    }
    p->running = p->waiting = 0;
}

wr_status http_pool_run(http_pool *p, const http_job *job) {
    wr_status status = WR_OK;
    bool ended = false;
    int n = snprintf(p->where, sizeof p->where, "%s%s", p->url, job->path);
    if (n < 0 || (size_t)n >= sizeof p->where) return wr_fail(WR_E_USAGE, "the endpoint's URL is too long: %.100s…", p->url);
    for (;;) {
        double soonest;
        int still, left;
        bool finished = false;
        if (world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
        TRY(fill(p, job, &ended, &soonest));
        if (ended && !p->running && !p->waiting) break;
        CURLMcode bad = curl_multi_perform(p->multi, &still);
        if (bad != CURLM_OK) TRY(wr_fail(WR_E_FAILED, "libcurl: %s", curl_multi_strerror(bad)));
        for (CURLMsg *m; (m = curl_multi_info_read(p->multi, &left)) != NULL;) {
            transfer *t = NULL;
            if (m->msg != CURLMSG_DONE) continue;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
            TRY(finish(p, job, t, m->data.result));
            finished = true;
        }
        if (job->tick) TRY(job->tick(job->context));
        if (finished) continue;
        double wait = (soonest - clock_seconds()) * 1000 + 1;
        curl_multi_poll(p->multi, NULL, 0, wait < POLL_MS ? wait > 1 ? (int)wait : 1 : POLL_MS, NULL);
    }
cleanup:
    if (status < 0) drop_all(p);
    return status;
}
