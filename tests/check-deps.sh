#!/bin/bash
# Enforces the table of docs/architecture.md: which folder, and which room of a large folder, may include which. Also: <mpi.h> only in mpi/, a BLAS is
# called in the matrix products, the doctor and the benchmark only, the process ends only in cli/main.c and mpi/, and no two source files share a name.
set -u
cd "$(dirname "$0")/.." || exit 1

declare -A may=(
    [base]=""
    [model]="base"
    [mpi]="base"
    [data]="base model mpi"
    [sampler]="base model"
    [trainer]="base model data mpi"
    [report]="base"
    [dpo]="base model data mpi sampler trainer"
    [cli]="base model mpi data sampler trainer report dpo"
)
# The rooms of the two large folders. A room may also include what lies in its folder itself.
declare -A rooms=(
    [model/kernels]=""
    [model/tokenizer]=""
    [model/weights]="kernels"
    [model/chat]="tokenizer"
    [data/match]=""
    [data/mine]="match"
    [data/source]=""
    [data/shard]=""
    [data/practice]=""
    [data/annotate]="match mine prompts"
    [data/agree]="annotate shard"
    [data/prepare]="annotate agree match mine shard source"
)
bad=0
complain() {
    echo "$*" >&2
    bad=$((bad + 1))
}

files=0
for folder in "${!may[@]}"; do
    while IFS= read -r file; do
        files=$((files + 1))
        while IFS=: read -r line text; do
            header=${text#*\"}
            header=${header%%\"*}
            target=${header%%/*}
            if [ "$target" = "$header" ]; then
                complain "$file:$line: \"$header\" has no folder: write \"folder/$header\""
            elif [ "$target" != "$folder" ] && [[ " ${may[$folder]} " != *" $target "* ]]; then
                complain "$file:$line: $folder/ may not include $target/ (allowed: $folder ${may[$folder]})"
            fi
            room=${file%/*} other=${header%/*}
            if [ -n "${rooms[$room]+x}" ] && [ "$other" != "$room" ] && [ "$other" != "$folder" ] && [ "$target" = "$folder" ] &&
                [[ " ${rooms[$room]} " != *" ${other#*/} "* ]]; then
                complain "$file:$line: $room/ may not include $other/ (allowed: ${rooms[$room]})"
            fi
        done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file")
        if [ "$folder" != mpi ] && grep -nE '#[[:space:]]*include[[:space:]]*<mpi\.h>' "$file" /dev/null >&2; then
            complain "$file: only mpi/ may include <mpi.h>"
        fi
        case $file in
        model/kernels/matmul*.c | cli/cmd_doctor.c | cli/bench_cases.c) ;;
        *)
            if grep -nE '\b(cblas_[a-z]+|[sd]gemm_) *\(' "$file" /dev/null >&2; then
                complain "$file: products go through model/kernels/matmul.h (only the doctor and the benchmark measure a BLAS)"
            fi
            ;;
        esac
        case $file in
        mpi/* | cli/main.c) ;;
        *)
            if grep -nE '(^|[^_[:alnum:]"])(_?exit|abort|quick_exit) *\(' "$file" /dev/null | grep -vE ':[[:space:]]*(\*|/\*|//)' >&2; then
                complain "$file: only cli/main.c and mpi/ may end the process"
            fi
            ;;
        esac
        lines=$(wc -l <"$file")
        [ "$lines" -le 500 ] || complain "$file: $lines lines; 500 at most, split it by job"
    done < <(find "$folder" -name '*.[ch]' 2>/dev/null | sort)
done

# x.c beside x.h is one name; the same stem in two folders is two.
same=$(find "${!may[@]}" tests/unit tests/mpi tests/fuzz tests/support bench -name '*.[ch]' 2>/dev/null | awk -F/ '
    { if (seen[$NF] != "") print seen[$NF] " and " $0; seen[$NF] = $0 }')
[ -z "$same" ] || complain "two files of one name: $same"

if [ $bad -gt 0 ]; then
    echo "check-deps: $bad rule(s) broken" >&2
    exit 1
fi
echo "check-deps: $files files follow the folder rules"
