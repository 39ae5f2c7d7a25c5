/* Assertions for tests that run on several ranks: a rank that fails alone would leave the others waiting, so it ends
 * the whole job. */
#ifndef WR_TESTS_MPI_MPI_CHECK_H
#define WR_TESTS_MPI_MPI_CHECK_H

#include "mpi/world.h"
#include "tests/support/asserts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: rank %d of %d: CHECK(%s) failed; last error: %s\n", __FILE__, __LINE__,            \
                    world_rank(the_world), world_size(the_world), #condition, wr_error());                             \
            world_abort(the_world, 1);                                                                                 \
        }                                                                                                              \
    } while (0)

#endif
