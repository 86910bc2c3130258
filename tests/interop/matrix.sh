#!/bin/sh
# Every messaging feature between each pair of clients and brokers: Java 4.9.2's, ours and Go's client, Java's broker and
# ours. Prints one Markdown table; it stays in target/interop/matrix.md. The rows are in matrix/src/feature.rs.
#
#   matrix.sh [FEATURE...]      default: all
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
for part in ports process disk java cluster; do . "$here/../lib/$part.sh"; done

"$here/setup.sh" && "$here/setup-go.sh" || exit 1
cargo build --locked -q --manifest-path "$repo/Cargo.toml" -p rocketmq-matrix || exit 1
program="${CARGO_TARGET_DIR:-$repo/target}/debug/rocketmq-matrix"

folder=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-matrix.XXXXXX")
running=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    [ -z "$running" ] || stop_process "$running" 5
    cluster_stop "$folder/ours"
    cluster_stop "$folder/java"
    if [ "$status" = 0 ]; then rm -rf "$folder"; else echo "kept for inspection: $folder" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Delays and checks that a test can wait for.
start() {
    mkdir -p "$folder/$1"
    cluster_start "$folder/$1" "$1" "$1" mappedFileSizeCommitLog=16777216 mappedFileSizeConsumeQueue=20000 \
        maxHashSlotNum=20000 maxIndexNum=40000 enablePropertyFilter=true traceTopicEnable=true \
        transactionCheckInterval=1000 transactionTimeOut=1000 "messageDelayLevel=1s 1s 1s 1s 1s" || exit 1
    address="127.0.0.1:$NAMESRV_PORT"
}
start java
java="$address"
start ours
ours="$address"

# Clients keep the offsets of broadcasting groups, and logs, in the home folder. Go's client calls an error what is none.
export HOME="$folder/home" ROCKETMQ_GO_LOG_LEVEL=fatal
mkdir -p "$HOME"
only=$(echo "$*" | tr ' ' ',')
"$program" "ours=$ours" "java=$java" "java-peer=$here/java-run interop.Matrix" "go-peer=$interop_out/go-peer" \
    ${only:+"only=$only"} >"$folder/matrix.md" &
running=$!
wait "$running"
result=$?
running=
cat "$folder/matrix.md"
[ -n "$only" ] || cp "$folder/matrix.md" "$interop_out/matrix.md"
exit "$result"
