#!/bin/bash
# What the program did not make is never replaced, removed or written into: devices, pipes, links, folders beside --out, models in a run's folder.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh
refused() { # refused NAME PATTERN COMMAND…: exit 2 and one line that matches
    local name=$1 pattern=$2 rc
    shift 2
    "$@" >out.txt 2>log.txt
    rc=$?
    [ $rc = 2 ] && grep '^wildreward: error: ' log.txt | grep -qE -- "$pattern" || { echo "# exit $rc: $(tail -n 1 log.txt | cut -c1-300)" && false; }
    ok "$name" [ $? = 0 ]
}
kept() { [ "$(cat "$1/kept")" = kept ]; }
foreign() { mkdir -p "$1" && echo kept >"$1/kept"; }
sums() { (cd "$1" && find . -type f ! -name lock -exec sha256sum {} + | sort); }

"$WR" synth --out world --users 20 --conversations 150 --train-prompts 8 --heldout-prompts 4 --seed 3 2>log.txt &&
    "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 320 2>log.txt &&
    "$WR" train lm --data data --new layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=1024 --out lm --steps 1 --global-batch 2 --eval-records 2 2>log.txt &&
    "$WR" train lm --data data --model lm/model --out ad --steps 1 --global-batch 2 --eval-records 2 --lora-rank 2 --no-lora-merge 2>log.txt || {
    tail -n 3 log.txt | sed 's/^/# /'
    fail "something to work on"
    done_testing
    exit 1
}

# --- devices, pipes and links ---------------------------------------------------------------------------------------------------
# A node of our own: were it the real /dev/null, a mistake would cost the machine's.
if mknod null c 1 3 2>/dev/null && : 2>/dev/null >null; then
    node=$(stat -c '%F %i' null)
    ok "report into a device" "$WR" report lm --out null 2>log.txt
    ok "evaluate --prompts into a device" "$WR" evaluate --model lm/model --prompts world/prompts-heldout.jsonl --n 1 --max-tokens 2 --out null 2>log.txt
    ok "… which is what it was" [ "$(stat -c '%F %i' null)" = "$node" ]
else
    skip "output into a device" "no right to make one"
fi
mkfifo pipe
timeout 30 cat pipe >through &
"$WR" report lm --out pipe 2>log.txt
wait $!
ok "report into a pipe" grep -q '</html>' through
ok "… which stays a pipe" [ -p pipe ]
ln -s /proc/self/fd/1 stdout # as /dev/stdout is, and for the same reason not that one
"$WR" report lm --out stdout 2>log.txt | grep -q '</html>'
ok "report into standard output by its name" [ $? = 0 ]
ok "… which stays a link" [ -L stdout ]
echo old >target.html && ln -s target.html link.html
"$WR" report lm --out link.html 2>log.txt
ok "report through a link: the link stays" [ -L link.html ]
ok "report through a link: the file is the report" grep -q '</html>' target.html

# --- merge ------------------------------------------------------------------------------------------------------------------------
foreign merged.tmp
ok "merge" "$WR" merge --model lm/model --adapter ad/adapter --out merged 2>log.txt
ok "merge leaves OUT.tmp alone" kept merged.tmp
ok "merge leaves nothing beside OUT" [ -z "$(find . -maxdepth 1 -name '.merged*')" ]
"$WR" merge --model lm/model --adapter ad/adapter --out both 2>log-1.txt &
"$WR" merge --model lm/model --adapter ad/adapter --out both 2>log.txt
two=$?
wait $!
one=$?
ok "two merges into one folder: at least one of them does it" [ $one = 0 -o $two = 0 ]
ok "two merges into one folder: it is whole" [ "$(sums both)" = "$(sums merged)" ]
mkdir empty && ok "merge into an empty folder" "$WR" merge --model lm/model --adapter ad/adapter --out empty/ 2>log.txt
foreign taken
refused "merge into a folder that holds something" "taken.*not empty" "$WR" merge --model lm/model --adapter ad/adapter --out taken
ok "… which stays" kept taken

