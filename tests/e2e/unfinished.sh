#!/bin/bash
# End to end: unfinished work of prepare goes on with the settings that it was begun with. Which those are, the options' own table says: every one of them is
# asked here, the others are free, and one that an older version did not write down counts as its default.
. tests/rows.sh

# Work that waits for its input is killed: what it was begun with is written by then.
begin() {
    rm -rf u u.partial pipe && mkfifo pipe
    "$program" prepare - --out u --no-tokens --seed 3 --no-chats <pipe >out 2>err &
    local pid=$!
    exec 4>pipe
    for _ in $(seq 3000); do [ -s u.partial/job.json ] && break; sleep 0.01; done
    kill -KILL $pid
    wait $pid 2>/dev/null
    exec 4>&-
}
again() { # OPTION…
    rc=0
    "$program" prepare - --out u --no-tokens --no-chats "$@" </dev/null >out 2>err || rc=$?
}
refused() { test $rc = 2 && grep -qF -- "unfinished work with other settings: $1" err && test -e u.partial/job.json; } # WORDS

begin
ok "work that was killed says what it was begun with" grep -q '"--seed":"3"' u.partial/job.json
while read -r option before now; do
    again --seed 3 "$option"
    ok "$option: other than it was begun with" refused "${option%=*} was \"$before\" and is \"$now\""
done <<'END'
--format=labelled wildchat labelled
--block-kib=4096 8192 4096
--user-key=ip+header ip ip+header
--drop-toxic=true 0 1
--drop-redacted=true 0 1
--classes=4 0 4
--max-length=100 4096 100
--shard-records=100 8192 100
--min-reply-words=3 10 3
--min-query-words=3 5 3
--similarity-threshold=0.25 0.5 0.25
--test-instances=7 18446744073709551615 7
--fields=lmsys wildchat lmsys
END
again
ok "the seed that is left out is another one, too" refused '--seed was "3" and is "0"'
again --seed 3 --languages en
ok "what rules come to is compared by what they are" refused 'filters (their rules'

cp -r u.partial older.partial
# As a version left it that knew two of the options not.
jq -c 'del(.["--shard-records"], .["--drop-toxic"])' u.partial/job.json >older && cp older u.partial/job.json
again --seed 3 --shard-records 100
ok "an option that older work does not know had its default" refused '--shard-records was "8192" and is "100"'
again --seed 3 --drop-toxic
ok "... and so a flag" refused '--drop-toxic was "0" and is "1"'
again --seed 3 --skip-bad --endpoint-parallel 3 --endpoint-timeout 7 --annotator-batch-tokens 99 --file-mode umask
ok "free options are free, and older work goes on" eval '! grep -q "unfinished work with other settings" err && grep -q "going on with the unfinished work" err'

# Where the result is there and another job's unfinished work beside it, a refusal because of the result leaves that work, too.
"$program" synth --users 6 --conversations 20 --seed 1 --out world >log 2>&1 && "$program" prepare world/chats.jsonl.zst --no-tokens --out v >>log 2>&1
cp -r older.partial v.partial
rc=0
"$program" prepare - --format labelled --no-tokens --out v </dev/null >out 2>err || rc=$?
ok "a result in the way does not cost another job its work" test $rc != 0 -a -e v.partial/job.json -a -e v/meta.json
done_testing
