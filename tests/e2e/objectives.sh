#!/bin/bash
# train reward --objective NAME, for every objective: trained, scored, evaluated, continued to the same bits (alone and on two ranks), refused as another; adapters of
# those with parameters beside score.weight; weights by class and user; and what is told of labels that teach nothing.
# shellcheck disable=SC2086,SC2016  # words of options; jq's variables
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

spec=layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=512
small="--data data --global-batch 8 --micro-tokens 1024 --eval-records 20 --lr 1e-2 --lr-schedule constant --warmup-ratio 0"
{
    "$WR" synth --users 12 --conversations 100 --seed 3 --train-prompts 4 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        wr 1 train lm $small --new $spec --out lm --steps 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log log.txt; fail "synth, prepare, train"; done_testing; exit; }
for i in 1 2 3; do echo "{\"query\":\"How do I bake bread?\",\"response\":\"With flour and water, $i hours.\"}"; done >rows.jsonl
names="coral corn thresholds classes regression"
score() { "$WR" score --model "$1" --in rows.jsonl 2>log.txt; }
quiet() { "$@" >/dev/null; }
same_beside() { cmp <(jq -c .wildreward.biases,.wildreward.threshold_steps "$1/model/config.json") <(jq -c .wildreward.biases,.wildreward.threshold_steps "$2/model/config.json"); }

for name in $names; do
    train="train reward $small --new $spec --objective $name"
    ok "$name: trained" wr 1 $train --out $name --steps 4
    ok "... as recorded" quiet jq -e --arg name $name '.wildreward.objective == $name' $name/model/config.json
    ok "... half of it, and the rest" eval "wr 1 $train --out $name-half --steps 2 && wr 1 train reward --resume --out $name-half --steps 4"
    ok "... to the same bits" eval "same_run $name $name-half && same_beside $name $name-half"
    ok "... on two ranks" eval "wr 2 $train --out $name-2 --steps 4 && close_run $name $name-2 4"
    ok "... scored" eval "score $name/model >$name.scores && test \$(jq -s 'map(select(.score | isfinite)) | length' $name.scores) = 3"
    ok "... evaluated" eval "'$WR' evaluate --model $name/model --data data --out $name.json 2>log.txt && jq -e '.loss > 0 and .accuracy >= 0 and .mae > 0' $name.json >/dev/null"
    ok "... continued" wr 1 train reward $small --model $name/model --objective $name --steps 1 --out $name-on
    ok "... not as ordinal" eval "code 1 wr 1 train reward $small --model $name/model --steps 1 --out no && says log.txt $name/model 'objective $name' '--objective $name'"
done
ok "an ordinal model is no coral model" eval "wr 1 train reward $small --new $spec --steps 1 --out ordinal &&
    code 1 wr 1 train reward $small --model ordinal/model --objective coral --steps 1 --out no && says log.txt ordinal/model 'objective ordinal'"
ok "dpo is judged by a model of any" wr 1 dpo online --model lm/model --reward corn/model --prompts world/prompts-train.jsonl --steps 1 --n 2 --max-tokens 4 --out dpo

# --- what follows from the kind -------------------------------------------------------------------------------------------------------
ok "coral: biases, and one row" quiet jq -e '(.wildreward.biases | length) == 3 and (.id2label | length) == 1' coral/model/config.json
ok "... that were trained" quiet jq -e '.wildreward.biases[0] != 1' coral/model/config.json
ok "... logits of all thresholds, and the score of them" quiet jq -s -e \
    'all(.[]; (.logits | length) == 3 and ((.score - 1 - ([.logits[] | 1 / (1 + (-. | exp))] | add)) | fabs < 1e-6))' coral.scores
ok "thresholds: in order, one score below them" quiet jq -e '.wildreward.thresholds | length == 3 and . == sort' thresholds/model/config.json
ok "... scores rise with the raw score" quiet jq -s -e 'sort_by(.score) == sort_by(.logits[0])' thresholds.scores
ok "corn: its own rule" quiet jq -e '.score_rule == "corn" and .rank_violations == 0' corn.json
ok "classes: a row a class, and a spread" eval 'jq -e ".score_rule == \"class\" and .spread > 0" classes.json >/dev/null &&
    jq -s -e "all(.[]; (.logits | length) == 4 and .spread > 0)" classes.scores >/dev/null'
ok "regression: the logit is the score, and has no violations" eval 'jq -e ".score_rule == \"logit\" and .rank_violations == null" regression.json >/dev/null &&
    jq -s -e "all(.[]; .logits == [.score])" regression.scores >/dev/null'
ok "... its loss is the one that was trained" eval "wr 1 train reward $small --new $spec --objective regression --huber-delta 0.25 --steps 2 --out delta && jq -e '.wildreward.settings == {\"huber-delta\": 0.25}' delta/model/config.json >/dev/null &&
    '$WR' evaluate --model delta/model --data data --out d.json 2>log.txt && jq -se '.[0].loss - (.[1:] | map(.eval_loss // empty) | last) | fabs < 1e-6' d.json delta/metrics.jsonl >/dev/null"
