#!/bin/bash
# Whatever is wrong with the input: one clear line, the right exit code, no crash, and nothing half-written under a final name.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/scratch.sh
needs "bad input" jq zstd gzip tar
mounts=()
finish() {
    for m in "${mounts[@]}"; do umount "$m" 2>/dev/null; done
    rm -rf "$work"
}

# run COMMAND…: rc, stdout in $work/out, stderr in $work/err.
run() {
    timeout --kill-after=5 100 "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
}
explain() {
    echo "# exit code $rc; wanted $1; error lines:"
    grep 'wildreward: ' "$work/err" | head -n 5 | cut -c1-300 | sed 's/^/#   /'
    [ -n "$(grep 'wildreward: ' "$work/err")" ] || tail -n 5 "$work/err" | cut -c1-300 | sed 's/^/#   /'
}
# refused NAME CODE PATTERN COMMAND…: that exit code, exactly one error line, and it matches.
refused() {
    local name=$1 code=$2 pattern=$3 lines
    shift 3
    run "$@"
    lines=$(grep -c '^wildreward: error: ' "$work/err")
    if [ $rc = "$code" ] && [ "$lines" = 1 ] && grep '^wildreward: error: ' "$work/err" | grep -qiE -- "$pattern"; then
        pass "$name"
    else
        explain "$code, one line matching $pattern"
        fail "$name"
    fi
}
absent() { ok "… and ${1##*/} was not written, not even in part" test -z "$(find "${1%/*}" -maxdepth 1 -name "*${1##*/}*")"; }
# flip FILE OFFSET: inverts one byte.
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059  # the format is the escape sequence of one byte
    printf "\\x$(printf %02x $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
size() { stat -c %s "$1"; }

# --- something good to damage ------------------------------------------------------------------------------------------------
shape=layers=1,hidden=32,heads=2,kv-heads=1,ffn=64,max-positions=1024
world=$work/world data=$work/data
good() {
    run "$@"
    if [ $rc != 0 ]; then
        explain 0
        fail "good input works: ${*:2:2}"
        done_testing
        exit 1
    fi
}
good "$program" synth --out "$world" --users 40 --conversations 300 --seed 5 --train-prompts 8 --heldout-prompts 8
good "$program" prepare "$world/chats.jsonl.zst" --out "$data" --vocab-size 400
good "$program" train lm --data "$data" --new $shape --out "$work/lm" --steps 2 --global-batch 4 --max-length 512
good "$program" train reward --data "$data" --model "$work/lm/model" --out "$work/reward" --steps 4 --checkpoint-every 2 --global-batch 4 --max-length 512
pass "good input works"
zstd -q -dc "$world/chats.jsonl.zst" >"$work/chats.jsonl"

# --- sources -------------------------------------------------------------------------------------------------------------------
src=$work/src
mkdir -p "$src"
gzip -c "$work/chats.jsonl" >"$src/whole.gz"
head -c $(($(size "$src/whole.gz") / 2)) "$src/whole.gz" >"$src/truncated.jsonl.gz"
cp "$world/chats.jsonl.zst" "$src/corrupt.jsonl.zst"
flip "$src/corrupt.jsonl.zst" $(($(size "$src/corrupt.jsonl.zst") / 2))
tar -cf "$src/whole.tar" -C "$work" chats.jsonl
head -c $(($(size "$src/whole.tar") / 2)) "$src/whole.tar" >"$src/truncated.tar"
head -c 4 "$world/chats.jsonl.zst" >"$src/four-bytes.jsonl.zst"
for kind in truncated.jsonl.gz corrupt.jsonl.zst truncated.tar four-bytes.jsonl.zst absent.jsonl; do
    refused "prepare refuses $kind and names it" 1 "$kind" "$program" prepare "$src/$kind" --out "$work/prepared-$kind" --vocab-size 400
    absent "$work/prepared-$kind"
done
: >"$src/empty.jsonl"
refused "prepare says that an empty file holds nothing" 1 "empty\.jsonl|no (usable |chat|conversation|record)|empty|nothing" \
    "$program" prepare "$src/empty.jsonl" --out "$work/prepared-empty"
absent "$work/prepared-empty"

