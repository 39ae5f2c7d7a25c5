#!/bin/bash
# train reward --objective bt --pairs FILE: texts and chats, margins and grades; continued to the same bits, on two ranks as on one; scored and evaluated by order alone;
# pairs that teach nothing left out and counted, and rows that are none told with file and line.
# shellcheck disable=SC2086  # words of options
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

golden=$OLDPWD/tests/golden
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
spec=layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=512
{
    "$WR" synth --users 12 --conversations 60 --seed 3 --train-prompts 4 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        wr 1 train lm --data data --new $spec --global-batch 8 --out lm --steps 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log log.txt; fail "synth, prepare, train"; done_testing; exit; }
for i in $(seq 1 24); do # the longer reply is the better one
    echo "{\"prompt\":\"question $i: \",\"chosen\":\"a long and careful answer number $i, with reasons\",\"rejected\":\"no $i\"}"
done >texts.jsonl
sed -E 's/"prompt":"([^"]*)","chosen":"([^"]*)","rejected":"([^"]*)"/"prompt":[{"role":"user","content":"\1"}],"chosen":[{"role":"assistant","content":"\2"}],"rejected":[{"role":"assistant","content":"\3"}]/' texts.jsonl >chats.jsonl
sed -E 's/"prompt":"([^"]*)","chosen":"([^"]*)","rejected":"([^"]*)"/"chosen":[{"role":"user","content":"\1"},{"role":"assistant","content":"\2"}],"rejected":[{"role":"user","content":"\1"},{"role":"assistant","content":"\3"}]/' texts.jsonl >whole.jsonl
bt="train reward --objective bt --global-batch 8 --micro-tokens 2048 --lr-schedule constant --warmup-ratio 0 --seed 4" fast="--lr 1e-2"
losses() { jq -c 'select(.loss) | .loss' "$1/metrics.jsonl"; }
last() { jq -s -e "map(select(.loss)) | .[-1] | $2" "$1/metrics.jsonl" >/dev/null; }
train() { local out=$1 file=$2; shift 2; wr 1 $bt $fast --model lm/model --pairs "$file" --out "$out" --steps 4 "$@"; }

ok "texts" train texts texts.jsonl
ok "... are learned: pairs are ranked right" eval "wr 1 $bt $fast --model lm/model --pairs texts.jsonl --out long --steps 30 && last long '.accuracy == 1 and .loss < 0.3'"
ok "... half, and the rest, to the same bits" eval "wr 1 $bt $fast --model lm/model --pairs texts.jsonl --out half --steps 2 && wr 1 train reward --resume --out half --steps 4 && same_run texts half"
ok "... on two ranks" eval "wr 2 $bt $fast --model lm/model --pairs texts.jsonl --out two --steps 4 && close_run texts two 4"
ok "... of which the second reads neither file nor model" eval "LOST_RANK=1 wr 2 $bt $fast --model lm/model --pairs texts.jsonl --out \$PWD/lost-2 --steps 4 && close_run texts lost-2 4"
ok "... not with other pairs" eval "sed 's/careful/careless/' texts.jsonl >other.jsonl && code 1 wr 1 train reward --resume --out half --steps 6 --pairs other.jsonl"
ok "chats, by the chat template" eval "train chats chats.jsonl && says log.txt chats.jsonl '24 of 24 pairs' 'chat template'"
ok "... with the prompt in both sides" eval "train whole whole.jsonl && cmp <(losses chats) <(losses whole)"
ok "... and beside them as a text" eval "jq -c '.prompt = .chosen[0].content' whole.jsonl >beside.jsonl && train beside beside.jsonl && cmp <(losses chats) <(losses beside)"
ok "... by a reward template" eval "train written chats.jsonl --template data/template.txt && says log.txt 'reward template' && cmp data/template.txt written/model/template.txt"
ok "a new model, with the data's tokenizer and template" eval "wr 1 train reward --objective bt --data data --new $spec --global-batch 8 --pairs chats.jsonl --steps 1 --out new && test -s new/model/template.txt"
ok "margins" eval "sed 's/}\$/,\"margin\":0.5}/' texts.jsonl >margins.jsonl && train margins margins.jsonl && ! cmp -s <(losses texts) <(losses margins)"
ok "... grades are margins where there are none" eval "sed 's/}\$/,\"grade\":2}/' texts.jsonl >grades.jsonl && train grades grades.jsonl --grade-margin 0.25 && cmp <(losses margins) <(losses grades)"
ok "... of a JSON array and of CSV" eval "jq -s . margins.jsonl >array.json && jq -s -r '(.[0] | keys_unsorted | @csv), (.[] | [.[]] | @csv)' margins.jsonl >table.csv &&
    train array array.json && train table table.csv && cmp <(losses margins) <(losses array) && cmp <(losses margins) <(losses table)"
ok "... of Parquet" eval "train parquet '$golden/suites/pairs-margins.parquet' && train lines '$golden/suites/pairs-margins.jsonl' && cmp <(losses parquet) <(losses lines) && says log.txt '8 of 8 pairs'"
ok "centred rewards" eval "train centred texts.jsonl --center-rewards 0.1 && ! cmp -s <(losses texts) <(losses centred)"

