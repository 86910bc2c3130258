# A name server and a broker on free ports of 127.0.0.1, sourced by POSIX shells.
# Needs $repo and ports.sh, process.sh, disk.sh, java.sh. Either daemon is of system
# "java" (the unmodified 4.9.2 jars) or "ours" (the packaged distribution).
#
# All state of a cluster lies in one folder: home/ (ROCKETMQ_HOME of Java),
# user/ (HOME), store/, namesrv.conf, broker.conf, *.out and cluster.env.

ours_dist="${ROCKETMQ_DIST:-$repo/distribution/target/rocketmq-4.9.2/rocketmq-4.9.2}"
ours_namesrv="${OURS_NAMESRV:-sh $ours_dist/bin/mqnamesrv}"
ours_broker="${OURS_BROKER:-sh $ours_dist/bin/mqbroker}"
java_namesrv_heap="${JAVA_NAMESRV_HEAP:--Xms64m -Xmx128m}"
java_broker_heap="${JAVA_BROKER_HEAP:--Xms256m -Xmx512m -XX:MaxDirectMemorySize=512m}"

# cluster_save DIR: writes what stop and the callers need.
cluster_save() {
    cat >"$1/cluster.env" <<ENV
NAMESRV_SYSTEM=$NAMESRV_SYSTEM
BROKER_SYSTEM=$BROKER_SYSTEM
NAMESRV_PORT=$NAMESRV_PORT
BROKER_PORT=$BROKER_PORT
NAMESRV_ADDR=127.0.0.1:$NAMESRV_PORT
BROKER_ADDR=127.0.0.1:$BROKER_PORT
NAMESRV_PID=$NAMESRV_PID
BROKER_PID=$BROKER_PID
BROKER_CONF=$1/broker.conf
STORE=$1/store
ENV
}

# cluster_command DIR SYSTEM KIND: sets $launch_line and $launch_home for the daemon.
cluster_command() {
    case $2:$3 in
    java:namesrv) launch_line="$java_bin $java_namesrv_heap $java_flags $any_disk -Duser.home=$1/user -cp $java_class_path org.apache.rocketmq.namesrv.NamesrvStartup" ;;
    java:broker) launch_line="$java_bin $java_broker_heap $java_flags $any_disk -Duser.home=$1/user -cp $java_class_path org.apache.rocketmq.broker.BrokerStartup" ;;
    ours:namesrv) launch_line=$ours_namesrv ;;
    ours:broker) launch_line=$ours_broker ;;
    *)
        echo "system is java or ours, not $2" >&2
        return 1
        ;;
    esac
    launch_line="$launch_line -c $1/$3.conf"
    if [ "$2" = java ]; then
        launch_home="$1/home"
    else
        launch_home="${ROCKETMQ_HOME:-$ours_dist}"
    fi
}

# cluster_launch DIR SYSTEM KIND: starts the daemon, sets $launched to the pid of what was started.
cluster_launch() {
    cluster_command "$1" "$2" "$3" || return 1
    launch_out="$1/$3.out"
    : >"$launch_out"
    # No word of the line holds blanks or patterns except the class path's own star, which java expands.
    (
        set -f
        cd "$1" || exit 1
        export HOME="$1/user" ROCKETMQ_HOME="$launch_home"
        unset NAMESRV_ADDR
        # shellcheck disable=SC2086
        exec $launch_line </dev/null >>"$launch_out" 2>&1
    ) &
    launched=$!
}

# cluster_boot DIR SYSTEM KIND: launches and waits for "boot success"; sets $launched to the daemon's pid.
cluster_boot() {
    cluster_launch "$1" "$2" "$3" || return 1
    if ! wait_for_line 60 "$1/$3.out" "boot success" "$launched"; then
        echo "$3 ($2) did not start; its output:" >&2
        tail -n 40 "$1/$3.out" >&2
        stop_process "$launched" 2
        return 1
    fi
    launched=$(daemon_of "$launched")
}

# cluster_start DIR NAMESRV_SYSTEM BROKER_SYSTEM [KEY=VALUE...]: configuration lines are added to broker.conf.
cluster_start() {
    cluster_dir=$1
    NAMESRV_SYSTEM=$2
    BROKER_SYSTEM=$3
    shift 3
    NAMESRV_PID=
    BROKER_PID=
    mkdir -p "$cluster_dir/user" "$cluster_dir/store"
    java_home_files "$cluster_dir/home"
    NAMESRV_PORT=$(reserve_ports $$) && BROKER_PORT=$(reserve_ports $$) || return 1
    cluster_save "$cluster_dir"
    echo "listenPort=$NAMESRV_PORT" >"$cluster_dir/namesrv.conf"
    {
        echo "brokerClusterName=DefaultCluster"
        echo "brokerName=broker-a"
        echo "brokerId=0"
        echo "brokerIP1=127.0.0.1"
        echo "brokerIP2=127.0.0.1"
        echo "listenPort=$BROKER_PORT"
        echo "namesrvAddr=127.0.0.1:$NAMESRV_PORT"
        echo "storePathRootDir=$cluster_dir/store"
        echo "storePathCommitLog=$cluster_dir/store/commitlog"
        echo "diskMaxUsedSpaceRatio=95"
        for cluster_line in "$@"; do echo "$cluster_line"; done
    } >"$cluster_dir/broker.conf"
    cluster_boot "$cluster_dir" "$NAMESRV_SYSTEM" namesrv || { cluster_stop "$cluster_dir"; return 1; }
    NAMESRV_PID=$launched
    echo "$NAMESRV_PID" >"$ports_root/$NAMESRV_PORT/pid"
    cluster_save "$cluster_dir"
    cluster_start_broker "$cluster_dir" "$BROKER_SYSTEM" || { cluster_stop "$cluster_dir"; return 1; }
}

# cluster_start_broker DIR [SYSTEM]: (re)starts the broker on the configuration and store that are there.
cluster_start_broker() {
    cluster_load "$1"
    BROKER_SYSTEM=${2:-$BROKER_SYSTEM}
    cluster_boot "$1" "$BROKER_SYSTEM" broker || return 1
    BROKER_PID=$launched
    echo "$BROKER_PID" >"$ports_root/$BROKER_PORT/pid"
    cluster_save "$1"
}

# cluster_load DIR: reads cluster.env into variables.
cluster_load() {
    # shellcheck disable=SC1091
    . "$1/cluster.env"
}

# cluster_stop_broker DIR [KILL]: a clean stop, or kill -9 with the word KILL.
cluster_stop_broker() {
    cluster_load "$1"
    if [ -n "$BROKER_PID" ]; then
        if [ "${2:-}" = KILL ]; then
            kill -9 "$BROKER_PID" 2>/dev/null
            wait_until 10 process_gone "$BROKER_PID"
        else
            stop_process "$BROKER_PID" 30
        fi
    fi
    BROKER_PID=
    cluster_save "$1"
}

# cluster_stop DIR: stops both daemons and gives the ports back; fine to call twice.
cluster_stop() {
    [ -f "$1/cluster.env" ] || return 0
    cluster_stop_broker "$1"
    stop_process "$NAMESRV_PID" 20
    NAMESRV_PID=
    release_ports "$NAMESRV_PORT" "$BROKER_PORT"
    NAMESRV_PORT=
    BROKER_PORT=
    cluster_save "$1"
}