# Lines of every bad kind, before and between good ones.
{
    printf '%s\n' '[1,2,3]' '"text"' '42' 'null' '' '{' '{"conversation":' '{}' '{"conversation_hash":"a","conversation":"none"}' \
        '{"conversation_hash":"b","conversation":[]}' '{"conversation_hash":7,"conversation":[{"role":"user","content":"x"}]}' \
        '{"conversation_hash":"c","conversation":[{"role":5,"content":"x"},{"role":"assistant","content":["y"]}]}' \
        '{"conversation_hash":"d","conversation":[{"content":"no role"}]}' \
        '{"conversation_hash":"e","conversation":[1,2,null]}'
    printf '{"conversation_hash":"f","conversation":[{"role":"user","content":"\xff\xfe bad bytes"}]}\n'
    printf '{"conversation_hash":"g","x":%s1%s}\n' "$(head -c 5000 /dev/zero | tr '\0' '[')" "$(head -c 5000 /dev/zero | tr '\0' ']')"
} >"$src/bad-lines.jsonl"
cat "$src/bad-lines.jsonl" "$work/chats.jsonl" >"$src/mixed.jsonl"
run "$program" prepare "$src/mixed.jsonl" --out "$work/prepared-mixed" --vocab-size 400
if [ $rc -le 1 ] && [ -f "$work/prepared-mixed/meta.json" ] && grep -qiE '(line |:)1\b' "$work/err"; then
    pass "prepare skips and counts bad lines, names the first, and finishes the rest"
else
    explain "0 or 1, meta.json, and a line that names line 1"
    fail "prepare skips and counts bad lines, names the first, and finishes the rest"
fi
run "$program" prepare "$src/bad-lines.jsonl" --out "$work/prepared-none"
ok "prepare fails when no line is usable" test $rc = 1
absent "$work/prepared-none"

# A 50 MB message and a conversation of 10,000 messages beside good ones.
{
    printf '{"conversation_hash":"huge","hashed_ip":"h","conversation":[{"role":"user","content":"'
    yes 'words words words' | head -c 50000000 | tr '\n' ' '
    printf '","turn_identifier":1},{"role":"assistant","content":"ok","turn_identifier":1},{"role":"user","content":"thanks","turn_identifier":2}]}\n'
    printf '{"conversation_hash":"long","hashed_ip":"l","conversation":['
    for i in $(seq 5000); do
        [ "$i" -gt 1 ] && printf ,
        printf '{"role":"user","content":"question %d","turn_identifier":%d},{"role":"assistant","content":"answer %d","turn_identifier":%d}' "$i" "$i" "$i" "$i"
    done
    printf ']}\n'
    cat "$work/chats.jsonl"
} >"$src/huge.jsonl"
run "$program" prepare "$src/huge.jsonl" --out "$work/prepared-huge" --tokenizer "$data/tokenizer.json"
if [ $rc -le 1 ] && [ -f "$work/prepared-huge/meta.json" ]; then
    pass "prepare lives through a 50 MB message and 10,000 messages"
else
    explain "0 or 1, and meta.json"
    fail "prepare lives through a 50 MB message and 10,000 messages"
fi
rm -f "$src/huge.jsonl"

# --- shards ----------------------------------------------------------------------------------------------------------------------
damaged=$work/damaged
fresh() { # fresh KIND: a copy of the good folder to damage
    rm -rf "$damaged"
    cp -r "$1" "$damaged"
}
fresh "$data"
shard=$(basename "$(find "$damaged" -name 'reward-train-*.wrs' | sort | head -n 1)")
truncate -s $(($(size "$damaged/$shard") - 7)) "$damaged/$shard"
refused "train names a truncated shard" 1 "$shard" "$program" train reward --data "$damaged" --model "$work/lm/model" --out "$work/r1" --steps 1
refused "inspect --verify names a truncated shard" 1 "$shard" "$program" inspect "$damaged" --verify
fresh "$data"
flip "$damaged/$shard" 200
refused "inspect --verify names a shard with a flipped byte" 1 "$shard" "$program" inspect "$damaged" --verify
fresh "$data"
rm "$damaged"/reward-*.wrs
refused "train says where shards are missing" 1 "damaged" "$program" train reward --data "$damaged" --model "$work/lm/model" --out "$work/r2" --steps 1

