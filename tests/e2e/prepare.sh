#!/bin/bash
# End to end: prepare and inspect, from the practice world and, where it is, from real chats.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/scratch.sh
shared=${WILDREWARD_SHARED:-../shared}/data
same_folder() { diff -r "$1" "$2" >/dev/null; }
count() { zstd -dcf "$1" | wc -l; }

good "$program" synth --users 40 --conversations 400 --train-prompts 10 --heldout-prompts 10 --seed 5 --out "$work/world"
chats=$work/world/chats.jsonl.zst
options=(--min-reply-words 1 --min-query-words 1 --seed 7)
ok "prepare a practice world" good "$program" prepare "$chats" --out "$work/a" "${options[@]}"
ok "the table names its stages" grep -q 'thresholds' "$work/err"

# Units of 48 KiB: the world is a dozen of them. Which rank does which, and how many ranks there are, must not show in a single byte.
units=("${options[@]}" --block-kib 48)
good "$program" prepare "$chats" --out "$work/u1" "${units[@]}"
for n in 2 3 4; do
    ok "the same on $n ranks, byte for byte" eval 'good ranks $n "$program" prepare "$chats" --out "$work/u$n" "${units[@]}" && same_folder "$work/u1" "$work/u$n"'
    rm -rf "$work/u$n"
done
instances() { zstd -dcf "$1/turns.jsonl.zst" | jq -cS 'del(.weight)'; }
ok "units change how shards are cut, not what is in them" eval '[ "$(instances "$work/a" | md5sum)" = "$(instances "$work/u1" | md5sum)" ] && [ "$(jq -cS .funnel "$work/a/meta.json")" = "$(jq -cS .funnel "$work/u1/meta.json")" ]'

# The same rows by other ways: compressed otherwise, inside an archive, in a folder, by a pattern, split over files.
same_content() { [ "$(instances "$1" | md5sum)" = "$(instances "$2" | md5sum)" ] && [ "$(jq -cS .funnel "$1/meta.json")" = "$(jq -cS .funnel "$2/meta.json")" ] && cmp -s "$1/tokenizer.json" "$2/tokenizer.json"; }
mkdir "$work/parts"
zstd -dcq "$chats" | split -l 150 --additional-suffix=.jsonl - "$work/parts/p"
ok "from a folder" eval 'good "$program" prepare "$work/parts" --out "$work/c" "${options[@]}" && same_content "$work/a" "$work/c"'
ok "from a pattern" eval 'good "$program" prepare "$work/parts/p*.jsonl" --out "$work/d" "${options[@]}" && same_folder "$work/c" "$work/d"'
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
ok "with exactly these fields" eval '[ "$(zstd -dcf "$work/a/turns.jsonl.zst" | jq -c keys | sort -u)" = "[\"conversation_hash\",\"dropped\",\"final_level\",\"how\",\"language\",\"level\",\"model\",\"month\",\"refusal\",\"turn_identifier\",\"user\"]" ]'
kept=$(jq '.funnel.kept | .["instances, train"] + .["instances, test"]' "$work/a/meta.json")
ok "what is not dropped is kept" test "$(zstd -dcf "$work/a/turns.jsonl.zst" | jq 'select(.dropped == null) | 1' | wc -l)" = "$kept"

ok "the audit file has a line for every dropped turn" eval '[ "$(count "$work/a/audit.jsonl.zst")" = "$(zstd -dcf "$work/a/turns.jsonl.zst" | jq "select(.dropped != null) | 1" | wc -l)" ]'

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

# REFERENCE mistake 9 (split by turn) and 10 (user identifiers dropped): users of train and test shards, from the shards themselves.
shard_users() { "$program" export --data "$work/c" --split "$1" --kind "$2" --out - 2>/dev/null | jq -r .user | sort -u; }
for kind in reward chats; do
    shard_users train $kind >"$work/train-users"
    shard_users test $kind >"$work/test-users"
    ok "mistake_09_no_user_on_both_sides, $kind" eval '[ -s "$work/train-users" ] && [ -s "$work/test-users" ] && [ -z "$(comm -12 "$work/train-users" "$work/test-users")" ]'
