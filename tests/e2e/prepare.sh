#!/bin/bash
# End to end: prepare and inspect, from the practice world and, where it is, from real chats.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
program=${BUILD:-build}/wildreward
shared=${WILDREWARD_SHARED:-../shared}/data
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quiet() { "$@" >"$work/out" 2>"$work/err"; }
shown() { "$@" || { sed 's/^/# /' "$work/err"; return 1; }; }
good() { shown quiet "$@"; }
same_folder() { diff -r "$1" "$2" >/dev/null; }
count() { zstd -dcf "$1" | wc -l; }

good "$program" synth --users 40 --conversations 400 --train-prompts 10 --heldout-prompts 10 --seed 5 --out "$work/world"
chats=$work/world/chats.jsonl.zst
options=(--min-reply-words 1 --min-query-words 1 --seed 7)
ok "prepare a practice world" good "$program" prepare "$chats" --out "$work/a" "${options[@]}"
ok "the table names its stages" grep -q 'thresholds' "$work/err"
ok "the same on two ranks, byte for byte" eval 'good ranks 2 "$program" prepare "$chats" --out "$work/b" "${options[@]}" && same_folder "$work/a" "$work/b"'

# The same rows by other ways: compressed otherwise, inside an archive, in a folder, by a pattern, split over files.
mkdir "$work/parts"
zstd -dcq "$chats" | split -l 150 --additional-suffix=.jsonl - "$work/parts/p"
ok "from a folder" eval 'good "$program" prepare "$work/parts" --out "$work/c" "${options[@]}" && same_folder "$work/a" "$work/c"'
ok "from a pattern" eval 'good "$program" prepare "$work/parts/p*.jsonl" --out "$work/d" "${options[@]}" && same_folder "$work/a" "$work/d"'
tar -C "$work/parts" -czf "$work/chats.tar.gz" paa.jsonl pab.jsonl pac.jsonl
ok "from inside an archive" eval 'good "$program" prepare "$work/chats.tar.gz" --out "$work/e" "${options[@]}" && same_folder "$work/a" "$work/e"'
zstd -dcq "$chats" | gzip >"$work/chats.jsonl.gz"
ok "from .gz" eval 'good "$program" prepare "$work/chats.jsonl.gz" --out "$work/f" "${options[@]}" && same_folder "$work/a" "$work/f"'

ok "another seed splits otherwise" eval 'good "$program" prepare "$chats" --out "$work/g" --min-reply-words 1 --min-query-words 1 --seed 8 && ! same_folder "$work/a" "$work/g"'
ok "a given tokenizer is used and copied" eval 'good "$program" prepare "$chats" --out "$work/h" --tokenizer "$work/g" "${options[@]}" && cmp "$work/g/tokenizer.json" "$work/h/tokenizer.json"'
ok "a tokenizer file too" eval 'good "$program" prepare "$chats" --out "$work/i" --tokenizer "$work/g/tokenizer.json" "${options[@]}" && cmp "$work/h/reward-train-00000.wrs" "$work/i/reward-train-00000.wrs"'
ok "without tokens" good "$program" prepare "$chats" --out "$work/j" --no-tokens "${options[@]}"

users() { zstd -dcf "$1/users.jsonl.zst" | jq -r .user; }
users "$work/a" | head -5 >"$work/excluded"
ok "excluded users are gone" eval 'good "$program" prepare "$chats" --out "$work/k" --exclude-users "$work/excluded" "${options[@]}" && ! users "$work/k" | grep -qFf "$work/excluded"'
ok "ip and header make more users or as many" eval 'good "$program" prepare "$chats" --out "$work/l" --user-key ip+header "${options[@]}" && [ "$(count "$work/l/users.jsonl.zst")" -ge "$(count "$work/a/users.jsonl.zst")" ]'

followups=$(zstd -dcq "$chats" | jq '[.conversation | range(1; length) as $i | select(.[$i].role == "user" and .[$i-1].role == "assistant")] | length' | paste -sd+ | bc)
ok "one line for every follow-up" test "$(count "$work/a/turns.jsonl.zst")" = "$followups"
ok "with exactly these fields" eval '[ "$(zstd -dcf "$work/a/turns.jsonl.zst" | jq -c keys | sort -u)" = "[\"conversation_hash\",\"dropped\",\"final_level\",\"how\",\"level\",\"turn_identifier\",\"user\"]" ]'
kept=$(jq '.funnel.kept | .["instances, train"] + .["instances, test"]' "$work/a/meta.json")
ok "what is not dropped is kept" test "$(zstd -dcf "$work/a/turns.jsonl.zst" | jq 'select(.dropped == null) | 1' | wc -l)" = "$kept"

