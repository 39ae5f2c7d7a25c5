/* Pulled work: life of the coordinator, and the side of the worker, which is every rank's main thread. */
#include "mpi/work.h"

#include "base/log.h"
#include "base/mem.h"
#include "mpi/coordinator.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ANSWER_WAIT_US = 2000 };

wr_status coordinator_create(world *w, coordinator **out) {
    wr_status status = WR_OK;
    *out = NULL;
    coordinator *c = mem_calloc(1, sizeof *c);
    if (!c) status = WR_E_NOMEM;
    TRY(world_agree(w, status));
    c->w = w;
    MPI_Comm_dup(w->comm, &c->comm);
    if (w->rank == 0) {
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&c->wake, &attributes);
        pthread_condattr_destroy(&attributes);
        pthread_mutex_init(&c->mutex, NULL);
        c->peers = mem_calloc((size_t)w->size, sizeof *c->peers);
        if (!c->peers)
            status = WR_E_NOMEM;
        else if (pthread_create(&c->thread, NULL, coordinator_main, c) != 0)
            status = wr_fail(WR_E_FAILED, "the coordinator thread could not be started");
        else
            c->running = true;
    }
    TRY(world_agree(w, status));
    *out = c;
    c = NULL;
cleanup:
    coordinator_free(c);
    return status;
}

void coordinator_free(coordinator *c) {
    if (!c) return;
    world_barrier(c->w); /* nobody may still be asking */
    if (c->w->rank == 0) {
        if (c->running) {
            pthread_mutex_lock(&c->mutex);
            c->quit = true;
            pthread_cond_signal(&c->wake);
            pthread_mutex_unlock(&c->mutex);
            pthread_join(c->thread, NULL);
        }
        pthread_cond_destroy(&c->wake);
        pthread_mutex_destroy(&c->mutex);
        for (int r = 0; c->peers && r < c->w->size; r++) strbuf_free(&c->peers[r].early);
        free(c->peers);
        free(c->have_result);
    }
    MPI_Comm_free(&c->comm);
    free(c);
}

double coordinator_cpu_seconds(const coordinator *c) {
    clockid_t clock;
    struct timespec t;
    if (!c->running || pthread_getcpuclockid(c->thread, &clock) != 0 || clock_gettime(clock, &t) != 0) return 0;
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool work_should_stop(void *context) {
    coordinator *c = context;
    int waiting = 0;
    if (world_stop_requested()) return true;
    /* Inside a task no request is open, so that anything that comes is the end of the phase. */
    MPI_Iprobe(0, TAG_DOWN, c->comm, &waiting, MPI_STATUS_IGNORE);
    return waiting != 0;
}

static wr_status send_up(coordinator *c, const strbuf *body) {
    wr_status status = message_send(c->comm, 0, TAG_UP, body);
    if (c->w->rank == 0) { /* no need to sleep on */
        pthread_mutex_lock(&c->mutex);
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->mutex);
    }
    return status;
}

static wr_status send_request(coordinator *c, bool with_result, uint64_t index, const strbuf *result) {
    wr_status status = WR_OK;
    strbuf body = {0};
    msgpack_packer pk;
    wire_packer(&pk, &body);
    msgpack_pack_map(&pk, with_result ? 4 : 2);
    wire_pack_str(&pk, "op");
    wire_pack_str(&pk, "request");
    wire_pack_str(&pk, "phase");
    msgpack_pack_uint64(&pk, c->phase);
    if (with_result) {
        wire_pack_str(&pk, "index");
        msgpack_pack_uint64(&pk, index);
        wire_pack_str(&pk, "result");
        msgpack_pack_bin(&pk, result->len);
        msgpack_pack_bin_body(&pk, strbuf_str(result), result->len);
    }
    status = send_up(c, &body);
    strbuf_free(&body);
    return status;
}

/* "fail" with this thread's message, or "stop". Small: it can only fail by memory, and then the others could never be
 * told. */
