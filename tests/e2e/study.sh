#!/bin/bash
# study users: nested users at equal instances, figures of `evaluate`; killed in its midst and continued on two ranks to the same results; single cells, cells
# that fail, results that are cut; what cannot be studied is refused in a line.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

{ "$WR" synth --users 30 --conversations 160 --seed 3 --train-prompts 8 --heldout-prompts 8 --out world && "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 --test-instances 30; } >setup.log 2>&1 ||
    { sed 's/^/# /' setup.log; fail "synth, prepare"; done_testing; exit; }
model="--new layers=1,hidden=16,heads=2,kv-heads=1,ffn=24 --lr 1e-2 --global-batch 8 --checkpoint-every 4 --same-bits-any-ranks --same-bits-parts 2"
study="study users --data data $model --steps 12"
matched="--users 6,12 --seeds 2 --match-instances"
quiet() { "$@" >/dev/null; }
column() { awk -F, -v of="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == of) at = i } NR > 1 { print $at }' "$2"; }

# shellcheck disable=SC2086
{
    ok "a study" wr 1 $study $matched --out whole
    ok "... says what the data support" eval 'says out.txt "between 12 and 6 users" || says out.txt "with 12 in place of 6"'
    ok "... 2 counts, 2 seeds" test "$(column users whole/results.csv | tr '\n' ' ')" = "6 6 12 12 "
    ok "... the cells of a seed have the same instances" eval 'set -- $(column instances whole/results.csv); [ "$1" = "$3" ] && [ "$2" = "$4" ] && [ "$1" -ge 12 ]'
    ok "... and learn from these alone" eval 'cmp <(sed -n "s/.*trained on the records: all \([0-9]*\) used.*/\1/p" log.txt) <(awk -F, "NR > 1 { print \$2, \$1, \$3 }" whole/results.csv | sort -n | cut -d" " -f3)'
    ok "... again and again" eval 'cmp <(for c in whole/cells/u*; do jq -s "map(.epoch // 0) | max" $c/metrics.jsonl; done) <(for c in whole/cells/u*; do jq "88 / .instances | floor" $c/cell.json; done)'
    ok "... and a page that needs nothing else" eval 'grep -q "<svg" whole/report.html && ! grep -qE "<script|https?://" whole/report.html'
    wr 1 evaluate --data data --model whole/cells/u12-s1/model --out eval.json
    ok "... its figures are those of evaluate" quiet jq -n -e --slurpfile e eval.json --slurpfile c whole/cells/u12-s1/cell.json '
        $e[0] as $e | $c[0] as $c | ["spearman", "accuracy", "ece"] | all(. as $k | ["", "_low", "_high"] | all(. as $s | (($e[$k + $s] - $c[$k + $s]) | fabs) <= 1e-8)) and $c.test_users == $e.users'

    # --- stopped -------------------------------------------------------------------------------------------------------------------
    wr 1 $study $matched --out killed &
    child=$!
    for _ in $(seq 500); do
        [ -e killed/cells/u12-s0/checkpoints/step-4 ] && break
        sleep 0.02
    done
    kill -KILL "$(cat pid.0)" && wait $child 2>/dev/null
    ok "killed in the second cell" eval '[ -e killed/cells/u6-s0/cell.json ] && [ ! -e killed/cells/u12-s0/cell.json ] && [ ! -e killed/results.csv ]'
    ok "... goes on, on two ranks" wr 2 $study $matched --out killed
    ok "... behind its checkpoint" says log.txt "continuing after step"
    ok "... to the same results" eval 'cmp whole/results.csv killed/results.csv && cmp whole/results.json killed/results.json'
    wr 1 ${study/--steps 12/--steps 4000} --users 6,12 --seeds 1 --out stopped &
    child=$!
    for _ in $(seq 500); do
        [ -e stopped/cells/u6-s0/checkpoints/step-4 ] && break
        sleep 0.02
    done
    kill -USR1 "$(cat pid.0)"
    ok "a stop signal: all is saved" code 75 wait $child
    ok "... and how it goes on is said" says log.txt "stopped in cells/u6-s0" "the same command goes on"
    head -c 70 whole/cells/u6-s1/cell.json >killed/cells/u6-s1/cell.json
    rm killed/results.csv
    ok "results of a cell that are cut are made again" wr 1 $study $matched --out killed
    ok "... which is said" says log.txt "u6-s1/cell.json" "cut short"
    ok "... and are the same" cmp whole/results.csv killed/results.csv
    ok "a cell alone" wr 2 $study $matched --cell 3 --out cell
    ok "... is the same" cmp whole/cells/u12-s1/cell.json cell/cells/u12-s1/cell.json
    ok "... and there is no other, and no results" test "$(echo cell/*) $(ls cell/cells)" = "cell/cells cell/config.yaml cell/study.json u12-s1"

    # --- other studies --------------------------------------------------------------------------------------------------------------
    ok "another rate is refused by name" eval 'code 1 wr 1 $study $matched --weight-decay 0.1 --out whole && says log.txt whole "--weight-decay 0.01, now 0.1"'
    ok "... and so are other records" eval 'code 1 wr 1 $study --users 7,12 --seeds 2 --match-instances --out whole && says log.txt "u12-s0" "another study"'
    cp -r data notest && rm notest/reward-test-*
    ok "no test side: nothing to evaluate on" eval 'code 2 wr 1 ${study/--data data/--data notest} $matched --out x && says log.txt "no users are left on the test side"'
    "$WR" prepare world/chats.jsonl.zst --out other --vocab-size 400 --seed 2 --test-instances 30 >setup.log 2>&1
    ok "... and other data" eval 'code 1 wr 1 ${study/--data data/--data other} $matched --out whole && says log.txt whole "other data than --data"'
    mkdir foreign && echo mine >foreign/results.csv
    ok "a folder that is no study is left alone" eval 'code 2 wr 1 $study $matched --out foreign && says log.txt "holds results.csv" && [ "$(cat foreign/results.csv)" = mine ]'

    # --- a cell that fails ------------------------------------------------------------------------------------------------------------
    small="study users --data data $model --steps 1 --users 6,12 --seeds 1"
    mkdir -p part && wr 1 $small --cell 0 --out part && mkdir -p part/cells/u12-s0/model && echo mine >part/cells/u12-s0/model/weights
    rm -r part/cells/u6-s0
    ok "a cell that fails: the others are made" eval 'code 1 wr 1 $small --out part && [ -e part/cells/u6-s0/cell.json ] && [ ! -e part/results.csv ]'
    ok "... and it is named" says log.txt "1 of 2 cells failed" "u12-s0"
    rm -r part/cells/u12-s0
    ok "... and made when it can be" wr 1 $small --out part
    ok "more instances for more users, unless they are held equal" eval 'set -- $(column instances part/results.csv); [ "$1" -lt "$2" ]'
    ok "one seed tells no effect" says out.txt "No effect can be told" "one seed"

    # --- what cannot be ------------------------------------------------------------------------------------------------------------------
    refuses() { # WORDS ARGUMENTS…
        local words=$1
        shift
        code 2 wr 1 study users --data data $model "$@" --out x && says log.txt "$words" && [ ! -e x ]
    }
    ok "more users than there are" refuses "has 23 users" --users 6,24
    ok "one user" refuses "one user is no group" --users 1,6
    ok "unsorted counts" refuses "counts must rise" --users 12,6
    ok "repeated counts" refuses "counts must rise" --users 6,6
    ok "no list" refuses "no list of whole numbers" --users six
    ok "one count" refuses "at least two counts" --users 6
    ok "fewer instances than asked" refuses "give at most that" --users 6,12 --match-instances --instances 1000
    ok "fewer instances than users" refuses "some of whom would give none" --users 6,12 --match-instances --instances 7
    ok "more users than have so many records" refuses "users with at least 20 records" --users 6,12 --least-records 20
    ok "instances that are not held equal" refuses "--instances goes with --match-instances" --users 6,12 --instances 20
    ok "a cell that there is not" refuses "there are 4 cells" --users 6,12 --seeds 2 --cell 4
    ok "pairs" refuses "name no users" --users 6,12 --objective bt
    ok "no data" eval 'code 2 wr 1 study users --users 6,12 --out x && says log.txt "--data is required"'
}
done_testing
