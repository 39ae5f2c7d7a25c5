/* An OpenAI-compatible server on 127.0.0.1 that behaves badly on request: a test double for
 * data/label/annotate/endpoint.h. POST /v1/chat/completions and /v1/embeddings. What it answers is a function of the
 * request alone, so that runs compare; what goes wrong is a function of (seed, request, which time it is asked). Prints
 * "port N" when it listens, and serves until it is killed.
 *
 * usage: openai_server [--port N] [--seed N] [--latency MS] [--key KEY] [--log FILE] [--rate REQUESTS_A_SECOND]
 * [--retry-after S] [--tls CERT.pem KEY.pem] [FAULT=PROBABILITY]… faults, in this order (their probabilities add up to
 * 1 at most):
 *   429 (with Retry-After) 500 503 401 404 redirect cut (connection closed mid-body) garbage html wrong (JSON of
 *   another shape) null (no content) nolabel (no [[n]]) range ([[7]]) unicode trickle (a byte each 20 ms) slow (5 s)
 *   huge (8 MiB) echo (the key in an error) leak (the key in an answer) spelled (a 500 that writes the key in many
 *   ways, and what a terminal obeys) usage (nonsense counts) toolong (400) unpooled (embeddings of tokens)
 * log: one JSON line a request, before it is answered: {"path","key": XXH3-128 of the
 * body,"try","fault","inputs":[hashes of texts]}. */
#include "base/hash.h"
#include "base/json.h"
#include "base/rng.h"
#include "tests/server/openai_answers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const fault_names[] = {"429",   "500",     "503",      "401",     "404",  "redirect",
                                          "cut",   "garbage", "html",     "wrong",   "null", "nolabel",
                                          "range", "unicode", "trickle",  "slow",    "huge", "echo",
                                          "leak",  "toolong", "unpooled", "spelled", "usage"};
enum { FAULTS = sizeof fault_names / sizeof *fault_names };
enum { HUGE_BYTES = 8 << 20, TABLE = 1 << 20 };

typedef struct server {
    double probability[FAULTS];
    uint64_t seed;
    useconds_t latency;
    const char *key;
    int retry_after, log;
    unsigned rate, in_second; /* requests that one second may have; those it has had */
    time_t second;
    pthread_mutex_t lock;
    struct {
        char key[HASH_HEX];
        unsigned tries;
    } * seen; /* open addressing */
} server;

typedef struct request {
    strbuf body;
} request;

/* What is sent piece by piece: with a pause between bytes, or cut after half. */
typedef struct piecewise {
    char *bytes;
    size_t n;
    bool cut;
} piecewise;

static unsigned count_try(server *s, const char *key) {
    pthread_mutex_lock(&s->lock);
    size_t i = hash64(key, HASH_HEX - 1, 0) % TABLE;
    while (s->seen[i].tries && strcmp(s->seen[i].key, key) != 0) i = (i + 1) % TABLE;
    memcpy(s->seen[i].key, key, HASH_HEX);
    unsigned tries = ++s->seen[i].tries;
    pthread_mutex_unlock(&s->lock);
    return tries;
}

static bool over_rate(server *s) {
    pthread_mutex_lock(&s->lock);
    time_t now = time(NULL);
    if (now != s->second) s->second = now, s->in_second = 0;
    bool over = s->rate && ++s->in_second > s->rate;
    pthread_mutex_unlock(&s->lock);
    return over;
}

static const char *draw(const server *s, const char *key, unsigned tries) {
    rng r = rng_make(s->seed, RNG_TEST, hash64(key, HASH_HEX - 1, 1), tries, 0);
    double u = rng_uniform(&r);
    for (int i = 0; i < FAULTS; i++) {
        if (u < s->probability[i]) return fault_names[i];
        u -= s->probability[i];
    }
    return "none";
}

/* --- HTTP --------------------------------------------------------------------------------------------------------- */

static ssize_t send_piece(void *context, uint64_t at, char *to, size_t room) {
    const piecewise *p = context;
    if (p->cut && at >= p->n / 2) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (at >= p->n) return MHD_CONTENT_READER_END_OF_STREAM;
    size_t n = p->cut ? p->n / 2 - (size_t)at : 1;
    if (!p->cut) usleep(20000);
    if (n > room) n = room;
    memcpy(to, p->bytes + at, n);
    return (ssize_t)n;
}

