#!/bin/bash
# wildbench.sh TRAIN.jsonl[.zst] TEST.jsonl[.zst] OUT.json: what a reward model made from nothing but judged replies is worth on tasks it never saw.
# Rows as WildBench's published scores: task, judge, score (1 … 10), response. Levels: up to 4, 5–6, 7, 8 and more.
# The recipe: a reply is written as the shape of its text (lengths, lists, headings), its distinct words and its word pairs, of those that many tasks have; small
# transformers of one layer read it once, in $MEMBERS (24) different orders, by --objective coral on the scores; their scores' mean counts. Four times a fifth of the
# training tasks is drawn and kept aside from a quarter of the models: Platt's probabilities and the cuts between levels come from what they say of those.
# OUT.json: spearman (score and level), kappa (quadratic), pairwise (two replies to one task that one judge put on different levels), ece (of P(level > k), after
# calibration), each with an interval by task. OBJECTIVES=all: also "objectives", each objective with three models that learn as long: the mean of their figures.
set -euo pipefail
[ $# = 3 ] || { sed -n '2,10s/^# //p' "$0" >&2; exit 2; }
for f in "$1" "$2"; do [ -r "$f" ] || { echo "wildbench.sh: cannot read $f" >&2; exit 1; }; done
train=$(realpath "$1") test=$(realpath "$2") out=$(realpath -m "$3")
cd "$(dirname "$0")/.."
here=$PWD/bench/wildbench wr=$(realpath "${BUILD:-build}/wildreward")
members=${MEMBERS:-24} draws=4 jobs=$(env -u OMP_NUM_THREADS nproc)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"
say() { echo "wildbench: $* ($SECONDS s)" >&2; }
failed() { echo "wildbench.sh: $1" >&2; [ -z "${2:-}" ] || tail -n 3 "$2" >&2; exit 1; }

# --- rows -----------------------------------------------------------------------------------------------------------------------------
rows() { # rows FILE NAME: NAME.tsv, in the order of tasks
    zstdcat -f "$1" | jq -r -f "$here/rows.jq" | LC_ALL=C sort -s -t $'\t' -k1,1 >"$2.raw" || failed "$1: rows of task, judge, score and response are needed"
    [ -s "$2.raw" ] || failed "$1: no rows"
    cut -f 5 "$2.raw" | LC_ALL=C sed -E 's/([a-z\x80-\xff]+|[0-9]+)/ \1 /g' | paste <(cut -f 1-4 "$2.raw") - >"$2.tsv"
}
rows "$train" train &
one=$!
rows "$test" test
wait $one || exit 1
awk -v share=0.03 -v vocabulary=vocabulary -f "$here/words.awk" train.tsv train.tsv test.tsv || failed "words could not be counted"
items() { jq -R -c 'split("\t") | {history: [], query: .[3], response: (if .[4] == "" or .[4] == null then "~" else .[4] end), label: (.[2] | tonumber), user: .[0], prompt: .[1]}' "$1.tsv.words"; }
items train >train.jsonl
items test >test.jsonl
# Every word and pair is a token: BPE that takes a whole word where it knows it.
{ cat vocabulary && cut -f 4 train.tsv | tr ' ' '\n'; } | LC_ALL=C sort -u | jq -R -s '(["~", "<|end|>"] + (split("\n") | map(select(. != "" and . != "~")))) as $v | {version: "1.0",
    added_tokens: [{id: 1, content: "<|end|>", single_word: false, lstrip: false, rstrip: false, normalized: false, special: true}], normalizer: null,
    pre_tokenizer: {type: "WhitespaceSplit"}, post_processor: null, decoder: null, model: {type: "BPE", unk_token: "~", fuse_unk: true, ignore_merges: true,
    vocab: ($v | to_entries | map({key: .value, value: .key}) | from_entries), merges: []}}' >tokenizer.json
printf -- '---\ntruncate: right\nmax_length: 512\nhistory_empty: ""\n---\n{query}\n{history}{response}\n' >template.txt
n=$(wc -l <train.jsonl)
for ((d = 0; d < draws; d++)); do
    "$wr" prepare train.jsonl --format labelled --classes 10 --out "data-$d" --template template.txt --tokenizer tokenizer.json --languages all --test-instances $((n / 5)) --seed $d >log 2>&1 ||
        failed "prepare failed" log
done
say "$n rows to learn from, $(wc -l <test.jsonl) to be judged on, $(wc -l <vocabulary) words and pairs"

