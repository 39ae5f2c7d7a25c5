#!/bin/bash
# The batch scripts' guard against a launcher that has lost all its ranks and never ends (slurm/common.sh): it ends such a one alone. Stand-ins play the
# launcher, because the real one hangs once in many kills.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/scratch.sh
. slurm/common.sh
mkfifo "$work/never"
# A launcher that ignores TERM: it has children for a time, and then waits for what never comes, without a process of its own. WAIT: it collects them.
cat >"$work/mpirun" <<'SH'
#!/bin/bash
trap '' TERM
for s in $RANKS; do sleep "$s" & done
[ -n "${WAIT:-}" ] && wait
[ -n "${END:-}" ] && exit "$END"
exec 3<>"$FIFO"
read -r -u 3
SH
chmod +x "$work/mpirun"
export FIFO=$work/never
watch() { # watch SECONDS: the guard over a launcher with $RANKS; $rc of the launcher, $took seconds, guard.txt
    local begin=$SECONDS launcher guard
    "$work/mpirun" &
    launcher=$!
    end_stuck_launcher $launcher "$1" 2>"$work/guard.txt" &
    guard=$!
    for _ in $(seq 300); do kill -0 $launcher 2>/dev/null || break; sleep 0.1; done
    took=$((SECONDS - begin))
    kill -KILL $launcher 2>/dev/null && took=hung
    wait $launcher
    rc=$?
    for _ in $(seq 50); do kill -0 $guard 2>/dev/null || break; sleep 0.1; done
    kill $guard 2>/dev/null && took="$took, and the guard stays"
}
said() { grep -q 'no process left' "$work/guard.txt"; }

RANKS="0.2 0.2" WAIT=1 watch 2
ok "a launcher without ranks that ignores TERM is killed" test "$rc/$took" != "0/hung" -a "$rc" = 137 -a "$took" != hung
ok "… which is said" said
RANKS="0.2" watch 2
ok "ranks that ended and were not waited for are none" test "$rc" = 137 -a "$took" != hung
RANKS="5 0.1" WAIT=1 END=3 watch 2
ok "a launcher with one rank left is let be" test "$rc" = 3 -a "${took%%,*}" -ge 4
ok "… and its guard ends with it" test "$took" = "${took%%,*}" -a ! -s "$work/guard.txt"

# As a batch script starts it: the job ends with the launcher's code, and the guard is on.
(
    eval "$(declare -f end_stuck_launcher | sed '1s/.*/watched()/')"
    end_stuck_launcher() { watched "$1" 2; }
    unset SLURM_JOB_ID
    RANKS="0.2" WAIT=1 run_job "$work/mpirun"
) >"$work/job.txt" 2>&1 &
job=$!
for _ in $(seq 300); do kill -0 $job 2>/dev/null || break; sleep 0.1; done
kill -KILL $job 2>/dev/null
wait $job
ok "a job whose launcher is stuck ends" test $? = 137
ok "… with its words" grep -q 'ends with exit code 137' "$work/job.txt"
done_testing