# --- models -----------------------------------------------------------------------------------------------------------------------
printf '{"prompt":"hello"}\n' >"$work/prompt.jsonl"
model_case() { # model_case NAME PATTERN: sample from the damaged folder
    refused "$1" 1 "$2" "$program" sample --model "$damaged" --in "$work/prompt.jsonl" --out "$work/sampled.jsonl" --max-tokens 4
    absent "$work/sampled.jsonl"
}
fresh "$work/lm/model"
truncate -s $(($(size "$damaged/model.safetensors") / 2)) "$damaged/model.safetensors"
model_case "a truncated model.safetensors is named" "model\.safetensors"
fresh "$work/lm/model"
flip "$damaged/model.safetensors" 3
model_case "a model.safetensors with an absurd header length is named" "model\.safetensors"
fresh "$work/lm/model"
flip "$damaged/model.safetensors" 12
model_case "a model.safetensors with a broken header is named" "model\.safetensors"
fresh "$work/lm/model"
jq '.hidden_size = 48' "$work/lm/model/config.json" >"$damaged/config.json"
model_case "a config.json that contradicts the tensors is refused" "config\.json|shape|size|heads|tensor|model\.safetensors"
fresh "$work/lm/model"
echo '{"model_type":' >"$damaged/config.json"
model_case "a broken config.json is named" "config\.json"
fresh "$work/lm/model"
head -c 300 "$work/lm/model/tokenizer.json" >"$damaged/tokenizer.json"
model_case "a broken tokenizer.json is named" "tokenizer\.json"
refused "a folder without a model is named" 1 "nowhere" "$program" sample --model "$work/nowhere" --in "$work/prompt.jsonl"
refused "a language model is not a reward model" 1 "reward" "$program" score --model "$work/lm/model" --in "$work/prompt.jsonl"

good "$program" prepare "$world/chats.jsonl.zst" --out "$work/data-other" --vocab-size 600
refused "a model whose vocabulary does not match the shards is refused" 1 "tokenizer|vocab" \
    "$program" train reward --data "$work/data-other" --model "$work/lm/model" --out "$work/r3" --steps 1

# --- checkpoints --------------------------------------------------------------------------------------------------------------------
# Damaged: either the run is refused with a line that names it, or an older one is taken and a warning names it.
checkpoint_case() {
    local newest
    fresh "$work/reward"
    newest=$(ls "$damaged/checkpoints" | sort -t- -k2 -n | tail -n 1)
    "$2" "$damaged/checkpoints/$newest"
    run "$program" train reward --data "$data" --model "$work/lm/model" --out "$damaged" --steps 4 --checkpoint-every 2 --global-batch 4 \
        --max-length 512 --resume
    if [ $rc -le 1 ] && grep -qE "$newest|optimizer|state\.json|model\.safetensors" "$work/err"; then
        pass "$1"
    else
        explain "0 or 1, and a line that names $newest"
        fail "$1"
    fi
}
cut_optimizer() { truncate -s $(($(size "$1/optimizer.safetensors") / 3)) "$1/optimizer.safetensors"; }
cut_state() { head -c 20 "$1/state.json" >"$1/x" && mv "$1/x" "$1/state.json"; }
cut_model() { truncate -s 100 "$1/model/model.safetensors"; }
checkpoint_case "a truncated optimizer state is named" cut_optimizer
checkpoint_case "a truncated state.json is named" cut_state
checkpoint_case "a truncated checkpointed model is named" cut_model
refused "a run that exists is not overwritten" 2 "resume" \
    "$program" train reward --data "$data" --model "$work/lm/model" --out "$work/reward" --steps 4 --global-batch 4

# --- JSONL tools ----------------------------------------------------------------------------------------------------------------------
{
    printf '%s\n' '{"text":"one","keep":1.50}' '[1]' 'nonsense' '{"text":5}' '{}'
    printf '{"text":"\xff"}\n'
    printf '%s\n' '{"text":"last"}'
} >"$work/tool.jsonl"
run "$program" tokenize --tokenizer "$data/tokenizer.json" --in "$work/tool.jsonl" --out -
errors=$(jq -c 'select(.error) | .line' "$work/out" 2>/dev/null | tr '\n' ' ')
if [ $rc = 1 ] && [ "$(wc -l <"$work/out")" = 7 ] && [ "$errors" = "2 3 4 5 6 " ] && [ "$(jq -r 'select(.keep) | .ids | length' "$work/out")" -gt 0 ]; then
    pass "tokenize puts an error record in place of each bad line, and exits 1"
else
    explain "1, seven lines, errors on lines 2 to 6 (got: $errors)"
    fail "tokenize puts an error record in place of each bad line, and exits 1"
fi
: >"$work/none.jsonl"
run "$program" tokenize --tokenizer "$data/tokenizer.json" --in "$work/none.jsonl" --out "$work/none-out.jsonl"
ok "empty input of a tool: empty output, exit 0" test $rc = 0 -a -f "$work/none-out.jsonl" -a ! -s "$work/none-out.jsonl"
printf '{"prompt":"","response":"x"}\n{"prompt":"a","response":"b"}\n' >"$work/pairs.jsonl"
run "$program" logprobs --model "$work/lm/model" --in "$work/pairs.jsonl" --out -
ok "an empty prompt is an error record, the next line is answered" \
    test $rc = 1 -a "$(jq -r 'has("error")' "$work/out" 2>/dev/null | tr '\n' ' ')" = "true false "
