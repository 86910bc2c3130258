#!/bin/sh
# The rolling migration of docs/migration.md and the way back, under load: two name servers, two masters and two slaves
# of Java 4.9.2 are replaced by ours node by node, on their own folders, and back. Java's producer and consumer go on all
# the time. In the end every acknowledged message was consumed, is in its place on its master, and each slave's commit
# log is its master's.
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
# Six of Java's daemons at once.
JAVA_NAMESRV_HEAP=${JAVA_NAMESRV_HEAP:--Xms32m -Xmx64m}
JAVA_BROKER_HEAP=${JAVA_BROKER_HEAP:--Xms96m -Xmx192m -XX:MaxDirectMemorySize=256m}
for part in ports process disk java cluster; do . "$here/../lib/$part.sh"; done
ours_mqadmin="${OURS_MQADMIN:-sh $ours_dist/bin/mqadmin}"
"$here/setup.sh" || exit 1

nodes="namesrv-1 namesrv-2 broker-a-s broker-b-s broker-a broker-b"
# Messages that must be acknowledged and consumed between two steps.
between=100
folder=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-migration.XXXXXX")
producer=
consumer=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    touch "$folder/over"
    for finish_pid in $producer $consumer; do stop_process "$finish_pid" 10; done
    for finish_node in broker-a broker-b broker-a-s broker-b-s namesrv-1 namesrv-2; do
        [ ! -s "$folder/$finish_node/pid" ] || stop_process "$(cat "$folder/$finish_node/pid")" 20
        [ ! -s "$folder/$finish_node/port" ] || release_ports "$(cat "$folder/$finish_node/port")"
    done
    if [ "$status" = 0 ]; then rm -rf "$folder"; else echo "kept for inspection: $folder" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
fail() {
    echo "$1" >&2
    exit 1
}

kind_of() { case $1 in namesrv-*) echo namesrv ;; *) echo broker ;; esac; }
start_node() {
    cluster_boot "$folder/$1" "$2" "$(kind_of "$1")" || fail "$1 ($2) does not start"
    echo "$launched" >"$folder/$1/pid"
}
stop_node() {
    stop_process "$(cat "$folder/$1/pid")" 40
    : >"$folder/$1/pid"
}
# listed PORT: every broker that should run is known to the name server on that port.
listed() {
    $ours_mqadmin clusterList -n "127.0.0.1:$1" >"$folder/list" 2>/dev/null
    for listed_node in broker-a broker-b broker-a-s broker-b-s; do
        grep -q ":$(cat "$folder/$listed_node/port") " "$folder/list" || return 1
    done
}
# Before the next node: a name server that lacks a broker would make clients forget it.
all_listed() {
    for listed_at in namesrv-1 namesrv-2; do
        wait_until 60 listed "$(cat "$folder/$listed_at/port")" ||
            fail "$1: $listed_at does not list every broker: $(cat "$folder/list")"
    done
}
count() { grep -c "^$1 " "$folder/$2" || :; }
grew() { [ "$(count "$1" "$2")" -ge "$3" ]; }
# Producer and consumer both get on by some messages.
goes_on() {
    want_acked=$(($(count ack acked) + between))
    want_got=$(($(count got got) + between))
    wait_until 60 grew ack acked "$want_acked" || fail "$1: the producer does not go on"
    wait_until 60 grew got got "$want_got" || fail "$1: the consumer does not go on"
}
# The producer sends to both masters: it has looked at its routes since the last change of a name server or master.
# An acknowledgement ends with the offset id, which names the master's port.
acked_by() { grep -c " 7F000001$(printf '%08X' "$(cat "$folder/$1/port")")" "$folder/acked" || :; }
acked_more() { [ "$(acked_by "$1")" -gt "$2" ]; }
both_acknowledge() {
    for both_master in broker-a broker-b; do
        both_before=$(acked_by "$both_master")
        wait_until 60 acked_more "$both_master" "$both_before" || fail "$1: nothing is sent to $both_master"
    done
}
# Every acknowledged message was consumed.
all_consumed() {
    sed -n 's/^ack \([^ ]*\) .*/\1/p' "$folder/acked" | LC_ALL=C sort -u >"$folder/acked.ids"
    sed -n 's/^got //p' "$folder/got" | LC_ALL=C sort -u >"$folder/got.ids"
    [ -z "$(LC_ALL=C comm -23 "$folder/acked.ids" "$folder/got.ids" | head -n 1)" ]
}
# Every segment that both have is the same; one that only one has was made ahead and is empty.
same_logs() {
    for segment in "$folder/$1"/store/commitlog/* "$folder/$1-s"/store/commitlog/*; do
        own=$folder/$1/store/commitlog/${segment##*/}
        copy=$folder/$1-s/store/commitlog/${segment##*/}
        if [ -f "$own" ] && [ -f "$copy" ]; then
            cmp -s "$own" "$copy" || return 1
        else
            cmp -s -n "$(wc -c <"$segment")" "$segment" /dev/zero || return 1
        fi
    done
}

