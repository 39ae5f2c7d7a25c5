#!/bin/bash
# Evaluations inside train reward: the figures of `evaluate`, intervals at the last one alone; --valid-users keeps users of the training side aside, the same on any
# number of ranks, and says so where there are none.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

{ "$WR" synth --users 30 --conversations 160 --seed 3 --train-prompts 8 --heldout-prompts 8 --out world && "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 --test-instances 30; } >setup.log 2>&1 ||
    { sed 's/^/# /' setup.log; fail "synth, prepare"; done_testing; exit; }
small="--data data --new layers=1,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512 --global-batch 8 --micro-tokens 1024 --eval-records 30 --seed 2"
evaluations() { jq -cS 'select(.eval_time_s) | del(.eval_time_s)' "$1/metrics.jsonl"; }
quiet() { "$@" >/dev/null; }

# shellcheck disable=SC2086
ok "train reward" wr 1 train reward $small --lr 1e-2 --steps 6 --eval-every 3 --out run --keep-best eval_auc
ok "between steps: figures of evaluate, without intervals" eval 'evaluations run | head -n 1 | quiet jq -e "(.eval_kendall_tau_b, .eval_quadratic_kappa, .eval_log_loss, .eval_ece, .eval_brier, .eval_pairwise_accuracy, .eval_auc | type) == \"number\" and (has(\"eval_ece_low\") | not)"'
wr 1 evaluate --data data --model run/model --limit 30 --out eval.json
ok "the last one: those of evaluate, and their intervals" quiet jq -n -e --slurpfile e eval.json --slurpfile m <(evaluations run | tail -n 1) '
    $e[0] as $e | $m[0] as $m | def near($a; $b): (($a - $b) | fabs) <= 1e-8;
    (["accuracy", "mae", "quadratic_kappa", "spearman", "kendall_tau_b", "pairwise_accuracy", "log_loss", "brier", "ece"] | all(. as $k | near($e[$k]; $m["eval_" + $k]) and near($e[$k + "_low"]; $m["eval_" + $k + "_low"]) and near($e[$k + "_high"]; $m["eval_" + $k + "_high"])))
    and near(([$e.by_threshold[].auc | numbers] | add / length); $m.eval_auc) and $m.eval_users == $e.users and $m.eval_records == $e.records'
ok "--keep-best takes any of them" test -f run/best/model.safetensors

valid="--valid-users 0.3 --lr 0 --steps 2"
# shellcheck disable=SC2086
ok "users kept aside" wr 1 train reward $small $valid --out v1
all=$(sed -n 's/.*: \([0-9]*\) of \([0-9]*\) records, of 0.3 of the users, are kept aside.*/\1 \2/p' log.txt)
used=$(sed -n 's/.*records: all \([0-9]*\) used.*/\1/p;s/.*records: \([0-9]*\) of [0-9]* used.*/\1/p' log.txt | head -n 1)
ok "... and not trained on (${all:-none}, $used left)" eval 'set -- $all; [ "$1" -gt 0 ] && [ "$used" -gt 0 ] && [ "$used" -le $(($2 - $1)) ]'
# shellcheck disable=SC2086
ok "the same on two ranks" wr 2 train reward $small $valid --out v2
ok "... to the last digit of what is said of them" cmp <(evaluations v1) <(evaluations v2)
# shellcheck disable=SC2086
wr 1 train reward ${small/--seed 2/--seed 9} $valid --objective classes --out v3
ok "... and with another seed and objective, the same records and users" cmp <(evaluations v1 | jq '.eval_records, .eval_users') <(evaluations v3 | jq '.eval_records, .eval_users')
"$WR" export --data data --kind reward --split train --out train.jsonl 2>log.txt
ok "... no more users than there are" quiet jq -n -e --slurpfile m <(evaluations v1) --slurpfile t train.jsonl '($t | map(.user) | unique | length) > $m[0].eval_users and $m[0].eval_users > 0'
# shellcheck disable=SC2086
ok "train lm" wr 1 train lm $small $valid --out v4
ok "... is evaluated on them" eval 'evaluations v4 | quiet jq -e ".eval_records > 0"'
# shellcheck disable=SC2086
ok "nobody falls into a tiny share: it is said, and the run goes on" eval 'wr 1 train reward $small --valid-users 1e-9 --lr 0 --steps 2 --out v5 && says log.txt "no usable record in the users kept aside" "without evaluation" && [ -z "$(evaluations v5)" ]'
# shellcheck disable=SC2086
ok "... with --keep-best it does not begin" eval 'code 2 wr 1 train reward $small --valid-users 1e-9 --lr 0 --steps 2 --eval-every 1 --keep-best eval_loss --out v6 && says log.txt "larger --valid-users" && [ ! -e v6 ]'
echo '{"chosen":"a","rejected":"b"}' >pairs.jsonl
# shellcheck disable=SC2086
ok "pairs have no users" eval 'code 2 wr 1 train reward $small --objective bt --pairs pairs.jsonl --valid-users 0.3 --steps 2 --out v7 && says log.txt "--valid-users: pairs name no users"'
done_testing
