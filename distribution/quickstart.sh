#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# quickstart.sh DISTRIBUTION: a name server, a broker, the quickstart Producer and Consumer, and the end of all of
# them, in a scratch home that goes away afterwards. VERBOSE=1 shows every line of the two programs. Takes free ports
# where the default ones are in use.
set -u
repo=$(cd "$(dirname "$0")/.." && pwd)
for part in ports process disk; do . "$repo/tests/lib/$part.sh"; done
[ $# = 1 ] && [ -x "$1/libexec/rocketmq" ] || { echo "usage: quickstart.sh DISTRIBUTION" >&2; exit 2; }

mkdir -p "$repo/target"
scratch=$(mktemp -d "$repo/target/quickstart.XXXXXX")
namesrv_pid=
broker_pid=
consumer_pid=
reserved=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    for pid in $consumer_pid $broker_pid $namesrv_pid; do stop_process "$pid"; done
    # shellcheck disable=SC2086
    release_ports $reserved
    if [ "$status" = 0 ]; then rm -rf "$scratch"; else echo "kept for inspection: $scratch" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
fail() {
    echo "quickstart: $1" >&2
    exit 1
}

# A copy of its own, so that mqshutdown below reaches these daemons and no others.
cp -R "$1" "$scratch/rocketmq"
cd "$scratch/rocketmq" || exit 1
export HOME="$scratch/home"
mkdir -p "$HOME"
unset ROCKETMQ_HOME NAMESRV_ADDR

namesrv_options=
broker_options=
address=localhost:9876
busy=" $(ports_in_use | tr '\n' ' ') "
case $busy in
*" 9876 "* | *" 10909 "* | *" 10911 "* | *" 10912 "*)
    namesrv_port=$(reserve_ports $$) && reserved=$namesrv_port || exit 1
    broker_port=$(reserve_ports $$) && reserved="$reserved $broker_port" || exit 1
    echo "# a default port is in use: name server on $namesrv_port, broker on $broker_port"
    echo "listenPort=$namesrv_port" >"$scratch/namesrv.conf"
    echo "listenPort=$broker_port" >"$scratch/broker.conf"
    namesrv_options="-c $scratch/namesrv.conf"
    broker_options="-c $scratch/broker.conf"
    address="localhost:$namesrv_port"
    ;;
esac

# boot NAME COMMAND...: starts it, waits until it serves, shows what it printed; the pid is in $booted.
boot() {
    boot_out="$scratch/$1.out"
    shift
    echo "\$ nohup sh $* &"
    nohup sh "$@" >"$boot_out" 2>&1 </dev/null &
    booted=$!
    wait_for_line 60 "$boot_out" "boot success" "$booted" || { cat "$boot_out" >&2; fail "$1 did not start"; }
    cat "$boot_out"
}

# show FILE PATTERN: the lines, or the first and last three of them.
show() {
    grep -e "$2" "$1" >"$1.shown"
    lines=$(wc -l <"$1.shown")
    if [ -n "${VERBOSE:-}" ] || [ "$lines" -le 7 ]; then
        cat "$1.shown"
    else
        head -n 3 "$1.shown"
        echo "    ... $((lines - 6)) more lines of this kind (VERBOSE=1 shows them)"
        tail -n 3 "$1.shown"
    fi
}

received() { [ "$(grep -c 'Receive New Messages' "$scratch/consumer.out")" -ge "$1" ] || ! process_alive "$consumer_pid"; }

# shellcheck disable=SC2086
boot namesrv bin/mqnamesrv $namesrv_options
namesrv_pid=$booted
# shellcheck disable=SC2086
boot broker bin/mqbroker -n "$address" $broker_options
broker_pid=$booted

export NAMESRV_ADDR="$address"
echo "\$ export NAMESRV_ADDR=$address"
echo "\$ sh bin/tools.sh org.apache.rocketmq.example.quickstart.Producer"
sh bin/tools.sh org.apache.rocketmq.example.quickstart.Producer >"$scratch/producer.out" 2>&1 ||
    { cat "$scratch/producer.out" >&2; fail "the Producer failed"; }
show "$scratch/producer.out" .
sent=$(grep -c 'SendResult \[sendStatus=SEND_OK' "$scratch/producer.out")

echo "\$ sh bin/tools.sh org.apache.rocketmq.example.quickstart.Consumer"
sh bin/tools.sh org.apache.rocketmq.example.quickstart.Consumer >"$scratch/consumer.out" 2>&1 </dev/null &
consumer_pid=$!
wait_until 60 received "$sent" || fail "after 60 s the Consumer has not received what was sent; see consumer.out"
show "$scratch/consumer.out" .
got=$(grep -c 'Receive New Messages' "$scratch/consumer.out")
stop_process "$consumer_pid"
consumer_pid=

for daemon in broker namesrv; do
    echo "\$ sh bin/mqshutdown $daemon"
    sh bin/mqshutdown "$daemon" || fail "mqshutdown $daemon failed"
done
wait_until 30 process_gone "$broker_pid" || fail "the broker did not end"
wait_until 30 process_gone "$namesrv_pid" || fail "the name server did not end"
echo "# $sent messages sent, $got received, both daemons have ended"
[ "$sent" = 1000 ] && [ "$got" = 1000 ]
