#!/bin/bash
# End to end: agree, export, pairs, and the page and refusals of a prepared folder.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/scratch.sh
shared=${WILDREWARD_SHARED:-../shared}/data
json() { jq -e "$2" "$1" >/dev/null || { echo "# not so: $2"; return 1; }; }

# --- agree: five turns whose figures are known (tests/unit/test_agreement.c works them out)
row() { echo "{\"conversation_hash\":\"$1\",\"turn_identifier\":$2,\"$3\":$4}"; }
{ row x 2 label 1; row x 4 label 1; row x 6 label 2; row y 2 label 5; row y 4 label 3; row z 2 label 4; } >"$work/a.jsonl"
{ row y 4 level 3; row y 2 level 4; row x 6 level 3; row x 4 level 1; row x 2 level 1; row z 2 level null; row w 2 level 5; } | zstd -q >"$work/b.jsonl.zst"
ok "two label files" good "$program" agree "$work/a.jsonl" "$work/b.jsonl.zst" --out "$work/ab.json" --consensus "$work/consensus.jsonl"
ok "are joined on conversation and turn" json "$work/ab.json" '.turns == 7 and .turns_compared == 5 and .pairs[0].turns == 5 and .users == 4'
ok "figures worked out by hand" json "$work/ab.json" '.["5-way"] | .agreement == 0.6 and (.kappa - 9/19 | fabs) < 1e-8 and .alpha_nominal == 0.5'
ok "three ways too" json "$work/ab.json" '.["3-way"].agreement == 0.8'
ok "the table of the pair" json "$work/ab.json" '.pairs[0].table == [[2,0,0,0,0],[0,0,1,0,0],[0,0,1,0,0],[0,0,0,0,0],[0,0,0,1,0]]'
ok "a table for people" grep -q 'kappa, quadratic' "$work/err"
ok "two annotators: said to be undetermined" grep -q 'two annotators do not determine' "$work/err"
ok "a consensus line for every turn" eval '[ "$(wc -l <"$work/consensus.jsonl")" = 7 ] && [ "$(jq -c keys "$work/consensus.jsonl" | sort -u)" = "[\"conversation_hash\",\"level\",\"posterior\",\"turn_identifier\"]" ]'
ok "agree reads a consensus" good "$program" agree "$work/a.jsonl" "$work/consensus.jsonl" --out "$work/ac.json"
good "$program" agree "$work/a.jsonl" "$work/b.jsonl.zst" --out "$work/again.json"
ok "the same twice, byte for byte" cmp "$work/ab.json" "$work/again.json"
good "$program" agree "$work/a.jsonl" "$work/b.jsonl.zst" --out "$work/seed.json" --seed 3
ok "another seed: other intervals, same figures" eval '! cmp -s "$work/ab.json" "$work/seed.json" && [ "$(jq .pairs[0].table "$work/ab.json")" = "$(jq .pairs[0].table "$work/seed.json")" ]'

{ cat "$work/a.jsonl"; row x 2 label 5; row q 2 label 6; row q 4 other 1; echo '{"turn_identifier":2,"label":1}'; echo oops; } >"$work/bad.jsonl"
ok "bad rows: exit 1 after the rest is done" eval 'exits 1 "$program" agree "$work/bad.jsonl" "$work/b.jsonl.zst" --out "$work/bad.json" && [ "$(jq -c .pairs "$work/bad.json" | sed "s/\"bad\"/\"a\"/")" = "$(jq -c .pairs "$work/ab.json" | sed "s/\"bad\"/\"a\"/")" ]'
ok "counted by kind" json "$work/bad.json" '.files[0].bad == {"not_json":1,"no_key":1,"no_level":1,"bad_level":1,"duplicate":1}'
ok "and the first of each named" eval 'grep -q "bad.jsonl:7: .*came before" "$work/err" && grep -q "bad.jsonl:8: a level" "$work/err" && grep -q "bad.jsonl:11: not a JSON" "$work/err"'
ok "one annotator: usage error" exits 2 "$program" agree "$work/a.jsonl"
ok "a file without answers is named" eval 'echo "{}" >"$work/empty.jsonl"; exits 1 "$program" agree "$work/a.jsonl" "$work/empty.jsonl" && grep -q "empty.jsonl: no answer" "$work/err"'
ok "an absent one too" eval 'exits 1 "$program" agree "$work/a.jsonl" "$work/none.jsonl" && grep -q none.jsonl "$work/err"'
for i in $(seq 300); do echo "{\"conversation_hash\":\"c$((i / 3))\",\"turn_identifier\":$i,\"user\":\"u$((i % 17))\",\"level\":1,\"levels\":{\"one\":$((i % 5 + 1)),\"two\":$((i % 5 + 1)),\"three\":$([ $((i % 4)) = 0 ] && echo null || echo $((i % 3 + 1)))}}"; done >"$work/turns.jsonl"
ok "several annotators in one file" good "$program" agree "$work/turns.jsonl" --out "$work/three.json"
ok "one column each, by name; missing answers count as such" json "$work/three.json" '[.annotators[].name] == ["one","two","three"] and .annotators[2].no_answer == 75 and (.pairs | length) == 3 and .pairs[0]["5-way"].agreement == 1 and .pairs[1].turns == 225 and .users == 17'
mkdir "$work/p" "$work/q" && cp "$work/a.jsonl" "$work/p/turns.jsonl" && cp "$work/a.jsonl" "$work/q/turns.jsonl"
ok "files of one name are told apart" eval 'good "$program" agree "$work/p/turns.jsonl" "$work/q/turns.jsonl" --out "$work/pq.json" && json "$work/pq.json" "[.annotators[].name | endswith(\"turns.jsonl\")] | all"'

