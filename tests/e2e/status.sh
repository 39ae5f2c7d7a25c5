#!/bin/bash
# What `status` tells of runs that run, ended, were stopped, killed or damaged; of jobs where there is no Slurm; and of real jobs where one is installed.
set -u
cd "$(dirname "$0")/../.." || exit 1
source=$PWD
. tests/env.sh
. tests/training.sh
runs=() # processes that run behind
cluster=
finish() {
    local p
    for p in "${runs[@]}"; do kill -KILL "$p" 2>/dev/null; done
    [ -n "$cluster" ] && "$source/slurm/dev-cluster.sh" down "$cluster" >/dev/null 2>&1
    rm -rf "$work"
}
spec=layers=1,hidden=32,heads=2,kv-heads=1,ffn=64,max-positions=512
lm="train lm --data data --new $spec --global-batch 8"
# shellcheck disable=SC2086
{
    "$WR" synth --users 20 --conversations 120 --seed 3 --train-prompts 20 --heldout-prompts 8 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        "$WR" $lm --out whole && "$WR" train reward --data data --out rm --new $spec --global-batch 8 --steps 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare, train"; done_testing; exit; }

status() { timeout 60 "$WR" status "$@" >out.txt 2>log.txt; }
# tells FILTER ARGUMENT…: exit code 0, and what jq makes of the first object's filter is true
tells() {
    local filter=$1
    shift
    status --json "$@" || { echo "# exit code $?"; sed 's/^/# /' log.txt; return 1; }
    jq -e ".[0] | $filter" out.txt >/dev/null || { jq . out.txt | sed 's/^/# /'; return 1; }
}
holds() { jq -e "$1" out.txt >/dev/null; }
# refused WORD… -- ARGUMENT…: exit code 1, one line, which holds the words
refused() {
    local words=()
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    shift
    code 1 status "$@" && [ "$(wc -l <log.txt)" = 1 ] && says log.txt "${words[@]}" || { sed 's/^/# /' log.txt; return 1; }
}
within() { # within TENTHS COMMAND…
    local i
    for ((i = 0; i < $1; i++)); do "${@:2}" && return; sleep 0.1; done
    echo "# not within $1 tenths of a second: ${*:2}"
    return 1
}
steps() { [ -s "$1/metrics.jsonl" ] && [ "$(wc -l <"$1/metrics.jsonl")" -gt "$2" ]; }
narrow() { [ "$(LC_ALL=C.UTF-8 wc -L <out.txt)" -le 80 ] || { sed 's/^/# /' out.txt; return 1; }; }

# --- runs ------------------------------------------------------------------------------------------------------------------------
ok "no argument is usage" code 2 status
ok "a finished run; its steps followed from the data" tells '.state == "finished" and .step == .steps and .steps == 14 and .checkpoint_step == 14 and
    .command == "train lm" and .unit == "tokens" and .per_s > 0 and .loss > 0 and .pid == null and .left_s == null' whole
begin() { # begin RUN: in the background, some steps of it done
    # shellcheck disable=SC2086
    nice "$WR" $lm --steps 1000000 --checkpoint-every 20 --out "$1" >"$1.log" 2>&1 &
    last=$!
    runs+=("$last")
    within 300 steps "$1" 25
}
begin run
running=$last
ok "a run that runs, its process, speed and time left" tells ".state == \"running\" and .pid == $running and .host == \"$(hostname)\" and .steps == 1000000 and
    .step > 20 and .left_s > 1 and .step_s > 0 and .checkpoint_step >= 20 and (.quiet | not) and .beat_age_s < 30 and .line_age_s < 30" run
kill -STOP $running
touch -d '10 minutes ago' run/metrics.jsonl
ok "one that stands still is said to be quiet" tells '.state == "running" and .quiet and (.notes[1] | contains("no new line of metrics for 10m"))' run
kill -CONT $running
begin dead
kill -KILL "$last"
wait "$last" 2>/dev/null
ok "one that was killed is taken for dead" tells '.state == "taken_for_dead" and .pid == '"$last"' and (.notes[0] | endswith("is gone")) and (.notes[1] | contains("--resume"))' dead
ok "… for as long as nobody goes on" tells '.state == "taken_for_dead"' dead
kill -USR1 $running
wait $running
ok "asking took nothing from the run: it ends as it is told" test $? = 75
ok "a stopped one; --resume is said" tells '.state == "stopped" and .checkpoint_step == .step and (.notes | length == 1) and (.notes[0] | contains("--resume"))' run
# shellcheck disable=SC2086
wr 1 train lm --data data --model whole/model --lora-rank 2 --no-lora-merge --steps 2 --global-batch 8 --out adapter
ok "adapters alone are an end, too" tells '.state == "finished" and .steps == 2' adapter
wr 1 dpo online --model whole/model --reward rm/model --prompts world/prompts-train.jsonl --steps 2 --n 2 --prompts-per-step 4 --max-tokens 8 --out dpo
ok "a run of DPO counts replies" tells '.state == "finished" and .command == "dpo online" and .unit == "replies" and .per_s > 0' dpo
# shellcheck disable=SC2086
wr 1 train reward --data data --new $spec --global-batch 4 --steps 40 --lr 1e-9 --eval-every 2 --keep-best eval_loss --patience 1 --out early
ok "a run that --patience ended is finished" tells '.state == "finished" and .step < .steps and .command == "train reward" and (.notes[0] | contains("--patience"))' early

# --- another host ------------------------------------------------------------------------------------------------------------------
cp -r run far
holder() { printf 'process 77 on far-away, job 9\nbeat %d every 5.0 s\nmachine another/pid:[1]\n' $(($(date +%s) - $1)) >far/lock; }
holder 4
ok "a holder on another host, whose beats go on" tells '.state == "running" and .host == "far-away" and .job == "9" and .pid == 77' far
holder 300
ok "… and are missing" tells '.state == "taken_for_dead" and (.notes[0] | contains("job 9 has given no beat for 5m"))' far

# --- damage ------------------------------------------------------------------------------------------------------------------------
mkdir empty
ok "an empty folder" tells '.state == "empty"' empty
cp -r run cut
truncate -s -20 cut/metrics.jsonl
ok "a line that is cut: the one before it counts" tells '.state == "stopped" and .step < .checkpoint_step and (.notes | any(contains("is cut")))' cut
printf 'x\n\0\377{\n' >cut/metrics.jsonl
ok "nothing but damage" tells '.state == "stopped" and .loss == null and .step == .checkpoint_step and (.notes | any(contains("2 lines")))' cut
: >cut/config.yaml
ok "an empty config.yaml" tells '.state == "stopped" and .steps == null and (.notes | any(contains("holds no options")))' cut
rm cut/lock
mkfifo cut/lock
ok "a lock that is a pipe" tells '.state == "stopped"' cut
rm cut/metrics.jsonl
mkdir cut/metrics.jsonl
ok "a folder in a file's place" refused cut/metrics.jsonl 'no file' -- cut
ok "a file in a folder's place" refused setup.log 'a file' 'folder of a run' -- setup.log
ok "no such folder" refused nowhere 'No such file' '--out' -- nowhere
ok "a prepared folder" refused data 'no folder of a run' -- data
ok "a checkpoint" refused 'folder of its run' -- whole/checkpoints/step-14
ok "two of four cannot be told" code 1 status whole nowhere run data
ok "… a line each" test "$(wc -l <log.txt)" = 2
ok "… and the others are, in order" test "$(awk '{ print $1 }' out.txt | grep -xE 'whole|run|nowhere|data' | tr '\n' ' ')" = "run whole run "
code 1 status --json whole nowhere
ok "… as objects, too" holds 'length == 2 and .[0].error == null and (.[1].error | contains("nowhere"))'

# --- the table ----------------------------------------------------------------------------------------------------------------------
long=a-name-that-is-longer-than-what-a-terminal-has-room-for/and-then-some/$'red\e[31m'
mkdir -p "$long"
cp -r dead/. "$long"
ok "a table of all" status whole run dead far dpo early empty "$long"
ok "… fits into 80 columns" narrow
ok "… and nothing in it moves a cursor" code 1 grep -q $'\e' out.txt
ok "… a row for each, and the heads" test "$(grep -vc '^    ' out.txt)" = 9

# --- jobs --------------------------------------------------------------------------------------------------------------------------
mkdir none
PATH=$work/none code 1 "$WR" status 812 whole 12_3 >out.txt 2>log.txt
ok "without Slurm: exit code 1" test $? = 0
ok "… a line for each job" test "$(grep -c 'there is no squeue here' log.txt)" = 2
ok "… and the run is told" says out.txt whole finished

slurm_installed() {
    local tool
    for tool in slurmctld slurmd munged sbatch squeue sacct; do command -v $tool >/dev/null || return 1; done
}
PATH=$PATH:/usr/sbin
if ! slurm_installed; then
    skip "jobs of a Slurm" "Slurm is not installed (make deps-dev)"
    done_testing
    exit
fi
export PORT=${SLURM_TEST_PORT:-27$((200 + $$ % 70 * 10))}
cluster=$work/cluster
environment=$(timeout 60 "$source/slurm/dev-cluster.sh" up "$cluster" 2>up.log) || { sed 's/^/# /' up.log; fail "four virtual nodes come up"; done_testing; exit; }
eval "$environment"
export WILDREWARD=$WR WILDREWARD_SLURM=$source/slurm
# shellcheck disable=SC2086
id=$(sbatch --parsable --nodes=1 --job-name=wr-job --output=job.log "$source/slurm/stage.sbatch" $lm --steps 1000000 --out "$work/job run")
ended=$(sbatch --parsable --output=/dev/null --job-name=whole --wrap 'exit 3')
held=$(sbatch --parsable --hold --output=/dev/null --comment="$work/run" --wrap 'true')
array=$(sbatch --parsable --hold --array=1-3 --output=/dev/null --wrap 'true')
documented() {
    local name
    status --json "$1" || return 1
    for name in $(jq -r '.[0], .[0].run | keys[]' out.txt); do
        grep -q "\`$name\`.* | " "$source/docs/training.md" || { echo "# $name"; return 1; }
    done
}
state() { status --json "$1" && holds ".[0].state == \"$2\""; }
ok "a job runs" within 200 steps "job run" 5
ok "… in the folder that its command names" tells ".state == \"RUNNING\" and .id == \"$id\" and .name == \"wr-job\" and .nodes == \"n1\" and .time_limit == \"4:00:00\" and
    .in_queue and .run.state == \"running\" and .run.job == \"$id\" and (.run.path | endswith(\"/job run\"))" "$id"
ok "… as a table" status "$id"
ok "… of 80 columns" narrow
ok "… the run below the job" test "$(grep -c running out.txt)" = 1
ok "a job that failed" within 100 state "$ended" FAILED
ok "… its exit code, and the run that its name names" tells '.exit_code == "3:0" and .reason == "NonZeroExitCode" and .run.state == "finished"' "$ended"
ok "a job that waits, the run of its comment" tells '.state == "PENDING" and .reason == "JobHeldUser" and .exit_code == null and .run.state == "stopped"' "$held"
ok "an array" tells '.state == "PENDING" and .tasks == 1' "$array"
ok "a task of it" tells '.state == "PENDING" and (.id | startswith("'"$array"'_"))' "${array}_2"
ok "no such job, and no accounting" refused 'job 99999' 'gone from the queue' 'accounting is off' -- 99999
ok "every name of the objects is told in docs/training.md" documented "$id"
scancel "$id" "$held" "$array"
ok "a job that was cancelled; its run saved and stopped" within 300 state "$id" CANCELLED
ok "… and can go on" within 100 tells '.run.state == "stopped" and .run.checkpoint_step == .run.step' "$id"
done_testing
