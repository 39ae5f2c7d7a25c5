#!/bin/bash
# Runs that are stopped or continued under other circumstances: SIGTERM to mpirun, which leaves its ranks a second; a host without room for shared memory; a
# newest checkpoint that is not whole; other threads.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

spec=layers=1,hidden=32,heads=2,kv-heads=1,ffn=64,max-positions=512
{
    "$WR" synth --users 20 --conversations 120 --seed 3 --train-prompts 20 --heldout-prompts 8 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        "$WR" train reward --data data --out rm --new $spec --global-batch 8 --steps 1 &&
        "$WR" train lm --data data --out lm --new $spec --global-batch 8 --steps 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare, train"; done_testing; exit; }
train="train reward --data data --model rm/model --global-batch 8 --steps 400 --checkpoint-every 10 --keep 3 --lr 1e-4"

# --- SIGTERM to mpirun -----------------------------------------------------------------------------------------------------------
# shellcheck disable=SC2086
wr 2 $train --out whole
# shellcheck disable=SC2086
mpirun --quiet -n 2 bash rank.sh $train --out run >out.txt 2>log.txt &
launcher=$!
for _ in $(seq 2000); do
    [ -d run/checkpoints/step-20 ] && break
    sleep 0.02
done
kill -TERM $launcher
wait $launcher
ok "SIGTERM to mpirun: exit code 1" test $? = 1
ok "it is said how little time is left, and what has more" says log.txt mpirun 'kills them' 'kill -USR1'
whole_checkpoints() { for c in run/checkpoints/step-*; do [ -s "$c/state.json" ] || return 1; done; }
ok "every checkpoint is a whole one" whole_checkpoints
# shellcheck disable=SC2086
ok "the run goes on" wr 2 $train --out run --resume
ok "… and nothing half-written is left" test -z "$(find run -name 'tmp-*')"
ok "… to the same bits" same_run whole run

# --- what a run is continued on ------------------------------------------------------------------------------------------------------
cp -r whole other
mkdir other/checkpoints/step-999
# shellcheck disable=SC2086
OMP_NUM_THREADS=2 ok "an empty newest checkpoint, and more threads" wr 1 $train --out other --resume
ok "the empty one is passed over with a line" says log.txt step-999 'passed over'
ok "threads and ranks are said in one line" says log.txt '1 ranks (begun on 2)' 'threads: 2 (was 1)' 1e-5
cp -r whole edited
sed -i 's/"step":400/"step":390/' edited/checkpoints/step-400/state.json
# shellcheck disable=SC2086
ok "an edited state is refused" code 1 wr 2 $train --out edited --resume
ok "… and named" says log.txt step-400/state.json checksum

# --- no room for shared memory -------------------------------------------------------------------------------------------------------
dpo="dpo online --model lm/model --reward rm/model --prompts world/prompts-train.jsonl --steps 2 --n 2 --prompts-per-step 4 --max-tokens 8"
# shellcheck disable=SC2086
wr 2 $dpo --out shared
# shellcheck disable=SC2086
WILDREWARD_SHARED_ROOM=65536 ok "a host without room for the model" wr 2 $dpo --out apart
ok "… says so" says log.txt 'every rank keeps its own copy' 65536
ok "… and computes the same bits" same_run shared apart
done_testing
