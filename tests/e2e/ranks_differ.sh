#!/bin/bash
# Ranks that were told, are, or read something else than rank 0: refused at the start, naming rank, host and what differs, with one line and one exit code.
# The options are taken from --help, so that a new one is tried, too. By default a few of each command; FULL=1: every option of every command, and every
# file of every input.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh
FULL=${FULL:-0}

spec=layers=1,hidden=32,heads=2,kv-heads=1,ffn=64,max-positions=512
{
    "$WR" synth --users 20 --conversations 120 --seed 3 --train-prompts 8 --heldout-prompts 8 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        "$WR" train lm --data data --out lm --new $spec --global-batch 8 --steps 1 &&
        "$WR" train reward --data data --out rm --new $spec --global-batch 8 --steps 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare, train"; done_testing; exit; }
# What the runs read, with short names; b holds equal copies, which are other files.
mkdir a && cp -r data lm/model a && cp -r rm/model a/reward && cp world/chats.jsonl.zst a && zstd -dqc world/prompts-train.jsonl* >a/prompts.jsonl 2>/dev/null ||
    cp world/prompts-train.jsonl a/prompts.jsonl
zstd -dqc world/truth.jsonl.zst >a/truth.jsonl 2>/dev/null || cp world/truth* a/
cp a/data/template.txt a/template.txt
cp -r a b
here=$PWD
out=0

# base COMMAND: what makes the command a whole one; relative paths, but for what is written.
base() {
    case $1 in
    prepare) echo "chats.jsonl.zst --vocab-size 400 --out $here/o$out" ;;
    "train lm") echo "--data data --model model --steps 1 --global-batch 8 --lr 1e-4 --out $here/o$out" ;;
    "train reward") echo "--data data --model model --steps 1 --global-batch 8 --out $here/o$out" ;;
    evaluate) echo "--model reward --data data --out $here/o$out" ;;
    "evaluate --prompts") echo "--model model --prompts prompts.jsonl --reward reward --max-tokens 4 --out $here/o$out" ;;
    "dpo online") echo "--model model --reward reward --prompts prompts.jsonl --steps 1 --n 2 --prompts-per-step 2 --max-tokens 4 --out $here/o$out" ;;
    esac
}
# but OPTION ARGUMENTS…: the arguments without the option and its value, which may not be given twice.
but() {
    local option=$1
    shift
    while [ $# -gt 0 ]; do
        if [ "$1" = "$option" ]; then shift; else echo "$1"; fi
        shift
    done
}
# pair COMMAND FOLDER PROGRAM-OF-RANK-1 OPTION…: rank 0 in a, rank 1 in FOLDER with further options; $rc, err.txt
pair() {
    local command=${1% --prompts} folder=$2 program=$3
    local -a rest=("${@:4}")
    out=$((out + 1))
    local words=$command
    # shellcheck disable=SC2046,SC2086
    timeout --kill-after=5 100 mpirun --quiet -n 1 --wdir "$here/a" "$WR" $words $(base "$1") : \
        -n 1 --wdir "$here/$folder" $program $words $(but "${rest[0]:-}" $(base "$1")) "${rest[@]}" >out.txt 2>err.txt </dev/null
    rc=$?
}
# refused CODE WORDS…: one error line, which says rank 1, this host and the words.
refused() {
    local code=$1
    shift
    [ $rc = "$code" ] && [ "$(grep -c '^wildreward: error: ' err.txt)" = 1 ] && [ ! -e "o$out" ] && says err.txt 'rank 1' "$(hostname)" "$@" && return
    echo "# exit code $rc, wanted $code"
    grep 'wildreward: ' err.txt | cut -c1-300 | sed 's/^/#   /'
    return 1
}

# options COMMAND: "NAME ARGUMENT DEFAULT DIFFER" a line, from --help; ARGUMENT "flag" for flags, "no" for those that are on.
options() {
    # shellcheck disable=SC2086
    "$WR" ${1% --prompts} --help | awk '
        /^options:/ { on = 1; next }
        on && /^  --/ {
            name = $1; argument = "flag"
            if (sub(/^--\[no-\]/, "", name)) argument = "no"; else sub(/^--/, "", name)
            if (argument == "flag" && length($1) + 3 < length($0)) { split($0, part, "  +"); n = split(part[2], w, " "); if (n == 2) argument = w[2] }
            if (name != "config" && name != "set" && name != "help") rows[++k] = name " " argument
            row = k
        }
        on && row && match($0, /\(default [^)]*\)/) { standard[row] = substr($0, RSTART + 9, RLENGTH - 10) }
        on && row && /ranks may differ/ { differ[row] = "differ" }
        END { for (i = 1; i <= k; i++) print rows[i], (i in standard ? standard[i] : "-"), differ[i] }'
}
# other NAME ARGUMENT DEFAULT: arguments that give the option another value.
other() {
    local word
    case $2 in
    flag) echo "--$1" ;;
    no) echo "--no-$1" ;;
    *"|"*)
        case $2 in
        *FILE* | *DIR*) echo "--$1 elsewhere" ;;
        *) for word in ${2//|/ }; do [ "$word" != "$3" ] && break; done && echo "--$1 $word" ;;
        esac
        ;;
    N | K | V | FLOATS | S) [ "$3" = 37 ] && echo "--$1 38" || echo "--$1 37" ;;
    X | B | T | P | R | E | G | W | M | LR) echo "--$1 0.37" ;;
    *) echo "--$1 elsewhere" ;;
    esac
}

