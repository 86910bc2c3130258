#!/bin/sh
# The judge: Java 4.9.2 and ours in turn (A B A B) on the same disk with the same load tool.
#
#   bench/run.sh [--quick] [--pairs N] [--systems java,ours] [--cases NAME,NAME] [--history FILE]
#
# --systems java,java compares Java with itself: its ratios show the noise of the machine. The load tool is a
# driver on the unmodified Java client. Results: bench/results/<time>.jsonl; --history adds medians and ratios
# to a JSON file. OURS_NAMESRV, OURS_BROKER and ROCKETMQ_DIST say how ours is started (tests/lib/cluster.sh);
# JAVA_BENCH_HEAP and LOAD_HEAP change the JVM options.
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/.." && pwd)
JAVA_NAMESRV_HEAP="-Xms256m -Xmx256m -XX:+UseG1GC"
# As runbroker.sh documents, at 1 GiB; without AlwaysPreTouch, which would only add to Java's memory and boot time.
JAVA_BROKER_HEAP="${JAVA_BENCH_HEAP:--Xms1g -Xmx1g -XX:MaxDirectMemorySize=1g -XX:+UseG1GC -XX:G1HeapRegionSize=16m -XX:G1ReservePercent=25 -XX:InitiatingHeapOccupancyPercent=30 -XX:SoftRefLRUPolicyMSPerMB=0 -XX:-OmitStackTraceInFastThrow -XX:-UseLargePages}"
# A wide young generation keeps the load tool's own collections out of the latencies.
load_heap="${LOAD_HEAP:--Xms2g -Xmx2g -Xmn1600m -XX:+UseParallelGC -XX:+AlwaysPreTouch}"
for part in ports process disk java cluster; do . "$repo/tests/lib/$part.sh"; done

form=full
pairs=
systems=java,ours
only=
history=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) form=quick; shift ;;
    --pairs) pairs=$2; shift 2 ;;
    --systems) systems=$2; shift 2 ;;
    --cases) only=",$2,"; shift 2 ;;
    --history) history=$2; shift 2 ;;
    *) sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2 ;;
    esac
done
[ -n "$pairs" ] || pairs=2
own_tool="${CARGO_TARGET_DIR:-$repo/target}/release/rocketmq-load"
[ -x "$own_tool" ] || { echo "bench: $own_tool is missing; run: make bench" >&2; exit 1; }
base=${systems%,*}
other=${systems#*,}
other_label=$other
[ "$base" != "$other" ] || other_label="$other-again"

[ -r /proc/self/stat ] || { echo "bench: reads CPU time and memory from Linux's /proc; not there" >&2; exit 1; }
# Java's broker keeps a file of every queue open.
ulimit -n 200000 2>/dev/null || ulimit -n "$(ulimit -H -n)"
"$repo/tests/interop/setup.sh" || exit 1
mkdir -p "$here/results" "$repo/target/bench"
results="$here/results/$(date -u +%Y%m%dT%H%M%SZ).jsonl"
scratch=$(mktemp -d "$repo/target/bench/run.XXXXXX")
cluster=
slave=
slave_pid=
slave_port=
loader=
floor=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    [ -z "$loader" ] || stop_process "$loader" 5
    [ -z "$floor" ] || stop_process "$floor" 5
    [ -z "$slave" ] || slave_stop
    [ -z "$cluster" ] || cluster_stop "$cluster"
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

begun=$(date +%s)
say() { echo "bench $(($(date +%s) - begun)) s: $*" >&2; }

# java_tool CLASS ARGUMENTS...: one line of JSON into $scratch/line; in the background, so that a signal ends it.
java_tool() {
    # shellcheck disable=SC2086
    "$java_bin" $tool_heap $java_flags -cp "$java_class_path" "$@" >"$scratch/line" 2>"$scratch/tool.err" &
    loader=$!
    wait "$loader"
    tool_status=$?
    loader=
    if [ "$tool_status" != 0 ]; then
        say "$1 $2 failed:"
        tail -n 20 "$scratch/tool.err" >&2
    fi
    return "$tool_status"
}

# keep CASE LABEL PAIR: the line goes to the results with its place.
keep() {
    grep '^{' "$scratch/line" | tail -n 1 |
        sed "s/^{/{\"case\":\"$1\",\"system\":\"$2\",\"pair\":$3,/" | tee -a "$results" >&2
}

# load MODE PARAMETERS...: by the load tool that $tool names.
load() {
    set -- "$@" "namesrv=127.0.0.1:$NAMESRV_PORT" "pid=$BROKER_PID"
    if [ "$tool" = java ]; then
        tool_heap=$load_heap
        java_tool bench.Load "$@"
        return
    fi
    "$own_tool" "$@" >"$scratch/line" 2>"$scratch/tool.err" &
    loader=$!
    wait "$loader"
    tool_status=$?
    loader=
    [ "$tool_status" = 0 ] || { say "$1 failed:"; tail -n 20 "$scratch/tool.err" >&2; }
    return "$tool_status"
}

# restarted KEY: starts the broker again and adds to the line how long that took, in ms, and what memory it has then.
restarted() {
    restart_begun=$(date +%s%N)
    cluster_start_broker "$cluster" || return 1
    restart_ms=$((($(date +%s%N) - restart_begun) / 1000000))
    restart_anon=$(awk '/^RssAnon/ { print $2 }' "/proc/$BROKER_PID/status")
    # The later of two equal keys counts.
    sed "s/}\$/,\"$1\":$restart_ms,\"rss_anon_kib\":$restart_anon}/" \
        "$scratch/line" >"$scratch/line.new" && mv "$scratch/line.new" "$scratch/line"
}

# Writes back and drops the cached pages of the commit log; the daemon must not have them mapped.
evict() {
    find "$1" -type f -size +0 | while read -r evict_file; do
        dd if=/dev/null of="$evict_file" conv=notrunc,fdatasync oflag=append status=none
        dd if="$evict_file" iflag=nocache count=0 status=none
    done
}

# run_case NAME MODE PARAMETERS...: on the running cluster; the result is in $scratch/line.
run_case() {
    case_name=$1
    case_mode=$2
    shift 2
    case $case_mode in
    drain | drain-cold)
        topic=$(echo "Bench_$case_name" | tr - _)
        load fill "topic=$topic" "$@" || return 1
        if [ "$case_mode" = drain-cold ]; then
            cluster_stop_broker "$cluster"
            evict "$cluster/store"
            cluster_start_broker "$cluster" || return 1
        fi
        load drain "topic=$topic" "$@"
        ;;
    topics)
        load topics "$@" || return 1
        cluster_stop_broker "$cluster"
        restarted boot_ms
        ;;
    recovery)
        load fill "topic=Bench_recovery" "$@" || return 1
        cluster_stop_broker "$cluster" KILL
        restarted boot_ms
        ;;
    idle)
        load idle "broker=127.0.0.1:$BROKER_PORT" "$@"
        ;;
    *) load "$case_mode" "$@" ;;
    esac
}

