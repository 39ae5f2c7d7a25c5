/* What all ranks must have in common before they work together: what they were told, what they are, and the files that
 * they read for themselves. Ranks with another option, program or input would each do their part of another job, and
 * the sum would be wrong without a word. */
#ifndef WR_MPI_SAME_H
#define WR_MPI_SAME_H

#include "mpi/world.h"

typedef struct rank_fact {
    char kind; /* 'o' told, 'm' the machine's, 'f' file of a folder that is read whole, 'p' file that a rank may lack */
    char *group; /* files: what belongs together; "" otherwise */
    char *name;  /* "--lr", "threads", "--model m/config.json": unique */
    char *value;
    char *path; /* files, NULL otherwise */
} rank_fact;

typedef struct rank_facts {
    rank_fact *items; /* owned */
    size_t n, capacity;
} rank_facts;

/* LOCAL. Something that must be equal: an option ("--lr"), which is then a usage error, or what the rank is. */
wr_status facts_add_told(rank_facts *f, const char *name, const char *value);
wr_status facts_add_machine(rank_facts *f, const char *name, const char *value);
/* LOCAL. A file whose content must be equal where several ranks have it. One that cannot be looked at counts as absent.
 * whole: a rank that has another file of the group must have this one too. */
wr_status facts_add_file(rank_facts *f, const char *group, const char *name, const char *path, bool whole);
void facts_free(rank_facts *f);

/* COLLECTIVE. WR_OK when all ranks passed mine >= 0 and the same facts. Otherwise the same code and message on every
 * rank, naming rank, host and what differs: WR_E_USAGE for what was told, WR_E_MISMATCH for the rest, and the lowest
 * failed rank's own where one passed mine < 0. One small reduction when nothing differs. Files are read only where
 * their names lead ranks to different ones (inode, size, times to the nanosecond): on a shared file system none. */
wr_status world_same(world *w, wr_status mine, const rank_facts *f);

/* COLLECTIVE. True on every rank when all passed the same number. differing (may be NULL): the lowest rank whose number
 * is not rank 0's. */
bool world_equal(world *w, uint64_t number, int *differing);

#endif