done
ok "mistake_10_every_record_has_its_user" eval '! "$program" export --data "$work/c" --split all --kind reward --out - 2>/dev/null | jq -r .user | grep -qx ""'
ok "without chats the same instances" eval 'good "$program" prepare "$chats" --out "$work/slim" --no-tokens --no-chats "${options[@]}" && cmp "$work/slim/reward-train-00000.wrs" "$work/j/reward-train-00000.wrs" && cmp "$work/slim/turns.jsonl.zst" "$work/j/turns.jsonl.zst" && ! ls "$work/slim" | grep -q chats'

# REFERENCE mistake 11 (everything in memory, saved at the end): work that was stopped goes on, and ends in the same bytes.
good "$program" synth --users 200 --conversations 3000 --train-prompts 10 --heldout-prompts 10 --seed 6 --out "$work/large"
large=$work/large/chats.jsonl.zst
more=("${options[@]}" --block-kib 64)
good "$program" prepare "$large" --out "$work/whole" "${more[@]}"
prepared() { quiet "$program" prepare "$large" --out "$work/k" "${more[@]}"; }
same_after_kills=0
for round in 1 2 3; do
    rm -rf "$work/k" "$work/k.partial"
    where=
    for try in $(seq 10); do
        [ -d "$work/k" ] && break
        # A session of its own, so that mpirun and all its ranks go at once, some time after the run has begun to work.
        touch "$work/started"
        OMP_NUM_THREADS=1 setsid bash -c '. tests/env.sh; n=$1; shift; ranks $n "$@"' - $((RANDOM % 3 + 1)) "$program" prepare "$large" --out "$work/k" "${more[@]}" >"$work/out" 2>"$work/err" &
        pid=$!
        disown $pid
        while kill -0 "$pid" 2>/dev/null && [ -z "$(find "$work/k.partial/lock" -newer "$work/started" 2>/dev/null)" ]; do sleep 0.01; done
        sleep "0.$(printf %02d $((RANDOM % 60)))"
        where+="[$(ls "$work/k.partial/work" 2>/dev/null | sed 's/.*\.//' | sort | uniq -c | awk '{ printf "%s %s ", $1, $2 }')]"
        kill -KILL -- "-$pid" 2>/dev/null
        command -v pkill >/dev/null && pkill -KILL -s "$pid" 2>/dev/null
        while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
        [ ! -e "$work/k.partial/job.json" ] || cp "$work/k.partial/job.json" "$work/job.json"
    done
    echo "# round $round, working files at each kill: $where"
    [ -d "$work/k" ] && [ ! -d "$work/k.partial" ] || prepared
    same_folder "$work/whole" "$work/k" && [ ! -e "$work/k.partial" ] && same_after_kills=$((same_after_kills + 1))
done
ok "mistake_11_killed_at_any_moment_it_goes_on_to_the_same_bytes" test "$same_after_kills" = 3
last_act() { rm -rf "$work/k.partial" && mkdir "$work/k.partial" && cp "$work/job.json" "$work/k.partial"; } # all but job.json is cleared away
ok "killed in its last act: it was finished" eval 'last_act && prepared && grep -q "was finished already" "$work/err" && [ ! -e "$work/k.partial" ]'
ok "... but --overwrite makes it anew" eval 'last_act && quiet "$program" prepare "$large" --out "$work/k" "${more[@]}" --overwrite && ! grep -q "was finished already" "$work/err" && same_folder "$work/whole" "$work/k"'

# A stop signal: exit 75 and a message that says how to go on; then the rest is done, on another number of ranks.
stop_when() { # PATTERN: SIGTERM when a file so named is among the working files; code is the exit code
    local pid tries=0
    rm -rf "$work/s" "$work/s.partial"
    "$program" prepare "$large" --out "$work/s" "${more[@]}" >"$work/out" 2>"$work/err" &
    pid=$!
    while kill -0 $pid 2>/dev/null && ! compgen -G "$work/s.partial/$1" >/dev/null; do sleep 0.01; done
    kill -TERM $pid 2>/dev/null
    while kill -0 $pid 2>/dev/null && [ $((tries += 1)) -lt 6000 ]; do sleep 0.01; done
    kill -KILL $pid 2>/dev/null # a minute is enough to stop
    wait $pid 2>/dev/null
    code=$?
}
stopped_well() { [ "$code" = 75 ] && grep -q 'run the same command to continue' "$work/err" && [ -d "$work/s.partial" ] && [ ! -e "$work/s" ]; }
for when in 'work/*2.read' 'work/*.label' 'work/*.part'; do
    stop_when "$when"
    echo "# SIGTERM at $when: exit code $code"
    ok "SIGTERM at $when: exit 75, work kept, or done" eval 'shown stopped_well || [ "$code" = 0 ]'
    [ "$code" = 0 ] || good ranks 2 "$program" prepare "$large" --out "$work/s" "${more[@]}"
    ok "going on gives the same bytes" same_folder "$work/whole" "$work/s"
