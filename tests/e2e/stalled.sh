#!/bin/bash
# A rank that is stopped or killed is named, with what it was at, and the job ends, in prepare, training, DPO and evaluation; no process stays. A job that is
# suspended and continued as a whole goes on.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh
launcher=
finish() {
    local p
    for p in $launcher $(cat pid.* 2>/dev/null); do kill -KILL "$p" 2>/dev/null; done
    rm -rf "$work"
}
spec=layers=1,hidden=32,heads=2,kv-heads=1,ffn=64,max-positions=512
{
    "$WR" synth --users 20 --conversations 120 --seed 3 --train-prompts 40 --heldout-prompts 8 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        "$WR" train lm --data data --out lm --new $spec --global-batch 8 --steps 2 &&
        "$WR" train reward --data data --out rm --new $spec --global-batch 8 --steps 2
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare, train"; done_testing; exit; }
mkfifo endless
exec 9<>endless # rank 0 reads what never comes

begin() { # begin LIMIT ARGUMENTS…: two ranks in the background, both watched
    local limit=$1
    shift
    rm -f pid.*
    : >log.txt
    WILDREWARD_LOG=debug mpirun --quiet -n 2 bash rank.sh "$@" --stall-limit "$limit" >out.txt 2>log.txt <endless &
    launcher=$!
    within 300 watched
}
watched() { [ "$(grep -c 'sign of life every' log.txt)" = 2 ]; }
within() { # within TENTHS COMMAND…
    local i
    for ((i = 0; i < $1; i++)); do "${@:2}" && return; sleep 0.1; done
    echo "# not within $1 tenths of a second: ${*:2}"
    return 1
}
gone() { ! kill -0 "$1" 2>/dev/null; }
# ended RANK WORD…: the launcher ended, not with 0; a line names the rank, and holds the words; no process is left
ended() {
    local rank=$1 rc p
    shift
    within 200 gone $launcher || return 1
    wait $launcher
    rc=$?
    launcher=
    [ $rc != 0 ] || { echo "# exit code 0"; return 1; }
    says log.txt "rank $rank (host $(hostname), pid $(cat pid."$rank"))" "no sign of life for" " s; last task: " "$@" || { sed 's/^/# /' log.txt; return 1; }
    for p in $(cat pid.*); do within 50 gone "$p" || return 1; done
}
steps() { [ -s "$1/metrics.jsonl" ] && [ "$(wc -l <"$1/metrics.jsonl")" -gt "$2" ]; }
train="train reward --data data --model rm/model --global-batch 4 --checkpoint-every 0 --steps 1000000"

begin 2 prepare - --out stdin
kill -STOP "$(cat pid.1)"
ok "prepare: a rank that is stopped is named, and the job ends" ended 1 "given no sign of life" "goes on with what is done"
# shellcheck disable=SC2086
begin 2 $train --out run
within 100 steps run 100
kill -STOP "$(cat pid.0)"
ok "train reward: rank 0, by rank 1" ended 0 "[rank 1]" " of 1000000" "--resume"
begin 2 dpo online --model lm/model --reward rm/model --prompts world/prompts-train.jsonl --steps 100000 --n 2 --prompts-per-step 2 --max-tokens 6 --checkpoint-every 0 --out dpo
within 100 steps dpo 50
kill -KILL "$(cat pid.1)"
ok "dpo online: one that was killed" ended 1 "is gone" " of 100000" "--resume"
begin 2 evaluate --model rm/model --data data --resamples 1000000 --out rm.json
kill -STOP "$(cat pid.1)"
ok "evaluate: one that is stopped" ended 1 "given no sign of life" "start it anew"

# Longer than the limit, all at once.
# shellcheck disable=SC2086
begin 1 $train --out whole
within 100 steps whole 2
kill -STOP "$(cat pid.0)" "$(cat pid.1)"
sleep 2.5
kill -CONT "$(cat pid.0)" "$(cat pid.1)"
seen=$(wc -l <whole/metrics.jsonl)
ok "a job that is suspended as a whole goes on" within 100 steps whole $((seen + 2))
sleep 1.5
kill -USR1 $launcher
wait $launcher
ok "… and ends as it is told" test $? = 75
launcher=
done_testing
