#!/bin/sh
# kill -9 of the broker under load: every acknowledged message is there after the restart, in its place, and no
# queue has a gap or a duplicate. Small segments, so that kills hit file rolls.
#
#   kill9.sh [--system java|ours] [--rounds 20] [--set KEY=VALUE]... [--messages MAX_PER_ROUND]
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
for part in ports process disk java cluster; do . "$here/../lib/$part.sh"; done

system=ours
rounds=20
most=4000
lines="mappedFileSizeCommitLog=1048576 mappedFileSizeConsumeQueue=4000 maxHashSlotNum=2000 maxIndexNum=4000"
while [ $# -gt 0 ]; do
    case $1 in
    --system) system=$2; shift 2 ;;
    --rounds) rounds=$2; shift 2 ;;
    --messages) most=$2; shift 2 ;;
    --set) lines="$lines $2"; shift 2 ;;
    *) sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2 ;;
    esac
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-kill9.XXXXXX")
producer=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    [ -z "$producer" ] || stop_process "$producer" 5
    cluster_stop "$folder"
    if [ "$status" = 0 ]; then rm -rf "$folder"; else echo "kept for inspection: $folder" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# acknowledged FILE COUNT: the producer has written down at least COUNT acknowledgements, or has ended.
acknowledged() {
    [ "$(grep -c '^ack ' "$1")" -ge "$2" ] || ! process_alive "$producer"
}

# shellcheck disable=SC2086
cluster_start "$folder" "$system" "$system" $lines || exit 1
files=
round=1
while [ "$round" -le "$rounds" ]; do
    acked="$folder/acked.$round"
    : >"$acked"
    JAVA_RUN_OPTS="-Xmx256m" "$here/java-run" interop.Interop "127.0.0.1:$NAMESRV_PORT" produce \
        topic=Journal threads=8 size=2000 send-timeout=2000 >"$acked" 2>"$folder/producer.err" &
    producer=$!
    target=$(awk -v seed="$round$$" -v most="$most" 'BEGIN { srand(seed); print 50 + int(rand() * most) }')
    wait_until 60 acknowledged "$acked" "$target" || { echo "round $round: no acknowledgements" >&2; exit 1; }
    cluster_stop_broker "$folder" KILL
    wait_until 60 process_gone "$producer" || { echo "round $round: the producer hangs" >&2; exit 1; }
    producer=
    count=$(grep -c '^ack ' "$acked")
    [ "$count" -gt 0 ] || { echo "round $round: nothing was acknowledged" >&2; cat "$folder/producer.err" >&2; exit 1; }
    files="${files:+$files,}$acked"
    cluster_start_broker "$folder" || exit 1
    echo "round $round: killed after $count acknowledged messages"
    "$here/java-run" interop.Interop "127.0.0.1:$NAMESRV_PORT" consume-all topic=Journal "acked=$files" || exit 1
    round=$((round + 1))
done
cluster_stop "$folder"
"$here/java-run" interop.Interop - verify-store "dir=$folder/store" commitlog=1048576 cq=4000 slots=2000 indexes=4000
