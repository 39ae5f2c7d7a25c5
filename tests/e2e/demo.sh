#!/bin/bash
# The whole path on the practice world, whose answers a program can check, so that the *true* quality of a policy's replies is known and not
# only its reward: chats -> shards -> language model -> reward model -> online DPO -> before/after table and HTML report.
#
# It ends with exit code 1 unless both hold:
#   - true quality on held-out prompts after DPO is above before, with 95 % intervals (clustered by prompt) that do not overlap;
#   - the reward model's Spearman correlation with true quality, over all replies of held-out users, is at least 0.5.
# SMALL=1 runs everything at toy size and claims nothing.  DEMO_OUT: output folder (default demo-out).  BUILD: build tree.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
BUILD=${BUILD:-build}
PROGRAM=$BUILD/wildreward
OUT=${DEMO_OUT:-demo-out}
SMALL=${SMALL:-}

# --- budgets, in steps and records, never in seconds: the same result on a slow machine, only later --------------------------
SEED=${SEED:-1}
RANKS=${RANKS:-2}
USERS=400 CONVERSATIONS=6000 TRAIN_PROMPTS=4000 HELDOUT_PROMPTS=1200
VOCAB=1024
# Two layers and small batches: what a model of this size must learn first is to look back at the words of the question, and that takes steps more
# than parameters.
SHAPE=layers=2,hidden=128,heads=4,kv-heads=4,ffn=256,max-positions=1024
LM="--steps 3000 --global-batch 8 --lr 4e-3 --beta2 0.98 --max-length 512 --checkpoint-every 1000"
REWARD="--steps 600 --global-batch 16 --lr 1e-3 --max-length 512 --checkpoint-every 1000"
DPO="--steps 120 --n 8 --prompts-per-step 64 --max-tokens 48 --lr 6e-5 --beta 0.1 --min-margin 0.5 --max-prompt-tokens 256"
EVALUATE="--n 4 --temperature 1 --max-tokens 48"
LIMIT_EVALUATE=
LEAST_PROMPTS=1000
if [ -n "$SMALL" ] && [ "$SMALL" != 0 ]; then
    USERS=60 CONVERSATIONS=400 TRAIN_PROMPTS=100 HELDOUT_PROMPTS=60
    VOCAB=512
    SHAPE=layers=2,hidden=64,heads=4,kv-heads=2,ffn=128,max-positions=1024
    LM="--steps 12 --global-batch 16 --lr 2e-3 --max-length 512"
    REWARD="--steps 12 --global-batch 16 --lr 1e-3 --max-length 512"
    DPO="--steps 3 --n 4 --prompts-per-step 8 --max-tokens 24 --lr 1e-4 --beta 0.1 --max-prompt-tokens 256"
    EVALUATE="--n 1 --temperature 1 --max-tokens 24"
    LIMIT_EVALUATE="--limit 40"
    LEAST_PROMPTS=0
fi
# ------------------------------------------------------------------------------------------------------------------------------

phases=10
phase=0
begin=$SECONDS
stage() {
    phase=$((phase + 1))
    printf '\n[%d/%d] %s (%d:%02d so far)\n' "$phase" "$phases" "$1" $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))
}
die() {
    echo "demo: $*" >&2
    exit 1
}
must() { # must COMMAND…: its failure ends the demo
    "$@" || die "step $phase of $phases failed (exit $?): $*"
}

[ -x "$PROGRAM" ] || die "$PROGRAM is not built (make)"
command -v jq >/dev/null || die "jq is not installed (make deps)"
# Only a folder that an earlier demo made is replaced.
if [ -e "$OUT" ] && [ ! -f "$OUT/.demo" ]; then die "$OUT exists and is not an earlier demo's output: set DEMO_OUT"; fi
rm -rf "$OUT"
mkdir -p "$OUT" && touch "$OUT/.demo" || die "cannot write $OUT"
OMP_ALL=$(threads_for 1)
wide() { OMP_NUM_THREADS=${OMP_NUM_THREADS:-$OMP_ALL} must "$@"; } # one process, all cores
together() { must ranks "$RANKS" "$@"; }                         # RANKS processes

stage "synth: $CONVERSATIONS conversations of $USERS simulated people"
wide "$PROGRAM" synth --out "$OUT/world" --users $USERS --conversations $CONVERSATIONS --seed "$SEED" \
    --train-prompts $TRAIN_PROMPTS --heldout-prompts $HELDOUT_PROMPTS

stage "prepare: chats to labelled shards"
wide "$PROGRAM" prepare "$OUT/world/chats.jsonl.zst" --out "$OUT/data" --vocab-size $VOCAB --seed "$SEED" \
    --min-reply-words 1 --min-query-words 1 # people of the practice world are brief