echo '{"text":"question 1: a long and careful answer number 1, with reasons"}' >row.jsonl
ok "the score is the raw logit" eval "'$WR' score --model texts/model --in row.jsonl 2>log.txt | jq -e '.logits == [.score]' >/dev/null"
ok "evaluated on labels: order alone" eval "'$WR' evaluate --model written/model --data data --out e.json 2>log.txt && jq -e '.loss == null and .accuracy == null and has(\"spearman\")' e.json >/dev/null"
ok "continued" wr 1 $bt --model texts/model --pairs texts.jsonl --steps 1 --out on
ok "... not as another" eval "code 1 wr 1 train reward --data data --model texts/model --global-batch 4 --steps 1 --out no && says log.txt texts/model 'objective bt'"

# Pairs of two long prompts: what is trained is what score says of each text.
for i in 1 2 3 4 5 6 7 8; do
    echo "{\"prompt\":\"$(printf "the same long question $((i % 2)) %.0s" $(seq 30)): \",\"chosen\":\"because of $i\",\"rejected\":\"no reason $i\"}"
done >prompt.jsonl
of_scores() {
    for side in chosen rejected; do jq -c "{text: (.prompt + .$side)}" prompt.jsonl | "$WR" score --model texts/model 2>log.txt | jq .score >$side.txt; done
    paste chosen.txt rejected.txt | awk '{ sum += log(1 + exp($2 - $1)) } END { printf "%.9f\n", sum / NR }'
}
ok "the loss is that of the scores" eval 'wr 1 $bt --model texts/model --pairs prompt.jsonl --steps 1 --lr 0 --out zero &&
    jq -e --argjson want "$(of_scores)" "select(.loss) | .loss / \$want - 1 | fabs < 1e-5" zero/metrics.jsonl >/dev/null'

# --- what is left out, what is refused --------------------------------------------------------------------------------------------------
{
    cat texts.jsonl
    echo '{"chosen":"the same","rejected":"the same"}'
    echo '{"chosen":"","rejected":"something"}'
    echo "{\"chosen\":\"$(printf 'long %.0s' $(seq 400))\",\"rejected\":\"short\"}"
} >some.jsonl
ok "equal sides are left out" eval "train some some.jsonl --max-length 100 && says log.txt some.jsonl '1 pairs left out' equal"
ok "... and what is too long" says log.txt some.jsonl "1 pairs left out" "100 tokens"
ok "... and what is empty" says log.txt some.jsonl "1 pairs left out" empty
ok "nothing is left" eval "sed -n 25p some.jsonl >equal.jsonl && code 1 train no equal.jsonl && says log.txt equal.jsonl 'no pair'"
refused() { # refused NAME ROW WORD…: a second row that is none
    local name=$1
    { head -1 texts.jsonl; echo "$2"; } >bad.jsonl
    shift 2
    ok "$name" eval "code 1 train no bad.jsonl && says log.txt bad.jsonl:2 $*"
}
refused "no rejected side" '{"chosen":"a"}' rejected
refused "a text against a chat" '{"chosen":"a","rejected":[{"role":"assistant","content":"b"}]}' both
refused "a prompt of another chat" '{"prompt":"b","chosen":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"rejected":[{"role":"user","content":"a"},{"role":"assistant","content":"c"}]}' prompt
refused "a margin that is none" '{"chosen":"a","rejected":"b","margin":NaN}' margin
refused "a grade that is none" '{"chosen":"a","rejected":"b","grade":"much"}' grade
refused "a chat that the user ends" '{"chosen":[{"role":"user","content":"a"}],"rejected":[{"role":"user","content":"b"}]}' assistant
refused "no JSON" '{"chosen":' ''
ok "no such file" eval "code 1 train no nowhere.jsonl && says log.txt nowhere.jsonl"
ok "bt without pairs" code 2 wr 1 train reward --objective bt --data data --model lm/model --steps 1 --out no
ok "pairs without bt" code 2 wr 1 train reward --pairs texts.jsonl --model lm/model --steps 1 --out no
ok "weights of labels" code 2 wr 1 $bt $fast --model lm/model --pairs texts.jsonl --class-weights inverse --steps 1 --out no
ok "neither" code 2 wr 1 train reward --model lm/model --steps 1 --out no
ok "nothing stays behind" eval '! ls -dA */.tmp-pairs* 2>/dev/null && [ ! -e no ]'
# A killed run leaves its pairs where the next one finds them.
"$WR" $bt $fast --model lm/model --pairs texts.jsonl --out killed --steps 1000000 --checkpoint-every 1 2>log.txt &
killed=$!
for _ in $(seq 600); do [ -d killed/checkpoints/step-2 ] && break; sleep 0.05; done
ok "a second process leaves the first one's alone" eval 'code 2 "$WR" $bt $fast --model lm/model --pairs texts.jsonl --out killed --steps 1000000 --checkpoint-every 1 --resume 2>log.txt && says log.txt killed "in use" && [ -d killed/.tmp-pairs.wildreward.tmp ]'
kill -9 $killed && wait $killed 2>/dev/null
ok "killed: they are still there" [ -d killed/.tmp-pairs.wildreward.tmp ]
(sleep 1; kill -USR1 "$(cat pid.0)") &
ok "... the next one goes on, and removes them" eval 'code 75 wr 1 train reward --resume --out killed && [ ! -e killed/.tmp-pairs.wildreward.tmp ]'
done_testing