# --- prepare ------------------------------------------------------------------------------------------------------------------------
foreign p.partial
refused "prepare with somebody's OUT.partial" "p.partial: holds kept" "$WR" prepare world/chats.jsonl.zst --out p --no-tokens
refused "prepare with somebody's OUT.partial and --overwrite" "p.partial: holds kept" "$WR" prepare world/chats.jsonl.zst --out p --no-tokens --overwrite
ok "… which stays" kept p.partial
foreign q.partial/work
refused "prepare with an OUT.partial without job.json" "q.partial: holds work but no job.json" "$WR" prepare world/chats.jsonl.zst --out q --no-tokens
ok "… which stays" kept q.partial/work
mkdir r && ln -s r link-r
ok "prepare into a link to an empty folder" "$WR" prepare world/chats.jsonl.zst --out link-r --no-tokens 2>log.txt
ok "… the link stays" [ -L link-r -a -s r/meta.json ]
ok "prepare --overwrite of its own result" "$WR" prepare world/chats.jsonl.zst --out link-r --no-tokens --overwrite 2>log.txt
ok "… the link stays, nothing is beside it" [ -L link-r -a -s r/meta.json -a ! -e link-r.partial -a ! -e r.partial ]
echo kept >r/kept
refused "prepare --overwrite of a folder that holds something more" "r: holds kept" "$WR" prepare world/chats.jsonl.zst --out r --no-tokens --overwrite
ok "… which stays" kept r
foreign s && echo '{"name":"s"}' >s/meta.json
refused "prepare --overwrite of a folder with somebody's meta.json" "meta.json is not one of prepare" "$WR" prepare world/chats.jsonl.zst --out s --no-tokens --overwrite
ok "… which stays" kept s

# --- train ------------------------------------------------------------------------------------------------------------------------
train="train lm --data data --model lm/model --steps 1 --global-batch 2 --eval-records 2"
for name in model adapter checkpoints replies; do
    foreign "run-$name/$name"
    # shellcheck disable=SC2086
    refused "train into a folder that holds $name" "run-$name: holds $name" "$WR" $train --out "run-$name"
    # shellcheck disable=SC2086
    refused "train --resume into a folder that holds $name" "run-$name: holds $name" "$WR" $train --out "run-$name" --resume
    ok "… which stays" kept "run-$name/$name"
    ok "… and nothing else came" [ "$(ls -A "run-$name")" = "$name" ]
done
mkdir run-lock run-config && echo mine >run-lock/lock && echo mine >run-config/config.yaml
# shellcheck disable=SC2086
refused "train into a folder with somebody's lock" "holds lock" "$WR" $train --out run-lock
# shellcheck disable=SC2086
refused "train into a folder with somebody's config.yaml" "holds config.yaml" "$WR" $train --out run-config
ok "… both stay" [ "$(cat run-lock/lock run-config/config.yaml)" = "mine
mine" ]
rm -r ad/adapter && foreign ad/model
# shellcheck disable=SC2086
refused "train --resume where somebody put a model" "ad/model: not of this run" "$WR" $train --out ad --lora-rank 2 --no-lora-merge --resume
ok "… which stays" kept ad/model
mkdir noted && echo kept >noted/kept
# shellcheck disable=SC2086
ok "train into a folder with a note" "$WR" $train --out noted 2>log.txt
ok "… which stays" kept noted

# --- synth ------------------------------------------------------------------------------------------------------------------------
before=$(sums data)
refused "synth into a prepared folder" "data: holds .*of no practice world" "$WR" synth --out data --users 5 --conversations 9
ok "… which stays as it was" [ "$(sums data)" = "$before" ]
mkdir own && echo '{}' | zstd -q >own/chats.jsonl.zst
refused "synth into a folder with somebody's chats" "no summary.json" "$WR" synth --out own --users 5 --conversations 9
ok "synth over an earlier world" "$WR" synth --out world --users 20 --conversations 150 --train-prompts 8 --heldout-prompts 4 --seed 3 2>log.txt
done_testing
