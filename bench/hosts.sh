# Sourced: hosts of one machine as network namespaces, joined by a switch, each with its own name, TCP stack and link; for root.
# shellcheck shell=bash
#   hosts_up N [RATE]      hosts 1 … N at RATE (of tc: 1gbit) both ways; none without RATE
#   hosts_ranks N COMMAND… COMMAND on N hosts, one rank each (each=2: two, the first host's first)
#   hosts_down             they are gone; to be called on every way out (trap)
# Their names hold the process id: several users at a time do not meet.

hosts_tag=wr$$
hosts_net=10.77.0.0/24

hosts_possible() { [ "$(id -u)" = 0 ] && command -v ip >/dev/null && command -v tc >/dev/null && ip netns add "$hosts_tag-try" 2>/dev/null && ip netns del "$hosts_tag-try"; }

hosts_down() {
    local name
    for name in $(ip netns list 2>/dev/null | awk -v tag="$hosts_tag-" 'index($1, tag) == 1 { print $1 }'); do ip netns del "$name"; done
}

hosts_up() {
    local i name rate=${2:-} switch=$hosts_tag-s
    ip netns add "$switch" && ip -n "$switch" link add br0 type bridge && ip -n "$switch" link set br0 up || return 1
    for ((i = 1; i <= $1; i++)); do
        name=$hosts_tag-$i
        ip netns add "$name" && ip -n "$name" link set lo up || return 1
        ip -n "$switch" link add "p$i" type veth peer name eth0 netns "$name" || return 1
        ip -n "$switch" link set "p$i" master br0 up
        ip -n "$name" addr add "10.77.0.$i/24" dev eth0 && ip -n "$name" link set eth0 up || return 1
        [ -z "$rate" ] && continue
        ip netns exec "$name" tc qdisc replace dev eth0 root tbf rate "$rate" burst 1mb latency 50ms || return 1
        ip netns exec "$switch" tc qdisc replace dev "p$i" root tbf rate "$rate" burst 1mb latency 50ms || return 1
    done
}

# mpirun itself runs on the first host; a host's daemon is started by what it takes for ssh.
hosts_ranks() { # N COMMAND…
    local n=$1 each=${each:-1} list='' i agent=${work:?}/enter
    shift
    printf '#!/bin/bash\nwhile [ "${1#-}" != "$1" ]; do shift; done\nh=$1; shift\nexec ip netns exec "$h" unshare --uts sh -c "hostname $h; $*"\n' >"$agent"
    chmod +x "$agent"
    for ((i = 1; i <= n; i++)); do list+=${list:+,}$hosts_tag-$i:$each; done
    # shellcheck disable=SC2016
    ip netns exec "$hosts_tag-1" unshare --uts sh -c 'hostname "$1"; shift; exec mpirun "$@"' sh "$hosts_tag-1" --quiet --mca plm rsh --mca plm_rsh_agent "$agent" \
        --mca plm_rsh_no_tree_spawn 1 --mca btl_tcp_if_include $hosts_net --mca oob_tcp_if_include $hosts_net --map-by slot --bind-to none -x OMP_NUM_THREADS -H "$list" -n "$((n * each))" "$@"
}
