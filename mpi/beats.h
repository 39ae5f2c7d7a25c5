/* Signs of life between ranks: TCP connections beside MPI, each with messages of one fixed size. MPI itself cannot carry
 * them: a rank that waits inside a library's call, or in MPI_Finalize, must still be heard. LOCAL; no function waits but
 * beats_call_rank0. */
#ifndef WR_MPI_BEATS_H
#define WR_MPI_BEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BEAT_TASK = 104, BEAT_SECRET = 16, BEAT_ADDRESSES = 24 };

/* ENDING: its sender has said why, and ends the job. */
typedef enum beat_kind { BEAT_ALIVE = 1, BEAT_BYE, BEAT_ENDING } beat_kind;

/* One message, sent as it lies in memory: ranks run the same program file. The first one of a connection says who
 * calls. */
typedef struct beat {
    unsigned char secret[BEAT_SECRET]; /* the run's, told over MPI: whoever does not know it is not listened to */
    uint32_t kind, rank;
    uint64_t tasks;       /* begun so far */
    char task[BEAT_TASK]; /* the one under way */
} beat;

/* Where rank 0 listens: made there, told to all over MPI. */
typedef struct beat_place {
    unsigned char secret[BEAT_SECRET];
    uint32_t port, n; /* n 0: nowhere */
    struct {
        uint32_t family;         /* AF_INET, AF_INET6 */
        unsigned char bytes[16]; /* in network order */
    } at[BEAT_ADDRESSES];
} beat_place;

/* A connection. fd −1: none. */
typedef struct beat_line {
    int fd;
    size_t in, out; /* bytes of `coming` that are there, of `going` that are sent; out 0: nothing is under way */
    beat coming, going;
} beat_line;

/* Listens where the other ranks can come: on the loopback alone where all are on this host. Returns the socket, −1 with
 * errno. */
int beats_listen(bool one_host, int ranks, beat_place *out);
/* The next caller, with an empty line; −1: none waits. */
int beats_accept(int listener);
/* Calls rank 0 at all its addresses at once, and keeps the first that answers; false where none does within limit_s. */
bool beats_call_rank0(const beat_place *place, const beat *hello, double limit_s, beat_line *out);
/* The addresses in words, for messages. */
void beats_place_text(const beat_place *place, char *out, size_t n);

/* Sends b, or the rest of the one before it, as far as there is room; b is dropped then: another comes soon. false: the
 * connection is broken. */
bool line_send(beat_line *l, const beat *b);
/* 1: *out is a message; 0: there is none yet; −1: the other side is gone. */
int line_receive(beat_line *l, beat *out);
void line_close(beat_line *l);

#endif
