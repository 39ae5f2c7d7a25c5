/* Life of the MPI world: init, hosts, thread counts, stop signals. */
#include "mpi/world.h"

#include "base/log.h"
#include "base/mem.h"
#include "mpi/internal.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool world_launched(void) {
    /* Open MPI's mpirun; PMIx and PMI2 servers (srun, prte); MPICH's hydra. An interactive shell inside an allocation
     * has SLURM_* but no PMI_*. */
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMIX_NAMESPACE", "PMI_RANK", "PMI_SIZE",
                                        "MPI_LOCALNRANKS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (getenv(names[i])) return true;
    }
    return false;
}

bool world_launched_many(void) {
    const char *size = getenv("OMPI_COMM_WORLD_SIZE");
    return world_launched() && !(size && strcmp(size, "1") == 0);
}

/* Threads of this rank: every core it may run on, shared out among the ranks of the host that may run there too. It is
 * right with and without binding by the launcher. */
static int threads_of(const world *w) {
    cpu_set_t mine;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) return 1;
    cpu_set_t *all = calloc((size_t)w->local_size, sizeof *all);
    double share = 0;
    if (!all) MPI_Abort(MPI_COMM_WORLD, 1); /* the others would wait for it */
    MPI_Allgather(&mine, (int)sizeof mine, MPI_BYTE, all, (int)sizeof mine, MPI_BYTE, w->local);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &mine)) continue;
        int users = 0;
        for (int r = 0; r < w->local_size; r++) users += CPU_ISSET(cpu, &all[r]) != 0;
        share += 1.0 / users;
    }
    free(all);
    return share < 1.5 ? 1 : (int)(share + 1e-9);
}

/* Of each rank the lowest one of its host. */
static int *hosts_of(const world *w) {
    int first = w->rank, *hosts = mem_calloc((size_t)w->size, sizeof *hosts);
    if (!hosts) MPI_Abort(MPI_COMM_WORLD, 1); /* the others would wait for it */
    MPI_Bcast(&first, 1, MPI_INT, 0, w->local);
    MPI_Allgather(&first, 1, MPI_INT, hosts, 1, MPI_INT, w->comm);
    return hosts;
}

void world_pretend_hosts(world *w, const int *hosts) { memcpy(w->hosts, hosts, (size_t)w->size * sizeof *hosts); }

wr_status world_create(int *argc, char ***argv, world **out) {
    *out = NULL;
    wr_status status = stop_signals_install();
    if (status < 0) return status;
    if (!world_launched()) {
        /* Alone: no helper daemon is needed, and none can be left behind. */
        setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
        /* Nor a session folder, whose parent another process that ends just now may take away from under this one. */
        setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
    }
    int provided = 0;
    if (MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS) {
        return wr_fail(WR_E_FAILED,
                       "MPI could not be started: run under mpirun or srun of the same MPI the program was built with");
    }
    world *w = mem_calloc(1, sizeof *w);
    if (!w) MPI_Abort(MPI_COMM_WORLD, 1);
    MPI_Comm_dup(MPI_COMM_WORLD, &w->comm);
    MPI_Comm_rank(w->comm, &w->rank);
    MPI_Comm_size(w->comm, &w->size);
    MPI_Comm_split_type(w->comm, MPI_COMM_TYPE_SHARED, w->rank, MPI_INFO_NULL, &w->local);
    MPI_Comm_rank(w->local, &w->local_rank);
    MPI_Comm_size(w->local, &w->local_size);
    w->hosts = hosts_of(w);
    if (gethostname(w->host, sizeof w->host - 1) != 0) snprintf(w->host, sizeof w->host, "unknown");
    /* The handlers were set before MPI_Init so that an early signal is not lost; a library may have replaced them
     * meanwhile. */
    status = stop_signals_install();
    /* The same number on every rank, the smallest: sums depend on it. */
    int threads = threads_of(w), least = threads;
    MPI_Allreduce(&threads, &least, 1, MPI_INT, MPI_MIN, w->comm);
    if (!getenv("OMP_NUM_THREADS")) omp_set_num_threads(least);
    *out = w;
    if (provided < MPI_THREAD_MULTIPLE) {
        status = wr_fail(
            WR_E_FAILED,
            "this MPI gives no MPI_THREAD_MULTIPLE, which the coordinator thread needs; use Open MPI built with it");
    }
    if (status < 0) {
        world_free(w);
        *out = NULL;
    }
    return status;
}

void world_free(world *w) {
    if (!w) return;
    watch_finalizing(w->watch);
    MPI_Comm_free(&w->local);
    MPI_Comm_free(&w->comm);
    MPI_Finalize();
    watch_end(w->watch);
    free(w->hosts);
    free(w);
}

wr_status world_part(world *w, int ranks, world **out) {
    wr_status status = WR_OK;
    const bool in = w->rank < ranks;
    *out = NULL;
    world *part = mem_calloc(1, sizeof *part);
    TRY(world_agree(w, part ? WR_OK : WR_E_NOMEM));
    *part = *w;
    part->watch = NULL; /* the whole world's: a part does not tell of tasks */
    MPI_Comm_split(w->comm, in ? 0 : MPI_UNDEFINED, w->rank, &part->comm);
    if (!in) goto cleanup;
    MPI_Comm_split_type(part->comm, MPI_COMM_TYPE_SHARED, w->rank, MPI_INFO_NULL, &part->local);
    MPI_Comm_size(part->comm, &part->size);
    MPI_Comm_rank(part->local, &part->local_rank);
    MPI_Comm_size(part->local, &part->local_size);
    *out = part;
    part = NULL;
cleanup:
    free(part);
    return status;
}

void world_part_free(world *part) {
    if (!part) return;
    MPI_Comm_free(&part->local);
    MPI_Comm_free(&part->comm);
    free(part);
}

void world_abort(world *w, int code) {
    (void)w;
    MPI_Abort(MPI_COMM_WORLD, code);
}

int world_rank(const world *w) { return w->rank; }
int world_size(const world *w) { return w->size; }
int world_local_rank(const world *w) { return w->local_rank; }
int world_local_size(const world *w) { return w->local_size; }
const char *world_host(const world *w) { return w->host; }
