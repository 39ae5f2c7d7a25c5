#!/bin/bash
# The small pipeline as real Slurm jobs on four virtual nodes of this machine; and one job that is told to stop, requeues itself and goes on.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
PATH=$PATH:/usr/sbin
for tool in slurmctld slurmd munged sbatch jq zstd; do
    command -v $tool >/dev/null || {
        echo "1..1"
        echo "ok 1 - Slurm pipeline # SKIP $tool is not installed (make deps-dev)"
        exit 0
    }
done
. tests/env.sh
work=$(mktemp -d "${TMPDIR:-/tmp}/wr-slurm.XXXXXX") || exit 1
export WILDREWARD=$BUILD/wildreward WILDREWARD_SLURM=$PWD/slurm WILDREWARD_POLL=0.5
# An own port range and folder: a developer's cluster may be up.
export PORT=${SLURM_TEST_PORT:-27$((200 + $$ % 70 * 10))}
cluster=$work/cluster
finish() {
    slurm/dev-cluster.sh down "$cluster" >/dev/null 2>&1
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

environment=$(timeout 60 slurm/dev-cluster.sh up "$cluster" 2>"$work/up.log")
rc=$?
if [ $rc != 0 ]; then
    sed 's/^/# /' "$work/up.log"
    fail "four virtual nodes come up"
    done_testing
    exit
fi
eval "$environment"
pass "four virtual nodes come up"

synth() {
    "$WILDREWARD" synth --out "$work/world" --users 40 --conversations 300 --seed 3 --train-prompts 64 --heldout-prompts 16 >"$work/synth.log" 2>&1
}
ok "practice world" synth

shape=layers=2,hidden=32,heads=2,kv-heads=1,ffn=64,max-positions=1024
timeout 100 slurm/pipeline.sh --src "$work/world/chats.jsonl.zst" --out "$work/run" --new $shape --nodes 4 --dpo-steps 2 \
    --prompts "$work/world/prompts-train.jsonl" --prepare "--vocab-size 400" \
    --lm "--steps 4 --global-batch 16 --max-length 512" --reward "--steps 4 --global-batch 16 --max-length 512 --lr 1e-3" \
    --dpo "--n 4 --prompts-per-step 8 --max-tokens 16 --max-prompt-tokens 256 --lr 1e-4" --wait --wait-limit 90 >"$work/pipeline.log" 2>&1
rc=$?
sed 's/^/# /' "$work/pipeline.log"
ok "pipeline.sh --wait ends with 0" test $rc = 0
ok "all four jobs completed" test "$(scontrol -o show job | grep -c 'JobState=COMPLETED')" = 4
ok "dpo ran on four nodes" grep -q 'on n\[1-4\]' "$work"/run/logs/dpo-*.log
ok "the policy is a model folder" test -s "$work/run/dpo/model/model.safetensors" -a -s "$work/run/dpo/model/config.json"
ok "two DPO steps are in metrics.jsonl" test "$(jq -s 'map(select(.loss != null)) | length' "$work/run/dpo/metrics.jsonl" 2>/dev/null)" = 2
[ $rc = 0 ] || for log in "$work"/run/logs/*.log; do
    echo "# --- $log"
    tail -n 15 "$log" | cut -c1-300 | sed 's/^/# /'
done

# A failing job takes those behind it along instead of leaving them waiting.
timeout 60 slurm/pipeline.sh --src "$work/absent.jsonl" --out "$work/broken" --new $shape --nodes 2 --wait --wait-limit 45 >"$work/broken.log" 2>&1
rc=$?
ok "a failed first job fails the pipeline" test $rc = 1
ok "the jobs behind it were cancelled" test "$(grep -c CANCELLED "$work/broken.log")" = 3

# Stop signal to the batch shell, as Slurm sends it before the time limit: save, 75, requeue, resume, the same end as without the stop.
train=(--data "$work/run/data" --new "$shape" --steps 150 --global-batch 16 --max-length 512 --checkpoint-every 50)
show_log() { tail -n 20 "$work/requeue.log" | cut -c1-300 | sed 's/^/# /'; }
stop_and_requeue() {
    local steps=0 restarts=0
    id=$(sbatch --parsable --nodes=2 --output="$work/requeue.log" slurm/stage.sbatch train lm "${train[@]}" --out "$work/requeued") || return 1
    for _ in $(seq 150); do
        [ -f "$work/requeued/metrics.jsonl" ] && steps=$(wc -l <"$work/requeued/metrics.jsonl")
        [ "$steps" -ge 5 ] && break
        sleep 0.1
    done
    scancel --batch --signal=USR1 "$id"
    for _ in $(seq 200); do
        restarts=$(scontrol -o show job "$id" | sed -nE 's/.* Restarts=([0-9]+).*/\1/p')
        [ "${restarts:-0}" -ge 1 ] && break
        sleep 0.1
    done
    echo "# stopped after about $steps steps; restarts: ${restarts:-0}; checkpoints: $(ls "$work/requeued/checkpoints" 2>/dev/null | tr '\n' ' ')"
    grep -q 'everything is saved; requeueing' "$work/requeue.log" && [ "${restarts:-0}" -ge 1 ] || {
        show_log
        return 1
    }
}
went_on() {
    local state=
    for _ in $(seq 450); do
        state=$(scontrol -o show job "$id" | sed -nE 's/.* JobState=([A-Z_]+).*/\1/p')
        case $state in COMPLETED | FAILED | CANCELLED | NODE_FAIL | TIMEOUT) break ;; esac
        sleep 0.1
    done
    [ "$state" = COMPLETED ] && [ "$(jq -s 'map(select(.loss != null) | .step) | . == [range(1; 151)]' "$work/requeued/metrics.jsonl")" = true ] || {
        echo "# state: $state"
        show_log
        return 1
    }
}
same_bits() {
    ranks 2 "$WILDREWARD" train lm "${train[@]}" --out "$work/straight" >"$work/straight.log" 2>&1 &&
        cmp "$work/straight/model/model.safetensors" "$work/requeued/model/model.safetensors"
}
ok "USR1: the job saves, ends with 75 and requeues itself" stop_and_requeue
ok "it goes on where it was: steps 1 to 150, each once" went_on
ok "the model has the same bits as without the stop" same_bits

slurm/dev-cluster.sh down "$cluster" >/dev/null 2>&1
ok "the cluster is down and its folder gone" test ! -e "$cluster"
done_testing