static void free_pieces(void *context) {
    piecewise *p = context;
    free(p->bytes);
    free(p);
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned code, const char *type, const char *header,
                             const char *value, const char *bytes, size_t n) {
    struct MHD_Response *r = MHD_create_response_from_buffer(n, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(r, "Content-Type", type);
    if (header) MHD_add_response_header(r, header, value);
    enum MHD_Result queued = MHD_queue_response(c, code, r);
    MHD_destroy_response(r);
    return queued;
}

static enum MHD_Result reply_error(struct MHD_Connection *c, unsigned code, const char *header, const char *value,
                                   const char *message) {
    strbuf b = {0};
    json_writer w = json_writer_make(&b);
    json_begin_object(&w), json_member_object(&w, "error"), json_member_string(&w, "message", message),
        json_end_object(&w), json_end_object(&w);
    enum MHD_Result queued = reply(c, code, "application/json", header, value, b.data, b.len);
    strbuf_free(&b);
    return queued;
}

static enum MHD_Result reply_spelled(struct MHD_Connection *c, const char *key) {
    strbuf text = {0};
    spelled(key, &text);
    enum MHD_Result result = reply(c, 500, "application/json", NULL, NULL, strbuf_str(&text), text.len);
    strbuf_free(&text);
    return result;
}

static enum MHD_Result reply_pieces(struct MHD_Connection *c, const strbuf *body, bool cut) {
    piecewise *p = calloc(1, sizeof *p);
    if (!p || !(p->bytes = malloc(body->len + 1))) return MHD_NO;
    memcpy(p->bytes, strbuf_str(body), body->len);
    p->n = body->len;
    p->cut = cut;
    struct MHD_Response *r = MHD_create_response_from_callback(body->len, 1024, send_piece, p, free_pieces);
    MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result queued = MHD_queue_response(c, 200, r);
    MHD_destroy_response(r);
    return queued;
}

static void log_request(server *s, const char *path, const char *key, unsigned tries, const char *fault,
                        const json_value *v) {
    strbuf line = {0};
    json_writer w = json_writer_make(&line);
    json_begin_object(&w);
    json_member_string(&w, "path", path), json_member_string(&w, "key", key), json_member_int(&w, "try", tries);
    json_member_string(&w, "fault", fault);
    if (json_is(json_get(v, "input"), JSON_ARRAY)) {
        json_member_array(&w, "inputs");
        for (const json_value *t = json_get(v, "input")->first; t; t = t->next) {
            char hex[HASH_HEX];
            hash_hex(t->text, t->length, hex);
            json_string(&w, hex);
        }
        json_end_array(&w);
    }
    json_end_object(&w);
    strbuf_putc(&line, '\n');
    if (write(s->log, line.data, line.len) < 0) fprintf(stderr, "openai_server: cannot write the log\n");
    strbuf_free(&line);
}

static enum MHD_Result misbehave(server *s, struct MHD_Connection *c, const char *fault, strbuf *body) {
    char after[16], text[256];
    snprintf(after, sizeof after, "%d", s->retry_after);
    if (is(fault, "429")) return reply_error(c, 429, "Retry-After", after, "too many requests");
    if (is(fault, "500")) return reply_error(c, 500, NULL, NULL, "the server made a mistake");
    if (is(fault, "503")) return reply(c, 503, "text/html", NULL, NULL, "<h1>busy</h1>", 13);
    if (is(fault, "401")) return reply_error(c, 401, NULL, NULL, "unknown key");
    if (is(fault, "404")) return reply_error(c, 404, NULL, NULL, "the model does not exist");
    if (is(fault, "toolong")) return reply_error(c, 400, NULL, NULL, "maximum context length exceeded");
    if (is(fault, "redirect")) return reply(c, 307, "text/plain", "Location", "http://127.0.0.1:9/v1", "elsewhere", 9);
    if (is(fault, "garbage")) return reply(c, 200, "application/json", NULL, NULL, "\xff\xfe{\"choices\":\0[{", 16);
    if (is(fault, "html")) return reply(c, 200, "text/html", NULL, NULL, "<html>gateway</html>", 20);
    if (is(fault, "wrong"))
        return reply(c, 200, "application/json", NULL, NULL, "{\"choices\":{\"0\":[]},\"data\":[{}]}", 33);
    if (is(fault, "echo")) {
        snprintf(text, sizeof text, "Bearer %s may not do this", s->key ? s->key : "none");
        return reply_error(c, 500, NULL, NULL, text);
    }
    if (is(fault, "spelled")) return reply_spelled(c, s->key ? s->key : "none");
    if (is(fault, "huge")) {
        char *bytes = malloc(HUGE_BYTES);
        if (!bytes) return MHD_NO;
        memset(bytes, ' ', HUGE_BYTES);
        enum MHD_Result queued = reply(c, 200, "application/json", NULL, NULL, bytes, HUGE_BYTES);
        free(bytes);
        return queued;
    }
    if (is(fault, "slow")) sleep(5);
    if (is(fault, "trickle") || is(fault, "cut")) return reply_pieces(c, body, is(fault, "cut"));
    return reply(c, 200, "application/json", NULL, NULL, body->data, body->len);
}

static enum MHD_Result respond(server *s, struct MHD_Connection *c, const char *path, request *r) {
    char key[HASH_HEX], bearer[1100];
    const json_value *v = NULL;
    strbuf body = {0};
    arena *a = arena_create();
    hash_hex(strbuf_str(&r->body), r->body.len, key);
    unsigned tries = count_try(s, key);
    const char *sent = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization"), *fault = draw(s, key, tries);
    snprintf(bearer, sizeof bearer, "Bearer %s", s->key ? s->key : "");
    if (over_rate(s)) fault = "429";
    if (s->key && (!sent || !is(sent, bearer))) fault = "401";
    if (json_parse(a, strbuf_str(&r->body), r->body.len, &v) < 0) fault = "badrequest";
    if (s->log >= 0) log_request(s, path, key, tries, fault, v);
    usleep(s->latency);
    enum MHD_Result queued;
    if (is(fault, "badrequest")) {
        queued = reply_error(c, 400, NULL, NULL, "the body is no JSON");
    } else if (is(path, "/v1/chat/completions") || is(path, "/v1/embeddings")) {
        if (is(path, "/v1/embeddings"))
            embeddings_response(v, fault, &body);
        else
            chat_response(s->key, v, fault, &body);
        queued = misbehave(s, c, fault, &body);
    } else {
        queued = reply_error(c, 404, NULL, NULL, "no such path");
    }
    strbuf_free(&body);
    arena_free(a);
    return queued;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *bytes, size_t *n, void **state) {
    request *r = *state;
    (void)method;
    (void)version;
    if (!r) return (*state = calloc(1, sizeof *r)) ? MHD_YES : MHD_NO;
    if (*n) {
        strbuf_append(&r->body, bytes, *n);
        *n = 0;
        return MHD_YES;
    }
    return respond(context, c, path, r);
}

static void on_completed(void *context, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why) {
    request *r = *state;
    (void)context;
    (void)c;
    (void)why;
    if (r) strbuf_free(&r->body);
    free(r);
}

static bool set_fault(server *s, const char *word) {
    const char *equals = strchr(word, '=');
    for (int i = 0; equals && i < FAULTS; i++) {
        if (strlen(fault_names[i]) != (size_t)(equals - word) ||
            strncmp(fault_names[i], word, (size_t)(equals - word)) != 0)
            continue;
        s->probability[i] = atof(equals + 1);
        return true;
    }
    return false;
}

static char *read_text(const char *path) {
    static const size_t limit = 1 << 16;
    char *text = calloc(limit, 1);
    int fd = open(path, O_RDONLY);
    ssize_t n = text && fd >= 0 ? read(fd, text, limit - 1) : -1;
    if (fd >= 0) close(fd);
    if (n > 0) return text;
    free(text);
    return NULL;
}

int main(int argc, char **argv) {
    static server s = {.log = -1, .retry_after = 1, .lock = PTHREAD_MUTEX_INITIALIZER};
    int port = 0;
    char *cert = NULL, *cert_key = NULL;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (set_fault(&s, word)) continue;
        if (is(word, "--port"))
            port = atoi(value);
        else if (is(word, "--seed"))
            s.seed = strtoull(value, NULL, 10);
        else if (is(word, "--latency"))
            s.latency = (useconds_t)(atof(value) * 1000);
        else if (is(word, "--key"))
            s.key = value;
        else if (is(word, "--retry-after"))
            s.retry_after = atoi(value);
        else if (is(word, "--rate"))
            s.rate = (unsigned)atoi(value);
        else if (is(word, "--log"))
            s.log = open(value, O_WRONLY | O_CREAT | O_APPEND, 0644);
        else if (is(word, "--tls") && i + 2 < argc)
            cert = read_text(value), cert_key = read_text(argv[++i + 1]);
        else
            return fprintf(stderr, "openai_server: what is '%s'?\n", word), 2;
        i++;
    }
    s.seen = calloc(TABLE, sizeof *s.seen);
    signal(SIGPIPE, SIG_IGN);
    const struct sockaddr_in here = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    unsigned flags =
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | (cert ? MHD_USE_TLS : 0);
    struct MHD_Daemon *d =
        s.seen ? MHD_start_daemon(flags, 0, NULL, NULL, on_request, &s, MHD_OPTION_SOCK_ADDR, &here,
                                  MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 60u,
                                  cert ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, cert, MHD_OPTION_HTTPS_MEM_KEY,
                                  cert_key, MHD_OPTION_END)
               : NULL;
    if (!d) return fprintf(stderr, "openai_server: cannot listen\n"), 1;
    printf("port %u\n", (unsigned)MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    for (;;) pause();
}
