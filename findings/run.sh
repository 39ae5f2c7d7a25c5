#!/bin/bash
# run.sh [NAME…]: runs the findings, all or those named, and says of each whether the library still behaves as described. What one prints is shown
# where it is not ok, and always for those named (or with V=1). Exit 1 where any changed or could not be looked at.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(cd "$here" && printf '%s\n' *.sh | grep -vxE '(common|run)\.sh' | sed 's/\.sh$//')

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
export FINDINGS_CACHE=${FINDINGS_CACHE:-$scratch/cache} # scripts of one run share what they install

ok=0 changed=0 skipped=0
for name in "${names[@]}"; do
    [ -f "$here/$name.sh" ] || { echo "no finding is called '$name'" >&2 && exit 2; }
    began=$SECONDS
    bash "$here/$name.sh" >"$scratch/log" 2>&1
    case $? in
    0) word=ok ok=$((ok + 1)) ;;
    77) word=skipped skipped=$((skipped + 1)) ;;
    124 | 137) word=CHANGED changed=$((changed + 1)) && echo "FAILED: not done within its time" >>"$scratch/log" ;;
    *) word=CHANGED changed=$((changed + 1)) ;;
    esac
    printf '%-8s %s (%d s)\n' "$word" "$name" $((SECONDS - began))
    if [ $word != ok ] || [ $# -gt 0 ] || [ "${V:-0}" = 1 ]; then sed 's/^/    /' "$scratch/log"; fi
done
echo "findings: $ok ok, $changed changed, $skipped skipped"
[ $changed = 0 ]
