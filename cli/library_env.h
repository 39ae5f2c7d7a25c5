/* What OpenBLAS and libgomp read from the environment when they are loaded; only a fresh start of the
 * program can change it. LOCAL.
 *
 * OpenBLAS chooses its kernels by OPENBLAS_CORETYPE or by the CPU's model number, and both can go wrong: shells and
 * containers pin kernels that run anywhere, and a CPU younger than the library gets those of 2004 (0.3.21 takes model
 * 207, an AVX-512 Xeon, for a Prescott). Either halves the speed or worse. libgomp's threads wait at barriers by
 * spinning, which on a shared core is time taken from the thread waited for. */
#ifndef WR_CLI_LIBRARY_ENV_H
#define WR_CLI_LIBRARY_ENV_H

#include <stdbool.h>

/* Starts the program anew, at most once for each cause: without a pinned core type that is older than this CPU; with
 * the newest that the CPU can run where OpenBLAS does not find it by itself (WILDREWARD_KEEP_CORETYPE=1 leaves the core
 * type as it is); with GOMP_SPINCOUNT=10000 where neither it nor OMP_WAIT_POLICY is set. Returns when there is nothing
 * to do. Before MPI_Init, in a process that may compute. An OpenBLAS that cannot be loaded is told by its first
 * user. */
void library_env_choose(char **argv);
/* OpenBLAS runs kernels older than this CPU. */
bool core_type_is_slow(void);
/* The slow core type that library_env_choose() removed from the environment, and the one that it set; NULL where it did
 * not. */
const char *core_type_removed(void);
const char *core_type_set(void);

#endif
