# Sourced by the batch script: finds the program, starts it on all nodes of the job, and does what a time limit asks for.
#
# Slurm sends USR1 to the batch shell 60 s before the time limit (--signal=B:USR1@60). It is passed to the launcher, which passes it to all ranks;
# they agree on it, save a checkpoint and end with exit code 75. The job then requeues itself and goes on from there, because train
# and dpo are started with --resume, which starts afresh where there is no checkpoint yet, and prepare goes on by itself. A lock in the run directory keeps a stale job from writing into it.
# TERM (scancel, preemption) is passed on as USR1, too: mpirun would kill its ranks two seconds after a TERM, Slurm leaves them KillWait (30 s) for
# their checkpoint. The job then ends without a requeue of its own.
#   WILDREWARD            the program (default: $SLURM_SUBMIT_DIR/build/wildreward, then PATH)
#   WILDREWARD_LAUNCHER   "mpirun" (default), "srun --mpi=pmix", or whatever the site uses
#   WILDREWARD_RESTARTS   how often a job may requeue itself (default 200)
# shellcheck shell=bash

find_program() {
    local candidate
    for candidate in "${WILDREWARD:-}" "${SLURM_SUBMIT_DIR:-$PWD}/build/wildreward"; do
        if [ -n "$candidate" ] && [ -x "$candidate" ]; then
            echo "$candidate"
            return
        fi
    done
    command -v wildreward || {
        echo "wildreward not found: set WILDREWARD=/path/to/wildreward" >&2
        return 1
    }
}

# end_stuck_launcher PID [SECONDS]: kills a launcher that has had no child for so long. When a rank is killed while it starts, Open MPI 4.1's mpirun may end
# all others and then wait for ever inside PMIx 4.2 (PMIx_server_finalize). Returns when the launcher is gone.
end_stuck_launcher() {
    local alone=0 child living
    while kill -0 "$1" 2>/dev/null; do
        living=
        for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do # one that ended but was not waited for is none
            grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$child/status" && living=1
        done
        if [ -n "$living" ]; then alone=0; else alone=$((alone + 1)); fi
        if [ $alone -ge "${2:-60}" ]; then
            echo "the launcher has no process left and does not end: killing it" >&2
            kill -KILL "$1"
        fi
        sleep 1
    done
}

# run_job COMMAND…: runs it in the background (a shell that waits for a foreground child would act on USR1 only afterwards), ends the script.
run_job() {
    local rc restarts=${SLURM_RESTART_COUNT:-0}
    echo "job ${SLURM_JOB_ID:-none} on ${SLURM_JOB_NODELIST:-$(hostname)}, start $((restarts + 1)), $(date '+%F %T'): $*"
    "$@" &
    launcher=$!
    stopping=
    case ${1##*/} in mpirun | mpiexec | orterun) end_stuck_launcher $launcher & ;; esac
    trap 'stopping=USR1; kill -USR1 "$launcher" 2>/dev/null' USR1
    trap 'stopping=TERM; kill -USR1 "$launcher" 2>/dev/null' TERM INT
    # wait ends early, with a code above 128, whenever a trap runs: then there is more to wait for.
    while :; do
        wait "$launcher"
        rc=$?
        kill -0 "$launcher" 2>/dev/null || break
    done
    # The code of the last wait is the trap's when the child ended at that very moment: ask once more.
    if [ $rc -gt 128 ] && [ -n "$stopping" ]; then
        wait "$launcher"
        local again=$?
        [ $again != 127 ] && rc=$again
    fi
    if [ $rc = 75 ] && [ "$stopping" != TERM ] && [ -n "${SLURM_JOB_ID:-}" ]; then
        if [ "$restarts" -lt "${WILDREWARD_RESTARTS:-200}" ]; then
            echo "everything is saved; requeueing"
            scontrol requeue "$SLURM_JOB_ID" && sleep 60 # Slurm ends this shell
            echo "scontrol requeue failed" >&2
        else
            echo "requeued $restarts times already; not again" >&2
        fi
    fi
    echo "job ${SLURM_JOB_ID:-none} ends with exit code $rc, $(date '+%F %T')"
    exit $rc
}

# run_ranks ARGS…: the program on all tasks of the job.
run_ranks() {
    local program
    program=$(find_program) || exit 1
    if [ -z "${OMP_NUM_THREADS:-}" ] && [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then
        export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
    fi
    # When the job ends, for --stop-before-time-limit: older Slurm does not set it.
    if [ -n "${SLURM_JOB_ID:-}" ] && [ -z "${SLURM_JOB_END_TIME:-}" ]; then
        local end
        end=$(squeue -h -j "$SLURM_JOB_ID" -o %e 2>/dev/null)
        [ -n "$end" ] && end=$(date -d "$end" +%s 2>/dev/null) && export SLURM_JOB_END_TIME=$end
    fi
    # shellcheck disable=SC2206  # a launcher and its options
    local launcher_words=(${WILDREWARD_LAUNCHER:-mpirun --bind-to none})
    # A rank that waits in a collective must not take a core from one that works, where ranks outnumber cores.
    export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
    run_job "${launcher_words[@]}" "$program" "$@"
}
