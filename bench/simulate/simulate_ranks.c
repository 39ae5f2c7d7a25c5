/* simulate_ranks SCHEDULE NAME=VALUE…: how long a training step takes on many hosts, one rank each, by SimGrid. Prints the
 * seconds. What is simulated is the schedule of this program: SCHEDULE is a measured step (bench_ranks schedule),
 *
 *     FORWARD BACKWARD UPDATE        seconds
 *     FLOATS READY                   of each part, in the order in which they are final; from the backward pass's beginning
 *
 * and slices go through the stages of mpi/reducer.c, an actor each, with the same bounds on how far they may run ahead (those inside
 * a host are empty where it has one rank):
 *
 *     compute ──started──► poster ──posted──► summer ──gathering──► finisher ──done──► compute: update
 *                            ▲ scatter_room (depth) ┘ ▲ gather_room (depth) ┘
 *
 *   hosts=P gbit=G latency=S   full-duplex links to a switch that bounds nothing; share=0.94: what TCP leaves of a link
 *   slice=FLOATS depth=N bytes=4|2 overlap=1|0     as the options of the program
 *   cpu=S message=S            a rank's time for a float of the sum, and for a message (bench_ranks wire)
 *   cores=1                    the sum has no core of its own; 2: it has
 *   speed=X                    hosts compute X times as fast as the one measured
 *   pairs=1                    every message is one; 0: those of a slice from and to one host are one as long as all. Hosts do the same at the same time, and a link
 *                              carries as much either way: the time is the same, and there are P flows in place of P² */
#include <simgrid/actor.h>
#include <simgrid/comm.h>
#include <simgrid/engine.h>
#include <simgrid/host.h>
#include <simgrid/mailbox.h>
#include <simgrid/semaphore.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PARTS = 512, DEPTH = 64, FLOPS = 1000000000 };

static struct {
    double hosts, gbit, latency, share, slice, depth, bytes, overlap, cpu, message, cores, speed, pairs;
} o = {.gbit = 1,
       .latency = 5e-5,
       .share = 0.94,
       .slice = 262144,
       .depth = 2,
       .bytes = 4,
       .overlap = 1,
       .cores = 1,
       .speed = 1};

static const struct option {
    const char *name;
    double *value;
} options[] = {{"hosts", &o.hosts}, {"gbit", &o.gbit},       {"latency", &o.latency}, {"share", &o.share},
               {"slice", &o.slice}, {"depth", &o.depth},     {"bytes", &o.bytes},     {"overlap", &o.overlap},
               {"cpu", &o.cpu},     {"message", &o.message}, {"cores", &o.cores},     {"speed", &o.speed},
               {"pairs", &o.pairs}};

static double forward, backward, update, floats[PARTS], ready[PARTS];
static size_t parts, slices;

/* One host's slices. */
typedef struct rank {
    sg_sem_t started, scatter_room, posted, gather_room, gathering, done;
    sg_comm_t *scatter, *gather; /* (depth, 2 P) */
} rank;
static rank *ranks;

static size_t me(char **argv) { return strtoul(argv[1], NULL, 10); }
static void compute(double seconds) { sg_actor_execute(seconds / o.speed * FLOPS); }
static void work(double seconds) { sg_actor_execute(seconds * FLOPS); }
static size_t slices_of(size_t part) { return (size_t)((floats[part] + o.slice - 1) / o.slice); }

