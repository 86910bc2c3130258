#!/bin/sh
# Starts and stops a name server and a broker on free ports, Java's or ours.
#
#   cluster.sh start DIR [options]           leaves them running; DIR/cluster.env tells addresses and pids
#   cluster.sh stop DIR
#   cluster.sh stop-broker DIR | kill-broker DIR | start-broker DIR [java|ours]
#   cluster.sh run [options] -- COMMAND...   in a scratch folder; NAMESRV_ADDR, BROKER_ADDR, BROKER_PID and
#                                            CLUSTER_DIR are set for COMMAND; all is stopped whatever happens
# Options: --system java|ours (both daemons), --namesrv java|ours, --broker java|ours,
#          --set KEY=VALUE (a line of broker.conf, repeatable), --keep (run: keep the folder)
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
for part in ports process disk java cluster; do . "$here/../lib/$part.sh"; done

usage() {
    sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2
    exit 2
}

# Absolute form of a folder that may not exist yet.
absolute() {
    mkdir -p "$1" && (cd "$1" && pwd)
}

[ $# -ge 1 ] || usage
action=$1
shift
folder=
case $action in
run) ;;
start | stop | stop-broker | kill-broker | start-broker)
    [ $# -ge 1 ] || usage
    folder=$(absolute "$1")
    shift
    ;;
*) usage ;;
esac

case $action in
stop) cluster_stop "$folder"; exit ;;
stop-broker) cluster_stop_broker "$folder"; exit ;;
kill-broker) cluster_stop_broker "$folder" KILL; exit ;;
start-broker) cluster_start_broker "$folder" "${1:-}"; exit ;;
esac

namesrv=java
broker=java
keep=
lines=
while [ $# -gt 0 ]; do
    case $1 in
    --system) namesrv=$2; broker=$2; shift 2 ;;
    --namesrv) namesrv=$2; shift 2 ;;
    --broker) broker=$2; shift 2 ;;
    --set) lines="$lines $2"; shift 2 ;;
    --keep) keep=1; shift ;;
    --) shift; break ;;
    *) usage ;;
    esac
done

if [ "$action" = start ]; then
    # shellcheck disable=SC2086
    cluster_start "$folder" "$namesrv" "$broker" $lines || exit 1
    cat "$folder/cluster.env"
    exit
fi

[ $# -ge 1 ] || usage
folder=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-cluster.XXXXXX")
command_pid=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    [ -z "$command_pid" ] || stop_process "$command_pid" 5
    cluster_stop "$folder"
    if [ -n "$keep" ]; then echo "kept: $folder" >&2; else rm -rf "$folder"; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# shellcheck disable=SC2086
cluster_start "$folder" "$namesrv" "$broker" $lines || exit 1
cluster_load "$folder"
export NAMESRV_ADDR="127.0.0.1:$NAMESRV_PORT" BROKER_ADDR="127.0.0.1:$BROKER_PORT" BROKER_PID CLUSTER_DIR="$folder"
# In the background, so that a signal to this script is served at once.
"$@" <&0 &
command_pid=$!
wait "$command_pid"
result=$?
command_pid=
exit "$result"
