#!/bin/sh
# A master and a slave of two systems: their commit logs are the same, byte by byte, after load, a restart of either and
# more load.
#
#   replication.sh [--master ours|java] [--slave ours|java]      default: ours, java
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
for part in ports process disk java cluster; do . "$here/../lib/$part.sh"; done

master=ours
slave=java
while [ $# -gt 0 ]; do
    case $1 in
    --master) master=$2; shift 2 ;;
    --slave) slave=$2; shift 2 ;;
    *) sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2 ;;
    esac
done
"$here/setup.sh" || exit 1

folder=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-replication.XXXXXX")
slave_pid=
slave_port=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    [ -z "$slave_pid" ] || stop_process "$slave_pid" 30
    release_ports "$slave_port"
    cluster_stop "$folder/master"
    if [ "$status" = 0 ]; then rm -rf "$folder"; else echo "kept for inspection: $folder" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_slave() {
    cluster_boot "$folder/slave" "$slave" broker || exit 1
    slave_pid=$launched
}
stop_slave() {
    stop_process "$slave_pid" 30
    slave_pid=
}
# Every segment that both have is the same; one that only one of them has was made ahead and is empty.
same_logs() {
    for segment in "$folder"/master/store/commitlog/* "$folder"/slave/store/commitlog/*; do
        name=${segment##*/}
        own=$folder/master/store/commitlog/$name
        copy=$folder/slave/store/commitlog/$name
        if [ -f "$own" ] && [ -f "$copy" ]; then
            cmp -s "$own" "$copy" || return 1
        else
            cmp -s -n "$(wc -c <"$segment")" "$segment" /dev/zero || return 1
        fi
    done
}
must_be_same() {
    wait_until 60 same_logs && return
    echo "$1: the commit logs of the master ($master) and the slave ($slave) differ" >&2
    exit 1
}
produce() {
    "$here/java-run" interop.Interop "127.0.0.1:$NAMESRV_PORT" produce topic=Copied "n=$1" >/dev/null || exit 1
}

mkdir -p "$folder/master" "$folder/slave/store" "$folder/slave/user"
cluster_start "$folder/master" ours "$master" brokerRole=ASYNC_MASTER mappedFileSizeCommitLog=1048576 || exit 1
java_home_files "$folder/slave/home"
slave_port=$(reserve_ports $$) || exit 1
sed -e "s|$folder/master|$folder/slave|" -e "s|^listenPort=.*|listenPort=$slave_port|" -e 's|^brokerId=.*|brokerId=1|' \
    -e 's|^brokerRole=.*|brokerRole=SLAVE|' "$folder/master/broker.conf" >"$folder/slave/broker.conf"
start_slave
# A slave that comes when the first segment is full would begin with the second; Java's asks 5 s after it connected.
produce 1
must_be_same "after one message"
produce 3000
must_be_same "after load"
stop_slave
produce 2000
start_slave
must_be_same "after the slave was away"
cluster_stop_broker "$folder/master"
cluster_start_broker "$folder/master" || exit 1
produce 2000
must_be_same "after the master was away"
stop_slave
cluster_stop_broker "$folder/master"
must_be_same "after both ended"
echo "master $master, slave $slave: the commit logs are the same"