# shellcheck disable=SC2086  # option lists
{
    stage "train lm: a small language model on the chats, $RANKS ranks"
    together "$PROGRAM" train lm --data "$OUT/data" --new "$SHAPE" --out "$OUT/lm" --seed "$SEED" $LM

    stage "train reward: ordinal regression on what people wrote next, $RANKS ranks"
    together "$PROGRAM" train reward --data "$OUT/data" --model "$OUT/lm/model" --out "$OUT/reward" --seed "$SEED" $REWARD

    stage "evaluate: the reward model against the true quality of replies to held-out users"
    together "$PROGRAM" evaluate --model "$OUT/reward/model" --data "$OUT/data" --truth "$OUT/world/truth.jsonl.zst" --out "$OUT/reward.json"

    stage "evaluate: the policy before, on held-out prompts"
    together "$PROGRAM" evaluate --model "$OUT/lm/model" --prompts "$OUT/world/prompts-heldout.jsonl" --reward "$OUT/reward/model" \
        $EVALUATE $LIMIT_EVALUATE --seed "$SEED" --out "$OUT/before.json"

    stage "dpo online: sample, score, choose pairs, train, on $RANKS ranks"
    together "$PROGRAM" dpo online --model "$OUT/lm/model" --reward "$OUT/reward/model" --prompts "$OUT/world/prompts-train.jsonl" \
        --out "$OUT/dpo" --seed "$SEED" $DPO

    stage "evaluate: the policy after, on the same held-out prompts"
    together "$PROGRAM" evaluate --model "$OUT/dpo/model" --prompts "$OUT/world/prompts-heldout.jsonl" --reward "$OUT/reward/model" \
        $EVALUATE $LIMIT_EVALUATE --seed "$SEED" --out "$OUT/after.json"
}

stage "report"
wide "$PROGRAM" report "$OUT/lm" "$OUT/reward" "$OUT/dpo" "$OUT/reward.json" "$OUT/before.json" "$OUT/after.json" \
    --out "$OUT/report.html" --title "Demo: from chats to a better policy"

stage "result"
jq -rn --slurpfile before "$OUT/before.json" --slurpfile after "$OUT/after.json" --slurpfile reward "$OUT/reward.json" '
    def pad($n): tostring | (" " * ([$n - length, 0] | max)) + .;
    def fixed($d): if . == null then "n/a" else . as $x | (pow(10; $d)) as $k | ($x * $k | round) as $i
        | (if $i < 0 then "-" else "" end) + (($i | fabs) as $a | ($a / $k | floor | tostring)
        + (if $d > 0 then "." + (($a % $k | tostring) | ("0" * ($d - length)) + .) else "" end)) end;
    def interval($v; $l; $h): "\($v | fixed(3)) [\($l | fixed(3)), \($h | fixed(3))]";
    $before[0] as $b | $after[0] as $a | $reward[0].truth as $t
    | "",
      "\(" " * 24)\("before" | pad(24))\("after" | pad(24))",
      "true quality [95 %]     \(interval($b.true_quality; $b.true_quality_low; $b.true_quality_high) | pad(24))\(interval($a.true_quality; $a.true_quality_low; $a.true_quality_high) | pad(24))",
      "mean reward  [95 %]     \(interval($b.reward; $b.reward_low; $b.reward_high) | pad(24))\(interval($a.reward; $a.reward_low; $a.reward_high) | pad(24))",
      "reply length (tokens)   \($b.reply_tokens | fixed(1) | pad(24))\($a.reply_tokens | fixed(1) | pad(24))",
      "replies that end        \((($b.stop_share // 0) * 100 | fixed(1)) + " %" | pad(24))\((($a.stop_share // 0) * 100 | fixed(1)) + " %" | pad(24))",
      "held-out prompts        \($b.prompts | pad(24))\($a.prompts | pad(24))",
      "",
      "reward model against true quality, \($t.replies) replies of \($t.users) held-out users: Spearman \(interval($t.spearman; $t.spearman_low; $t.spearman_high))",
      ""' || die "the evaluation files lack a figure"
printf 'report: %s   total %d:%02d\n' "$OUT/report.html" $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))

# What must hold is read from the files, not from the table.
broken=$(jq -rn --slurpfile before "$OUT/before.json" --slurpfile after "$OUT/after.json" --slurpfile reward "$OUT/reward.json" \
    --argjson least $LEAST_PROMPTS '
    $before[0] as $b | $after[0] as $a | $reward[0].truth as $t
    | (if ($b.prompts >= $least and $a.prompts >= $least) then empty else "fewer than \($least) held-out prompts" end),
      (if ($a.true_quality_low > $b.true_quality_high) then empty
       else "true quality after DPO is not above before with separate 95 % intervals" end),
      (if ($t.spearman >= 0.5) then empty else "Spearman against true quality is \($t.spearman), below 0.5" end)') ||
    die "the evaluation files lack a figure"
if [ $LEAST_PROMPTS = 0 ]; then
    for file in lm/model/model.safetensors reward/model/config.json dpo/model/model.safetensors dpo/metrics.jsonl report.html; do
        [ -s "$OUT/$file" ] || die "$OUT/$file is missing"
    done
    # Every chart of a metric says what it shows (report/metric_names.c).
    if grep -q '<div class="small soft">&nbsp;</div>' "$OUT/report.html"; then
        die "the report shows metrics without their meaning: $(grep -oE '<b>[a-z_0-9]+</b><span>[^<]*</span></div><div class="small soft">&nbsp;' "$OUT/report.html" |
            sed 's/<b>\([a-z_0-9]*\).*/\1/' | tr '\n' ' ')"
    fi
    jq -e '.true_quality != null and .reward != null and .replies > 0' "$OUT/before.json" "$OUT/after.json" >/dev/null ||
        die "the policy evaluation lacks a figure"
    echo "small demo: every step ran; nothing is claimed at this size"
elif [ -n "$broken" ]; then
    echo "$broken" | sed 's/^/demo: claim fails: /' >&2
    exit 1
else
    echo "claim holds: better replies after DPO, and a reward model that knows them"
fi