ok "a rate of the head's own" eval "wr 1 train reward $small --new $spec --objective coral --steps 4 --out own-rate --head-lr-scale 20 && ! same_beside coral own-rate 2>/dev/null && wr 1 train reward $small --new $spec --objective coral --steps 4 --out own-rate-1 --head-lr-scale 1 && same_run coral own-rate-1"
ok "... is advised where nothing moves" eval "wr 1 train reward ${small/--lr 1e-2/--lr 1e-5} --new $spec --objective thresholds --steps 2 --out slow && says log.txt thresholds head-lr-scale"
ok "ordinal: violations are counted" eval "'$WR' evaluate --model ordinal/model --data data --out o.json 2>log.txt && jq -e '.rank_violations >= 0 and .rank_violations <= .records' o.json >/dev/null"
ok "... between steps, too" quiet jq -s -e 'map(select(has("eval_loss"))) | length > 0 and all(.[]; has("eval_rank_violations"))' ordinal/metrics.jsonl
ok "no tensor but the model's in its weights" eval "! grep -aq wildreward coral/model/model.safetensors thresholds/model/model.safetensors"
ok "an option of other weights, and of pairs" eval "code 2 wr 1 train reward $small --new $spec --effective-beta 0.9 --steps 1 --out no && says log.txt effective-beta class-weights &&
    code 2 wr 1 train reward $small --new $spec --grade-margin 2 --steps 1 --out no && says log.txt grade-margin pairs"
jq 'del(.wildreward)' regression/model/config.json >silent.json
ok "a head of one output that says nothing is no ordinal one" eval 'cp -r regression/model silent && rm -f silent/template.txt && cp silent.json silent/config.json &&
    code 1 wr 1 train reward $small --model silent --steps 1 --out no && says log.txt silent "does not record" bt'
ok "an option of another objective" eval "code 2 wr 1 train reward $small --new $spec --huber-delta 2 --steps 1 --out no && says log.txt huber-delta regression"
sed 's/"biases"/"prejudices"/' coral/model/config.json >changed.json
ok "a record without its biases" eval 'cp -r coral/model lost && cp changed.json lost/config.json && code 1 wr 1 score --model lost --in rows.jsonl && says log.txt lost biases'

# --- adapters -------------------------------------------------------------------------------------------------------------------------
for name in coral thresholds; do
    train="train reward $small --model lm/model --objective $name --lora-rank 2"
    ok "$name: adapters" wr 1 $train --out lora-$name --steps 4
    ok "... continued to the same bits" eval "wr 1 $train --out half-$name --steps 2 && wr 1 train reward --resume --out half-$name --steps 4 &&
        same_run lora-$name half-$name && cmp lora-$name/adapter/wildreward.json half-$name/adapter/wildreward.json"
    ok "... score as merged" eval "score lora-$name/model >merged && '$WR' score --model lm/model --adapter lora-$name/adapter --template data/template.txt --in rows.jsonl >apart 2>log.txt &&
        jq -s -e '.[0].score - .[3].score | fabs < 1e-5' merged apart >/dev/null"
    ok "... are evaluated" wr 1 evaluate --model lm/model --adapter lora-$name/adapter --data data --out e.json
done

# --- weights, smoothing ---------------------------------------------------------------------------------------------------------------
losses() { jq -c 'select(.loss) | .loss' "$1/metrics.jsonl"; }
plain="train reward $small --new $spec --steps 2"
ok "no weights" wr 1 $plain --out plain
for how in "--class-weights inverse" "--class-weights effective" "--user-weights sqrt" "--user-weights inverse" "--label-smoothing 0.1"; do
    ok "$how" wr 1 $plain $how --out "w${how// /}"
    ok "... changes the loss" eval '! cmp -s <(losses "w${how// /}") <(losses plain)'
    ok "... alike on two ranks" eval 'wr 2 $plain $how --out "v${how// /}" && close_run "w${how// /}" "v${how// /}" 2'
done
ok "... where a rank has no data" eval 'LOST_RANK=1 wr 2 $plain --class-weights inverse --user-weights sqrt --out "$PWD/lost-2" && wr 1 $plain --class-weights inverse --user-weights sqrt --out lost-1 &&
    close_run lost-1 lost-2 2'
ok "weights are told" eval "wr 1 $plain --class-weights inverse --user-weights sqrt --out told && says log.txt 'class weights' && says log.txt 'user weights'"
ok "smoothing of what has no shares" eval "code 2 wr 1 $plain --objective regression --label-smoothing 0.1 --out no && says log.txt label-smoothing regression"
labelled() { # labelled FOLDER CLASSES LABEL…: a folder of one record a label
    local out=$1 classes=$2 i=0
    shift 2
    for label in "$@"; do
        i=$((i + 1))
        echo "{\"query\":\"question $i\",\"response\":\"reply $i\",\"label\":$label}"
    done | "$WR" prepare - --format labelled --classes "$classes" --tokenizer data --test-instances 1 --min-reply-words 1 --min-query-words 1 --out "$out" 2>prepare.txt
}
ok "labels of one class" eval "labelled one 4 2 2 2 2 2 2 && wr 1 train reward --data one --new $spec --global-batch 4 --steps 1 --class-weights inverse --out one-run"
ok "... are told" says log.txt "label 2 of 1 to 4"
ok "a class that never occurs" eval "labelled never 4 1 2 4 1 2 4 1 2 4 && wr 1 train reward --data never --new $spec --global-batch 4 --steps 1 --class-weights effective --out never-run"
ok "... is told" says log.txt "has label 3"
ok "more than 32 classes" eval "labelled many 33 1 2 33 && code 1 wr 1 train reward --data many --new $spec --global-batch 4 --steps 1 --out no && says log.txt many '33 classes' 32"
done_testing
