#!/bin/bash
# evaluate on a reward model's records: every figure against scikit-learn's and scipy's (stored), the same bytes on any number of ranks, records written and
# read again, comparisons, bad input, the report, and the glossary.
set -u
cd "$(dirname "$0")/../.." || exit 1
repository=$PWD
. tests/env.sh
. tests/training.sh
golden=$repository/tests/golden/evaluation

# agrees WANTED.json GOT.json: every path of WANTED ("by_class/0/f1") is there, and within 1e-6
agrees() {
    jq -n --slurpfile want "$1" --slurpfile got "$2" '
        [$want[0] | to_entries[] | . as $e | ($e.key | split("/") | map(tonumber? // .)) as $path
            | ($got[0] | try getpath($path) catch "no such figure") as $v
            | select(if $e.value == null then $v != null
                     else ($v | type) != "number" or (($v - $e.value) | fabs) > 1e-6 * ([1, ($e.value | fabs)] | max) end)
            | "# \($e.key): \($v), wanted \($e.value)"][:8][]' -r >differ.txt || return 1
    cat differ.txt
    [ ! -s differ.txt ]
}
scored() { "$WR" evaluate --scored "$1" --out "$2" "${@:3}" >out.txt 2>log.txt; }
for rows in "$golden"/*.jsonl; do
    stored=$(basename "$rows" .jsonl)
    ok "figures of rows as scikit-learn and scipy have them: $stored" eval 'scored "$rows" got.json --resamples 20 --bins 15 --seed 3 && agrees "$golden/$stored.json" got.json'
done

# --- a model's own records -----------------------------------------------------------------------------------------------------
spec=layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=512
{
    "$WR" synth --users 14 --conversations 120 --seed 3 --train-prompts 4 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 --test-instances 40 &&
        wr 1 train reward --data data --global-batch 8 --micro-tokens 1024 --new $spec --out rm --steps 6 --lr 1e-2 &&
        wr 1 train reward --data data --global-batch 8 --micro-tokens 1024 --new $spec --out other --steps 2 --seed 5 --lr 1e-2
} >setup.log 2>&1 || { sed 's/^/# /' setup.log log.txt; fail "synth, prepare, train"; done_testing; exit; }
evaluate="evaluate --data data --resamples 200 --seed 2"
wr 1 $evaluate --model rm/model --records records.jsonl --out a.json
ok "evaluate: intervals hold their figures" quiet jq -e '. as $e | ["accuracy", "mae", "spearman", "pairwise_accuracy", "log_loss", "brier"] | all(. as $k | $e[$k + "_low"] <= $e[$k] and $e[$k] <= $e[$k + "_high"])' a.json
ok "... of users, so many resamples each" quiet jq -e '.users > 1 and .bootstrap.resamples == 200 and .bootstrap.defined.accuracy == 200' a.json
ok "... counts that sum to the records" quiet jq -e '.records as $n | ([.confusion[][]] | add) == $n and ([.by_class[].records] | add) == $n and (.by_threshold | length) == 3 and all(.by_threshold[]; ([.reliability[].records] | add) == $n)' a.json
ok "... a confidence curve from all pairs down" quiet jq -e '.confidence_curve | length == 21 and .[0].coverage == 1 and ([.[].pairs] | . == (sort | reverse))' a.json
ok "... calibration learned on other users" quiet jq -e '.calibration | (.temperature | has("temperature")) and (.platt.slope | length) == 3 and (.platt.ece | type) == "number"' a.json
ok "... who is new to the model" quiet jq -e '.new_users.users == .users and .own_users.users == 0' a.json
wr 2 $evaluate --model rm/model --records records-2.jsonl --out a-2.json
ok "... 2 ranks, the same bytes" eval 'cmp a.json a-2.json && cmp records.jsonl records-2.jsonl'
ok "its records, read again, have the same figures" eval 'scored records.jsonl again.json --resamples 200 --seed 2 &&
    cmp <(jq -S "del(.model, .data, .split, .loss, .score_rule, .rank_violations, .own_users, .new_users, .missing, .per_record.id)" a.json) <(jq -S "del(.scored, .loss, .rank_violations, .missing, .per_record.id)" again.json)'
wr 1 evaluate --model rm/model --data data --split train --limit 30 --out own.json
ok "on the training side all users are the model's own" quiet jq -e '.own_users.users == .users and (has("own_minus_new") | not)' own.json
wr 1 $evaluate --model rm/model --score-rule class --out other-rule.json
ok "another rule than the objective's: figures of order alone, and why" quiet jq -e '(.spearman | type) == "number" and (.spearman_low | type) == "number" and .accuracy == null and .ece == null and .confidence_curve == null and (.missing.mae | type) == "string"' other-rule.json
for objective in classes regression; do
    wr 1 train reward --data data --global-batch 8 --micro-tokens 1024 --new $spec --objective $objective --out $objective --steps 2 --lr 1e-2
    wr 1 $evaluate --model $objective/model --out $objective.json
done
ok "another objective's probabilities: of classes, log-loss is the loss" quiet jq -e '((.loss - .log_loss) | fabs) < 1e-6 and (.by_threshold | all(.ece != null))' classes.json
ok "one without probabilities: errors, no calibration, and why" quiet jq -e '(.mae | type) == "number" and .ece == null and .log_loss == null and (.missing.log_loss | type) == "string" and (has("calibration") | not)' regression.json

# --- comparison ----------------------------------------------------------------------------------------------------------------
wr 1 $evaluate --model other/model --out b.json
compare() { "$WR" evaluate --compare "$@" >out.txt 2>log.txt; }
ok "compare" eval 'compare a.json b.json --resamples 200 --out c.json && jq -e ".kind == \"comparison\" and (.pairs | length) == 1 and .pairs[0].spearman.low <= .pairs[0].spearman.high and (.pairs[0].mcnemar.p <= 1)" c.json >/dev/null'
ok "... a model with itself: no difference, one group" eval 'compare a.json a-2.json --out same.json && jq -e ".pairs[0].accuracy | .difference == 0 and .told_apart == false" same.json >/dev/null && jq -e ".cannot_be_told_apart.accuracy | length == 1 and (.[0] | length) == 2" same.json >/dev/null'
jq -c '.score = .label | .class = .label | del(.above)' records.jsonl >oracle.jsonl
jq -c '.score = 5 - .label | .class = 5 - .label | del(.above)' records.jsonl >liar.jsonl
jq -c '.score = .label + 0.01 | .class = .label | del(.above)' records.jsonl >twin.jsonl
for m in oracle liar twin; do scored $m.jsonl $m.json --resamples 0; done
ok "... three: who cannot be told apart" eval 'compare oracle.json liar.json twin.json --out three.json &&
    jq -e ".cannot_be_told_apart.accuracy | map(sort) == [[\"oracle.json\", \"twin.json\"], [\"liar.json\"]]" three.json >/dev/null'
head -n 20 records.jsonl >few.jsonl && scored few.jsonl few.json
ok "... the common records, and how many are left out" eval 'compare again.json few.json --out common.json && jq -e ".records == 20 and .models[0].records_left_out > 0 and .models[1].records_left_out == 0" common.json >/dev/null'
jq -c '.label = (.label % 4 + 1)' records.jsonl >relabelled.jsonl && scored relabelled.jsonl relabelled.json
ok "... other labels are refused" eval 'code 1 compare again.json relabelled.json --out none.json && says log.txt again.json relabelled.json "labelled"'
jq -c '.id = "x" + .id' records.jsonl >renamed.jsonl && scored renamed.jsonl renamed.json
ok "... other records" eval 'code 1 compare again.json renamed.json --out none.json && says log.txt "no common record"'
ok "... one file" eval 'code 2 compare a.json --out none.json && says log.txt a.json arguments'
ok "... what is no evaluation" eval 'echo "{\"kind\":\"lm\"}" >lm.json; code 1 compare a.json lm.json --out none.json && says log.txt lm.json per_record'
ok "... none of that wrote a file" [ ! -e none.json ]

# --- bad input -----------------------------------------------------------------------------------------------------------------
bad() { # bad NAME WORDS ROW…: refused by a line that holds the words
    local wanted=$2
    printf '%s\n' "${@:3}" >bad.jsonl
    ok "refused: $1" eval 'code 1 scored bad.jsonl bad.json && says log.txt "$wanted"'
}
fine='{"label":1,"score":1.5}'
bad "a score that is no number" 'bad.jsonl line 2: "score"' "$fine" '{"label":1,"score":NaN}'
bad "a label that is no class" 'bad.jsonl line 2: "label"' "$fine" '{"label":0,"score":1}'
bad "a huge label" 'from 1 to 1000' '{"label":2000000000,"score":1}'
bad "no label" 'line 1: "label"' '{"score":1}'
bad "a probability above 1" 'line 1: "above"' '{"label":1,"score":1,"above":[1.5]}'
bad "probabilities of other classes" 'line 2: has other members' '{"label":1,"score":1,"above":[0.5]}' '{"label":1,"score":1,"above":[0.5,0.5]}'
bad "a label beyond them" 'line 1: class 3' '{"label":3,"score":1,"above":[0.5]}'
bad "a row that is no object" 'line 1: is not an object' '[1]'
bad "what is no JSON" 'bad.jsonl line 1' '{'
: >empty.jsonl
ok "refused: no rows" eval 'code 1 scored empty.jsonl bad.json && says log.txt "empty.jsonl: no line"'
fair() { printf '%s\n' "${@:2}" >fair.jsonl && scored fair.jsonl fair.json && jq -e "$1" fair.json >/dev/null; }
ok "one record" fair '.records == 1 and .spearman == null and .spearman_low == null and (.missing.spearman | type) == "string"' "$fine"
ok "all of one class" fair '.quadratic_kappa == null and .accuracy == 1 and .kendall_tau_b == null and .pairwise_accuracy == null' '{"label":1,"score":1.5,"class":1,"above":[0.1]}' '{"label":1,"score":1.2,"class":1,"above":[0.2]}'
ok "one user: no intervals, and why" fair '.accuracy == 0.5 and .accuracy_low == null and (.missing.intervals | type) == "string" and .calibration.platt.ece == null' '{"user":"a","label":1,"score":1.5,"class":1,"above":[0.1]}' '{"user":"a","label":2,"score":1.2,"class":1,"above":[0.2]}'
ok "separated: no finite temperature, and why" fair '.calibration.temperature | .temperature == null and (.why | startswith("none finite"))' '{"user":"a","label":1,"score":1.1,"above":[0.1]}' '{"user":"b","label":2,"score":1.9,"above":[0.9]}'
ok "scores alone: figures of order" fair '.spearman == 1 and .mae == null and .accuracy == null and (.by_threshold[0].auc == 1)' '{"label":1,"score":-7}' '{"label":2,"score":3}'
ok "--scored beside --model" eval 'code 2 wr 1 evaluate --scored records.jsonl --model rm/model --out none.json'
ok "its own input is never replaced" eval 'cp records.jsonl kept.jsonl && code 2 wr 1 evaluate --scored kept.jsonl --out ./kept.jsonl && says log.txt "--out would replace" scored && cmp records.jsonl kept.jsonl'
ok "... nor one output by another" eval 'code 2 wr 1 evaluate --scored records.jsonl --out both.json --records both.json && says log.txt "--out and --records both name both.json"'
ok "... nor what is compared" eval 'cp a.json first.json && code 2 wr 1 evaluate --compare a.json first.json --out first.json && cmp a.json first.json'
ok "a user with a fraction" eval 'jq -c ".per_record.user[0] = 0.5" a.json >half.json && code 1 compare a.json half.json --out none.json && says log.txt half.json user'
ok "neither" eval 'code 2 wr 1 evaluate --data data --out none.json && says log.txt "--model"'

# --- the report and the glossary ----------------------------------------------------------------------------------------------
ok "report" "$WR" report a.json c.json --out page.html
ok "... with reliability, confidence and comparison" eval 'grep -q "P(label &gt; 1): said and true" page.html && grep -q "confidence curve" page.html && grep -q "told apart" page.html'
ok "... and without the records" eval '! grep -q "per_record" page.html'
tab=$(printf '\t')
words() { sed -n 's/^    {"\([a-z0-9_]*\)", *"\(.*\)"\(, .*\)*},$/\1\t\2/p' "$repository/report/metric_names.c" | sed 's/", .*//; s/|/\\|/g'; }
ok "every name of the tables stands in docs/metrics.md, with its words" eval 'words >words.txt && [ "$(wc -l <words.txt)" -gt 80 ] &&
    while IFS=$tab read -r member meaning; do grep -qF "| \`$member\` | $meaning" "$repository/docs/metrics.md" || echo "# $member | $meaning"; done <words.txt >lost.txt; cat lost.txt; [ ! -s lost.txt ]'
ok "every member of an evaluation and a comparison has its words" eval 'jq -rs "[.[0], (.[1] | .pairs[0].accuracy, .), .[0].consistency, .[0].length_bias, .[0].by_class[0], .[0].by_threshold[0]] | map(keys[]) | unique[]" a.json c.json |
    grep -vxE "kind|model|models|data|split|class|above|pairs|resamples|seed|low|high|defined|predicted|told_apart_below|.*_low|.*_high" >keys.txt
    while read -r key; do grep -q "^$key$tab" words.txt || echo "# $key"; done <keys.txt >lost.txt; cat lost.txt; [ ! -s lost.txt ]'
done_testing
