#!/bin/bash
# run.sh unit|mpi|e2e|all [NAME…]: runs what `make` built under $BUILD/tests, and the shell tests of tests/e2e (all but the demo).
# Every program prints TAP. One line a program; the whole output of those that fail; at the end "N passed, M failed, K skipped",
# which counts single tests. A program that dies, hangs or prints no plan counts as failed. NAMEs choose single programs.
#   BUILD   build tree (default build)          RANKS  rank counts of the MPI tests (default "1 2 3 4")
#   JOBS    unit tests that run at a time (default: one a core)
#   KEEP=1  keep the output of every program    TIME_LIMIT  seconds for one program (default: 120 unit, 180 MPI, 300 end-to-end)
set -u
cd "$(dirname "$0")/.." || exit 1
suite=${1:-all}
[ $# -gt 0 ] && shift
names=" $* "
case $suite in unit | mpi | e2e | all) ;; *)
    echo "run.sh: '$suite' is none of unit, mpi, e2e, all" >&2
    exit 2
    ;;
esac
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
export BUILD
. tests/env.sh

logs=$(mktemp -d "${TMPDIR:-/tmp}/wildreward-test.XXXXXX") || exit 1
# A private TMPDIR: Open MPI's session folders and the tests' own files go with it, whatever happened to the processes.
export TMPDIR=$logs/tmp
mkdir -p "$TMPDIR"
passed=0 failed=0 skipped=0 programs=0
failures=()
skips=()
declare -A running=() # process group of a program that runs: its label
started=$SECONDS

