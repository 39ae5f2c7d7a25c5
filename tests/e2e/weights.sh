#!/bin/bash
# Models of the wrong kind for a command; rewards that are no numbers; runs whose test side is of no use; default learning rates and positions; and a mapped model
# that is cut short under a run.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

# refused CODE WORD… -- COMMAND…: that exit code, and one error line that holds all words.
refused() {
    local wanted=$1 words=()
    shift
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    shift
    code "$wanted" "$@" >out.txt 2>log.txt </dev/null && [ "$(grep -c '^wildreward: error: ' log.txt)" = 1 ] && grep '^wildreward: error: ' log.txt >line.txt &&
        says line.txt "${words[@]}" || { sed 's/^/#   /' log.txt | tail -4; return 1; }
}
# The last tensor's last element becomes NaN.
spoil() { printf '\x00\x00\xc0\x7f' | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") - 4)) conv=notrunc 2>/dev/null; }

shape="layers=1,hidden=32,heads=2,kv-heads=1,ffn=64"
{
    "$WR" synth --users 30 --conversations 200 --seed 3 --train-prompts 10 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        wr 1 train lm --data data --new $shape,tied=1 --out lm --steps 2 --global-batch 4 &&
        wr 1 train reward --data data --model lm/model --out rm --steps 2 --global-batch 4
} >setup.log 2>&1 || { sed 's/^/# /' setup.log log.txt; fail "synth, prepare, train"; done_testing; exit; }
echo '{"prompt":"a","response":"b","text":"hello there","messages":[{"role":"user","content":"q"}]}' >in.jsonl
echo '{"messages":[{"role":"user","content":"q"}]}' >prompts.jsonl

# --- one kind where another is needed --------------------------------------------------------------------------------------
ok "the reward model's base was tied" test "$(jq .tie_word_embeddings rm/model/config.json)" = true
ok "sample refuses a reward model" refused 1 rm/model "reward model" --reward -- "$WR" sample --model rm/model --in in.jsonl
ok "logprobs refuses a reward model" refused 1 rm/model "reward model" -- "$WR" logprobs --model rm/model --in in.jsonl
ok "train lm refuses a reward model" refused 1 rm/model "reward model" -- "$WR" train lm --data data --model rm/model --out x1 --steps 1
ok "an annotator refuses a reward model" refused 1 rm/model "reward model" -- "$WR" prepare world/chats.jsonl.zst --out x2 --no-tokens --annotator model --annotator-model rm/model
ok "dpo online refuses a reward model as a policy" refused 1 rm/model "reward model" -- "$WR" dpo online --model rm/model --reward rm/model --prompts prompts.jsonl --out x3 --steps 1
ok "score refuses a language model" refused 1 lm/model "no reward model" "train reward" -- "$WR" score --model lm/model --in in.jsonl
ok "dpo online refuses a language model as --reward" refused 1 lm/model "no reward model" "train reward" -- \
    "$WR" dpo online --model lm/model --reward lm/model --prompts prompts.jsonl --out x4 --steps 1
ok "evaluate refuses a language model as --reward" refused 1 lm/model "no reward model" -- "$WR" evaluate --model lm/model --prompts prompts.jsonl --reward lm/model --out x5.json
ok "nothing was left by those" test -z "$(ls -d x* 2>/dev/null)"

# --- rewards that are no numbers -------------------------------------------------------------------------------------------
cp -r rm/model nan && spoil nan/model.safetensors
dpo="--model lm/model --prompts prompts.jsonl --steps 1 --n 2 --prompts-per-step 1 --max-tokens 4"
# shellcheck disable=SC2086
ok "--check-weights looks at --reward" refused 1 nan/model.safetensors score.weight NaN -- "$WR" dpo online $dpo --reward nan --out x1 --check-weights
# shellcheck disable=SC2086
ok "a run without a single reward fails" refused 1 nan "2 replies" --check-weights -- "$WR" dpo online $dpo --reward nan --out d
ok "… the missing ones are counted" test "$(jq .missing_rewards d/metrics.jsonl)" = 2
ok "evaluate without a single reward fails" refused 1 nan "none of 3 replies" -- "$WR" evaluate --model lm/model --prompts prompts.jsonl --n 3 --max-tokens 4 --reward nan --out e.json
nulls() { jq -e 'has("reward") and .reward == null and has("reward_low") and .missing_rewards == 3 and .replies == 3' "$1" >/dev/null; }
ok "… and writes the keys" nulls e.json
score_error() { "$WR" score --model nan --in in.jsonl >s.jsonl 2>log.txt; [ $? = 1 ] && jq -e '.error and .line == 1 and (has("score") | not)' s.jsonl >/dev/null; }
ok "score writes an error record" score_error

# --- the end of a run ------------------------------------------------------------------------------------------------------
cp -r data none && rm none/*-test-*.wrs
ok "train lm without a test side" code 0 wr 1 train lm --data none --model lm/model --out r1 --steps 1 --global-batch 2
ok "… says so" says log.txt "without evaluation"
longest=$(jq -r .max_position_embeddings lm/model/config.json)
# A test side that cannot be read to its end: found by the last evaluation, which comes after the model.
cp -r data torn
for shard in torn/chats-test-*.wrs; do printf 'XXXXXXXX' | dd of="$shard" bs=1 seek=200 conv=notrunc 2>/dev/null; done
failing() { refused 1 "evaluation" "the model is saved" -- "$WR" train lm --data torn --model lm/model --out r2 --steps 2 --global-batch 2 "$@"; }
ok "an evaluation that fails" failing
ok "… comes after the model is saved" test -f r2/model/model.safetensors
ok "… on --resume, too" failing --resume
ok "… and is told at the start" says log.txt torn chats-test "evaluation will fail"
between() { refused 1 "evaluation after step $1" "step $1 is saved" -- "$WR" train lm --data torn --model lm/model --out r4 --steps 3 --global-batch 2 --eval-every 1 "${@:2}"; }
ok "an evaluation that fails between steps" between 1
ok "… costs no step" between 2 --resume
# Of two ranks one sees a score that is no number (of a token that stands in one test record alone), the other only hears of it: both end.
rated() { for i in $(seq 24); do echo "{\"response\":\"$([ "u$i" = "$1" ] && echo '§') word $i\",\"label\":$((1 + i % 2)),\"user\":\"u$i\",\"query\":\"q\"}"; done; }
rated none >rated.jsonl && "$WR" prepare rated.jsonl --format labelled --vocab-size 300 --test-instances 4 --out rated >setup.log 2>&1 || sed 's/^/# /' setup.log
rated "$("$WR" export --data rated --kind reward --split test --out - 2>setup.log | jq -r .user | head -n 1)" >marked.jsonl
"$WR" prepare marked.jsonl --format labelled --tokenizer rated --test-instances 4 --out marked >setup.log 2>&1 || sed 's/^/# /' setup.log
wr 1 train reward --data rated --new layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=128 --global-batch 4 --steps 1 --out hole
weights=hole/model/model.safetensors
header=$(od -An -tu8 -N8 $weights | tr -d ' ')
row=$(($(dd if=$weights bs=1 skip=8 count="$header" status=none | jq '."model.embed_tokens.weight".data_offsets[0]') + 64 * $(echo '{"text":"§"}' | "$WR" tokenize --tokenizer rated | jq '.ids[-1]')))
printf '\000\000\300\177' | dd of=$weights bs=1 seek=$((8 + header + row)) conv=notrunc status=none
no_number() { timeout 60 mpirun --quiet -n 2 bash rank.sh train reward --data marked --model hole/model --global-batch 4 --steps 3 --eval-every 1 --out r5 >out.txt 2>log.txt; }
ok "a score that is no number, on one rank of two" code 1 no_number
ok "… is named" says log.txt "evaluation after step 1" "score of a record is not a number"
wr 1 train lm --data data --model lm/model --out r3 --steps 2 --global-batch 2
metrics r3 >before.txt
ok "a finished run that is resumed" code 0 wr 1 train lm --data data --model lm/model --out r3 --steps 2 --global-batch 2 --resume
same_lines() { cmp before.txt <(metrics r3); }
ok "… keeps the line of its last evaluation" same_lines
has_eval() { tail -n 1 before.txt | jq -e .eval_loss >/dev/null; }
ok "… which is there" has_eval

# --- defaults --------------------------------------------------------------------------------------------------------------
lr() { grep -E '^lr:' "$1/config.yaml" | awk '{print $2 + 0}'; }
wr 1 train lm --data none --model lm/model --out a1 --steps 1 --global-batch 2 --lora-rank 2
wr 1 train reward --data none --model lm/model --out a2 --steps 1 --global-batch 2 --lora-rank 2
ok "train lm --model: 2e-5" test "$(lr r1)" = 2e-05
ok "train lm --lora-rank: 2e-4" test "$(lr a1)" = 0.0002
ok "train lm --new: 1e-3" test "$(lr lm)" = 0.001
ok "train reward --model: 1e-5" test "$(lr rm)" = 1e-05
ok "train reward --lora-rank: 1e-4" test "$(lr a2)" = 0.0001
ok "train lm --lr: as given" test "$(wr 1 train lm --data none --model lm/model --out a3 --steps 1 --global-batch 2 --lr 3e-3; lr a3)" = 0.003
# Chats longer than the 1,024 positions that --new otherwise has.
jq -cn '[range(40)] | map("word number \(.) of a long talk about many things, said at some length ") | join("")' >long.txt
zstdcat world/chats.jsonl.zst | head -n 40 | jq -c --slurpfile t long.txt '.conversation |= map(if .role == "assistant" then .content += $t[0] else . end)' >long.jsonl
"$WR" prepare long.jsonl --out long --tokenizer data/tokenizer.json --seed 1 >setup.log 2>&1 || sed 's/^/# /' setup.log
ok "train lm --new on long chats" code 0 wr 1 train lm --data long --new $shape --out p1 --steps 1 --global-batch 2
ok "… has positions for the longest" test "$(jq .max_position_embeddings p1/model/config.json)" -gt 1024
ok "… says how many records are used, at the start" says log.txt "records: all" used
ok "… and at the end" says log.txt "trained on the records: all"
cp -r data useless && rm useless/reward-test-*.wrs && cp long/reward-test-*.wrs useless
useless() { wr 1 train reward --data useless --model lm/model --out u --steps 1 --global-batch 2 --max-length 600 "$@"; }
ok "a test side without a usable record costs nothing" code 0 useless
ok "… says so at the start" says log.txt "no usable record" "without evaluation"
ok "… and --resume neither" code 0 useless --resume
ok "… the model is there" test -f u/model/model.safetensors
# Chats whose answers lie behind the limit: nothing to predict in any of them.
zstdcat world/chats.jsonl.zst | head -n 40 | jq -c --slurpfile t long.txt '.conversation |= (.[0].content = $t[0] + .[0].content)' >late.jsonl
"$WR" prepare late.jsonl --out late --tokenizer data/tokenizer.json --seed 1 >setup.log 2>&1 || sed 's/^/# /' setup.log
cp -r data mute && rm mute/chats-test-*.wrs && cp late/chats-test-*.wrs mute
mute() { wr "$1" train lm --data mute --model lm/model --out "m$1" --steps 2 --global-batch 2 --max-length 200 --eval-every 1; }
ok "a test side without a token to predict costs nothing" code 0 mute 1
ok "… says so before the first step" test "$(grep -n 'no usable record in chats-test' log.txt | cut -d: -f1)" -lt "$(grep -n '2 steps of' log.txt | cut -d: -f1)"
ok "… nor does it on 2 ranks" code 0 mute 2
ok "evaluate on it fails" refused 1 useless "no record of up to" -- "$WR" evaluate --model u/model --data useless --max-length 600 --out u.json
ok "train reward --new with too few positions" code 0 wr 1 train reward --data data --new $shape,max-positions=200 --out p2 --steps 1 --global-batch 2
ok "… says how many are left out, at the start" says log.txt "records: " " used, " " left out" "more than 200 tokens"
ok "… and at the end" says log.txt "trained on the records: " " left out"

# --- a mapped model that is cut short ----------------------------------------------------------------------------------------
yes '{"prompt":"tell me of it"}' | head -n 4000 >many.jsonl
cut_short() { # cut_short COMMAND…: while it runs, its model becomes shorter
    local pid rc
    cp -r lm/model shrinking 2>/dev/null || cp lm/model/* shrinking/
    "$@" >out.txt 2>log.txt &
    pid=$!
    for _ in $(seq 400); do
        [ -s out.txt ] && break
        sleep 0.05
    done
    truncate -s 4096 shrinking/model.safetensors
    wait $pid
    rc=$?
    grep -q '^wildreward: error: .*shrinking/model.safetensors: the file became shorter' log.txt && [ $rc = 1 ] ||
        { echo "# exit $rc"; tail -n 3 log.txt | sed 's/^/#   /'; return 1; }
}
ok "SIGBUS is one line" cut_short timeout 100 "$WR" logprobs --model shrinking --in <(yes '{"prompt":"tell me","response":"of it and more"}' | head -n 2000000)
mkdir -p both && cp rm/model/* both
through_ranks() { # the other rank ends, too
    local rc pid
    ranks 2 timeout 100 "$WR" evaluate --model lm/model --prompts many.jsonl --reward both --n 2 --max-tokens 40 --out both.json >out.txt 2>log.txt &
    pid=$!
    for _ in $(seq 400); do
        grep -q 'both: .*parameters' log.txt && break
        sleep 0.05
    done
    sleep 1
    truncate -s 4096 both/model.safetensors
    wait $pid
    rc=$?
    grep -q '^wildreward: error: .*both/model.safetensors: the file became shorter' log.txt && [ $rc != 0 ] && [ $rc != 124 ] ||
        { echo "# exit $rc"; tail -n 3 log.txt | sed 's/^/#   /'; return 1; }
}
ok "… with 2 ranks, which all end" through_ranks
done_testing