# A parameter may hold two values, FULL/QUICK: keeps the one of this form.
scaled() {
    echo "$@" | awk -v form="$form" '{ for (i = 1; i <= NF; i++) {
        if (split($i, kv, "=") == 2 && split(kv[2], v, "/") == 2) $i = kv[1] "=" (form == "quick" ? v[2] : v[1]) }
        print }'
}

selected() {
    sed 's/#.*//' "$here/cases" | awk -F'|' -v flush="$1" -v form="$form" -v only="$only" -v pair="$2" -v kind="$3" -v base="$base" '
        NF == 5 {
            for (i = 1; i <= 5; i++) gsub(/^ +| +$/, "", $i)
            if ($3 != flush) next
            if (only != "") { if (index(only, "," $1 ",") == 0) next } else if (form == "quick" && $2 != "quick") next
            if ($2 == "once" && (pair != 1 || (only == "" && kind == base))) next
            if (kind == "floor" && $5 !~ /^(sync|async|batch) /) next
            print $1, $4, $5
        }'
}

# boot_cases SYSTEM LABEL PAIR: both daemons, on an empty store, before anything else ran.
boot_cases() {
    cluster_stop_broker "$cluster"
    namesrv_conf=$(cat "$cluster/namesrv.conf")
    for kind in broker namesrv; do
        if [ "$kind" = namesrv ]; then
            boot_port=$(reserve_ports $$) || return 1
            echo "listenPort=$boot_port" >"$cluster/namesrv.conf"
        fi
        cluster_command "$cluster" "$1" "$kind"
        tool_heap="-Xmx64m"
        # shellcheck disable=SC2086
        ( set -f; export HOME="$cluster/user" ROCKETMQ_HOME="$launch_home"; java_tool bench.Boot \
            "rounds=$([ "$form" = quick ] && echo 3 || echo 5)" "idle-seconds=$([ "$form" = quick ] && echo 1 || echo 5)" \
            "wipe=$cluster/store" -- $launch_line ) &&
            keep "boot-$kind" "$2" "$3"
    done
    release_ports "$boot_port"
    echo "$namesrv_conf" >"$cluster/namesrv.conf"
    rm -rf "${cluster:?}/store"
    mkdir -p "$cluster/store"
    cluster_start_broker "$cluster"
}

# run_cases LABEL PAIR: those listed in $scratch/cases.
run_cases() {
    while read -r name tool mode rest <&3; do
        say "pair $2, $1: $name"
        # shellcheck disable=SC2046,SC2086
        if run_case "$name" "$mode" $(scaled $rest); then keep "$name" "$1" "$2"; else failures=1; fi
    done 3<"$scratch/cases"
}

