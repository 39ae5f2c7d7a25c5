#!/bin/bash
# Checkpoints written beside training: kill -9 in the midst of them, the same bits whether they are or not; a folder that another run works in; a job that ends
# before its time limit. KILLS (3) and STEPS (60) for longer trials, SEED of their times (1).
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

spec=layers=1,hidden=32,heads=2,kv-heads=1,ffn=64,max-positions=512
{
    "$WR" synth --users 20 --conversations 120 --seed 3 --train-prompts 20 --heldout-prompts 8 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare"; done_testing; exit; }
train="train reward --data data --new $spec --global-batch 8 --steps ${STEPS:-60} --checkpoint-every 1 --eval-records 20 --lr 1e-3"
long="${train/${STEPS:-60} --checkpoint-every 1/100000 --checkpoint-every 0}"

# shellcheck disable=SC2086
{
    ok "written at once" wr 2 $train --no-background-save --out whole
    ok "written beside the steps" wr 2 $train --out beside
    ok "… the same bits" same_run whole beside
    ok "… and how long that took is said" says log.txt "$((${STEPS:-60} - 1)) checkpoints beside the steps" 's of writing' 'stood still'
}
# The killed rank takes the others along; what it was writing is lost, and nothing else.
RANDOM=$((${SEED:-1} + 1))
for ((i = 1; i <= ${KILLS:-3}; i++)); do
    zero=$((i % 2))
    rm -f pid.*
    touch started
    # shellcheck disable=SC2086
    timeout 60 mpirun --quiet -n 2 bash rank.sh $train --zero $zero --out killed --resume >out.txt 2>log.txt &
    launcher=$!
    for _ in $(seq 1000); do [ -n "$(find killed/checkpoints -newer started -name 'step-*' 2>/dev/null)" ] && break || sleep 0.01; done
    sleep 0.$((RANDOM % 10))$((RANDOM % 10))
    kill -KILL "$(cat pid.$((i % 2)))" 2>/dev/null
    wait $launcher
done 2>killed.log
# shellcheck disable=SC2086
ok "killed ${KILLS:-3} times in the midst of saves: goes on" wr 2 $train --out killed --resume
ok "… to the same bits" same_run whole killed
ok "… and nothing half-written is left" test -z "$(find killed -name 'tmp-*')"

# shellcheck disable=SC2086
{
    SLURM_JOB_ID=812 wr 1 $long --out held &
    first=$!
    for _ in $(seq 1000); do [ -s held/metrics.jsonl ] && break || sleep 0.02; done
    cp log.txt first.txt
    OMP_NUM_THREADS=1 "$WR" $long --out held --resume >out.txt 2>second.txt
    ok "a second run in the folder: refused with 2" test $? = 2
    ok "… by process, host, job and beat" says second.txt "held: in use by process $(cat pid.0) on $(hostname)" 'job 812' 'beat was'
    kill -USR1 "$(cat pid.0)"
    wait $first

    now=$(date +%s)
    SLURM_JOB_ID=7 SLURM_JOB_END_TIME=$((now + 12)) ok "a job that ends soon: stopped with 75" code 75 wr 2 $long --out limited --stop-before-time-limit
    ok "… in time, and said so" test $(($(date +%s) - now)) -lt 12 -a -n "$(grep 'stopped before the time limit after step' log.txt)"
    ok "… all saved" test "$(ls limited/checkpoints | wc -l)" = 1
    SLURM_JOB_ID=7 ok "a job that does not say when it ends: refused" code 2 wr 1 $train --out unknown --stop-before-time-limit
    ok "… by name" says log.txt 'job 7' SLURM_JOB_END_TIME
}
done_testing
