#include "net/http_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/http_secret.h"
#include "mpi/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING_PER_FLIGHT = 1, POLL_MS = 200 };

http_counts http_pool_counts(const http_pool *p) { return p->counts; }

void http_pool_scrub(const http_pool *p, char *text, size_t n) { secret_scrub(p->key, text, n); }

/* --- set-up ------------------------------------------------------------------------------------------------------- */

static wr_status check_options(const http_options *o) {
    bool secure;
    wr_status status = http_check_url(o->url, &secure);
    if (status < 0) return status;
    for (const char *c = o->key; c && *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 127)
            return wr_fail(WR_E_USAGE,
                           "the key in $%s holds a space, a line break or another character that cannot be sent",
                           o->key_name);
    if (o->key && !secure && !http_is_local(o->url))
        log_warn("%s is not https: the key in $%s and every text travel readable for the network", o->url, o->key_name);
    return WR_OK;
}

static wr_status make_headers(http_pool *p) {
    wr_status status = WR_OK;
    strbuf line = {0};
    const char *fixed[] = {"Content-Type: application/json", "Accept: application/json", "Expect:"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        struct curl_slist *longer = p->curl.slist_append(p->headers, fixed[i]);
        TRY_ALLOC(longer);
        p->headers = longer;
    }
    if (p->key) {
        strbuf_printf(&line, "Authorization: Bearer %s", p->key);
        TRY(strbuf_status(&line));
        struct curl_slist *longer = p->curl.slist_append(p->headers, line.data);
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
    TRY(curl_library_load(&p->curl));
    if (p->curl.global_init(CURL_GLOBAL_DEFAULT) != 0) TRY(wr_fail(WR_E_FAILED, "libcurl cannot be set up"));
    p->url = copy_or_null(o->url, &failed);
    p->key = copy_or_null(o->key && *o->key ? o->key : NULL, &failed);
    p->key_name = copy_or_null(o->key_name ? o->key_name : "the key", &failed);
    p->ca_file = copy_or_null(o->ca_file, &failed);
    TRY_ALLOC(failed ? NULL : p);
    for (size_t n = strlen(p->url); n && p->url[n - 1] == '/'; n--) p->url[n - 1] = '\0';
    TRY_ALLOC(p->multi = p->curl.multi_init());
    p->curl.multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)o->in_flight);
    p->n = o->in_flight * (1 + WAITING_PER_FLIGHT);
    TRY_ALLOC(p->transfers = mem_calloc(p->n, sizeof *p->transfers));
    TRY(make_headers(p));
    p->window = (double)o->in_flight;
    p->warned = p->shrunk = -INFINITY;
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
            if (t->phase == RUNNING) p->curl.multi_remove_handle(p->multi, t->easy);
            p->curl.easy_cleanup(t->easy);
        }
        strbuf_free(&t->body);
        strbuf_free(&t->response);
    }
    free(p->transfers);
    if (p->multi) p->curl.multi_cleanup(p->multi);
    if (p->headers) p->curl.slist_free_all(p->headers);
    if (p->curl.global_cleanup) p->curl.global_cleanup();
    if (p->key) explicit_bzero(p->key, strlen(p->key));
    free(p->key);
    free(p->key_name);
    free(p->ca_file);
    free(p->url);
    free(p);
}

/* --- a run -------------------------------------------------------------------------------------------------------- */

/* Starts what the window has room for: first what has waited long enough, then new requests. *soonest: when the next
 * waiting one is due. */
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
                TRY(http_transfer_start(p, t));
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
        TRY(http_transfer_start(p, idle));
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
            /* do not wait for a name server that does not answer */
            p->curl.easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L);
            p->curl.multi_remove_handle(p->multi, t->easy);
        }
        t->phase = IDLE;
    }
    p->running = p->waiting = 0;
}

wr_status http_pool_run(http_pool *p, const http_job *job) {
    wr_status status = WR_OK;
    bool ended = false;
    int n = snprintf(p->where, sizeof p->where, "%s%s", p->url, job->path);
    if (n < 0 || (size_t)n >= sizeof p->where)
        return wr_fail(WR_E_USAGE, "the endpoint's URL is too long: %.100s…", p->url);
    for (;;) {
        double soonest;
        int still, left;
        bool finished = false;
        if (world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
        TRY(fill(p, job, &ended, &soonest));
        if (ended && !p->running && !p->waiting) break;
        CURLMcode bad = p->curl.multi_perform(p->multi, &still);
        if (bad != CURLM_OK) TRY(wr_fail(WR_E_FAILED, "libcurl: %s", p->curl.multi_strerror(bad)));
        for (CURLMsg *m; (m = p->curl.multi_info_read(p->multi, &left)) != NULL;) {
            transfer *t = NULL;
            if (m->msg != CURLMSG_DONE) continue;
            p->curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
            TRY(http_transfer_finish(p, job, t, m->data.result));
            finished = true;
        }
        if (job->tick) TRY(job->tick(job->context));
        if (finished) continue;
        double wait = (soonest - clock_seconds()) * 1000 + 1;
        p->curl.multi_poll(p->multi, NULL, 0, wait < POLL_MS ? wait > 1 ? (int)wait : 1 : POLL_MS, NULL);
    }
cleanup:
    if (status < 0) drop_all(p);
    return status;
}
