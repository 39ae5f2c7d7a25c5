/* Waiting for messages with sleeps, and transfers larger than an int can count. */
#include "mpi/internal.h"

#include <sched.h>
#include <time.h>

/* Inside a training step ranks wait for each other by milliseconds, and oversleeping costs a share of the step: sleeps
 * stay short for the first PATIENT_POLLS (about half a second), and only then grow to max_us. */
enum { YIELDS = 64, FIRST_SLEEP_US = 20, SHORT_SLEEP_US = 160, PATIENT_POLLS = 3000 };

backoff backoff_make(long max_us) { return (backoff){.us = FIRST_SLEEP_US, .max_us = max_us}; }

void backoff_pause(backoff *b) {
    if (b->polls++ < YIELDS) {
        sched_yield();
        return;
    }
    struct timespec t = {.tv_sec = b->us / 1000000, .tv_nsec = b->us % 1000000 * 1000};
    nanosleep(&t, NULL); /* a signal ends it early, which is fine */
    const long most = b->polls < PATIENT_POLLS && b->max_us > SHORT_SLEEP_US ? SHORT_SLEEP_US : b->max_us;
    b->us = b->us * 2 < most ? b->us * 2 : most;
}

void requests_wait(int n, MPI_Request *requests, long max_us) {
    backoff b = backoff_make(max_us);
    for (int done = 0;;) {
        MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE);
        if (done) return;
        backoff_pause(&b);
    }
}

size_t piece_count(size_t n) { return (n + PIECE_BYTES - 1) / PIECE_BYTES; }

void pieces_send(const void *bytes, size_t n, int to, int tag, MPI_Comm comm, MPI_Request *requests) {
    for (size_t at = 0, i = 0; at < n; at += PIECE_BYTES, i++) {
        size_t piece = n - at < PIECE_BYTES ? n - at : PIECE_BYTES;
        MPI_Isend((const char *)bytes + at, (int)piece, MPI_BYTE, to, tag, comm, &requests[i]);
    }
}

void pieces_recv(void *bytes, size_t n, int from, int tag, MPI_Comm comm, MPI_Request *requests) {
    for (size_t at = 0, i = 0; at < n; at += PIECE_BYTES, i++) {
        size_t piece = n - at < PIECE_BYTES ? n - at : PIECE_BYTES;
        MPI_Irecv((char *)bytes + at, (int)piece, MPI_BYTE, from, tag, comm, &requests[i]);
    }
}
