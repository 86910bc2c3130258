#!/bin/sh
# The unmodified Java 4.9.2 client, tools and store against a cluster; what `make test` runs.
#
#   run.sh [--system ours|java] [--rounds KILL9_ROUNDS]     default: ours, 20 rounds
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
for part in ports process disk java cluster; do . "$here/../lib/$part.sh"; done

system=ours
rounds=20
while [ $# -gt 0 ]; do
    case $1 in
    --system) system=$2; shift 2 ;;
    --rounds) rounds=$2; shift 2 ;;
    *) sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2 ;;
    esac
done
"$here/setup.sh" || exit 1

folder=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-interop.XXXXXX")
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    cluster_stop "$folder/main"
    cluster_stop "$folder/mixed"
    cluster_stop "$folder/extension"
    if [ "$status" = 0 ]; then rm -rf "$folder"; else echo "kept for inspection: $folder" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

failed=
step() {
    echo "== $1"
    shift
    "$@" || failed="$failed
  $*"
}
judge() { "$here/java-run" interop.Interop "$@"; }
# Our broker builds queues and extensions anew from Java's commit log; Java reads in them what it read in its own.
extension() {
    golden="$repo/tests/golden/java-4.9.2"
    mkdir -p "$folder/extension"
    cp -r "$golden/store-ext" "$folder/extension/store"
    rm -rf "$folder/extension/store/consumequeue" "$folder/extension/store/consumequeue_ext"
    cluster_start "$folder/extension" ours ours enableConsumeQueueExt=true enableCalcFilterBitMap=true \
        mappedFileSizeCommitLog=16384 mappedFileSizeConsumeQueue=400 mappedFileSizeConsumeQueueExt=300 \
        maxHashSlotNum=20 maxIndexNum=40 enablePropertyFilter=true || return 1
    cluster_stop "$folder/extension"
    JAVA_RUN_OPTS="-Xmx256m -Duser.home=$folder/extension/user" "$here/java-run" interop.StoreExtension read \
        "$folder/extension/store" >"$folder/extension/java.out" || return 1
    grep '^{' "$folder/extension/java.out" >"$folder/extension/told"
    cmp "$folder/extension/told" "$golden/store-ext.jsonl"
}

sizes="mappedFileSizeCommitLog=16777216 mappedFileSizeConsumeQueue=20000 maxHashSlotNum=20000 maxIndexNum=40000 enablePropertyFilter=true
    transactionCheckInterval=1000 transactionTimeOut=1000"
mkdir -p "$folder/main"
# shellcheck disable=SC2086
cluster_start "$folder/main" "$system" "$system" $sizes || exit 1
address="127.0.0.1:$NAMESRV_PORT"
step "client scenarios ($system)" judge "$address" all "broker=$system"

[ "$system" = java ] || step "every feature between every pair" "$here/matrix.sh"

# Its four runs hold Java's tool against Java's cluster already.
[ "$system" = java ] || step "mqadmin beside Java's" "$here/compare-mqadmin.sh" sh "$ours_dist/bin/mqadmin"

echo "== the store in Java's hands and back"
judge "$address" produce topic=Reopened n=5000 >"$folder/acked" || failed="$failed
  produce"
cluster_stop_broker "$folder/main"
step "Java opens, runs and closes the store" judge - verify-store "dir=$folder/main/store" in-place=true start=true \
    commitlog=16777216 cq=20000 slots=20000 indexes=40000
cluster_start_broker "$folder/main" || exit 1
step "the broker opens it again" judge "$address" consume-all topic=Reopened "acked=$folder/acked"
cluster_stop "$folder/main"

[ "$system" = java ] || step "Java reads our consume queue extensions" extension

if [ "$system" = ours ]; then
    for mix in "java ours" "ours java"; do
        mkdir -p "$folder/mixed"
        # shellcheck disable=SC2086
        cluster_start "$folder/mixed" $mix $sizes || exit 1
        step "name server and broker: $mix" judge "127.0.0.1:$NAMESRV_PORT" sync,batch,sharing,pull,query-key \
            "broker=${mix#* }"
        cluster_stop "$folder/mixed"
        rm -rf "$folder/mixed"
    done
fi
[ "$system" = java ] || for pair in "ours java" "java ours"; do
    step "replication, master and slave: $pair" "$here/replication.sh" --master "${pair% *}" --slave "${pair#* }"
done
[ "$system" = java ] || step "rolling migration, there and back" "$here/migration.sh"
step "access control" "$here/acl.sh" --system "$system"
[ "$system" = java ] || step "TLS" "$here/tls.sh"
[ "$rounds" = 0 ] || step "kill -9, $rounds rounds" "$here/kill9.sh" --system "$system" --rounds "$rounds"

[ -z "$failed" ] || { echo "FAILED:$failed" >&2; exit 1; }
echo "interop: everything holds"
