#!/bin/bash
# dev-cluster.sh up|down|status|env [DIR]: a real Slurm (slurmctld and four slurmd, each a virtual node with two CPUs) on this machine,
# for trying and testing batch scripts. Needs the packages slurm-wlm and munge (make deps-dev); no accounting, no system services touched.
# `up` prints lines for eval:       eval "$(slurm/dev-cluster.sh up)"
# State (configuration, logs, spool, keys) lives in DIR, default ${TMPDIR:-/tmp}/wildreward-slurm-UID; `down` stops everything and removes it.
#   NODES  virtual nodes (default 4)        PORT  first of NODES + 1 ports (default 27100)        KEEP=1  `down` keeps DIR with its logs
set -u
action=${1:-}
dir=${2:-${TMPDIR:-/tmp}/wildreward-slurm-$(id -u)}
nodes=${NODES:-4}
port=${PORT:-27100}
PATH=$PATH:/usr/sbin:/sbin
conf=$dir/slurm.conf

say() { echo "dev-cluster: $*" >&2; }

# OMP_NUM_THREADS: all virtual nodes share this machine's cores. lo: Open MPI must not look for other networks between them.
print_env() {
    cat <<ENV
export SLURM_CONF=$conf
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_rmaps_base_oversubscribe=1
export OMP_NUM_THREADS=1
ENV
}

write_conf() {
    local host user i
    host=$(hostname -s)
    user=$(id -un)
    mkdir -p "$dir"/{state,spool,log,munge}
    chmod 755 "$dir" "$dir/munge"
    cat >"$conf" <<CONF
ClusterName=wildreward
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
# A short credential life lets a requeued job start after seconds rather than minutes.
AuthInfo=cred_expire=10,socket=$dir/munge/socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
# One TmpFS for each virtual node: PMIx keeps its sockets there, and they must not meet.
TmpFS=$dir/tmp/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
MinJobAge=3600
KillWait=15
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    for i in $(seq "$nodes"); do
        mkdir -p "$dir/tmp/n$i"
        echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=2 RealMemory=2000 State=UNKNOWN" >>"$conf"
    done
}

up() {
    local tool i
    for tool in slurmctld slurmd munged sinfo; do
        command -v $tool >/dev/null || {
            say "$tool not found: install slurm-wlm and munge (make deps-dev)"
            return 1
        }
    done
    if alive; then
        say "already up in $dir"
        print_env
        return 0
    fi
    rm -rf "$dir"
    write_conf || return 1
    # An own munged: own key and socket, so that neither /etc/munge nor a system daemon is needed or disturbed.
    head -c 128 /dev/urandom >"$dir/munge/key"
    chmod 600 "$dir/munge/key"
    munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
        --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" --num-threads=4 2>"$dir/log/munged.out" || {
        say "munged did not start: $(tail -n 1 "$dir/log/munged.out")"
        return 1
    }
    export SLURM_CONF=$conf
    # Jobs inherit the daemons' environment in places: a pinned slow BLAS kernel must not get in.
    unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
    slurmctld -c -f "$conf" >"$dir/log/slurmctld.out" 2>&1 </dev/null
    for i in $(seq "$nodes"); do slurmd -f "$conf" -N "n$i" >>"$dir/log/slurmd.out" 2>&1 </dev/null; done
    for i in $(seq 150); do
        if [ "$(sinfo -h -o %D -t idle 2>/dev/null)" = "$nodes" ]; then
            say "$nodes virtual nodes are idle (state in $dir)"
            print_env
            return 0
        fi
        sleep 0.2
    done
    say "the nodes did not come up within 30 s:"
    sinfo >&2
    tail -n 5 "$dir"/log/*.log >&2
    return 1
}

pids() { cat "$dir"/slurmd-*.pid "$dir/slurmctld.pid" "$dir/munge/pid" 2>/dev/null; }

alive() {
    local pid
    pid=$(cat "$dir/slurmctld.pid" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null
}

down() {
    local pid any
    [ -d "$dir" ] || {
        say "nothing to stop in $dir"
        return 0
    }
    export SLURM_CONF=$conf
    if alive; then
        timeout 10 scancel --quiet --user="$(id -un)" 2>/dev/null
        for _ in $(seq 50); do
            [ -z "$(timeout 5 squeue -h 2>/dev/null)" ] && break
            sleep 0.2
        done
    fi
    for pid in $(cat "$dir"/slurmd-*.pid "$dir/slurmctld.pid" 2>/dev/null); do kill "$pid" 2>/dev/null; done
    for _ in $(seq 50); do
        any=
        for pid in $(cat "$dir"/slurmd-*.pid "$dir/slurmctld.pid" 2>/dev/null); do kill -0 "$pid" 2>/dev/null && any=1; done
        [ -z "$any" ] && break
        sleep 0.1
    done
    for pid in $(pids); do kill "$pid" 2>/dev/null; done
    sleep 0.2
    for pid in $(pids); do kill -KILL "$pid" 2>/dev/null; done
    if [ "${KEEP:-0}" = 1 ]; then say "stopped; logs are in $dir/log"; else rm -rf "$dir"; fi
}

status() {
    if ! alive; then
        say "not running in $dir"
        return 1
    fi
    export SLURM_CONF=$conf
    sinfo
    squeue
}

case $action in
up) up ;;
down) down ;;
status) status ;;
env) print_env ;;
*)
    sed -n '2,7s/^# //p' "$0"
    [ "$action" = --help ] || exit 2
    ;;
esac
