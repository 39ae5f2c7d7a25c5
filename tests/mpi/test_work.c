/* Pulled work: all tasks once and in order, outcome everywhere, failures and stop signals end the phase on every rank,
 * phases follow each other. */
#include "mpi/wire.h"
#include "mpi/work.h"

static world *the_world;
static coordinator *the_coordinator;
#include "mpi_check.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

typedef struct plan_state {
    size_t next, results;
    size_t n;
    uint64_t sum;
    wr_status task_fails, result_fails, finish_fails;
} plan_state;

static void pack_number(strbuf *out, uint64_t v, size_t padding) {
    msgpack_packer pk;
    wire_packer(&pk, out);
    msgpack_pack_map(&pk, 2);
    wire_pack_str(&pk, "n");
    msgpack_pack_uint64(&pk, v);
    wire_pack_str(&pk, "padding");
    msgpack_pack_bin(&pk, padding);
    for (size_t i = 0; i < padding; i++) {
        char c = (char)((v + i) * 2654435761u >> 13);
        msgpack_pack_bin_body(&pk, &c, 1);
    }
}

static int64_t unpack_number(const void *bytes, size_t n) {
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    int64_t v = -1;
    CHECK(msgpack_unpack_next(&u, bytes, n, NULL) == MSGPACK_UNPACK_SUCCESS);
    CHECK(wire_get_int(&u.data, "n", &v));
    msgpack_unpacked_destroy(&u);
    return v;
}

static wr_status plan_task(void *context, size_t index, strbuf *out) {
    plan_state *p = context;
    CHECK(index == p->next++); /* in order, once */
    if (p->task_fails && index == 2) return wr_fail(p->task_fails, "no such prompt");
    pack_number(out, index, index % 3 * 3000);
    return WR_OK;
}

static wr_status plan_result(void *context, size_t index, const void *bytes, size_t n) {
    plan_state *p = context;
    CHECK((uint64_t)unpack_number(bytes, n) == index * index);
    p->results++;
    p->sum += index * index;
    return p->result_fails ? wr_fail(p->result_fails, "record makes no sense") : WR_OK;
}

static wr_status plan_finish(void *context, strbuf *outcome) {
    plan_state *p = context;
    CHECK(p->results == p->n && p->next == p->n);
    if (p->finish_fails) return wr_fail(p->finish_fails, "no pairs");
    pack_number(outcome, p->sum, 100000);
    return WR_OK;
}

typedef struct worker_state {
    size_t done;
    long sleep_us;
    int fail_rank; /* this rank's task `fail_at` fails; -1 none */
    int64_t fail_at;
    bool wait_for_stop; /* tasks take for ever until told to stop */
} worker_state;

static wr_status work(void *context, const void *task, size_t n, strbuf *out) {
    worker_state *s = context;
    int64_t v = unpack_number(task, n);
    if (s->sleep_us) usleep((unsigned)(s->sleep_us * (1 + v % 3)));
    if (s->fail_rank == world_rank(the_world) && v >= s->fail_at)
        return wr_fail(WR_E_NUMERIC, "NaN in task %d", (int)v);
    for (double waited = 0; s->wait_for_stop; waited += 0.001) {
        if (work_should_stop(the_coordinator)) return wr_fail(WR_E_INTERRUPTED, "told to stop");
        usleep(1000);
        CHECK(waited < 30);
    }
    s->done++;
    pack_number(out, (uint64_t)(v * v), (size_t)(v % 4) * 20000);
    return WR_OK;
}

static wr_status phase(plan_state *p, worker_state *s, strbuf *outcome) {
    const work_plan plan = {
        .context = p, .n_tasks = p->n, .name = "TEST", .task = plan_task, .result = plan_result, .finish = plan_finish};
    return work_phase(the_coordinator, world_rank(the_world) == 0 ? &plan : NULL, work, s, outcome);
}

static void test_phases(void **state) {
    (void)state;
    for (size_t n = 0; n < 30; n += 1 + n / 4) {
        plan_state p = {.n = n};
        worker_state s = {.fail_rank = -1, .sleep_us = n % 2 ? 300 : 0};
        strbuf outcome = {0};
        CHECK(phase(&p, &s, &outcome) == WR_OK);
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++) sum += i * i;
        CHECK((uint64_t)unpack_number(outcome.data, outcome.len) == sum);
        double done = (double)s.done;
        world_sum(the_world, &done, 1);
        CHECK(done == (double)n);
        strbuf_free(&outcome);
    }
}

static wr_status unknown_task(void *context, int rank, size_t index, strbuf *out) {
    plan_state *p = context;
    CHECK(rank >= 0 && rank < world_size(the_world));
    CHECK(index == p->next);
    if (p->next == p->n) return WR_END;
    p->next++;
    pack_number(out, index, 10);
    return WR_OK;
}

