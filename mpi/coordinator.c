/* The coordinator thread of rank 0: hands out the tasks of a phase in order, takes results, ends the phase on every
 * rank. */
#include "mpi/coordinator.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLEEP_MIN_US = 1000, SLEEP_MAX_US = 10000, SEND_WAIT_US = 500 };

wr_status message_poll(MPI_Comm comm, int tag, strbuf *message, int *from) {
    int found = 0, count = 0;
    MPI_Message m;
    MPI_Status s;
    strbuf_clear(message);
    MPI_Improbe(MPI_ANY_SOURCE, tag, comm, &found, &m, &s);
    if (!found) return WR_OK;
    MPI_Get_count(&s, MPI_BYTE, &count);
    char *room = strbuf_room(message, (size_t)count);
    if (!room) {
        /* The message is matched and must be received, and its sender waits: nothing can go on without this memory. */
        log_error("out of memory for a message of %d bytes from rank %d", count, s.MPI_SOURCE);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Request r;
    MPI_Imrecv(room, count, MPI_BYTE, &m, &r);
    requests_wait(1, &r, SEND_WAIT_US);
    *from = s.MPI_SOURCE;
    return WR_OK;
}

wr_status message_send(MPI_Comm comm, int to, int tag, const strbuf *body) {
    wr_status status = WR_OK;
    strbuf framed = {0};
    TRY(strbuf_status(body));
    TRY(wire_encode(body->data, body->len, &framed));
    if (framed.len > INT_MAX) TRY(wr_fail(WR_E_FORMAT, "message of %zu bytes is too large", framed.len));
    MPI_Request r;
    MPI_Isend(framed.data, (int)framed.len, MPI_BYTE, to, tag, comm, &r);
    requests_wait(1, &r, SEND_WAIT_US);
cleanup:
    strbuf_free(&framed);
    return status;
}

static void pack_bin(msgpack_packer *pk, const strbuf *b) {
    msgpack_pack_bin(pk, b->len);
    msgpack_pack_bin_body(pk, strbuf_str(b), b->len);
}

/* The end of a phase that did not go well: everyone is told once. A busy rank sees it when it polls. */
static void end_badly(coordinator *c, wr_status code, int rank, const char *host, const char *text) {
    strbuf body = {0};
    msgpack_packer pk;
    if (c->over) return;
    c->over = c->ended_badly = true;
    wire_packer(&pk, &body);
    msgpack_pack_map(&pk, 5);
    wire_pack_str(&pk, "op");
    wire_pack_str(&pk, "end");
    wire_pack_str(&pk, "code");
    msgpack_pack_int(&pk, (int)code);
    wire_pack_str(&pk, "rank");
    msgpack_pack_int(&pk, rank);
    wire_pack_str(&pk, "host");
    wire_pack_str(&pk, host);
    wire_pack_str(&pk, "text");
    wire_pack_strn(&pk, text, strnlen(text, MESSAGE_CAP));
    for (int r = 0; r < c->w->size; r++) {
        if (message_send(c->comm, r, TAG_DOWN, &body) < 0) {
            log_error("cannot tell rank %d to stop: %s", r, wr_error());
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        c->peers[r].ended = true;
    }
    strbuf_free(&body);
}

/* A callback of the plan or the coordinator itself failed: rank 0's failure. */
static void own_failure(coordinator *c, wr_status code) {
    char text[MESSAGE_CAP];
    strncpy(text, wr_error(), sizeof text - 1);
    text[sizeof text - 1] = '\0';
    end_badly(c, code, 0, c->w->host, text);
}

static wr_status end_well(coordinator *c) {
    wr_status status = WR_OK;
    strbuf outcome = {0}, body = {0};
    msgpack_packer pk;
    if (c->active->finish) TRY(c->active->finish(c->active->context, &outcome));
    TRY(strbuf_status(&outcome));
    wire_packer(&pk, &body);
    msgpack_pack_map(&pk, 2);
    wire_pack_str(&pk, "op");
    wire_pack_str(&pk, "done");
    wire_pack_str(&pk, "outcome");
    pack_bin(&pk, &outcome);
    if (body.len > WIRE_MAX_BODY)
        TRY(wr_fail(WR_E_FORMAT, "the outcome of %s has %zu bytes: use fewer prompts a step", c->active->name,
                    body.len));
    c->over = true;
    for (int r = 0; r < c->w->size; r++) {
        if (message_send(c->comm, r, TAG_DOWN, &body) < 0) {
            log_error("cannot send the outcome of %s to rank %d: %s", c->active->name, r, wr_error());
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        c->peers[r].ended = true;
    }
cleanup:
    strbuf_free(&outcome);
    strbuf_free(&body);
    return status;
}

/* Answers rank r's request: the next task, or nothing yet while others still work. */
static wr_status answer(coordinator *c, int r) {
    wr_status status = WR_OK;
    strbuf task = {0}, body = {0};
    msgpack_packer pk;
    if (c->next_task == c->n_tasks) return WR_OK;
    wr_status got = c->active->task_for ? c->active->task_for(c->active->context, r, c->next_task, &task)
                                        : c->active->task(c->active->context, c->next_task, &task);
    TRY(got);
    TRY(strbuf_status(&task));
    if (got == WR_END) {
        c->n_tasks = c->next_task;
        goto cleanup;
    }
    TRY(mem_reserve((void **)&c->have_result, &c->have_capacity, c->next_task + 1, sizeof *c->have_result));
    c->have_result[c->next_task] = false;
    wire_packer(&pk, &body);
    msgpack_pack_map(&pk, 4);
    wire_pack_str(&pk, "op");
    wire_pack_str(&pk, "task");
    wire_pack_str(&pk, "index");
    msgpack_pack_uint64(&pk, c->next_task);
    wire_pack_str(&pk, "name");
    wire_pack_str(&pk, c->active->name);
    wire_pack_str(&pk, "body");
    pack_bin(&pk, &task);
    c->peers[r].asking = false;
    c->next_task++;
    TRY(message_send(c->comm, r, TAG_DOWN, &body));
cleanup:
    strbuf_free(&task);
    strbuf_free(&body);
    return status;
}

static wr_status take_result(coordinator *c, const msgpack_object *map) {
    int64_t index;
    const msgpack_object *result = wire_get(map, "result");
    if (!result) return WR_OK; /* the first request of a phase */
    if (result->type != MSGPACK_OBJECT_BIN || !wire_get_int(map, "index", &index) || index < 0 ||
        (size_t)index >= c->next_task) {
        return wr_fail(WR_E_FORMAT, "%s: a result without a valid index", c->active->name);
    }
    if (c->have_result[index])
        return wr_fail(WR_E_FORMAT, "%s: a second result of task %lld", c->active->name, (long long)index);
    c->have_result[index] = true;
    c->results_in++;
    return c->active->result(c->active->context, (size_t)index, result->via.bin.ptr, result->via.bin.size);
}

static wr_status handle(coordinator *c, int from, const strbuf *message) {
    wr_status status = WR_OK;
    strbuf body = {0};
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    const char *op = "", *text = "";
    size_t op_n = 0, text_n = 0;
    int64_t phase = 0, code = WR_E_FAILED;
    TRY(wire_decode(message->data, message->len, &body, &u));
    const msgpack_object *map = &u.data;
    if (!wire_get_str(map, "op", &op, &op_n) || !wire_get_int(map, "phase", &phase)) {
        TRY(wr_fail(WR_E_FORMAT, "message from rank %d without op and phase", from));
    }
    bool current = c->active && (uint64_t)phase == c->active_phase;
    if (!current && (uint64_t)phase > c->active_phase) {
        peer *p = &c->peers[from];
        if (op_n == 4 && memcmp(op, "stop", 4) == 0)
            p->early_stop = true;
        else {
            strbuf_clear(&p->early);
            strbuf_append(&p->early, message->data, message->len);
            TRY(strbuf_status(&p->early));
        }
    } else if (!current || c->over) {
        /* Of a phase that has ended: its sender has the end already, or will see it as the answer. */
    } else if (op_n == 7 && memcmp(op, "request", 7) == 0) {
        c->peers[from].asking = true;
        TRY(take_result(c, map));
    } else if (op_n == 4 && memcmp(op, "stop", 4) == 0) {
        end_badly(c, WR_E_INTERRUPTED, from, "", "");
    } else if (op_n == 4 && memcmp(op, "fail", 4) == 0) {
        char copy[MESSAGE_CAP] = {0}, host[HOST_CAP] = {0};
        const char *h = "";
        size_t h_n = 0;
        wire_get_int(map, "code", &code);
        wire_get_str(map, "text", &text, &text_n);
        wire_get_str(map, "host", &h, &h_n);
        memcpy(copy, text, text_n < sizeof copy - 1 ? text_n : sizeof copy - 1);
        memcpy(host, h, h_n < sizeof host - 1 ? h_n : sizeof host - 1);
        end_badly(c, code < 0 && code >= WR_E_FAILED ? (wr_status)code : WR_E_FAILED, from, host, copy);
    } else {
        TRY(wr_fail(WR_E_FORMAT, "message from rank %d with unknown op \"%.*s\"", from, (int)op_n, op));
    }
cleanup:
    msgpack_unpacked_destroy(&u);
    strbuf_free(&body);
    return status;
}

/* Takes the plan the main thread posted, and the requests that came before it. */
static wr_status begin(coordinator *c, const work_plan *plan) {
    wr_status status = WR_OK;
    c->active = plan;
    c->active_phase++;
    c->next_task = c->results_in = 0;
    c->n_tasks = plan->n_tasks;
    c->over = c->ended_badly = false;
    for (int r = 0; r < c->w->size; r++) c->peers[r].asking = c->peers[r].ended = false;
    for (int r = 0; r < c->w->size; r++) {
        peer *p = &c->peers[r];
        if (p->early_stop) end_badly(c, WR_E_INTERRUPTED, r, "", "");
        p->early_stop = false;
        if (p->early.len) TRY(handle(c, r, &p->early));
        strbuf_clear(&p->early);
    }
cleanup:
    return status;
}

static void sleep_on(coordinator *c, long us) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += us * 1000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    pthread_cond_timedwait(&c->wake, &c->mutex, &t);
}

void *coordinator_main(void *context) {
    coordinator *c = context;
    strbuf message = {0};
    long sleep_us = SLEEP_MIN_US;
    for (;;) {
        int from = 0;
        wr_status status = message_poll(c->comm, TAG_UP, &message, &from);
        bool busy = message.len > 0;
        if (busy) status = handle(c, from, &message);
        if (status >= 0 && c->active && !c->over) {
            for (int r = 0; r < c->w->size && status >= 0; r++) {
                if (c->peers[r].asking) status = answer(c, r);
            }
            /* Every rank asks at least once a phase; ending earlier would leave requests behind, which is harmless. */
            if (status >= 0 && c->results_in == c->n_tasks) status = end_well(c);
        }
        if (status < 0) {
            if (c->active) {
                own_failure(c, status);
            } else { /* nobody can be told outside a phase */
                log_error("coordinator: %s", wr_error());
                MPI_Abort(MPI_COMM_WORLD, 1);
            }
        }
        if (c->over) c->active = NULL;
        if (busy) {
            sleep_us = SLEEP_MIN_US;
            continue;
        }
        pthread_mutex_lock(&c->mutex);
        const work_plan *plan = c->plan;
        bool quit = c->quit;
        c->plan = NULL;
        if (!plan && !quit) {
            sleep_on(c, sleep_us);
            sleep_us = sleep_us * 2 < SLEEP_MAX_US ? sleep_us * 2 : SLEEP_MAX_US;
        }
        pthread_mutex_unlock(&c->mutex);
        if (plan) {
            wr_status s = begin(c, plan);
            if (s < 0) own_failure(c, s);
            sleep_us = SLEEP_MIN_US;
        } else if (quit) {
            break;
        }
    }
    strbuf_free(&message);
    c->cpu_at_end = clock_thread_cpu();
    return NULL;
}
