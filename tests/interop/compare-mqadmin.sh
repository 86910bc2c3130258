#!/bin/sh
# Calls Java's mqadmin and ours with the same words against the same cluster; outputs must be equal except for
# what changes from call to call (rates, times, memory). The cluster must hold a fresh or test-only state.
#
#   compare-mqadmin.sh NAMESRV OUR_MQADMIN...      e.g. compare-mqadmin.sh 127.0.0.1:9876 sh bin/mqadmin
#   compare-mqadmin.sh NAMESRV "$PWD/java-mqadmin" Java against itself: shows that the comparison is sound
set -u
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2; }
namesrv=$1
shift
scratch=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-compare.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
different=0

volatile='[A-Za-z]*Tps|[A-Za-z]*EntireTimeMax|putMessageDistributeTime|runtime|pageCacheLockTimeMills|[A-Za-z]*HeadWaitTimeMills'
volatile="$volatile|[A-Za-z]*ThreadPoolQueueSize|remainHowManyDataToFlush|commitLogDirCapacity|[A-Za-z]*DiskRatio|msgGetTotalTodayNow"

# Volatile figures become N; what is left must be equal, blanks included.
normalise() {
    case $1 in
    clusterList) sed -E 's/[0-9]+\.[0-9]+/N/g; s/\([0-9]+,[0-9]+ms\)/(L)/g; s/ +N/ N/g' ;;
    brokerStatus) sed -E "s/(($volatile)[^:]*: ).*/\\1N/" ;;
    consumerProgress) sed -E 's/(Consume TPS: )[0-9.]+/\1N/' ;;
    *) cat ;;
    esac
}

# compare NAME WORDS...: WORDS are the same for both.
compare() {
    name=$1
    shift
    [ $# = 0 ] || set -- "$@" -n "$namesrv"
    "$here/java-mqadmin" "$@" >"$scratch/java.out" 2>"$scratch/java.err"
    java_code=$?
    ours "$@" >"$scratch/ours.out" 2>"$scratch/ours.err"
    ours_code=$?
    normalise "${1:-}" <"$scratch/java.out" >"$scratch/java.txt"
    normalise "${1:-}" <"$scratch/ours.out" >"$scratch/ours.txt"
    sed -n '1s/:.*//p' "$scratch/java.err" | grep Exception >"$scratch/java.fail"
    sed -n '1s/:.*//p' "$scratch/ours.err" | grep Exception >"$scratch/ours.fail"
    if [ "$java_code" = "$ours_code" ] && cmp -s "$scratch/java.txt" "$scratch/ours.txt" &&
        cmp -s "$scratch/java.fail" "$scratch/ours.fail"; then
        echo "equal      $name"
    else
        different=$((different + 1))
        echo "DIFFERENT  $name (exit codes: Java $java_code, ours $ours_code): mqadmin $*"
        diff "$scratch/java.txt" "$scratch/ours.txt" | head -n 20
        diff "$scratch/java.fail" "$scratch/ours.fail" | head -n 4
        head -n 4 "$scratch/ours.err"
    fi
}

our_mqadmin="$*"
ours() {
    # shellcheck disable=SC2086
    $our_mqadmin "$@"
}

topic=CompareTopic
"$here/java-mqadmin" updateTopic -n "$namesrv" -c DefaultCluster -t "$topic" -r 4 -w 4 >/dev/null || exit 1
"$here/java-run" interop.Interop "$namesrv" produce "topic=$topic" n=20 size=100 threads=1 >"$scratch/acked" || exit 1
"$here/java-run" interop.Interop "$namesrv" keyed "topic=$topic" group=CompareGroup >"$scratch/keyed" || exit 1
unique=$(sed -n 's/^keyed \([^ ]*\) .*/\1/p' "$scratch/keyed" | head -n 1)
offset=$(sed -n 's/^keyed [^ ]* \([^ ]*\)$/\1/p' "$scratch/keyed" | head -n 1)

# Without arguments ours lists the commands that work, in Java's words and order, and no others.
"$here/java-mqadmin" >"$scratch/java.out" 2>/dev/null
ours >"$scratch/ours.out" 2>/dev/null
grep -Fxf "$scratch/ours.out" "$scratch/java.out" >"$scratch/both.out"
if cmp -s "$scratch/both.out" "$scratch/ours.out" && [ "$(wc -l <"$scratch/ours.out")" -gt 4 ]; then
    echo "equal      no arguments, as far as the commands are there"
else
    different=$((different + 1))
    echo "DIFFERENT  no arguments"
    diff "$scratch/both.out" "$scratch/ours.out"
fi
compare "unknown command" noSuchCommand
compare "clusterList" clusterList
compare "clusterList -m" clusterList -m
compare "topicList" topicList
compare "topicList -c" topicList -c
compare "topicRoute" topicRoute -t "$topic"
compare "topicRoute -l" topicRoute -t "$topic" -l
compare "topicRoute of an unknown topic" topicRoute -t NoSuchTopic
compare "topicStatus" topicStatus -t "$topic"
compare "topicStatus of an unknown topic" topicStatus -t NoSuchTopic
compare "brokerStatus -c" brokerStatus -c DefaultCluster
compare "brokerStatus of no broker" brokerStatus -b 127.0.0.1:1
compare "consumerProgress" consumerProgress
compare "consumerProgress -g" consumerProgress -g CompareGroup
compare "consumerProgress of an unknown group" consumerProgress -g NoSuchGroup
compare "queryMsgById" queryMsgById -i "$offset"
compare "queryMsgByKey" queryMsgByKey -t "$topic" -k compare-key
compare "queryMsgByKey without a match" queryMsgByKey -t "$topic" -k no-such-key
compare "queryMsgByUniqueKey" queryMsgByUniqueKey -t "$topic" -i "$unique"
compare "updateTopic -c" updateTopic -c DefaultCluster -t CompareOther -r 3 -w 5 -p 4
compare "updateTopic without a topic" updateTopic -c DefaultCluster
compare "updateTopic of no cluster" updateTopic -c NoSuchCluster -t CompareOther
compare "topicRoute of the updated topic" topicRoute -t CompareOther
compare "deleteTopic" deleteTopic -c DefaultCluster -t CompareOther
compare "topicRoute of the deleted topic" topicRoute -t CompareOther
for command in clusterList topicList topicRoute topicStatus updateTopic deleteTopic brokerStatus consumerProgress \
    queryMsgById queryMsgByKey queryMsgByUniqueKey; do
    compare "$command -h" "$command" -h
    compare "help $command" help "$command"
done
[ "$different" = 0 ] && echo "all outputs are equal" || { echo "$different outputs differ"; exit 1; }