# The annotator against the world's own truth: what people meant by their follow-ups.
agree=$(zstd -dcf "$work/a/turns.jsonl.zst" "$work/world/truth.jsonl.zst" | jq -rs '
    def sign: if . < 3 then -1 elif . > 3 then 1 else 0 end;
    (map(select(.followup_level != null)) | map({key: "\(.conversation_hash):\(.turn_identifier + 1)", value: .followup_level}) | from_entries) as $truth |
    [.[] | select(has("how")) | ($truth["\(.conversation_hash):\(.turn_identifier)"]) as $t | select($t != null and $t > 0) |
     if (.level | sign) == ($t | sign) then 1 else 0 end] | "\(add * 100 / length | floor)"')
echo "# annotator agrees with the practice people in sign: $agree %"
ok "the annotator understands the practice people" test "$agree" -ge 95

ok "inspect" good "$program" inspect "$work/a"
ok "shows three records" test "$(grep -c '^  record' "$work/out")" = 3
ok "inspect --verify" good "$program" inspect "$work/a" --verify
good "$program" prepare "$chats" --out "$work/m" --shard-records 40 "${options[@]}"
ok "many shard files verify too" good "$program" inspect "$work/m" --verify
rm "$work/m/chats-train-00001.wrs"
quiet "$program" inspect "$work/m" --verify
ok "a missing shard is found" eval 'grep -q "missing" "$work/err"'
printf x | dd of="$work/a/reward-train-00000.wrs" bs=1 seek=3000 conv=notrunc 2>/dev/null
quiet "$program" inspect "$work/a" --verify
rc=$?
ok "a flipped byte is found and the frame named" eval '[ $rc = 1 ] && grep -q "frame" "$work/err"'

for i in $(seq 90); do echo "{\"response\":\"reply $i\",\"label\":$((i % 3 + 1)),\"user\":\"u$((i % 9))\"}"; done >"$work/rated.jsonl"
ok "rated replies" good "$program" prepare "$work/rated.jsonl" --format labelled --out "$work/rated"
ok "three classes of thirty" eval 'good "$program" inspect "$work/rated" --verify && grep -q "label 3" "$work/out"'

# A stop signal: exit 75 with a message, and neither a result nor the folder it was being made in. While rows are read, the input is a pipe that
# never ends: the signal cannot come too late. The last pass is hit when its first file appears; a job that was quicker must be whole.
good "$program" synth --users 200 --conversations 3000 --train-prompts 10 --heldout-prompts 10 --seed 6 --out "$work/large"
large=$work/large/chats.jsonl.zst
zstd -dcq "$large" >"$work/large.jsonl"
endless() { while cat "$work/large.jsonl"; do :; done 2>/dev/null; }
clean_stop() { [ "$1" = 75 ] && grep -q 'stopped' "$work/err" && [ -z "$(ls -A "$work/stop")" ]; }
whole() { [ "$1" = 0 ] && [ "$(ls -A "$work/stop")" = out ] && "$program" inspect "$work/stop/out" --verify >/dev/null 2>&1; }
stop_when() { # PATTERN SOURCE: SIGTERM to a prepare of SOURCE or of endless input (-) when a file so named is in its folder; code is its exit code
    local pid tries=0
    rm -rf "$work/stop" && mkdir "$work/stop"
    if [ "$2" = - ]; then exec 3< <(endless); else exec 3</dev/null; fi
    "$program" prepare "$2" --out "$work/stop/out" "${options[@]}" <&3 >"$work/out" 2>"$work/err" &
    pid=$!
    exec 3<&-
    while kill -0 $pid 2>/dev/null && ! compgen -G "$work/stop/out.partial/$1" >/dev/null; do sleep 0.02; done
    kill -TERM $pid 2>/dev/null
    while kill -0 $pid 2>/dev/null && [ $((tries += 1)) -lt 3000 ]; do sleep 0.02; done
    kill -KILL $pid 2>/dev/null # a minute is enough to stop
    wait $pid 2>/dev/null
    code=$?
}
stop_when '.spill*' -
ok "SIGTERM while reading: exit 75, nothing left" shown clean_stop "$code"
stop_when '.turns*' "$large"
echo "# SIGTERM while writing: exit code $code"
ok "SIGTERM while writing: nothing left, or a whole result" eval 'clean_stop "$code" || shown whole "$code"'

if [ -f "$shared/sharegpt_wildchat.jsonl.zst" ]; then
    ok "real chats" good "$program" prepare "$shared/sharegpt_wildchat.jsonl.zst" --out "$work/real"
    ok "real chats verify" good "$program" inspect "$work/real" --verify
else
    skip "real chats" "no sharegpt_wildchat.jsonl.zst in $shared (set WILDREWARD_SHARED)"
fi
done_testing
