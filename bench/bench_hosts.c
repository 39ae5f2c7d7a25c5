/* bench_hosts FLOATS ROUNDS: a sum of so many floats over ranks, several a host, as it goes (what ranks of one host add
 * leaves it) and with every rank taken to be on a host of its own, in turn in one process. JSON on stdout: seconds,
 * medians over the rounds, and MB that left all hosts by their networks in a sum (0 where ranks share the loopback). */
#include "bench/median.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "mpi/internal.h"
#include "mpi/reduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 99, ORDERS = 2 };

typedef struct figures {
    double seconds[ROUNDS_MAX], bytes;
} figures;

/* Bytes sent by all networks of this host but the loopback. */
static double bytes_out(void) {
    char line[512], name[64];
    double sent, all = 0;
    FILE *f = fopen("/proc/self/net/dev", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, " %63[^:]: %*f %*f %*f %*f %*f %*f %*f %*f %lf", name, &sent) == 2 && strcmp(name, "lo") != 0)
            all += sent;
    if (f) fclose(f);
    return all;
}

static wr_status sum_once(world *w, const reduce_options *o, float *x, size_t n, size_t round, figures *f) {
    wr_status status = WR_OK;
    reducer *r = NULL;
    reduce_task task;
    TRY(reducer_create(w, o, &r));
    world_barrier(w);
    double bytes = bytes_out();
    const double began = clock_seconds();
    reduce_start(r, &task, x, n);
    TRY(reducer_finish(r, WR_OK));
    double seconds = clock_seconds() - began;
    bytes = world_local_rank(w) == 0 ? bytes_out() - bytes : 0;
    world_max(w, &seconds, 1);
    world_sum(w, &bytes, 1);
    if (round) f->seconds[round - 1] = seconds, f->bytes = bytes; /* the first warms up */
cleanup:
    reducer_free(r);
    return status;
}

static void write_figures(json_writer *j, figures f[ORDERS], size_t rounds) {
    static const char *const names[ORDERS] = {"hosts", "ranks"};
    double t[ORDERS];
    for (int i = 0; i < ORDERS; i++) {
        t[i] = median(f[i].seconds, rounds);
        json_member_object(j, names[i]);
        json_member_double(j, "seconds", t[i]);
        json_member_double(j, "mb", f[i].bytes / 1e6);
        json_end_object(j);
    }
    json_member_double(j, "time_ratio", t[0] / t[1]);
    json_member_double(j, "bytes_ratio", f[1].bytes > 0 ? f[0].bytes / f[1].bytes : 0);
}

static wr_status run(world *w, size_t n, size_t rounds, strbuf *out) {
    wr_status status = WR_OK;
    static figures f[2][ORDERS];
    const size_t size = (size_t)world_size(w);
    json_writer j = json_writer_make(out);
    float *x = mem_aligned(n, sizeof *x);
    int *hosts[ORDERS] = {mem_calloc(size, sizeof(int)), mem_calloc(size, sizeof(int))};
    if (!x || !hosts[0] || !hosts[1]) status = WR_E_NOMEM;
    TRY(world_agree(w, status));
    memset(x, 0, n * sizeof *x);
    memcpy(hosts[0], w->hosts, size * sizeof(int));
    for (size_t p = 0; p < size; p++) hosts[1][p] = (int)p;
    for (size_t r = 0; r <= rounds; r++)
        for (int half = 0; half < 2; half++)
            for (int i = 0; i < ORDERS; i++) {
                world_pretend_hosts(w, hosts[i]);
                TRY(sum_once(w, &(reduce_options){.half = half}, x, n, r, &f[half][i]));
            }
    json_begin_object(&j);
    json_member_int(&j, "ranks", world_size(w));
    json_member_int(&j, "ranks_a_host", world_local_size(w));
    json_member_count(&j, "floats", n);
    for (int half = 0; half < 2; half++) {
        json_member_object(&j, half ? "bf16" : "f32");
        write_figures(&j, f[half], rounds);
        json_end_object(&j);
    }
    json_end_object(&j);
    TRY(strbuf_status(out));
cleanup:
    free(x);
    free(hosts[0]);
    free(hosts[1]);
    return status;
}

int main(int argc, char **argv) {
    wr_status status = WR_OK;
    world *w = NULL;
    strbuf out = {0};
    TRY(world_create(&argc, &argv, &w));
    const size_t n = argc == 3 ? strtoul(argv[1], NULL, 10) : 0, rounds = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (!n || !rounds || rounds > ROUNDS_MAX) TRY(wr_fail(WR_E_USAGE, "usage: bench_hosts FLOATS ROUNDS"));
    TRY(run(w, n, rounds, &out));
    if (world_rank(w) == 0) printf("%s\n", strbuf_str(&out));
cleanup:
    if (status < 0) fprintf(stderr, "bench_hosts: %s\n", wr_error());
    if (status < 0 && w && world_size(w) > 1) world_abort(w, 1); /* the others wait for it */
    strbuf_free(&out);
    if (w) world_free(w);
    return status < 0;
}