namesrvs=
for node in $nodes; do
    mkdir -p "$folder/$node/user" "$folder/$node/store"
    java_home_files "$folder/$node/home"
    port=$(reserve_ports $$) || exit 1
    echo "$port" >"$folder/$node/port"
    case $node in
    namesrv-*)
        namesrvs="${namesrvs:+$namesrvs;}127.0.0.1:$port"
        printf 'listenPort=%s\nmetricsPromExporterPort=0\n' "$port" >"$folder/$node/namesrv.conf"
        ;;
    *)
        {
            cat "$repo/conf/2m-2s-async/$node.properties"
            echo
            echo "brokerIP1=127.0.0.1"
            echo "brokerIP2=127.0.0.1"
            echo "listenPort=$port"
            echo "namesrvAddr=$namesrvs"
            echo "storePathRootDir=$folder/$node/store"
            echo "storePathCommitLog=$folder/$node/store/commitlog"
            echo "mappedFileSizeCommitLog=16777216"
            echo "diskMaxUsedSpaceRatio=95"
            # How soon a name server that was replaced knows everyone again; 30 s unless set.
            echo "registerNameServerPeriod=10000"
            echo "metricsPromExporterPort=0"
        } >"$folder/$node/broker.conf"
        ;;
    esac
done
for node in $nodes; do start_node "$node" java; done

all_listed "all of Java"
touch "$folder/acked" "$folder/got"
JAVA_RUN_OPTS=-Xmx128m "$here/java-run" interop.Interop "$namesrvs" follow topic=Migration group=Migrants \
    "until=$folder/over" >"$folder/got" 2>"$folder/consumer.err" &
consumer=$!
JAVA_RUN_OPTS=-Xmx128m "$here/java-run" interop.Interop "$namesrvs" produce topic=Migration threads=4 size=500 \
    send-timeout=3000 poll-routes=5000 pause=20 "until=$folder/enough" >"$folder/acked" 2>"$folder/producer.err" &
producer=$!
wait_until 60 grew ack acked 1 || fail "the producer does not start"
goes_on "all of Java"

begun=$(date +%s)
for to in ours java; do
    for node in $nodes; do
        stop_node "$node"
        # One node is always away; the others bear it.
        goes_on "without $node"
        start_node "$node" "$to"
        all_listed "$node is $to"
        both_acknowledge "$node is $to"
        goes_on "$node is $to"
    done
    echo "every node is $to: $(count ack acked) acknowledged, $(count unsure acked) unsure, $(count got got) consumed"
done
touch "$folder/enough"
wait_until 60 process_gone "$producer" || fail "the producer does not end"
producer=
# A send may meet a broker that stops; with another master and the client's retries that is rare.
[ $(($(count unsure acked) * 100)) -le "$(count ack acked)" ] || fail "more than one send of a hundred failed"
wait_until 60 all_consumed ||
    fail "not consumed: $(LC_ALL=C comm -23 "$folder/acked.ids" "$folder/got.ids" | wc -l) acknowledged messages"
"$here/java-run" interop.Interop "$namesrvs" consume-all topic=Migration repeated=true "acked=$folder/acked" ||
    fail "acknowledged messages are not in their places"
for name in broker-a broker-b; do
    wait_until 60 same_logs "$name" || fail "the commit logs of $name and its slave differ"
done
echo "migrated there and back in $(($(date +%s) - begun)) s: $(count ack acked) acknowledged messages, none lost; $(count unsure acked) sends failed"
