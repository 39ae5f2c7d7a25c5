#!/bin/bash
# pipeline.sh --src FILE… --out DIR (--model DIR | --new SPEC) [options]: submits the whole path as Slurm jobs,
#   prepare -> [train lm, with --new] -> train reward -> dpo online,
# each waiting for the one before it (afterok); when one fails, those behind it are cancelled rather than left waiting for ever.
#
#   --src FILE           chats (may be repeated); without it, OUT/data must exist already
#   --out DIR            OUT/data, OUT/lm, OUT/reward, OUT/dpo and OUT/logs are made in it
#   --model DIR          Hugging Face folder that the reward model and the policy start from
#   --new SPEC           instead: a fresh model of this shape, trained on the chats first ("layers=4,hidden=128")
#   --prompts FILE|DIR   prompts of the DPO (default OUT/data)
#   --nodes N            nodes of the training jobs (default 2)
#   --dpo-steps N        steps of the DPO (default 100)
#   --prepare "ARGS"     further options of the stages, in the words of `wildreward STAGE --help`
#   --lm "ARGS"  --reward "ARGS"  --dpo "ARGS"
#   --sbatch "ARGS"      further options of every sbatch ("--partition=cpu --account=me --time=2:00:00")
#   --wait               follow the jobs until the end; exit 1 when one failed
#   --wait-limit S       with --wait: give up (and cancel the jobs) after S seconds (default: never)
# Running it again on the same OUT continues what is there: each run resumes from its checkpoints.
set -u
here=$(cd "$(dirname "$0")" && pwd)
export WILDREWARD_SLURM=$here

sources=() out='' model='' spec='' prompts='' nodes=2 dpo_steps=100 follow='' wait_limit=0
prepare_args='' lm_args='' reward_args='' dpo_args='' sbatch_args=''
usage() {
    sed -n '2,/^set -u/s/^# \{0,1\}//p' "$0"
}
while [ $# -gt 0 ]; do
    case $1 in
    --help)
        usage
        exit 0
        ;;
    --wait)
        follow=1
        shift
        continue
        ;;
    --src | --out | --model | --new | --prompts | --nodes | --dpo-steps | --prepare | --lm | --reward | --dpo | --sbatch | --wait-limit)
        if [ $# -lt 2 ]; then
            echo "pipeline.sh: $1 needs a value" >&2
            exit 2
        fi
        ;;
    *)
        echo "pipeline.sh: unknown option $1 (--help lists them)" >&2
        exit 2
        ;;
    esac
    case $1 in
    --src) sources+=("$(realpath -m "$2")") ;;
    --out) out=$(realpath -m "$2") ;;
    --model) model=$(realpath -m "$2") ;;
    --new) spec=$2 ;;
    --prompts) prompts=$(realpath -m "$2") ;;
    --nodes) nodes=$2 ;;
    --dpo-steps) dpo_steps=$2 ;;
    --prepare) prepare_args=$2 ;;
    --lm) lm_args=$2 ;;
    --reward) reward_args=$2 ;;
    --dpo) dpo_args=$2 ;;
    --sbatch) sbatch_args=$2 ;;
    --wait-limit) wait_limit=$2 ;;
    esac
    shift 2
done
if [ -z "$out" ] || { [ -z "$model" ] && [ -z "$spec" ]; } || { [ -n "$model" ] && [ -n "$spec" ]; }; then
    echo "pipeline.sh: --out and one of --model and --new are needed (--help lists all)" >&2
    exit 2
