# Sourced by the runner, the end-to-end tests, the demo and the benchmarks: an environment in which Open MPI works on one machine, in a
# container, as root, with more ranks than cores. Values already set by the user win.
# shellcheck shell=bash
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # some sites export a slow kernel for everyone
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"
# With 2 ranks or fewer the default binding pins a rank to one core, and OpenMP then sees one thread.
export OMPI_MCA_hwloc_base_binding_policy="${OMPI_MCA_hwloc_base_binding_policy:-none}"
export OMPI_MCA_pml="${OMPI_MCA_pml:-ob1}" OMPI_MCA_btl="${OMPI_MCA_btl:-self,vader,tcp}"
export OMPI_MCA_mpi_yield_when_idle="${OMPI_MCA_mpi_yield_when_idle:-1}"
export OMPI_MCA_btl_tcp_if_include="${OMPI_MCA_btl_tcp_if_include:-lo}"
export OMPI_MCA_oob_tcp_if_include="${OMPI_MCA_oob_tcp_if_include:-lo}"
# Containers often forbid the cross-memory-attach system calls.
export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism:-none}"

# The program sets this for itself by starting anew; here once for all of its starts, and for the test programs.
export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-10000}"

# Ranks share the cores: threads of each rank for N ranks.
threads_for() {
    local cores threads
    cores=$(nproc)
    threads=$((cores / $1))
    echo $((threads > 0 ? threads : 1))
}

# ranks N COMMAND…: COMMAND on N ranks of this machine, alone without mpirun when N is 1.
ranks() {
    local n=$1
    shift
    if [ "$n" = 1 ]; then
        "$@"
    else
        OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(threads_for "$n")} mpirun --quiet -n "$n" "$@"
    fi
}

# TAP for shell tests: ok NAME COMMAND…, skip NAME REASON, done_testing at the end.
tap_count=0
tap_failed=0
pass() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $*"
}
fail() {
    tap_count=$((tap_count + 1))
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $*"
}
skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}
ok() {
    local name=$1
    shift
    if "$@"; then pass "$name"; else fail "$name"; fi
}
done_testing() {
    echo "1..$tap_count"
    [ $tap_failed = 0 ]
}