# --- models ---------------------------------------------------------------------------------------------------------------------------
pairs() { # pairs SEED: for --pairs, of the tasks that are not kept aside from coral-SEED
    jq -r '.id | ltrimstr("row:")' "coral-$1.records" >"kept-$1"
    awk -v seed="$1" -f "$here/pairs.awk" "kept-$1" train.tsv.words | jq -R -c 'split("\t") | [{role: "user"}, {role: "assistant"}] as $roles | {chosen: [$roles[0] + {content: .[0]}, $roles[1] + {content: .[1]}],
        rejected: [$roles[0] + {content: .[2]}, $roles[1] + {content: .[3]}]}'
}
member() { # member OBJECTIVE SEED: its scores of kept-aside and of test rows, OBJECTIVE-SEED.valid and .test, one a line
    local name=$1-$2 batch=32 rate=4e-3 data=data-$(($2 % draws)) learn
    export OMP_NUM_THREADS=1
    if [ $(($2 / draws % 2)) = 1 ]; then batch=16 rate=2e-3; fi
    learn=(--steps "$((n * 4 / 5 / batch))" --global-batch "$batch")
    if [ "$1" = bt ]; then
        pairs "$2" >"$name.jsonl"
        learn=(--pairs "$name.jsonl" --steps "$(($(wc -l <"$name.jsonl") * 2 / batch))" --global-batch "$((batch / 2))")
    fi
    "$wr" train reward --data "$data" --new "layers=1,hidden=64,heads=2,kv-heads=2,ffn=64,max-positions=512" --out "$name" --objective "$1" --seed "$2" "${learn[@]}" --lr $rate \
        --weight-decay 0.1 --checkpoint-every 0 --no-tensorboard --eval-records 64 >"$name.log" 2>&1 &&
        "$wr" evaluate --model "$name/model" --data "$data" --records "$name.records" --resamples 0 --out /dev/null >>"$name.log" 2>&1 &&
        "$wr" score --model "$name/model" --in test.jsonl --out "$name.scored" >>"$name.log" 2>&1 &&
        jq .score "$name.scored" >"$name.test" && rm -rf "$name"
}
train_members() { # train_members OBJECTIVE COUNT: as many at a time as there are cores
    local s running=0
    for ((s = 0; s < $2; s++)); do
        member "$1" $s &
        if [ $((++running)) -ge "$jobs" ]; then wait -n || true; fi
    done
    wait
    for ((s = 0; s < $2; s++)); do [ -s "$1-$s.test" ] || failed "--objective $1, member $s failed" "$1-$s.log"; done
    say "$2 models by $1"
}

level='def level: if . <= 4 then 1 elif . <= 6 then 2 elif . == 7 then 3 else 4 end;' mean='{ s = 0; for (i = 1; i <= NF; i++) s += $i; printf "%.9g\n", s / NF }'
# --- figures --------------------------------------------------------------------------------------------------------------------------
# figures OUT OBJECTIVE SEED…: of the mean of these models' scores. P(level > k) = sigma(a_k (s - k - 1/2) + b_k), a and b by Platt from the rows kept aside, and the
# cuts between levels such that of those rows as many are above as should be.
figures() {
    local to=$1 objective=$2 told=() s d
    shift 2
    for s in "$@"; do told+=("$objective-$s.test"); done
    paste "${told[@]}" | awk "$mean" >mean.test
    for ((d = 0; d < draws; d++)); do # of the models that did not learn from them
        local kept=()
        for s in "$@"; do if [ $((s % draws)) = $d ]; then kept+=("$objective-$s.records"); fi; done
        [ ${#kept[@]} = 0 ] || paste <(jq -c '{label: .label, user}' "${kept[0]}") <(for s in "${kept[@]}"; do jq .score "$s" >"$s.score"; done; paste "${kept[@]/%/.score}" | awk "$mean")
    done | jq -R -c "$level"'split("\t") | (.[1] | tonumber) as $s | (.[0] | fromjson) | {label: (.label | level), user, score: $s, above: [range(1; 4) | 1 / (1 + ((. + 0.5 - $s) | exp))]}' >valid.lines
    "$wr" evaluate --scored valid.lines --resamples 0 --out valid.json >log 2>&1 || failed "evaluate failed" log
    jq -s -c '(map(.score) | sort) as $s | . as $r | [range(1; 4) as $k | ($r | map(select(.label > $k)) | length) as $above | $s[($s | length) - ([$above, 1] | max)]]' valid.lines >cuts
    jq -c "$level"'{label: (.label | level), user, prompt}' test.jsonl | paste - mean.test | jq -R -c --slurpfile v valid.json --slurpfile cuts cuts 'split("\t") | (.[1] | tonumber) as $s | $v[0].calibration.platt as $p |
        (.[0] | fromjson) + {score: $s, class: (1 + ($cuts[0] | map(select($s >= .)) | length)), above: [range(0; 3) as $k | 1 / (1 + ((-($p.slope[$k] * ($s - $k - 1.5) + $p.shift[$k])) | exp))]}' >test.lines
    "$wr" evaluate --scored test.lines --out "$to" >log 2>&1 || failed "evaluate failed" log
}
short() { # short FILE…: the four figures with their intervals, the mean over the files
    jq -s '[.[] | {spearman, spearman_low, spearman_high, kappa: .quadratic_kappa, kappa_low: .quadratic_kappa_low, kappa_high: .quadratic_kappa_high, pairwise: .consistency.same_prompt.accuracy,
        pairwise_low: .consistency.same_prompt.accuracy_low, pairwise_high: .consistency.same_prompt.accuracy_high, ece, ece_low, ece_high}] |
        . as $all | .[0] | with_entries(.key as $k | .value = ([$all[] | .[$k]] | if any(. == null) then null else add / length end))' "$@"
}
train_members coral "$members"
# shellcheck disable=SC2046
figures chosen.json coral $(seq 0 $((members - 1)))
short chosen.json >result
if [ "${OBJECTIVES:-}" = all ]; then
    echo '{}' >objectives
    for objective in ordinal coral corn thresholds classes regression bt; do
        train_members $objective 3
        for s in 0 1 2; do figures "$objective-$s.json" "$objective" "$s"; done
        short "$objective"-{0,1,2}.json | jq --arg name $objective --slurpfile all objectives '$all[0] + {($name): .}' >objectives.new
        mv objectives.new objectives
    done
    jq --slurpfile objectives objectives '. + {objectives: $objectives[0]}' result >result.new
    mv result.new result
fi
jq --argjson seconds $SECONDS --argjson members "$members" '. + {members: $members, seconds: $seconds}' result >"$out.tmp" && mv "$out.tmp" "$out"
jq -c . "$out"
