#!/bin/bash
# kill_trials.sh [N]: N trials (default 100) in which kill -9 takes one rank or mpirun at a random time out of prepare, train reward and dpo online on two
# ranks: every launch must end within a minute, leave no process behind, and its work must be gone on with afterwards. Not part of make test: it takes long.
#   SEED  of the random times (default 1)      GRACE  seconds within which a launch must have ended (default 60)
#   GDB=1 where the processes of a hang stand, and of a core that is left
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/env.sh
. slurm/common.sh
. tests/training.sh
trials=${1:-100} grace=${GRACE:-60}
RANDOM=${SEED:-1}
[ -n "${GDB:-}" ] && ulimit -c unlimited

spec=layers=1,hidden=32,heads=2,kv-heads=1,ffn=64,max-positions=512
{
    "$WR" synth --users 20 --conversations 120 --seed 3 --train-prompts 40 --heldout-prompts 8 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        "$WR" train lm --data data --out lm --new $spec --global-batch 8 --steps 2 &&
        "$WR" train reward --data data --out rm --new $spec --global-batch 8 --steps 2
} >setup.log 2>&1 || { cat setup.log; exit 1; }
command_of() {
    case $1 in
    prepare) echo prepare world/chats.jsonl.zst --vocab-size 400 --seed 1 --block-kib 16 ;;
    train) echo train reward --data data --model rm/model --steps 12 --global-batch 4 --checkpoint-every 3 ;;
    dpo) echo dpo online --model lm/model --reward rm/model --prompts world/prompts-train.jsonl --steps 5 --n 2 --prompts-per-step 2 --max-tokens 6 --checkpoint-every 2 ;;
    esac
}
# The time an undisturbed launch takes, in milliseconds.
declare -A whole
for kind in prepare train dpo; do
    begin=$(date +%s%N)
    # shellcheck disable=SC2046
    wr 2 $(command_of $kind) --out whole-$kind || { cat log.txt; exit 1; }
    whole[$kind]=$((($(date +%s%N) - begin) / 1000000))
done
echo "# undisturbed: prepare ${whole[prepare]} ms, train ${whole[train]} ms, dpo ${whole[dpo]} ms"

alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }
hangs=0 strays=0 resumed=0 lost=0
declare -A codes
kinds=(prepare train dpo) victims=(0 1 mpirun)
for ((i = 0; i < trials; i++)); do
    kind=${kinds[i % 3]} victim=${victims[i / 3 % 3]}
    run=run-$i
    resume=
    [ $kind != prepare ] && resume=--resume
    rm -f pid.0 pid.1
    # shellcheck disable=SC2046,SC2086
    OMP_NUM_THREADS=1 setsid mpirun --quiet -n 2 bash rank.sh $(command_of $kind) --out $run $resume >out.txt 2>trial-$i.log </dev/null &
    launcher=$!
    end_stuck_launcher $launcher 15 2>>stuck.log &
    guard=$!
    # Half of them early, where everything is set up.
    span=${whole[$kind]}
    [ $((RANDOM % 2)) = 0 ] && span=$((span / 3))
    sleep "$(awk -v ms=$(((RANDOM * 32768 + RANDOM) % span)) 'BEGIN { print ms / 1000 }')"
    case $victim in
    mpirun) target=$launcher ;;
    *)
        for _ in $(seq 200); do [ -s pid.$victim ] && break; sleep 0.01; done
        target=$(cat pid.$victim 2>/dev/null)
        ;;
    esac
    kill -KILL "$target" 2>/dev/null
    begin=$SECONDS
    while alive $launcher && [ $((SECONDS - begin)) -lt "$grace" ]; do sleep 0.05; done
    if alive $launcher; then
        hangs=$((hangs + 1))
        echo "# trial $i: $kind, $victim killed: did not end within $grace s"
        for p in $launcher $(cat pid.0 pid.1 2>/dev/null); do
            alive "$p" && echo "#   process $p: $(tr '\0' ' ' </proc/$p/cmdline | cut -c1-60) state $(awk '/^State/ { print $2 }' /proc/$p/status)" &&
                { [ -n "${GDB:-}" ] && gdb -p "$p" -batch -ex 'thread apply all bt 12' 2>/dev/null | grep '^[#T]' | sed "s/^/# $p /"; }
        done
        for p in $launcher $(cat pid.0 pid.1 2>/dev/null); do kill -KILL "$p" 2>/dev/null; done
    fi
    kill $guard 2>/dev/null
    wait $launcher 2>/dev/null
    rc=$?
    codes[$kind/$rc]=$((${codes[$kind/$rc]:-0} + 1))
    [ $rc = 139 ] && { echo "# trial $i: $kind, $victim killed: exit code 139"; sed 's/^/#   /' trial-$i.log | tail -n 20; }
    for core in core core.*; do # with GDB=1: what crashed, and where
        [ -s "$core" ] && file "$core" | cut -c1-200 | sed 's/^/#   /' && gdb -batch -ex bt "$(command -v mpirun)" "$core" 2>/dev/null | grep '^[#C]' | sed 's/^/#   /'
        rm -f "$core"
    done
    begin=$SECONDS
    for p in $(cat pid.0 pid.1 2>/dev/null); do
        while alive "$p" && [ $((SECONDS - begin)) -lt 10 ]; do sleep 0.05; done
        alive "$p" && { strays=$((strays + 1)); echo "# trial $i: $kind, $victim killed: process $p is still there"; kill -KILL "$p"; }
    done
    if [ $kind = prepare ] && [ -e $run/meta.json ]; then # killed when all was done
        if "$WR" inspect $run --verify >out.txt 2>&1; then resumed=$((resumed + 1)); else lost=$((lost + 1)); echo "# trial $i: prepare: not whole"; fi
    elif [ $((i % 4)) = 3 ] && [ $rc != 0 ]; then
        # shellcheck disable=SC2046,SC2086
        if timeout 100 mpirun --quiet -n 2 bash rank.sh $(command_of $kind) --out $run $resume >out.txt 2>trial-$i.log </dev/null; then
            resumed=$((resumed + 1))
            [ $kind = prepare ] || same_run $run whole-$kind >cmp.log 2>&1 || { lost=$((lost + 1)); echo "# trial $i: $kind: other bits than undisturbed"; }
        else
            lost=$((lost + 1))
            echo "# trial $i: $kind, $victim killed: does not go on: $(tail -n 1 trial-$i.log)"
        fi
    fi
    rm -rf "$run" "$run.partial" "$run.answers" trial-$i.log
done 2>killed.log # the shell's own remarks about what was killed
for c in "${!codes[@]}"; do echo "# $c: ${codes[$c]}"; done | sort
echo "$trials trials: $hangs hangs, $(grep -c killing stuck.log) launchers without ranks ended by the guard of slurm/common.sh, $strays processes left behind, $resumed continued with the same result, $lost not"
[ $((hangs + strays + lost)) = 0 ]
