/* Which kernels OpenBLAS runs. It chooses when it is loaded, before main, by OPENBLAS_CORETYPE or by the CPU's model number, and both can go
 * wrong: shells and containers pin kernels that run anywhere, and a CPU younger than the library gets those of 2004 (0.3.21 takes
 * model 207, an AVX-512 Xeon, for a Prescott). Either halves the speed or worse; only a fresh start of the program can undo it. LOCAL. */
#ifndef WR_CLI_CORE_TYPE_H
#define WR_CLI_CORE_TYPE_H

#include <stdbool.h>

/* Starts the program anew, at most once for each cause, without a pinned core type that is older than this CPU, and with the newest
 * that the CPU can run where OpenBLAS does not find it by itself. WILDREWARD_KEEP_CORETYPE=1 leaves all as it is. Returns when there is
 * nothing to do. Before MPI_Init. */
void core_type_choose(char **argv);
/* OpenBLAS runs kernels older than this CPU. */
bool core_type_is_slow(void);
/* The slow core type that core_type_choose() removed from the environment, and the one that it set; NULL where it did not. */
const char *core_type_removed(void);
const char *core_type_set(void);

#endif
