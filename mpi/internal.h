/* What the files of mpi/ share: the world's fields and waiting without burning a core. */
#ifndef WR_MPI_INTERNAL_H
#define WR_MPI_INTERNAL_H

#include "mpi/world.h"
#include <mpi.h>

#define HOST_CAP 256
#define MESSAGE_CAP 1024              /* an error text on its way to other ranks */
#define PIECE_BYTES ((size_t)1 << 30) /* MPI counts are ints */

typedef struct watch watch;

struct world {
    MPI_Comm comm;  /* collectives of the main threads */
    MPI_Comm local; /* the ranks of this host */
    int rank, size, local_rank, local_size;
    int *hosts; /* (size): of each rank the lowest rank of its host; a part's are those of the whole */
    char host[HOST_CAP];
    watch *watch; /* NULL: nobody is watched */
};

/* LOCAL. From now on gradient sums take rank r to be on host hosts[r] (any numbers, the same on every rank): other
 * layouts than the machine has, for tests and benchmarks. No sum may be under way. */
void world_pretend_hosts(world *w, const int *hosts);

/* Of world_free, around MPI_Finalize (mpi/watch.c): the job may be ended, but not by MPI any more; this rank takes its
 * leave, rank 0 when all others have. NULL is fine. */
void watch_finalizing(watch *h);
void watch_end(watch *h);

/* Handlers of SIGTERM, SIGUSR1 and SIGINT (mpi/stop_signals.c). LOCAL; may be called again. */
wr_status stop_signals_install(void);
/* Whether one has come. LOCAL, any thread; unlike world_stop_requested no answer to it. */
bool stop_signal_seen(void);

/* Sleeps between polls: a few yields first (an answer that is already on its way costs nothing), then doubling from 20
 * µs to max_us. */
typedef struct backoff {
    unsigned polls;
    long us, max_us;
} backoff;
backoff backoff_make(long max_us);
void backoff_pause(backoff *b);

/* Waits by MPI_Testall and backoff. */
void requests_wait(int n, MPI_Request *requests, long max_us);

/* Sends or receives n bytes in pieces that an int can count; one request for each piece is written to requests
 * (piece_count(n)). */
size_t piece_count(size_t n);
void pieces_send(const void *bytes, size_t n, int to, int tag, MPI_Comm comm, MPI_Request *requests);
void pieces_recv(void *bytes, size_t n, int from, int tag, MPI_Comm comm, MPI_Request *requests);

/* Appends n bytes of room to out and returns where they start; NULL (out->failed) when memory is short. */
char *strbuf_room(strbuf *out, size_t n);

#endif