/* How many tasks there are is found on the way, also when there are none. */
static void test_unknown(void **state) {
    (void)state;
    for (size_t n = 0; n < 40; n += 1 + n / 3) {
        plan_state p = {.n = n};
        worker_state s = {.fail_rank = -1};
        const work_plan plan = {.context = &p,
                                .n_tasks = WORK_UNKNOWN,
                                .name = "TEST",
                                .task_for = unknown_task,
                                .result = plan_result,
                                .finish = plan_finish};
        CHECK(work_phase(the_coordinator, world_rank(the_world) == 0 ? &plan : NULL, work, &s, NULL) == WR_OK);
        double done = (double)s.done;
        world_sum(the_world, &done, 1);
        CHECK(done == (double)n);
    }
}

/* Uneven work is shared: with as many equal tasks as 4 x ranks no rank goes without. */
static void test_sharing(void **state) {
    (void)state;
    plan_state p = {.n = 4 * (size_t)world_size(the_world)};
    worker_state s = {.fail_rank = -1, .sleep_us = 10000};
    CHECK(phase(&p, &s, NULL) == WR_OK);
    CHECK(s.done > 0);
}

static void test_failures(void **state) {
    (void)state;
    int size = world_size(the_world), me = world_rank(the_world);
    for (int bad = 0; bad < size; bad++) {
        plan_state p = {.n = 200};
        worker_state s = {.fail_rank = bad, .fail_at = 5, .sleep_us = 200};
        wr_status status = phase(&p, &s, NULL);
        CHECK(status == (me == bad ? WR_E_NUMERIC : WR_E_PEER));
        CHECK(strstr(wr_error(), "NaN in task"));
        if (me != bad) {
            char name[32];
            snprintf(name, sizeof name, "rank %d (", bad);
            CHECK(strstr(wr_error(), name) && strstr(wr_error(), world_host(the_world)));
        }
        /* A long task of the others is told to stop. */
        p = (plan_state){.n = 200};
        s = (worker_state){.fail_rank = bad, .fail_at = 0, .wait_for_stop = true};
        CHECK(phase(&p, &s, NULL) == (me == bad ? WR_E_NUMERIC : WR_E_PEER));
    }
    for (int which = 0; which < 3; which++) {
        plan_state p = {.n = 6};
        if (which == 0) p.task_fails = WR_E_FORMAT;
        if (which == 1) p.result_fails = WR_E_FORMAT;
        if (which == 2) p.finish_fails = WR_E_FORMAT;
        worker_state s = {.fail_rank = -1};
        CHECK(phase(&p, &s, NULL) == (me == 0 ? WR_E_FORMAT : WR_E_PEER));
    }
    test_phases(state); /* and the next phases are as if nothing had been */
}

static void test_idle_share(void **state) {
    (void)state;
    coordinator *c = NULL;
    CHECK(coordinator_create(the_world, &c) == WR_OK);
    usleep(400000);
    const double seconds = coordinator_cpu_seconds(c);
    if (world_rank(the_world) == 0)
        CHECK(seconds > 0 && seconds < 0.05 * 0.4);
    else
        CHECK(seconds == 0);
    coordinator_free(c);
    coordinator_free(NULL);
}

/* Last: the signal stays seen. */
static void test_stop(void **state) {
    (void)state;
    int last = world_size(the_world) - 1;
    plan_state p = {.n = 50};
    worker_state s = {.fail_rank = -1, .wait_for_stop = true};
    if (world_rank(the_world) == last) {
        struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        struct itimerspec soon = {.it_value = {0, 100000000}};
        timer_t timer;
        CHECK(timer_create(CLOCK_MONOTONIC, &e, &timer) == 0 && timer_settime(timer, 0, &soon, NULL) == 0);
    }
    CHECK(phase(&p, &s, NULL) == WR_E_INTERRUPTED);
    CHECK(world_stop_requested() == (world_rank(the_world) == last));
    CHECK(world_stop_agreed(the_world));
    /* With the signal seen before the phase begins. */
    p = (plan_state){.n = 50};
    CHECK(phase(&p, &s, NULL) == WR_E_INTERRUPTED);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0 || coordinator_create(the_world, &the_coordinator) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_phases),     cmocka_unit_test(test_unknown),
                                       cmocka_unit_test(test_sharing),    cmocka_unit_test(test_failures),
                                       cmocka_unit_test(test_idle_share), cmocka_unit_test(test_stop)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    coordinator_free(the_coordinator);
    world_free(the_world);
    return failed != 0;
}