static void send_trouble(coordinator *c, wr_status code) {
    char text[MESSAGE_CAP];
    strbuf body = {0};
    msgpack_packer pk;
    strncpy(text, wr_error(), sizeof text - 1);
    text[sizeof text - 1] = '\0';
    wire_packer(&pk, &body);
    msgpack_pack_map(&pk, 5);
    wire_pack_str(&pk, "op");
    wire_pack_str(&pk, code == WR_E_INTERRUPTED ? "stop" : "fail");
    wire_pack_str(&pk, "phase");
    msgpack_pack_uint64(&pk, c->phase);
    wire_pack_str(&pk, "code");
    msgpack_pack_int(&pk, (int)code);
    wire_pack_str(&pk, "host");
    wire_pack_str(&pk, c->w->host);
    wire_pack_str(&pk, "text");
    wire_pack_str(&pk, text);
    if (send_up(c, &body) < 0) {
        log_error("%s (and the coordinator could not be told)", text);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    strbuf_free(&body);
}

/* Waits for the coordinator's message; a stop signal meanwhile is reported once. */
static wr_status receive(coordinator *c, bool *stop_sent, strbuf *message) {
    backoff b = backoff_make(ANSWER_WAIT_US);
    for (;;) {
        int from;
        wr_status status = message_poll(c->comm, TAG_DOWN, message, &from);
        if (status < 0 || message->len) return status;
        if (world_stop_requested() && !*stop_sent) {
            *stop_sent = true;
            send_trouble(c, WR_E_INTERRUPTED);
        }
        backoff_pause(&b);
    }
}

static bool bin_of(const msgpack_object *map, const char *key, const char **bytes, size_t *n) {
    const msgpack_object *v = wire_get(map, key);
    if (!v || v->type != MSGPACK_OBJECT_BIN) return false;
    *bytes = v->via.bin.ptr;
    *n = v->via.bin.size;
    return true;
}

static wr_status end_of_phase(coordinator *c, const msgpack_object *map) {
    int64_t code = WR_E_FAILED, rank = 0;
    const char *text = "", *host = "";
    size_t text_n = 0, host_n = 0;
    wire_get_int(map, "code", &code);
    wire_get_int(map, "rank", &rank);
    wire_get_str(map, "text", &text, &text_n);
    wire_get_str(map, "host", &host, &host_n);
    if (code == WR_E_INTERRUPTED) return wr_fail(WR_E_INTERRUPTED, "stopped by a signal that rank %d saw", (int)rank);
    if (rank == c->w->rank) return wr_fail((wr_status)code, "%.*s", (int)text_n, text);
    return wr_fail(WR_E_PEER, "rank %d (%.*s) failed: %.*s", (int)rank, (int)host_n, host, (int)text_n, text);
}

wr_status work_phase(coordinator *c, const work_plan *plan, work_fn fn, void *context, strbuf *outcome) {
    wr_status status = WR_OK;
    strbuf message = {0}, body = {0}, result = {0};
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    bool stop_sent = false;
    c->phase++;
    if (c->w->rank == 0) {
        pthread_mutex_lock(&c->mutex);
        c->plan = plan;
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->mutex);
    }
    bool have = false;
    int64_t index = 0;
    for (bool asked = false;;) {
        /* A failure to send or understand is reported like a failed task: the answer is the end of the phase for
         * everyone. */
        wr_status local = asked ? WR_OK : send_request(c, have, (uint64_t)index, &result);
        asked = true;
        world_task_part(c->w, "waiting for work");
        if (local < 0) send_trouble(c, local);
        TRY(receive(c, &stop_sent, &message));
        msgpack_unpacked_destroy(&u);
        local = wire_decode(message.data, message.len, &body, &u);
        const char *op = "", *bytes = NULL;
        size_t op_n = 0, n = 0;
        if (local >= 0 && !wire_get_str(&u.data, "op", &op, &op_n))
            local = wr_fail(WR_E_FORMAT, "message of the coordinator without op");
        if (local >= 0 && op_n == 3 && memcmp(op, "end", 3) == 0) {
            status = end_of_phase(c, &u.data);
            break;
        }
        if (local >= 0 && op_n == 4 && memcmp(op, "done", 4) == 0 && bin_of(&u.data, "outcome", &bytes, &n)) {
            if (outcome) {
                strbuf_clear(outcome);
                strbuf_append(outcome, bytes, n);
                status = strbuf_status(outcome);
            }
            break;
        }
        if (local >= 0 && !(op_n == 4 && memcmp(op, "task", 4) == 0 && bin_of(&u.data, "body", &bytes, &n) &&
                            wire_get_int(&u.data, "index", &index))) {
            local = wr_fail(WR_E_FORMAT, "message of the coordinator that is neither task nor end");
        }
        if (local >= 0) {
            const char *name = "";
            size_t name_n = 0;
            wire_get_str(&u.data, "name", &name, &name_n);
            world_task_part(c->w, "%.*s, task %lld", (int)name_n, name, (long long)index);
            strbuf_clear(&result);
            local = fn(context, bytes, n, &result);
            if (local >= 0) local = strbuf_status(&result);
        }
        if (local >= 0) {
            have = true;
            asked = false;
        } else if (local != WR_E_INTERRUPTED) {
            send_trouble(c, local);
        } else if (!stop_sent) {
            stop_sent = true;
            send_trouble(c, WR_E_INTERRUPTED); /* of a phase that has ended already: dropped there */
        }
    }
cleanup:
    msgpack_unpacked_destroy(&u);
    strbuf_free(&message);
    strbuf_free(&body);
    strbuf_free(&result);
    return status;
}