# The floor answers the same frames and stores nothing: what a broker cannot go below.
floor_block() {
    selected ASYNC 1 floor >"$scratch/cases"
    [ -s "$scratch/cases" ] || return 0
    NAMESRV_PORT=$(reserve_ports $$) || exit 1
    mkdir -p "$scratch/floor"
    echo "listenPort=$NAMESRV_PORT" >"$scratch/floor/broker.conf"
    "$own_tool" echo -c "$scratch/floor/broker.conf" >"$scratch/floor/out" 2>&1 &
    floor=$!
    BROKER_PID=$floor
    wait_for_line 10 "$scratch/floor/out" "boot success" "$floor" || { cat "$scratch/floor/out" >&2; exit 1; }
    run_cases floor 1
    stop_process "$floor" 5
    floor=
    release_ports "$NAMESRV_PORT"
}

# slave_start SYSTEM: a slave of the cluster's broker, beside it; returns when it follows.
slave_start() {
    slave="$scratch/slave"
    rm -rf "$slave"
    mkdir -p "$slave/user" "$slave/store"
    java_home_files "$slave/home"
    slave_port=$(reserve_ports $$) || return 1
    {
        grep -v -e '^listenPort=' -e '^brokerId=' -e '^brokerRole=' -e '^storePath' "$cluster/broker.conf"
        echo "listenPort=$slave_port"
        echo "brokerId=1"
        echo "brokerRole=SLAVE"
        echo "storePathRootDir=$slave/store"
        echo "storePathCommitLog=$slave/store/commitlog"
    } >"$slave/broker.conf"
    cluster_boot "$slave" "$1" broker || return 1
    slave_pid=$launched
    # Java's log lies with its home, ours with the user's.
    wait_until 90 grep -q -s "request offset" "$cluster/user/logs/rocketmqlogs/store.log" "$cluster/home/logs/broker.log" ||
        { say "no slave connected to $1 within 90 s"; return 1; }
}

slave_stop() {
    [ -z "$slave_pid" ] || stop_process "$slave_pid" 30
    release_ports "$slave_port"
    rm -rf "${slave:?}"
    slave=
    slave_pid=
}

# block SYSTEM LABEL PAIR: all cases of one system, a fresh cluster for each flush mode, and for each role of a master
# with a slave.
block() {
    for flush in ASYNC SYNC ASYNC_MASTER SYNC_MASTER; do
        selected "$flush" "$3" "$1" >"$scratch/cases"
        with_boot=
        case $flush:$only in ASYNC: | ASYNC:*,boot,*) with_boot=1 ;; esac
        [ "$form" = full ] || [ "$3" = 1 ] || with_boot=
        [ -s "$scratch/cases" ] || [ -n "$with_boot" ] || continue
        cluster="$scratch/cluster"
        rm -rf "$cluster"
        case $flush in
        *_MASTER) mode="flushDiskType=ASYNC_FLUSH brokerRole=$flush" ;;
        *) mode="flushDiskType=${flush}_FLUSH" ;;
        esac
        # shellcheck disable=SC2086 # words
        cluster_start "$cluster" "$1" "$1" $mode "mappedFileSizeCommitLog=1073741824" || exit 1
        case $flush in *_MASTER) slave_start "$1" || exit 1 ;; esac
        [ -z "$with_boot" ] || boot_cases "$1" "$2" "$3" || exit 1
        say "pair $3, $2, $mode: warming the broker up"
        tool=java
        # shellcheck disable=SC2046 # words
        load sync threads=16 size=1024 warm=0 $(scaled count=120000/60000) || exit 1
        run_cases "$2" "$3"
        [ -z "$slave" ] || slave_stop
        cluster_stop "$cluster"
        cluster=
        rm -rf "$scratch/cluster"
    done
}

failures=
{
    printf '{"machine":"%s","cpus":%s,"kernel":"%s","date":"%s","commit":"%s","form":"%s","pairs":%s,"java":"%s"}\n' \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(getconf _NPROCESSORS_ONLN)" "$(uname -r)" \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(git -C "$repo" rev-parse --short HEAD 2>/dev/null)" "$form" "$pairs" \
        "$("$java_bin" -version 2>&1 | sed -n '1s/"//gp')"
} >"$results"
pair=1
while [ "$pair" -le "$pairs" ]; do
    block "$base" "$base" "$pair"
    block "$other" "$other_label" "$pair"
    [ "$pair" != 1 ] || floor_block
    pair=$((pair + 1))
done
tool_heap="-Xmx64m"
# shellcheck disable=SC2086
"$java_bin" $tool_heap -cp "$java_class_path" bench.Report "$results" "$base" "$other_label" "$here/targets" ${history:+"$history"}
say "results: $results"
[ -z "$failures" ]