/* Floats of slice k: parts begin slices of their own. */
static double floats_of(size_t k) {
    size_t part = 0;
    while (k >= slices_of(part)) k -= slices_of(part++);
    const double left = floats[part] - (double)k * o.slice;
    return left < o.slice ? left : o.slice;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

/* Half of a slice's exchange: a P-th to every other host, and as much from each. */
static void exchange(const char *kind, size_t host, size_t k, sg_comm_t *comms) {
    static char payload;
    static void *received;
    const size_t P = (size_t)o.hosts;
    const double piece = floats_of(k) * o.bytes / o.hosts;
    char name[64];
    for (size_t d = 1; d < P; d++) {
        snprintf(name, sizeof name, "%s-%zu-%zu", kind, host, (host + d) % P);
        comms[2 * d - 2] =
            sg_mailbox_put_async(sg_mailbox_by_name(name), &payload, (long)(o.pairs ? piece : piece * (o.hosts - 1)));
        snprintf(name, sizeof name, "%s-%zu-%zu", kind, (host + P - d) % P, host);
        comms[2 * d - 1] = sg_mailbox_get_async(sg_mailbox_by_name(name), &received);
        if (!o.pairs) break;
    }
    work(2 * (o.hosts - 1) * o.message);
}

static void complete(sg_comm_t *comms) {
    const size_t n = o.pairs ? 2 * (size_t)o.hosts - 2 : 2;
    for (size_t i = 0; i < n; i++) sg_comm_wait(comms[i]);
}

static sg_comm_t *slot(sg_comm_t *comms, size_t k) { return comms + k % (size_t)o.depth * 2 * (size_t)o.hosts; }

/* --- actors ------------------------------------------------------------------------------------------------------- */

static void start(rank *r, size_t part) {
    for (size_t i = 0; i < slices_of(part); i++) sg_sem_release(r->started);
}

static void computer(int argc, char **argv) {
    rank *r = &ranks[me(argv)];
    double at = 0;
    (void)argc;
    compute(forward);
    for (size_t part = 0; part < parts; part++) {
        compute(ready[part] - at);
        at = ready[part];
        if (o.overlap) start(r, part);
    }
    compute(backward - at);
    for (size_t part = 0; part < parts && !o.overlap; part++) start(r, part);
    sg_sem_acquire(r->done);
    compute(update);
}

static void poster(int argc, char **argv) {
    rank *r = &ranks[me(argv)];
    (void)argc;
    for (size_t k = 0; k < slices; k++) {
        sg_sem_acquire(r->started);
        sg_sem_acquire(r->scatter_room);
        exchange("scatter", me(argv), k, slot(r->scatter, k));
        sg_sem_release(r->posted);
    }
}

static void summer(int argc, char **argv) {
    rank *r = &ranks[me(argv)];
    (void)argc;
    for (size_t k = 0; k < slices; k++) {
        sg_sem_acquire(r->posted);
        complete(slot(r->scatter, k));
        sg_sem_acquire(r->gather_room);
        work(floats_of(k) * o.cpu);
        exchange("gather", me(argv), k, slot(r->gather, k));
        sg_sem_release(r->scatter_room);
        sg_sem_release(r->gathering);
    }
}

static void finisher(int argc, char **argv) {
    rank *r = &ranks[me(argv)];
    (void)argc;
    for (size_t k = 0; k < slices; k++) {
        sg_sem_acquire(r->gathering);
        complete(slot(r->gather, k));
        sg_sem_release(r->gather_room);
    }
    sg_sem_release(r->done);
}

/* --- what it is told ---------------------------------------------------------------------------------------------- */

static int read_schedule(const char *path) {
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    int good = fscanf(f, "%lf %lf %lf", &forward, &backward, &update) == 3;
    while (parts < PARTS && fscanf(f, "%lf %lf", &floats[parts], &ready[parts]) == 2) parts++;
    fclose(f);
    return good && parts > 0;
}

static int read_options(int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        size_t k = 0, n = strcspn(argv[i], "=");
        while (k < sizeof options / sizeof *options &&
               (strlen(options[k].name) != n || strncmp(options[k].name, argv[i], n) != 0))
            k++;
        if (k == sizeof options / sizeof *options || !argv[i][n]) return 0;
        *options[k].value = strtod(argv[i] + n + 1, NULL);
    }
    return o.hosts >= 2 && o.depth >= 1 && o.depth <= DEPTH && o.slice >= 1 && o.gbit > 0 && o.speed > 0;
}

/* Links deliver what they are told: TCP's part is `share`. */
static void load_platform(void) {
    char path[] = "/tmp/simulate-ranks-XXXXXX.xml";
    const int fd = mkstemps(path, 4);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) exit(1);
    fprintf(f,
            "<?xml version='1.0'?>\n<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n<platform "
            "version=\"4.1\">\n"
            "<cluster id=\"c\" prefix=\"h\" suffix=\"\" radical=\"0-%d\" speed=\"1Gf\" core=\"%d\" bw=\"%.0fBps\" "
            "lat=\"%.9gs\"/>\n</platform>\n",
            (int)o.hosts - 1, (int)o.cores, o.gbit * o.share * 1e9 / 8, o.latency / 2);
    fclose(f);
    simgrid_load_platform(path);
    unlink(path);
}

static void open_rank(rank *r, size_t host) {
    static const struct {
        const char *name;
        void (*run)(int argc, char **argv);
    } actors[] = {{"computer", computer}, {"poster", poster}, {"summer", summer}, {"finisher", finisher}};
    char name[32], number[32];
    const size_t room = (size_t)o.depth * 2 * (size_t)o.hosts;
    *r = (rank){sg_sem_init(0),
                sg_sem_init((int)o.depth),
                sg_sem_init(0),
                sg_sem_init((int)o.depth),
                sg_sem_init(0),
                sg_sem_init(0),
                calloc(room, sizeof(sg_comm_t)),
                calloc(room, sizeof(sg_comm_t))};
    if (!r->scatter || !r->gather) exit(1);
    snprintf(name, sizeof name, "h%zu", host);
    snprintf(number, sizeof number, "%zu", host);
    for (size_t i = 0; i < sizeof actors / sizeof *actors; i++) {
        char *argv[] = {name, number, NULL};
        sg_actor_t a = sg_actor_init(actors[i].name, sg_host_by_name(name));
        sg_actor_start(a, actors[i].run, 2, argv);
    }
}

int main(int argc, char **argv) {
    char *quiet[] = {argv[0],
                     "--log=root.thresh:warning",
                     "--cfg=network/model:CM02",
                     "--cfg=network/bandwidth-factor:1",
                     "--cfg=network/latency-factor:1",
                     "--cfg=network/TCP-gamma:1e15",
                     "--cfg=network/crosstraffic:0",
                     "--cfg=contexts/stack-size:64",
                     NULL};
    int n = sizeof quiet / sizeof *quiet - 1;
    if (argc < 2 || !read_options(argc, argv) || !read_schedule(argv[1])) {
        fprintf(stderr, "usage: simulate_ranks SCHEDULE hosts=P [NAME=VALUE…]\n");
        return 2;
    }
    simgrid_init(&n, quiet);
    load_platform();
    for (size_t part = 0; part < parts; part++) slices += slices_of(part);
    ranks = calloc((size_t)o.hosts, sizeof *ranks);
    if (!ranks) return 1;
    for (size_t host = 0; host < (size_t)o.hosts; host++) open_rank(&ranks[host], host);
    simgrid_run();
    printf("%.6f\n", simgrid_get_clock());
    return 0;
}