# --- a prepared folder
good "$program" synth --users 40 --conversations 400 --train-prompts 10 --heldout-prompts 10 --seed 5 --out "$work/world"
good "$program" prepare "$work/world/chats.jsonl.zst" --out "$work/data" --min-reply-words 1 --min-query-words 1 --seed 7
zstd -dcq "$work/data/turns.jsonl.zst" | jq -c '{conversation_hash, turn_identifier, label: (.final_level // 3)}' >"$work/final.jsonl"
ok "a prepared folder's turns against labels" good "$program" agree "$work/data/turns.jsonl.zst" "$work/final.jsonl" --out "$work/turns.json"
share=$(zstd -dcq "$work/data/turns.jsonl.zst" | jq -s '[.[] | select(.level != null) | if .level == .final_level then 1 else 0 end] | add / length')
ok "the share of equal answers" json "$work/turns.json" "(.[\"5-way\"].agreement - $share | fabs) < 1e-8 and .[\"5-way\"].agreement_low < $share"

kept() { jq ".funnel.kept[\"instances, $1\"]" "$work/data/meta.json"; }
ok "export: every instance" eval 'good "$program" export --data "$work/data" --split all --out "$work/all.jsonl.zst" && [ "$(zstd -dcq "$work/all.jsonl.zst" | wc -l)" = $(($(kept train) + $(kept test))) ]'
ok "labels as the turns say" eval '[ "$(zstd -dcq "$work/all.jsonl.zst" | jq -r "\"\(.id) \(.label)\"" | sort)" = "$(zstd -dcq "$work/data/turns.jsonl.zst" | jq -r "select(.dropped == null) | \"\(.conversation_hash):\(.turn_identifier) \([0,1,2,0,3,4][.final_level])\"" | sort)" ]'
fields() { jq -cS '{id, user, query, history, response, "label": .label}' "$@"; }
zstd -dcq "$work/all.jsonl.zst" | fields >"$work/rated.jsonl"
same_rows() { [ -s "$work/rated.jsonl" ] && [ "$(fields "$work/rows.jsonl" | sort | md5sum)" = "$(sort "$work/rated.jsonl" | md5sum)" ]; }
ok "what was exported can be prepared again" eval 'good "$program" prepare "$work/rated.jsonl" --format labelled --out "$work/again" --no-tokens && good "$program" export --data "$work/again" --split all --out "$work/rows.jsonl" && same_rows'
ok "trl rows" eval 'good "$program" export --data "$work/data" --format trl --out "$work/trl.jsonl" && [ "$(wc -l <"$work/trl.jsonl")" = "$(kept train)" ] && jq -se "all(.[]; (.prompt[-1].role == \"user\") and (.completion | length == 1) and (.completion[0].role == \"assistant\") and (.label | type == \"boolean\"))" "$work/trl.jsonl" >/dev/null'
ok "true from label 3 of 4 on" eval '[ "$(jq -r .label "$work/trl.jsonl" | grep -c true)" = "$(zstd -dcq "$work/all.jsonl.zst" | head -n "$(kept train)" | jq "select(.label > 2) | 1" | wc -l)" ]'
ok "flat rows in the reward template" eval 'good "$program" export --data "$work/data" --format hf --split test --out "$work/hf.jsonl" && jq -se "all(.[]; (.text | endswith(\"Satisfaction:\")) and .label >= 0 and .label < 4)" "$work/hf.jsonl" >/dev/null'
ok "chats" eval 'good "$program" export --data "$work/data" --kind chats --format trl --out - && [ "$(wc -l <"$work/out")" = "$(jq ".funnel.kept[\"chats, train\"]" "$work/data/meta.json")" ] && head -1 "$work/out" | jq -e ".messages[-1].role == \"assistant\"" >/dev/null'
ok "an unknown format is refused" exits 2 "$program" export --data "$work/data" --format csv
ok "an option of another format is refused" exits 2 "$program" export --data "$work/data" --format trl --tokens
ok "a folder without shards is named" eval 'exits 1 "$program" export --data "$work" && grep -q "reward-train" "$work/err"'
ok "pairs: chosen above rejected, one user's one query" eval 'good "$program" pairs --data "$work/data" --split all --out "$work/pairs.jsonl" && [ -s "$work/pairs.jsonl" ] && jq -se "all(.[]; .chosen_label > 2 and .rejected_label <= 2 and .chosen != .rejected)" "$work/pairs.jsonl" >/dev/null'
ok "pairs for trl" eval 'good "$program" pairs --data "$work/data" --split all --format trl --out "$work/t.jsonl" && [ "$(wc -l <"$work/t.jsonl")" = "$(wc -l <"$work/pairs.jsonl")" ] && jq -se "all(.[]; (.prompt | length > 0) and .chosen[0].role == \"assistant\" and .rejected[0].role == \"assistant\")" "$work/t.jsonl" >/dev/null'

