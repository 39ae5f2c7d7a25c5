#!/bin/bash
# Equal addends in one MPI_Allreduce, at different places of the vector.
. "$(dirname "$0")/common.sh"
compile sums mpicc <<'C'
#include <mpi.h>
#include <stdio.h>

enum { MOST = 20000 };
static float x[MOST], sum[MOST];

int main(int argc, char **argv) {
    static const float addend[3] = {0.1f, 0.7f, 1e-3f};
    static const int counts[] = {1, 100, 20000};
    int rank;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = 0; i < MOST; i++) x[i] = addend[rank % 3] * 1.37f;
    for (int c = 0; c < 3; c++) {
        int other = 0;
        MPI_Allreduce(x, sum, counts[c], MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        for (int i = 1; i < counts[c]; i++) other += sum[i] != sum[0];
        if (rank == 0) printf("%d elements: %s\n", counts[c], other ? "equal addends, different sums" : "all sums equal");
    }
    MPI_Finalize();
}
C
finding "$(mpirun --version | head -n 1)" \
    "element by element, MPI_Allreduce adds the ranks' values in one order: where every element has the same addends, every element has the same sum" \
    "a longer vector goes round a ring in parts, each begun at another rank: with 3 ranks equal addends give different sums within one call"
timeout 60 mpirun -n 3 ./sums >output 2>errors || fail "mpirun: $(tail -n 1 errors)"
same <<'T'
1 elements: all sums equal
100 elements: all sums equal
20000 elements: equal addends, different sums
T
