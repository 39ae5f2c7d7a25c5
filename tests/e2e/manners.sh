#!/bin/bash
# Words and manners: who may read what is written, what is said about a wrong folder, a file system without locks, and text that would drive a terminal.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh
refused() { # refused NAME PATTERN COMMAND…: non-zero, and one error line that matches
    local name=$1 pattern=$2 rc
    shift 2
    "$@" >out.txt 2>log.txt </dev/null
    rc=$?
    [ $rc != 0 ] && [ "$(grep -c '^wildreward: error: ' log.txt)" = 1 ] && grep '^wildreward: error: ' log.txt | grep -qE -- "$pattern"
    ok "$name" [ $? = 0 ] || sed 's/^/# /' log.txt | tail -n 2
}
umask 022
small="--steps 1 --global-batch 2 --eval-records 2"
"$WR" synth --out world --users 20 --conversations 150 --train-prompts 8 --heldout-prompts 4 --seed 3 2>log.txt &&
    "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 320 2>log.txt &&
    "$WR" train lm --data data --new layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=1024 --out lm $small 2>log.txt || {
    tail -n 3 log.txt | sed 's/^/# /'
    fail "something to work on"
    done_testing
    exit 1
}

# --- who may read it --------------------------------------------------------------------------------------------------------------
"$WR" export --data data --format trl --out export.jsonl 2>log.txt
echo '{"prompt":"Hi"}' >prompt.jsonl
"$WR" sample --model lm/model --in prompt.jsonl --out samples.jsonl --max-tokens 2 2>log.txt
ok "files are the owner's alone" [ -z "$(find world data lm export.jsonl samples.jsonl -perm /077)" ]
ok "--file-mode umask" "$WR" sample --model lm/model --in prompt.jsonl --out shared.jsonl --max-tokens 2 --file-mode umask 2>log.txt
ok "… as the umask says" [ "$(stat -c %a shared.jsonl)" = 644 ]
printf 'file_mode: umask\nout: world-2\nusers: 5\nconversations: 9\n' >synth.yaml
"$WR" synth --config synth.yaml 2>log.txt
ok "… in a run file, too" [ "$(stat -c %a world-2 world-2/summary.json | tr '\n' ' ')" = "755 644 " ]
(umask 007 && "$WR" sample --model lm/model --in prompt.jsonl --out group.jsonl --max-tokens 2 --file-mode umask 2>log.txt)
ok "… whatever it is" [ "$(stat -c %a group.jsonl)" = 660 ]
# shellcheck disable=SC2086
ok "a run goes on with another mode" "$WR" train lm --data data --new layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=1024 --out lm $small --resume --file-mode umask 2>log.txt

# --- a folder of another kind -----------------------------------------------------------------------------------------------------
refused "a run as a model" "--model lm is the folder of a run: give lm/model" "$WR" sample --model lm --in prompt.jsonl
refused "a checkpoint as a model" "give lm/checkpoints/step-1/model" "$WR" sample --model lm/checkpoints/step-1 --in prompt.jsonl
refused "prepared chats as a model" "--model data is a folder that prepare wrote" "$WR" logprobs --model data --in prompt.jsonl
refused "a name of a hub as a model" "--model Some/Model-7B does not exist, and nothing is downloaded" "$WR" sample --model Some/Model-7B --in prompt.jsonl
refused "a file as a model" "is a file; give the folder" "$WR" sample --model lm/model/config.json --in prompt.jsonl
refused "a run as a tokenizer" "--tokenizer lm is the folder of a run: give lm/model" "$WR" tokenize --tokenizer lm --in prompt.jsonl
# shellcheck disable=SC2086
refused "a model as data" "--data lm/model is a model" "$WR" train lm --data lm/model --model lm/model --out bad $small
# shellcheck disable=SC2086
refused "a practice world as data" "wildreward prepare world/chats.jsonl.zst" "$WR" train lm --data world --model lm/model --out bad $small
# shellcheck disable=SC2086
refused "chats as data" "wildreward prepare world/chats.jsonl.zst" "$WR" train lm --data world/chats.jsonl.zst --model lm/model --out bad $small
refused "a run as a reward model" "--reward lm is the folder of a run: give lm/model" "$WR" dpo online --model lm/model --reward lm --prompts data --out bad --steps 1

refused "evaluate into a folder that is not there" "nowhere/e.json" "$WR" evaluate --model lm/model --data data --out nowhere/e.json
ok "… told before the work" bash -c "! grep -q parameters log.txt"

# --- options -------------------------------------------------------------------------------------------------------------------
refused "a second --data" "--data is given twice, as 'data' and as 'world'" "$WR" train lm --data data --model lm/model --out bad --steps 1 --data world
refused "a second --reward" "--reward is given twice" "$WR" dpo online --model lm/model --reward a --prompts data --out bad --steps 1 --reward b
refused "--epochs" "'--epochs'; did you mean '--steps'" "$WR" train lm --data data --model lm/model --out bad --epochs 3
refused "--batch-size of dpo" "did you mean '--prompts-per-step'" "$WR" dpo online --model lm/model --batch-size 3
refused "--learning-rate" "did you mean '--lr'" "$WR" train reward --learning-rate 1e-5
printf 'steps: 017\n' >run.yaml
refused "017 in a run file" "run.yaml:1: steps: '017'" "$WR" train lm --data data --model lm/model --out bad --config run.yaml