stop() { # stop GROUP: what a program left behind
    kill -TERM -- "-$1" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 -- "-$1" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$1" 2>/dev/null
    # mpirun gives each rank a process group of its own, but they stay in the session that was made for this program.
    command -v pkill >/dev/null && pkill -KILL -s "$1" 2>/dev/null
}
cleanup() {
    local group
    for group in "${!running[@]}"; do stop "$group"; done
    if [ "${KEEP:-0}" = 1 ]; then echo "output kept in $logs" >&2; else rm -rf "$logs"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

skip_line='^(not )?ok [0-9]+.*# *skip'
now() { date +%s.%N; }

log_of() { echo "$logs/${1//[^A-Za-z0-9_.-]/_}.log"; }

# start LABEL SECONDS COMMAND…: in a process group of its own, so that nothing it started is left behind.
start() {
    local label=$1 limit=$2 log
    shift 2
    log=$(log_of "$label")
    programs=$((programs + 1))
    echo "$limit $(now)" >"$log.begun"
    setsid timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null &
    running[$!]=$label
}

# finish: waits for the next program that ends, and counts what it printed.
finish() {
    local group rc
    wait -n -p group "${!running[@]}"
    rc=$?
    stop "$group"
    tally "${running[$group]}" $rc
    unset "running[$group]"
}

# one LABEL SECONDS COMMAND…: alone.
one() {
    start "$@"
    finish
}

tally() { # LABEL EXIT-CODE
    local label=$1 rc=$2 log limit begin seconds ok bad skip plan count line state elsewhere
    log=$(log_of "$label")
    read -r limit begin <"$log.begun"
    seconds=$(awk -v a="$begin" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }')

    # mpirun tags lines with the rank. Rank 0's tests are the ones counted; another rank's failure counts where rank 0 saw none.
    sed -i -E 's/^\[[0-9]+,0\]<std(out|err)>://; s/^\[[0-9]+,([0-9]+)\]<std(out|err)>:/[rank \1] /; s/\r$//' "$log"
    # cmocka writes skipped tests as "not ok N # SKIP", others as "ok N # SKIP"; a plan for each group.
    skip=$(grep -ciE "$skip_line" "$log")
    ok=$(grep -E '^ok [0-9]+' "$log" | grep -vciE "$skip_line")
    bad=$(grep -E '^not ok [0-9]+' "$log" | grep -vciE "$skip_line")
    elsewhere=$(grep -E '^\[rank [0-9]+\] not ok [0-9]+' "$log" | grep -vciE '# *skip')
    count=$((ok + bad + skip))
    [ "$bad" = 0 ] && [ "$elsewhere" -gt 0 ] && bad=1
    plan=$(awk '/^1\.\.[0-9]+/ { sub(/^1\.\./, ""); n += $1; seen = 1 } END { if (seen) print n + 0 }' "$log")
    state=ok
    if [ $rc = 124 ] || [ $rc = 137 ] || [ $rc = 110 ]; then # 110: mpirun's own
        bad=$((bad + 1)) state="not ok: over its time limit of $limit s"
    elif [ -z "$plan" ]; then
        bad=$((bad + 1)) state="not ok: ended with $rc before its plan"
    elif [ "$plan" -gt "$count" ]; then
        bad=$((bad + plan - count)) state="not ok: ended with $rc after $count of $plan tests"
    elif [ $bad -gt 0 ]; then
        state="not ok: $bad failed"
    elif [ $rc != 0 ]; then
        bad=1 state="not ok: all tests passed, but exit code $rc"
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    printf '%-44s %4d passed %s%7ss  %s\n' "$label" "$ok" "$([ "$skip" -gt 0 ] && echo "$skip skipped ")" "$seconds" "$state"
    while IFS= read -r line; do
        line=${line#not }
        line=${line#ok * - }
        skips+=("$label: ${line#ok * # }")
    done < <(grep -iE "$skip_line" "$log")
    if [ "$state" != ok ]; then
        failures+=("$label")
        if [ "$(wc -l <"$log")" -gt 200 ]; then
            grep -nE '^not ok|rror' "$log" | head -n 40 | sed 's/^/    | /'
            echo "    | … the last 150 lines:"
        fi
        tail -n 150 "$log" | cut -c1-400 | sed 's/^/    | /'
    fi
}

wanted() { [ "$names" = "  " ] || [[ "$names" == *" $1 "* ]]; }

run_unit() {
    local program jobs=${JOBS:-$(nproc)}
    for program in "$BUILD"/tests/unit/test_*; do
        [ -f "$program" ] && [ -x "$program" ] && wanted "$(basename "$program")" || continue
        [ ${#running[@]} -lt "$jobs" ] || finish
        CMOCKA_MESSAGE_OUTPUT=TAP start "unit/$(basename "$program")" "${TIME_LIMIT:-120}" "$program"
    done
    while [ ${#running[@]} -gt 0 ]; do finish; done
}
run_mpi() {
    local program n
    for program in "$BUILD"/tests/mpi/test_*; do
        [ -f "$program" ] && [ -x "$program" ] && wanted "$(basename "$program")" || continue
        for n in ${RANKS:-1 2 3 4}; do
            # mpirun's own timeout lets it end all ranks in order; the runner's is the second line.
            CMOCKA_MESSAGE_OUTPUT=TAP OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(threads_for "$n")} \
                one "mpi/$(basename "$program") on $n" $((${TIME_LIMIT:-180} + 10)) \
                mpirun --quiet --tag-output --timeout "${TIME_LIMIT:-180}" -n "$n" "$program"
        done
    done
}
run_e2e() {
    local script
    for script in tests/e2e/*.sh; do
        [ -f "$script" ] && wanted "$(basename "$script" .sh)" || continue
        [ "$(basename "$script")" = demo.sh ] && continue
        one "e2e/$(basename "$script" .sh)" "${TIME_LIMIT:-300}" bash "$script"
    done
}

case $suite in
unit) run_unit ;;
mpi) run_mpi ;;
e2e) run_e2e ;;
all)
    run_unit
    run_mpi
    run_e2e
    ;;
esac

echo
if [ ${#skips[@]} -gt 0 ]; then
    echo "skipped:"
    printf '  %s\n' "${skips[@]}" | sort | uniq -c | sed -E 's/^ +1 +/  /'
fi
if [ $programs = 0 ]; then
    echo "no test programs found in $BUILD/tests (build them: make tests-bin)"
    failed=$((failed + 1))
fi
if [ ${#failures[@]} -gt 0 ]; then
    echo "failed:"
    printf '  %s\n' "${failures[@]}"
fi
echo "$programs programs in $((SECONDS - started)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