ok "report of a prepared folder" eval 'good "$program" report "$work/data" "$work/ab.json" --out "$work/report.html" && grep -q "class=\"sankey\"" "$work/report.html" && ! grep -q "<script" "$work/report.html"'
ok "inspect --summary gives its numbers" eval 'good "$program" inspect "$work/data" --summary "$work/summary.json" && json "$work/summary.json" ".turns.n == $(zstd -dcq "$work/data/turns.jsonl.zst" | wc -l) and .records.n == $(($(kept train) + $(kept test)))"'
ok "inspect --refusals" eval 'good "$program" inspect "$work/data" --refusals && grep -q "of refusals" "$work/out" && grep -q "32 %" "$work/out"'
false=$(zstd -dcq "$work/data/turns.jsonl.zst" | jq -s '[.[] | select(if has("refusal") then .refusal == "false" else .how == "refusal" and .final_level == 1 end)] | length')
ok "counts them as the turns do" grep -q "(harmless query) $false," "$work/out"
ok "verify: hashes of meta.json" eval 'good "$program" inspect "$work/data" --verify && grep -q "hashes of meta.json" "$work/out"'
echo >>"$work/data/template.txt"
ok "a changed file is found and named" eval 'exits 1 "$program" inspect "$work/data" --verify && grep -q "template.txt: changed" "$work/err"'
ok "and export in its template refused" eval 'exits 1 "$program" export --data "$work/data" --format hf --out "$work/none.jsonl" && grep -q "template.txt" "$work/err" && [ ! -e "$work/none.jsonl" ]'

if [ -f "$shared/feedback_labels.jsonl" ]; then
    good "$program" prepare "$shared/sharegpt_wildchat.jsonl.zst" --out "$work/real" --no-tokens
    ok "real chats against labels" eval 'good "$program" agree "$work/real/turns.jsonl.zst" "$shared/feedback_labels.jsonl" --out "$work/real.json" && json "$work/real.json" ".pairs[0].turns >= $(wc -l <"$shared/feedback_labels.jsonl") * 0.97"'
    jq -r '"# lexicon and labels: \(.["5-way"].agreement * 1000 | round / 10) %, kappa \(.["5-way"].kappa * 1000 | round / 1000)"' "$work/real.json"
else
    skip "real chats against labels" "no feedback_labels.jsonl in $shared (set WILDREWARD_SHARED)"
fi
done_testing