# --- what a terminal would obey ------------------------------------------------------------------------------------------------------
esc=$'\033'
printf '%s\n' '{"prompt":"a","x":}' >"odd${esc}[2J"$'\xe2\x80\xae'"name.jsonl"
refused "a file of a strange name" 'odd\\x1b\[2J\\u202ename' "$WR" prepare "odd${esc}[2J"$'\xe2\x80\xae'"name.jsonl" --out bad --no-tokens
"$WR" train lm --data data --"$esc]0;x"$'\xc2\x9b'=1 --out bad 2>>log.txt
"$WR" "${esc}[31m" 2>>log.txt
ok "nothing of it reaches the terminal" bash -c "! LC_ALL=C grep -qP '[\\x00-\\x08\\x0b-\\x1f\\x7f]|\\xc2[\\x80-\\x9f]|\\xe2\\x80\\xae' log.txt"

# What chats, users, models and annotators are called is the input's, too.
for i in $(seq 40); do
    jq -cn --arg i "$i" --arg o $'\e[2J\u0007\u009b1m\u202ex\u007f' '{conversation_hash: ("id" + $o + $i), hashed_ip: ("user" + $o + $i), model: ("model" + $o), language: (if $i[-1:] == "1" then "tongue" + $o else "English" end),
        timestamp: ("time" + $o), conversation: [{role: "user", content: ("What is a\($o) tree, and who says so? " + $i), turn_identifier: 1},
        {role: "assistant", content: (if $i == "7" then "I am sorry, but I cannot help with that." else "A tree\($o) is a tall plant with a trunk; " + $i end), turn_identifier: 2},
        {role: "user", content: "Thank you so much, that was perfect!\($o)", turn_identifier: 3}, {role: "assistant", content: "You are welcome.", turn_identifier: 4}]}'
done >rude.jsonl
ok "chats with control characters everywhere" "$WR" prepare rude.jsonl --out rude --vocab-size 300 2>log.txt
zstdcat rude/turns.jsonl.zst | jq -c --arg o $'\e[2J\u202e' '{conversation_hash, turn_identifier, user, level: .level} + {("judge" + $o): 4, how: ("how" + $o)}' >judged.jsonl
{ "$WR" inspect rude --records 8 && "$WR" inspect rude --refusals && "$WR" inspect rude --verify && "$WR" report rude --out rude.html; } >out.txt 2>>log.txt
cp judged.jsonl "judge${esc}[2J.jsonl"
"$WR" agree rude/turns.jsonl.zst "judge${esc}[2J.jsonl" --out agree.json >>out.txt 2>>log.txt
cat out.txt >>log.txt
ok "… are shown" bash -c "grep -q 'user.x1b.2J' log.txt && grep -q 'model.x1b.2J' log.txt"
ok "… and none reaches the terminal" bash -c "! LC_ALL=C grep -aqP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae' log.txt"

# --- a file system without locks ------------------------------------------------------------------------------------------------------
cat >no_locks.c <<'EOF'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>
int fcntl64(int f, int what, ...) {
    va_list more;
    va_start(more, what);
    void *with = va_arg(more, void *);
    va_end(more);
    if (what != F_OFD_SETLK) return (int)syscall(SYS_fcntl, f, what, with);
    errno = CODE;
    return -1;
}
int fcntl(int, int, ...) __attribute__((alias("fcntl64")));
int flock(int f, int o) { return (void)f, (void)o, errno = CODE, -1; }
EOF
if command -v cc >/dev/null && cc -DCODE=ENOSYS -shared -fPIC -o enosys.so no_locks.c 2>/dev/null &&
    cc -DCODE=ENOLCK -shared -fPIC -o enolck.so no_locks.c && cc -DCODE=EOPNOTSUPP -shared -fPIC -o eopnotsupp.so no_locks.c &&
    [ -z "$(LD_PRELOAD=$PWD/enosys.so "$WR" --version 2>&1 >/dev/null)" ]; then
    for code in enosys enolck eopnotsupp; do
        LD_PRELOAD=$PWD/$code.so ok "prepare without locks: $code" "$WR" prepare world/chats.jsonl.zst --out "data-$code" --no-tokens 2>log.txt
        ok "… with a warning" grep -q 'warning: data-.*no locks' log.txt
    done
    # shellcheck disable=SC2086
    LD_PRELOAD=$PWD/enosys.so ok "train without locks" "$WR" train lm --data data --model lm/model --out unlocked $small 2>log.txt
    ok "… with a warning" grep -q 'warning: unlocked: .*no locks' log.txt
    ok "… nothing is left beside" [ -z "$(find . -name '*.wildreward.tmp*')" ]
else
    skip "a file system without locks" "no compiler, or another library must be loaded first"
fi
done_testing