fi
if [ ${#sources[@]} = 0 ] && [ ! -f "$out/data/meta.json" ]; then
    echo "pipeline.sh: no --src, and $out/data holds no shards" >&2
    exit 2
fi
command -v sbatch >/dev/null || {
    echo "pipeline.sh: sbatch not found; slurm/dev-cluster.sh up starts a Slurm on this machine" >&2
    exit 1
}
mkdir -p "$out/logs" || exit 1

names=() ids=()
# submit NAME NODES -- STAGE ARGS…: after the job before it, if there is one.
submit() {
    local name=$1 id options=("--nodes=$2")
    shift 3
    [ ${#ids[@]} -gt 0 ] && options+=("--dependency=afterok:${ids[-1]}")
    # shellcheck disable=SC2086  # the user's words
    id=$(sbatch --parsable --kill-on-invalid-dep=yes --job-name="wr-$name" --output="$out/logs/$name-%j.log" "${options[@]}" \
        $sbatch_args "$here/stage.sbatch" "$@") || {
        echo "pipeline.sh: sbatch refused $name" >&2
        [ ${#ids[@]} -gt 0 ] && scancel "${ids[@]}"
        exit 1
    }
    id=${id%%;*}
    names+=("$name")
    ids+=("$id")
    echo "$name: job $id"
}

# shellcheck disable=SC2086  # the stages' options are lists of words
{
    if [ ${#sources[@]} -gt 0 ] && [ ! -f "$out/data/meta.json" ]; then
        [ -n "$model" ] && prepare_args="--tokenizer $model $prepare_args"
        submit prepare 1 -- prepare "${sources[@]}" --out "$out/data" --skip-bad $prepare_args
    fi
    if [ -n "$spec" ]; then
        submit lm "$nodes" -- train lm --data "$out/data" --new "$spec" --out "$out/lm" $lm_args
        model=$out/lm/model
    fi
    submit reward "$nodes" -- train reward --data "$out/data" --model "$model" --out "$out/reward" $reward_args
    submit dpo "$nodes" -- dpo online --model "$model" --reward "$out/reward/model" --prompts "${prompts:-$out/data}" \
        --out "$out/dpo" --steps "$dpo_steps" $dpo_args
}
echo "logs: $out/logs; the policy will be in $out/dpo/model"
[ -n "$follow" ] || exit 0

state_of() {
    scontrol show job "$1" 2>/dev/null | sed -nE 's/.*JobState=([A-Z_]+).*/\1/p' | head -n 1
}
stop_all() {
    scancel "${ids[@]}" 2>/dev/null
    echo "pipeline.sh: $1; the jobs were cancelled" >&2
    exit 1
}
trap 'stop_all interrupted' INT TERM
declare -A shown=()
begin=$SECONDS
while :; do
    running=0 failed=0
    for i in "${!ids[@]}"; do
        state=$(state_of "${ids[$i]}")
        # Slurm forgets finished jobs after a while (MinJobAge); one that was seen before has ended as last seen.
        state=${state:-${shown[$i]:-UNKNOWN}}
        if [ "$state" != "${shown[$i]:-}" ]; then
            printf '%5d s  %-8s job %s  %s\n' $((SECONDS - begin)) "${names[$i]}" "${ids[$i]}" "$state"
            shown[$i]=$state
        fi
        case $state in
        COMPLETED) ;;
        FAILED | CANCELLED | TIMEOUT | NODE_FAIL | OUT_OF_MEMORY | BOOT_FAIL | DEADLINE | UNKNOWN) failed=$((failed + 1)) ;;
        *) running=$((running + 1)) ;;
        esac
    done
    [ $running = 0 ] && break
    [ "$wait_limit" -gt 0 ] && [ $((SECONDS - begin)) -gt "$wait_limit" ] && stop_all "not done after $wait_limit s"
    sleep "${WILDREWARD_POLL:-2}"
done
if [ $failed -gt 0 ]; then
    for i in "${!ids[@]}"; do
        [ "${shown[$i]}" = FAILED ] && tail -n 20 "$out/logs/${names[$i]}-${ids[$i]}.log" >&2
    done
    echo "pipeline.sh: $failed of ${#ids[@]} jobs did not complete (logs: $out/logs)" >&2
    exit 1
fi
echo "all ${#ids[@]} jobs completed in $((SECONDS - begin)) s"
