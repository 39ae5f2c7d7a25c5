#include "net/http_internal.h"
#include "net/http_secret.h"

#include "base/log.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STOP_MIN = 4, STOP_MAX = 32, STOP_FOR_BAD = 32, KEEP_BYTES = 1 << 18 };
#define CONNECT_LIMIT_S 30.0
#define RETRY_AFTER_LIMIT_S 600.0 /* a longer Retry-After is taken as this */
#define WARN_PERIOD_S 10.0
#define SHRINK_PERIOD_S 1.0

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
    CURL *e = p->curl.easy_init();
    if (!e) return wr_fail(WR_E_NOMEM, "out of memory for a request");
    double connect = p->o.timeout_s < CONNECT_LIMIT_S ? p->o.timeout_s : CONNECT_LIMIT_S;
    CURLcode bad = CURLE_OK;
#define SET(option, value)                                                                                             \
    if (bad == CURLE_OK) bad = p->curl.easy_setopt(e, option, value)
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (p->ca_file) SET(CURLOPT_CAINFO, p->ca_file);
    /* One connection a request: a connection that breaks or stalls takes one request with it, not the whole window as
     * HTTP/2 would. */
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
        p->curl.easy_cleanup(e);
        return wr_fail(WR_E_FAILED, "libcurl refuses an option: %s", p->curl.easy_strerror(bad));
    }
    t->pool = p;
    t->easy = e;
    return WR_OK;
}

wr_status http_transfer_start(http_pool *p, transfer *t) {
    wr_status status = WR_OK;
    if (!t->easy) TRY(make_easy(p, t));
    p->curl.easy_setopt(t->easy, CURLOPT_URL, p->where);
    p->curl.easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
    p->curl.easy_setopt(t->easy, CURLOPT_POSTFIELDS, strbuf_str(&t->body));
    /* an odd one must not hold its memory for the rest of the run */
    if (t->response.capacity > KEEP_BYTES) strbuf_free(&t->response);
    strbuf_clear(&t->response);
    t->too_long = false;
    t->error[0] = '\0';
    if (p->curl.multi_add_handle(p->multi, t->easy) != CURLM_OK)
        TRY(wr_fail(WR_E_FAILED, "libcurl does not take another request"));
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
    /* More likely the questions' fault than the server's. Responses that are too long take longest, so all that are in
     * flight can end behind one another, however few they are among the others. */
    if (p->succeeded && (t->too_long || code == 400 || code == 413 || code == 422)) limit *= STOP_FOR_BAD;
    t->phase = IDLE;
    p->counts.failed++;
    p->in_a_row++;
    TRY(job->failed(job->context, t->tag, code, why));
    if (hopeless && !p->succeeded)
        TRY(wr_fail(WR_E_FAILED, "%s: %s%s%s", p->where, why,
                    code == 401 || code == 403 ? "; the key is read from $" : "",
                    code == 401 || code == 403 ? p->key_name : ""));
    if (p->in_a_row >= limit)
        TRY(wr_fail(WR_E_FAILED, "%s: %zu requests in a row failed, the last with: %s", p->where, p->in_a_row, why));
cleanup:
    return status;
}

/* The server sends too many requests away. The window halves, at most once a second, and grows again by one for each
 * window of answers, so that it settles where the server's limit is. While others are answered, being turned away is no
 * failure of this request and costs it no try. */
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
    if (code) p->curl.easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
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

wr_status http_transfer_finish(http_pool *p, const http_job *job, transfer *t, CURLcode result) {
    wr_status status = WR_OK;
    long code = 0;
    char why[HTTP_WHY_CAP];
    p->curl.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
    p->curl.multi_remove_handle(p->multi, t->easy);
    p->running--;
    t->phase = IDLE;
    if (t->response.failed) return wr_fail(WR_E_NOMEM, "out of memory for a response");
    strbuf_puts(&t->response, "");
    if (t->response.len) secret_scrub(p->key, t->response.data, t->response.len);
    if (t->too_long) {
        snprintf(why, sizeof why, "the response is longer than %zu bytes", p->o.response_limit);
        return give_up(p, job, t, code, false, why);
    }
    if (result != CURLE_OK) {
        snprintf(why, sizeof why, "%s", t->error[0] ? t->error : p->curl.easy_strerror(result));
        secret_scrub(p->key, why, strlen(why));
        if (http_curl_hopeless(result)) return give_up(p, job, t, 0, true, why);
        return retry(p, job, t, 0, why);
    }
    if (code >= 200 && code < 300) {
        status = job->answer(job->context, t->tag, t->response.data, t->response.len);
        if (status == WR_E_FORMAT) {
            snprintf(why, sizeof why, "a response that is no answer: %s", wr_error());
            secret_scrub(p->key, why, strlen(why));
            return retry(p, job, t, code, why);
        }
        if (status < 0) return status;
        p->succeeded++;
        p->in_a_row = 0;
        if (p->window < (double)p->o.in_flight) p->window += 1 / p->window;
        return WR_OK;
    }
    http_explain(code, p->key, t->response.data, t->response.len, why);
    if (http_retryable(code)) return retry(p, job, t, code, why);
    return give_up(p, job, t, code, code < 400 || code == 401 || code == 403 || code == 404 || code == 405, why);
}