done

# Unfinished work of other settings is not mixed in, and two at once are told apart.
stop_when 'work/*2.read'
if [ "$code" = 75 ]; then
    joined="${more[*]}"
    read -ra fewer <<<"${joined/--min-reply-words 1/--min-reply-words 3}"
    quiet "$program" prepare "$large" --out "$work/s" "${fewer[@]}"
    rc=$?
    ok "other settings: told which" eval '[ $rc = 2 ] && grep -q -- "--min-reply-words was" "$work/err"'
    ok "--overwrite begins anew" eval 'good "$program" prepare "$large" --out "$work/s" "${fewer[@]}" --overwrite && ! same_folder "$work/whole" "$work/s"'
else
    skip "other settings" "it was quicker than the signal"
fi
mkfifo "$work/pipe"
rm -rf "$work/s" "$work/s.partial"
"$program" prepare - --out "$work/s" "${options[@]}" <"$work/pipe" >"$work/out1" 2>"$work/err1" &
first=$!
exec 4>"$work/pipe"
for _ in $(seq 500); do [ -e "$work/s.partial/job.json" ] && break; sleep 0.02; done
quiet "$program" prepare "$chats" --out "$work/s" "${options[@]}"
rc=$?
ok "two at once: the second is told who has it" eval '[ $rc = 2 ] && grep -q "process $first" "$work/err"'
zstd -dcq "$chats" >&4
exec 4>&-
wait $first
ok "standard input, the same content as from the file" same_content "$work/u1" "$work/s"

# Kept once: the same conversation_hash, the same messages, and the beginning of another.
talk() { # HASH N: a conversation of N turns
    local i
    printf '{"conversation_hash":"%s","hashed_ip":"u","language":"English","conversation":[' "$1"
    for i in $(seq "$2"); do printf '%s{"role":"user","content":"Please count the sheep number %s again."},{"role":"assistant","content":"There are %s sheep on this large and green meadow today, I think."}' "$([ "$i" = 1 ] || echo ,)" "$i" "$i"; done
    echo ']}'
}
{ talk a 3; talk b 2; talk c 5; talk a 1; talk d 5; talk e 1; } >"$work/twice.jsonl"
good "$program" prepare "$work/twice.jsonl" --out "$work/twice" --no-tokens --block-kib 1
ok "duplicates and forks" eval '[ "$(zstd -dcf "$work/twice/turns.jsonl.zst" | jq -r .conversation_hash | sort -u)" = c ] && [ "$(jq -c "[.funnel.rows[\"conversation seen before\"], .funnel.rows[\"beginning of another conversation\"]]" "$work/twice/meta.json")" = "[2,3]" ]'

# Several annotators cannot be had offline; toxic and redacted rows can.
jq -c '.toxic = true' <<<"$(talk t 2)" >"$work/toxic.jsonl"
jq -c '.redacted = true' <<<"$(talk r 3)" >>"$work/toxic.jsonl"
talk g 4 >>"$work/toxic.jsonl"
good "$program" prepare "$work/toxic.jsonl" --out "$work/toxic" --no-tokens --drop-toxic --drop-redacted
ok "toxic and redacted rows by option" eval '[ "$(jq -c "[.funnel.rows.toxic, .funnel.rows.redacted, .funnel.rows.good]" "$work/toxic/meta.json")" = "[1,1,1]" ]'

if [ -f "$shared/sharegpt_wildchat.jsonl.zst" ]; then
    real=("$shared/sharegpt_wildchat.jsonl.zst" --block-kib 512)
    ok "real chats" good "$program" prepare "${real[@]}" --out "$work/real"
    for n in 2 3 4; do
        ok "real chats, the same bytes on $n ranks" eval 'good ranks $n "$program" prepare "${real[@]}" --out "$work/real$n" && same_folder "$work/real" "$work/real$n"'
        rm -rf "$work/real$n"
    done
    ok "real chats verify" good "$program" inspect "$work/real" --verify
else
    skip "real chats" "no sharegpt_wildchat.jsonl.zst in $shared (set WILDREWARD_SHARED)"
fi
done_testing
