#!/bin/bash
# train reward where turns of one conversation share their history: computed once or apart, in either order of records, on 1 to 4 ranks, the losses are
# the same; where nothing is shared, so are the bits; runs that go on after a kill are those that were never stopped.
# shellcheck disable=SC2086  # words of options
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

spec=layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=1024
small="--data data --new $spec --global-batch 24 --micro-tokens 1500 --lr 3e-3 --eval-records 40 --checkpoint-every 0"

# Conversations of two to seven turns, each with a follow-up that says how the reply was; a history of a few dozen tokens a turn.
chats() {
    jq -nc 'range(120) as $c | {
        conversation_hash: "conversation-\($c)", model: "m", timestamp: null, language: "English", turn: (2 + $c % 6),
        conversation: [range(2 * (2 + $c % 6) + 1) as $t | {
            role: (if $t % 2 == 0 then "user" else "assistant" end), turn_identifier: (100 * $c + $t), hashed_ip: "ip-\($c % 40)", language: "English", redacted: false, toxic: false,
            content: (if $t % 2 == 1 then "Step \($t) of plan \($c): take \($c * 7 % 13) and add \($t), then look at what the \($t * $c % 17) others did before you go on with it."
                elif $t == 0 then "How do I make plan \($c) work with \($c * 3 % 11) people and \($c % 7) days?"
                else (["Thank you, that is great! And what about \($t)?", "No, that is wrong, I asked for plan \($c) and not \($t).", "Please go on with part \($t) of \($c).", "You misunderstood: I meant number \($c + $t)."])[($c + $t) % 4] end)}]}'
}
chats >chats.jsonl
if ! "$WR" prepare chats.jsonl --out data --vocab-size 500 --seed 1 --shard-records 64 >/dev/null 2>prepare.log; then
    sed 's/^/# /' prepare.log
    fail "prepare"
    done_testing
    exit
fi

# shared RUN LEAST: the share of tokens that were not computed again, in hundredths, is at least so much
shared() { jq -s -e --argjson least "$2" 'map(select(.loss)) | (map(.tokens_shared) | add) * 100 >= $least * (map(.tokens) | add)' "$1/metrics.jsonl" >/dev/null; }
ok "apart" wr 1 train reward $small --out off --steps 12 --order conversations --share-prefixes off
ok "apart: no figure of what is shared" eval 'jq -s -e "map(has(\"tokens_shared\") | not) | all" off/metrics.jsonl >/dev/null'
for n in 1 2 3 4; do
    ok "together on $n rank(s)" wr $n train reward $small --out on-$n --steps 12 --order conversations
    ok "together on $n: the losses of one rank, apart" close_run off on-$n 12
    ok "together on $n: a quarter or more of the tokens is shared" shared on-$n 25
done
ok "with the template's lines" wr 2 train reward $small --out all --steps 12 --order conversations --share-prefixes all
ok "with the template's lines: the same losses" close_run off all 12
more() { jq -s -e 'map(select(.tokens_shared)) | (map(.tokens_shared) | add)' "$1/metrics.jsonl"; }
ok "with the template's lines: more is shared" eval '[ "$(more all)" -gt "$(more on-2)" ]'
ok "with the template's lines and adapters" wr 2 train reward ${small/--new $spec/--model on-1/model} --out adapters --steps 3 --lora-rank 2 --order conversations --share-prefixes all --recompute
wr 2 train reward $small --out again --steps 12 --order conversations
ok "twice the same bits" same_run on-2 again

for n in 1 2 4; do wr $n train reward $small --out same-$n --steps 6 --order conversations --same-bits-any-ranks; done
ok "--same-bits-any-ranks: 1 rank and 2" same_run same-1 same-2
ok "--same-bits-any-ranks: 1 rank and 4" same_run same-1 same-4
ok "--same-bits-any-ranks: some of the tokens are shared" shared same-1 5

# One turn of each conversation: nothing is shared but the template's lines, and no bit of the model changes.
jq -c '.conversation = .conversation[:3]' chats.jsonl >short.jsonl
"$WR" prepare short.jsonl --out short --vocab-size 500 --seed 1 >/dev/null 2>prepare.log || sed 's/^/# /' prepare.log
alone="${small/--data data/--data short}"
ok "nothing shared: apart" wr 2 train reward $alone --out alone-off --steps 3 --share-prefixes off
ok "nothing shared: together" wr 2 train reward $alone --out alone-on --steps 3
ok "nothing shared: the same model" cmp alone-off/model/model.safetensors alone-on/model/model.safetensors
ok "nothing shared: the figure says 0" eval 'jq -s -e "map(select(.loss) | .tokens_shared == 0) | all" alone-on/metrics.jsonl >/dev/null'

# The order: each conversation's records follow one another, another order each epoch, and all of them once an epoch.
ok "one epoch by default" wr 1 train reward ${small/--checkpoint-every 0/--checkpoint-every 4} --out whole --order conversations --eval-every 4
wr 1 train reward ${small/--checkpoint-every 0/--checkpoint-every 4} --out cut --order conversations --eval-every 4 &
pid=$!
for _ in $(seq 600); do [ -f cut/metrics.jsonl ] && [ "$(wc -l <cut/metrics.jsonl)" -ge 6 ] && break; sleep 0.02; done
kill -KILL "$(cat pid.0)"
wait $pid
ok "resumed" wr 1 train reward ${small/--checkpoint-every 0/--checkpoint-every 4} --out cut --order conversations --eval-every 4 --resume
ok "resumed: the same bits" same_run whole cut
ok "resumed in another order: refused" code 1 wr 1 train reward ${small/--checkpoint-every 0/--checkpoint-every 4} --out cut --order records --eval-every 4 --resume
ok "resumed in another order: says so" says log.txt order
ok "an unknown order" code 2 wr 1 train reward $small --out none --order users

done_testing