refused "a truncated .gz in front of a tool is named" 1 "truncated" "$program" tokenize --tokenizer "$data/tokenizer.json" \
    --in "$src/truncated.jsonl.gz" --out "$work/tool-out.jsonl"
absent "$work/tool-out.jsonl"

# --- usage ------------------------------------------------------------------------------------------------------------------------------
refused "an unknown option: exit 2 and the nearest name" 2 "global-batch" "$program" train reward --globl-batch 4
refused "an unknown command: exit 2 and the nearest name" 2 "prepare" "$program" prepair
refused "an unknown second word: exit 2" 2 "online" "$program" dpo onlin
refused "a missing required option: exit 2" 2 "--?out|data" "$program" train lm --new $shape
refused "a number that is none: exit 2" 2 "steps" "$program" train lm --data "$data" --new $shape --out "$work/r4" --steps many
refused "a number out of range: exit 2" 2 "users" "$program" synth --out "$work/w" --users -3
refused "a choice that is none: exit 2" 2 "cosine|lr-schedule" "$program" train lm --data "$data" --new $shape --out "$work/r5" --lr-schedule sine
refused "an unknown key in --set: exit 2" 2 "seed" "$program" synth --out "$work/w" --set sed=4
printf 'sead: 4\n' >"$work/run.yaml"
refused "an unknown key in a run file: exit 2" 2 "seed|sead" "$program" synth --out "$work/w" --config "$work/run.yaml"
refused "a model shape with an unknown key: exit 2" 2 "layer" "$program" train lm --data "$data" --new layer=2 --out "$work/r6"
run "$program"
ok "no command: exit 2" test $rc = 2

# --- disks ------------------------------------------------------------------------------------------------------------------------------
if [ -w /dev/full ]; then
    run bash -c 'exec "$0" tokenize --tokenizer "$1" --in "$2" --out - >/dev/full' "$program" "$data/tokenizer.json" "$work/tool.jsonl"
    ok "standard output on a full device: exit 1 and a line" test $rc = 1 -a "$(grep -c '^wildreward: error: ' "$work/err")" = 1
else
    skip "standard output on a full device" "no /dev/full"
fi
small=$work/small
mkdir -p "$small"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=64k tmpfs "$small" 2>/dev/null; then
    mounts+=("$small")
    refused "prepare on a full disk" 1 "space|write|cannot" "$program" prepare "$world/chats.jsonl.zst" --out "$small/data" --vocab-size 400
    ok "… leaves nothing under the final name" test ! -e "$small/data/meta.json"
    rm -rf "${small:?}"/*
    refused "synth on a full disk" 1 "space|write|cannot" "$program" synth --out "$small/world" --users 400 --conversations 3000
    ok "… leaves no chats under the final name" test ! -e "$small/world/chats.jsonl.zst"
    rm -rf "${small:?}"/*
    refused "train on a full disk" 1 "space|write|cannot" \
        "$program" train lm --data "$data" --new $shape --out "$small/run" --steps 1 --global-batch 4 --max-length 512
    ok "… leaves no model under the final name" test ! -e "$small/run/model"
    rm -rf "${small:?}"/*
    mount -o remount,ro "$small" && readonly_dir=$small
elif [ "$(id -u)" != 0 ]; then
    skip "full disk" "needs root for a small tmpfs"
    chmod 555 "$small"
    readonly_dir=$small
else
    skip "full disk" "mounting a tmpfs is not permitted here"
    readonly_dir=
fi
if [ -n "$readonly_dir" ]; then
    refused "prepare into a read-only folder" 1 "small|read-only|permission" "$program" prepare "$world/chats.jsonl.zst" --out "$readonly_dir/data"
    refused "train into a read-only folder" 1 "small|read-only|permission" \
        "$program" train lm --data "$data" --new $shape --out "$readonly_dir/run" --steps 1
    refused "a tool's output into a read-only folder" 1 "small|read-only|permission" \
        "$program" tokenize --tokenizer "$data/tokenizer.json" --in "$work/prompt.jsonl" --out "$readonly_dir/x.jsonl"
else
    skip "read-only folder" "cannot make one here"
fi
refused "an output folder below a file" 1 "chats\.jsonl" "$program" synth --out "$work/chats.jsonl/world"
done_testing