commands=(prepare "train lm" "train reward" evaluate "evaluate --prompts" "dpo online")
tried=0 differed=0
for command in "${commands[@]}"; do
    while read -r name argument standard differ; do
        if [ "$FULL" = 0 ]; then
            case "$command/$name" in
            prepare/block-kib | prepare/tokens | prepare/tokenizer | prepare/endpoint-retries | "train lm/seed" | "train lm/lr" | "train reward/recompute" | "train reward/lora-rank" | "evaluate/micro-tokens" | \
                "evaluate --prompts/top-p" | "dpo online/lr" | "dpo online/reduce-slice" | "dpo online/resume") ;;
            *) continue ;;
            esac
        fi
        # shellcheck disable=SC2046
        pair "$command" a "$WR" $(other "$name" "$argument" "$standard")
        if [ -n "$differ" ]; then
            differed=$((differed + 1))
            ok "$command: --$name may differ" test $rc = 0
        else
            tried=$((tried + 1))
            ok "$command: another --$name on rank 1" refused 2 "--$name"
        fi
    done < <(options "$command")
done
echo "# $tried options, each with another value on rank 1; $differed that may differ"

# --- not even a command line ---------------------------------------------------------------------------------------------------
pair "train lm" a "$WR" --no-such-option
ok "an unknown option on rank 1 alone" refused 2 "--no-such-option"
mpirun --quiet -n 1 "$WR" doctor : -n 1 "$WR" train --help >out.txt 2>err.txt
rc=$?
ok "another command on rank 1" refused 2 "the command"
mpirun --quiet -n 2 "$WR" train lm --no-such-option >out.txt 2>err.txt
ok "the same wrong option on all ranks: one line" test "$?/$(grep -c 'wildreward: error' err.txt)" = 2/1
pair prepare a "$WR" more.jsonl
ok "another source on rank 1" refused 2 "argument 2"

# --- the machine -----------------------------------------------------------------------------------------------------------------
cp "$WR" other-build && echo >>other-build
ok "another build" eval 'pair "train lm" a "$here/other-build"; refused 1 "the program"'
ok "another number of threads" eval 'pair evaluate a "env OMP_NUM_THREADS=3 $WR"; refused 1 threads "3 on rank 1"'
ok "another instruction set" eval 'pair "dpo online" a "env WILDREWARD_ISA=baseline $WR"; refused 1 "instruction set" baseline'
ok "another setting of a library" eval 'pair "train reward" a "env DNNL_DEFAULT_FPMATH_MODE=BF16 $WR"; refused 1 DNNL_DEFAULT_FPMATH_MODE'

# --- inputs -----------------------------------------------------------------------------------------------------------------------
for command in "${commands[@]}"; do
    pair "$command" b "$WR"
    ok "$command: equal copies of all inputs" test $rc = 0
done
# change FILE: one bit in the middle.
change() {
    local at=$(($(stat -c %s "$1") / 2)) byte
    byte=$(od -An -tu1 -j $at -N 1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059  # the format is the escape sequence of one byte
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}
files=0
# input COMMAND FILE [OPTION…]: with another content on rank 1
input() {
    rm -rf c && cp -r b c && change "c/$2" && files=$((files + 1))
    pair_with "$1" c "${@:3}"
    ok "$1: another $2 on rank 1" refused 1 "$2" hash
}
# both ranks with the options
pair_with() {
    local command=$1 folder=$2
    local -a rest=("${@:3}")
    out=$((out + 1))
    # shellcheck disable=SC2046,SC2086
    timeout --kill-after=5 100 mpirun --quiet -n 1 --wdir "$here/a" "$WR" ${command% --prompts} $(base "$command") "${rest[@]}" : \
        -n 1 --wdir "$here/$folder" "$WR" ${command% --prompts} $(base "$command") "${rest[@]}" >out.txt 2>err.txt </dev/null
    rc=$?
}
if [ "$FULL" = 0 ]; then
    input prepare chats.jsonl.zst
    input prepare model/tokenizer.json --tokenizer model
    input "train lm" model/model.safetensors
    input "train reward" template.txt --template template.txt
    input evaluate data/meta.json
    input "dpo online" reward/config.json
else
    input prepare chats.jsonl.zst
    for o in --template --chat-template --exclude-users --filter-rules --lexicon-rules --refusal-rules --fields; do input prepare template.txt $o template.txt; done
    for f in $(cd a && ls model/*); do case $f in *.json | *.txt | *.jinja | *.safetensors) input prepare "$f" --tokenizer "${f%/*}" ;; esac; done
    for f in $(cd a && find data model -name '*.json' -o -name '*.wrs' -o -name '*.txt' -o -name '*.safetensors' -o -name '*.jinja' | grep -v ^reward); do
        input "train lm" "$f"
        input "train reward" "$f"
        case $f in data/*) input evaluate "$f" ;; *) input "evaluate --prompts" "$f" && input "dpo online" "$f" ;; esac
    done
    for f in $(cd a && ls reward/*.json reward/*.txt reward/*.safetensors); do
        input evaluate "$f"
        input "evaluate --prompts" "$f"
        input "dpo online" "$f"
    done
    input "train reward" template.txt --template template.txt
    input evaluate truth.jsonl --truth truth.jsonl
    input "evaluate --prompts" prompts.jsonl
    input "dpo online" prompts.jsonl
    input "dpo online" template.txt --template template.txt
    input "dpo online" template.txt --chat-template template.txt
fi
rm -rf c && cp -r b c && rm c/reward/template.txt
ok "a file of a model that rank 1 lacks" eval 'pair "dpo online" c "$WR"; refused 1 reward/template.txt "not there"'
rm -rf c && mkdir c && cp -r b/model c
ok "a rank without any data trains all the same" eval 'pair "train lm" c "$WR"; [ $rc = 0 ]'
echo "# $files files, each with another content on rank 1"
done_testing
