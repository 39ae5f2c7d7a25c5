#!/bin/bash
# train: a step whose loss is not finite is passed over by all ranks, with the records named; not the first one, and not many in a row. One token's embedding is a
# NaN here, and one record has the token.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

for i in $(seq 40); do echo "{\"id\":\"row-$i\",\"user\":\"u$i\",\"query\":\"count to $i\",\"response\":\"one two three up to $i$([ "$i" = 7 ] && echo ' ☃')\",\"label\":$((1 + i % 3))}"; done >rows.jsonl
spec="layers=1,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512"
{ "$WR" prepare rows.jsonl --format labelled --out data --vocab-size 400 --test-instances 0 && "$WR" train reward --data data --new $spec --steps 1 --global-batch 4 --out rm; } >setup.log 2>&1 ||
    { sed 's/^/# /' setup.log; fail "prepare, train"; done_testing; exit; }
# A token that only that record has: ids of the snowman that the same text without it has not.
token=$(printf '%s\n' '{"text":" ☃"}' | "$WR" tokenize --tokenizer data/tokenizer.json 2>/dev/null | jq '.ids[-1]')
cp -r rm/model poisoned
header=$(od -An -tu8 -N8 poisoned/model.safetensors | tr -d ' ')
offset=$(dd if=poisoned/model.safetensors bs=1 skip=8 count="$header" status=none | jq '."model.embed_tokens.weight".data_offsets[0]')
printf '\000\000\300\177' | dd of=poisoned/model.safetensors bs=1 seek=$((8 + header + offset + token * 32 * 4)) conv=notrunc status=none
one="--data data --model poisoned --lr 1e-3 --lr-schedule constant --warmup-ratio 0 --global-batch 4 --checkpoint-every 1 --keep 100"
skipped() { jq -c 'select(.skipped) | .step' "$1/metrics.jsonl"; }
# Which step has the record depends on the seed: one where it is neither the first nor the last.
for seed in 1 2 3 4 5 6; do
    # shellcheck disable=SC2086
    wr 1 train reward $one --seed $seed --steps 10 --out run-$seed && [ "$(skipped run-$seed)" -lt 9 ] && break
done
run=run-$seed
ok "a step with a NaN is skipped, and the run ends well" eval 'test -f $run/model/model.safetensors && test "$(skipped $run | wc -l)" = 1'
n=$(skipped "$run")
ok "... its records and the rank are named" says log.txt "step $n: " "row-7" "rank 0" "the step is skipped (1 of at most 3 in a row)"
ok "... the others have losses" test "$(jq 'select(.loss) | .step' "$run/metrics.jsonl" | wc -l)" = 9
ok "... and nothing is saved of it" test ! -e "$run/checkpoints/step-$n" -a -e "$run/checkpoints/step-$((n - 1))"
# shellcheck disable=SC2086
ok "two ranks pass over the same step" wr 2 train reward $one --seed $seed --steps 10 --out two
ok "... with the losses of one" close_run "$run" two 9
cp -r two again && rm -rf again/model again/checkpoints/step-{10,9} again/checkpoints/step-"$n"
rm -rf "$(ls -d again/checkpoints/step-* | sort -t- -k2 -n | tail -n 1)"
# shellcheck disable=SC2086
ok "over a resume, too" wr 2 train reward $one --seed $seed --steps 10 --out again --resume
ok "... the same bits" same_run two again
# shellcheck disable=SC2086
ok "--skip-nonfinite 0: the run ends there" code 1 wr 2 train reward $one --seed $seed --steps 10 --skip-nonfinite 0 --out no
ok "... and says where" says log.txt "step $n: " "row-7"
# shellcheck disable=SC2086
ok "a first step that is not finite ends the run" code 1 wr 1 train reward ${one/--global-batch 4/--global-batch 40} --seed $seed --steps 3 --out first
done_testing
