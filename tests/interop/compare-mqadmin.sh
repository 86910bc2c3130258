#!/bin/sh
# Java's mqadmin and ours, each on a Java cluster and on ours with the same content: four runs of every command.
# Outputs must be equal but for addresses, times, ids and rates; a table tells which are.
#
#   compare-mqadmin.sh OUR_MQADMIN...              e.g. compare-mqadmin.sh sh bin/mqadmin
#
# COMPARE_OUT=FOLDER keeps the outputs there; COMPARE_ONLY=REGEX runs the commands whose names match.
# The first column of the table is Java's tool on our cluster, then ours on Java's, then ours on ours; each is held
# against Java's tool on Java's cluster.
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
for part in ports process disk java cluster; do . "$here/../lib/$part.sh"; done
[ $# -ge 1 ] || { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2; }
our_mqadmin="$*"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-compare.XXXXXX")
results=${COMPARE_OUT:-$scratch/results}
scene_pid=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    exec 9>&-
    [ -z "$scene_pid" ] || stop_process "$scene_pid" 10
    cluster_stop "$scratch/cluster"
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

tab=$(printf '\t')
# call NAME SECONDS WORDS...: one line of the list of calls; -n is added.
call() {
    call_name=$1
    call_seconds=$2
    shift 2
    [ -z "${COMPARE_ONLY:-}" ] || echo "$call_name" | grep -Eq "$COMPARE_ONLY" || return 0
    call_line="$call_name$tab$call_seconds"
    for word in "$@"; do call_line="$call_line$tab$word"; done
    case " $* " in "  " | " help "* | *" -n "*) ;; *) call_line="$call_line$tab-n$tab$NAMESRV_ADDR" ;; esac
    echo "$call_line"
}

# Every command, in an order in which each finds what it needs. SECONDS is for commands that do not end by themselves.
calls() {
    read -r unique offset <"$scratch/scene"
    t=CompareTopic
    b=$BROKER_ADDR
    c=DefaultCluster
    client=192.0.2.2@CompareGroup
    call no-arguments 30
    call unknown-command 30 noSuchCommand
    call clusterList 30 clusterList
    call clusterList-m 30 clusterList -m
    call clusterList-nowhere 30 clusterList -n 127.0.0.1:1
    call topicList 30 topicList
    call topicList-c 30 topicList -c
    call topicRoute 30 topicRoute -t $t
    call topicRoute-l 30 topicRoute -t $t -l
    call topicRoute-absent 30 topicRoute -t NoSuchTopic
    call topicRoute-no-topic 30 topicRoute
    call topicRoute-bad-option 30 topicRoute -t $t -zz
    call topicStatus 30 topicStatus -t $t
    call topicStatus-absent 30 topicStatus -t NoSuchTopic
    call topicClusterList 30 topicClusterList -t $t
    call allocateMQ 30 allocateMQ -t $t -i 192.168.1.1,192.168.1.2,192.168.1.3
    call statsAll 30 statsAll
    call statsAll-t 30 statsAll -t $t
    call statsAll-a 30 statsAll -a
    call brokerStatus 30 brokerStatus -b "$b"
    call brokerStatus-c 30 brokerStatus -c $c
    call brokerStatus-nowhere 30 brokerStatus -b 127.0.0.1:1
    call brokerConsumeStats 30 brokerConsumeStats -b "$b"
    call brokerConsumeStats-l 30 brokerConsumeStats -b "$b" -l 1 -t 10000
    call consumerProgress 30 consumerProgress
    call consumerProgress-g 30 consumerProgress -g CompareGroup
    call consumerProgress-gs 30 consumerProgress -g CompareGroup -s true
    call consumerProgress-offline 30 consumerProgress -g CompareOff
    call consumerProgress-absent 30 consumerProgress -g NoSuchGroup
    call consumerConnection 30 consumerConnection -g CompareGroup
    call consumerConnection-offline 30 consumerConnection -g CompareOff
    call consumerConnection-absent 30 consumerConnection -g NoSuchGroup
    call producerConnection 30 producerConnection -g CompareProducer -t $t
    call producerConnection-absent 30 producerConnection -g NoSuchGroup -t $t
    call consumerStatus 30 consumerStatus -g CompareGroup
    call consumerStatus-i 30 consumerStatus -g CompareGroup -i $client
    call consumerStatus-absent 30 consumerStatus -g CompareGroup -i nobody
    call getConsumerConfig 30 getConsumerConfig -g CompareGroup
    call queryMsgById 30 queryMsgById -i "$offset"
    call queryMsgById-bad 30 queryMsgById -i 7F000001FFFF000000000000000FFFFF
    call queryMsgById-direct 30 queryMsgById -i "$offset" -g CompareGroup -d $client
    call queryMsgByKey 30 queryMsgByKey -t $t -k key3
    call queryMsgByKey-absent 30 queryMsgByKey -t $t -k no-such-key
    call queryMsgByUniqueKey 30 queryMsgByUniqueKey -t $t -i "$unique"
    call queryMsgByUniqueKey-a 30 queryMsgByUniqueKey -t $t -i "$unique" -a
    call queryMsgByUniqueKey-direct 30 queryMsgByUniqueKey -t $t -i "$unique" -g CompareGroup -d $client
    call queryMsgByOffset 30 queryMsgByOffset -t $t -b broker-a -i 2 -o 1
    call queryMsgByOffset-absent 30 queryMsgByOffset -t $t -b broker-a -i 2 -o 999
    call QueryMsgTraceById 30 QueryMsgTraceById -i "$unique"
    call printMsg 30 printMsg -t $t
    call printMsg-s 30 printMsg -t $t -s TagB -d false
    call printMsgByQueue 30 printMsgByQueue -t $t -a broker-a -i 0 -p true -d true -f true
    call consumeMessage-c 30 consumeMessage -t $t -c 5
    call consumeMessage-q 30 consumeMessage -t $t -b broker-a -i 0 -o 1 -c 2
    call consumeMessage-refused 30 consumeMessage -t $t -i 0
    call queryCq 30 queryCq -t $t -q 0 -i 0 -c 3 -b "$b"
    call queryCq-g 30 queryCq -t $t -q 0 -i 0 -c 3 -b "$b" -g CompareGroup
    call queryCq-absent 30 queryCq -t NoSuchTopic -q 0 -i 0
    call cloneGroupOffset 30 cloneGroupOffset -s CompareOff -d CompareClone -t $t -o true
    call cloneGroupOffset-absent 30 cloneGroupOffset -s NoSuchGroup -d CompareClone -t $t
    call resetOffsetByTime 30 resetOffsetByTime -g CompareGroup -t $t -s now
    call resetOffsetByTime-offline 30 resetOffsetByTime -g CompareOff -t $t -s 1000000000000 -f true
    call resetOffsetByTime-end 30 resetOffsetByTime -g CompareOff -t $t -s -1
    call resetOffsetByTime-bad 30 resetOffsetByTime -g CompareOff -t $t -s yesterday
    call sendMessage 30 sendMessage -t $t -p "sent by mqadmin" -k adminKey -c AdminTag
    call sendMessage-q 30 sendMessage -t $t -p "sent by mqadmin" -b broker-a -i 1
    call sendMessage-refused 30 sendMessage -t $t -p body -i 1
    call checkMsgSendRT 30 checkMsgSendRT -t $t -a 5 -s 64
    call sendMsgStatus 30 sendMsgStatus -b broker-a -s 64 -c 3
    call clusterRT 4 clusterRT -a 2 -s 64 -c $c -i 60
    call clusterRT-log 4 clusterRT -a 2 -s 64 -p true -m room -i 60
    call clusterRT-absent 4 clusterRT -a 2 -s 64 -c NoSuchCluster -i 60
    call updateTopic-c 30 updateTopic -c $c -t CompareOther -r 3 -w 5 -p 4
    call updateTopic-b 30 updateTopic -b "$b" -t CompareOther -r 3 -w 3
    call updateTopic-order 30 updateTopic -c $c -t CompareOrder -o true
    call updateTopic-neither 30 updateTopic -t CompareOther
    call updateTopic-no-topic 30 updateTopic -c $c
    call updateTopic-no-cluster 30 updateTopic -c NoSuchCluster -t CompareOther
    call updateTopic-system 30 updateTopic -c $c -t TBW102
    call topicRoute-updated 30 topicRoute -t CompareOther
    call updateTopicPerm-b 30 updateTopicPerm -b "$b" -t CompareOther -p 4
    call updateTopicPerm-c 30 updateTopicPerm -c $c -t CompareOther -p 6
    call updateTopicPerm-same 30 updateTopicPerm -b "$b" -t CompareOther -p 6
    call updateTopicPerm-no-broker 30 updateTopicPerm -b 127.0.0.1:1 -t CompareOther -p 6
    call updateOrderConf-put 30 updateOrderConf -t CompareOther -m put -v broker-a:4
    call updateOrderConf-get 30 updateOrderConf -t CompareOther -m get
    call updateOrderConf-delete 30 updateOrderConf -t CompareOther -m delete
    call updateOrderConf-gone 30 updateOrderConf -t CompareOther -m get
    call updateOrderConf-no-value 30 updateOrderConf -t CompareOther -m put
    call updateOrderConf-bad 30 updateOrderConf -t CompareOther -m other
    call deleteTopic 30 deleteTopic -c $c -t CompareOther
    call topicRoute-deleted 30 topicRoute -t CompareOther
    call updateSubGroup-c 30 updateSubGroup -c $c -g CompareNew -r 3 -q 2
    call updateSubGroup-b 30 updateSubGroup -b "$b" -g CompareNew -s true -d true -i 1 -w 2 -a false -m true
    call getConsumerConfig-new 30 getConsumerConfig -g CompareNew
    call getConsumerConfig-absent 30 getConsumerConfig -g NoSuchGroup
    call deleteSubGroup-b 30 deleteSubGroup -b "$b" -g CompareNew
    call deleteSubGroup-c 30 deleteSubGroup -c $c -g CompareNew -r true
    call updateKvConfig 30 updateKvConfig -s LAB -k k1 -v v1
    call deleteKvConfig 30 deleteKvConfig -s LAB -k k1
    call wipeWritePerm 30 wipeWritePerm -b broker-a
    call addWritePerm 30 addWritePerm -b broker-a
    call wipeWritePerm-absent 30 wipeWritePerm -b noSuchBroker
    call updateNamesrvConfig 30 updateNamesrvConfig -k serverWorkerThreads -v 9
    call getNamesrvConfig 30 getNamesrvConfig
    call updateBrokerConfig-b 30 updateBrokerConfig -b "$b" -k flushConsumeQueueLeastPages -v 3
    call updateBrokerConfig-c 30 updateBrokerConfig -c $c -k flushConsumeQueueLeastPages -v 4
    call getBrokerConfig-b 30 getBrokerConfig -b "$b"
    call getBrokerConfig-c 30 getBrokerConfig -c $c
    call getBrokerConfig-no-cluster 30 getBrokerConfig -c NoSuchCluster
    call cleanExpiredCQ-b 30 cleanExpiredCQ -b "$b"
    call cleanExpiredCQ-c 30 cleanExpiredCQ -c $c
    call cleanExpiredCQ-all 30 cleanExpiredCQ
    call cleanUnusedTopic-b 30 cleanUnusedTopic -b "$b"
    call exportMetadata 30 exportMetadata -c $c -f "$scratch/export"
    call exportMetadata-t 30 exportMetadata -b "$b" -t -f "$scratch/export-t"
    call exportMetadata-g 30 exportMetadata -b "$b" -g -s -f "$scratch/export-g"
    call exportConfigs 30 exportConfigs -c $c -f "$scratch/export"
    call exportMetrics 30 exportMetrics -c $c -f "$scratch/export"
    # Behind the exports: it makes a group, if it lives long enough.
    call startMonitoring 3 startMonitoring
    acl_calls
}

# With access control off, as here: refused, or no answer.
acl_calls() {
    call updateAclConfig 30 updateAclConfig -b "$b" -a CompareKey -s 12345678
    call deleteAccessConfig 30 deleteAccessConfig -b "$b" -a CompareKey
    call updateGlobalWhiteAddr 30 updateGlobalWhiteAddr -b "$b" -g 10.10.10.1
    call clusterAclConfigVersion 30 clusterAclConfigVersion -b "$b"
    call getAccessConfigSubCommand 30 getAccessConfigSubCommand -b "$b"
    sed -n 's/^   \([A-Za-z]*\) .*/\1/p' "$scratch/commands" | grep -vx -e doctor -e completion -e storeVerify | while read -r command; do
        call "help-$command" 30 help "$command"
        call "h-$command" 30 "$command" -h
    done
}

# run_ours LIST FOLDER: our tool, a process for each call.
run_ours() {
    list=$1
    folder=$2
    mkdir -p "$scratch/home"
    while IFS= read -r line <&3; do
        (
            IFS=$tab
            set -f
            # shellcheck disable=SC2086
            set -- $line
            unset IFS
            name=$1
            seconds=$2
            shift 2
            cd "$scratch/home" || exit 1
            # shellcheck disable=SC2086
            HOME="$scratch/home" ROCKETMQ_HOME="$scratch/home" NAMESRV_ADDR='' \
                timeout "$seconds" $our_mqadmin "$@" >"$folder/$name.out" 2>"$folder/$name.err" </dev/null
            code=$?
            [ "$code" != 124 ] || code=endless
            echo "$code" >"$folder/$name.code"
        )
    done 3<"$list"
}

# run_java LIST FOLDER: Java's tool, one JVM.
run_java() {
    java_home_files "$scratch/javahome"
    (
        cd "$scratch/javahome" || exit 1
        # shellcheck disable=SC2086
        ROCKETMQ_HOME="$scratch/javahome" "$java_bin" -Xmx512m -Djava.security.manager=allow $java_flags \
            -Duser.home="$scratch/javahome" -Drocketmq.home.dir="$scratch/javahome" \
            -Drocketmq.client.logRoot="$scratch/javahome/logs" -cp "$java_class_path" interop.AdminBatch "$2" <"$1"
    )
}

# With access control on, signed with tools.yml.
secured_calls() {
    b=$BROKER_ADDR
    c=DefaultCluster
    call acl-clusterAclConfigVersion-b 30 clusterAclConfigVersion -b "$b"
    call acl-clusterAclConfigVersion-c 30 clusterAclConfigVersion -c $c
    call acl-updateAclConfig-b 30 updateAclConfig -b "$b" -a compareKey -s 12345678 -t "T1=DENY,T2=PUB|SUB" -g "G1=SUB" \
        -i DENY -u SUB -w 10.0.0.1 -m false
    call acl-updateAclConfig-c 30 updateAclConfig -c $c -a compareKey2 -s 12345678 -m true
    call acl-updateAclConfig-short 30 updateAclConfig -b "$b" -a ab -s 12345678
    call acl-updateGlobalWhiteAddr-b 30 updateGlobalWhiteAddr -b "$b" -g "10.10.10.1,10.10.11.*"
    call acl-getAccessConfig-b 30 getAccessConfigSubCommand -b "$b"
    call acl-getAccessConfig-c 30 getAccessConfigSubCommand -c $c
    call acl-deleteAccessConfig-b 30 deleteAccessConfig -b "$b" -a compareKey
    call acl-deleteAccessConfig-c 30 deleteAccessConfig -c $c -a compareKey2
    call acl-deleteAccessConfig-gone 30 deleteAccessConfig -b "$b" -a compareKey2
    call acl-updateTopic 30 updateTopic -b "$b" -t AclTopic
}

# run_secured SYSTEM TOOL: a fresh cluster with aclEnable=true, and the calls for accounts.
run_secured() {
    folder=$results/$2-on-$1
    secured=$scratch/cluster/home
    mkdir -p "$folder" "$secured/conf" "$scratch/home/conf" "$scratch/javahome/conf"
    cp "$here/plain_acl.yml" "$secured/conf/plain_acl.yml"
    printf 'accessKey: administrator\nsecretKey: secret-of-admin\n' >"$scratch/home/conf/tools.yml"
    cp "$scratch/home/conf/tools.yml" "$scratch/javahome/conf/tools.yml"
    ROCKETMQ_HOME=$secured
    export ROCKETMQ_HOME
    cluster_start "$scratch/cluster" "$1" "$1" aclEnable=true || exit 1
    unset ROCKETMQ_HOME
    cluster_load "$scratch/cluster"
    secured_calls >"$folder.secured"
    "run_$2" "$folder.secured" "$folder" || exit 1
    for file in "$folder"/acl-*.out "$folder"/acl-*.err; do
        normalise "$file" >"$file.txt"
    done
    cluster_stop "$scratch/cluster"
    rm -rf "$scratch/cluster" "$scratch/home/conf/tools.yml" "$scratch/javahome/conf/tools.yml"
}

# run SYSTEM TOOL: a fresh cluster with the scene on it, and every call.
run() {
    folder=$results/$2-on-$1
    mkdir -p "$folder" "$scratch/cluster"
    cluster_start "$scratch/cluster" "$1" "$1" mappedFileSizeCommitLog=16777216 mappedFileSizeConsumeQueue=300000 \
        maxHashSlotNum=20000 maxIndexNum=40000 || exit 1
    cluster_load "$scratch/cluster"
    rm -f "$scratch/scene" "$scratch/scene.in"
    mkfifo "$scratch/scene.in"
    "$here/java-run" interop.AdminScene "$NAMESRV_ADDR" "$BROKER_ADDR" "$scratch/scene" \
        <"$scratch/scene.in" >"$scratch/scene.log" 2>&1 &
    scene_pid=$!
    exec 9>"$scratch/scene.in"
    wait_until 90 test -f "$scratch/scene" || {
        echo "the scene on $1 is not there:" >&2
        tail -n 20 "$scratch/scene.log" >&2
        exit 1
    }
    calls >"$folder.calls"
    "run_$2" "$folder.calls" "$folder" || exit 1
    for file in "$scratch"/export*/*.json; do
        [ ! -f "$file" ] || cp "$file" "$folder/$(basename "$(dirname "$file")")-$(basename "$file").out"
    done
    rm -rf "$scratch"/export*
    exec 9>&-
    stop_process "$scene_pid" 10
    scene_pid=
    for file in "$folder"/*.out "$folder"/*.err; do
        normalise "$file" >"$file.txt"
    done
    cluster_stop "$scratch/cluster"
    rm -rf "$scratch/cluster"
}

volatile='[A-Za-z]*Tps|[A-Za-z]*EntireTimeMax|putMessageDistributeTime|runtime|pageCacheLockTimeMills|[A-Za-z]*WaitTimeMills'
volatile="$volatile|[A-Za-z]*ThreadPoolQueueSize|remainHowManyDataToFlush|commitLogDirCapacity|[A-Za-z]*DiskRatio"
volatile="$volatile|msg(Get|Put)TotalTodayNow|putMessage(Average|SizeTotal|TimesTotal)[A-Za-z]*|commitLogMaxOffset|bootTimestamp"
volatile="$volatile|startAcceptSendRequestTimeStamp|earliestMessageTimeStamp|dispatchBehindBytes|scheduleMessageOffset_[0-9]*"

# The properties section of consumerStatus, whose order Java leaves to a hash table.
properties_sorted() {
    awk '/^#/ { section = $0 } section == "#Consumer Properties#" && /:/ { print | "LC_ALL=C sort"; next }
        /^$/ { close("LC_ALL=C sort") } { print }'
}

# Addresses, ids, times and rates become words; what is left must be equal.
normalise() {
    name=$(basename "$1")
    sed -E "s#127\.0\.0\.1:$NAMESRV_PORT#NAMESRV#g; s#127\.0\.0\.1:$BROKER_PORT *#BROKER #g; s#$scratch/cluster#DIR#g
        s#$scratch/[a-z]*home#HOME#g; s#127\.0\.0\.1:[0-9]{4,5} *#PEER #g; s#/127\.0\.0\.1#PEER#g
        s/[0-9A-F]{32}/ID/g; s/\b1[0-9]{12}\b/MS/g; s/\b20[0-9]{15}\b/STAMP/g; s/\b20[0-9]{12}\b/STAMP/g
        s/20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8}(,[0-9]{3})?/DATE/g; s/@[0-9a-f]{4,8}\b/@HASH/g
        s#Lambda[$][0-9]+/(0x)?[0-9a-f]+#LAMBDA#g; s/commitLogOffset=[0-9]+/commitLogOffset=N/g
        s/(CommitLog Offset: *)[0-9]+/\1N/; s/storeSize=[0-9]+/storeSize=N/; s/physicOffset=[0-9]+/physicOffset=N/
        s/[0-9]+ms, SendResult/Nms, SendResult/g; s/spentTimeMills=[0-9]+/spentTimeMills=N/; s/[0-9]+\(ms\)/N(ms)/g
        s/[0-9]+ms +success/Nms success/" "$1" |
        case $name in
        # Ours has commands of its own behind Java's.
        no-arguments*) sed '/^   doctor /d; /^   completion /d; /^   storeVerify /d' ;;
        clusterList*) sed -E 's/[0-9]+\.[0-9]+/N/g; s/\([0-9]+,[0-9]+ms\)/(L)/g; s/ +N/ N/g; /DefaultCluster/s/[0-9]+/N/g; s/ +/ /g' ;;
        brokerStatus*) sed -E "s/(($volatile)[^:]*: ).*/\1N/" ;;
        consumerProgress.*) sed -E 's/[0-9]+( +[0-9]+)$/N\1/' ;;
        # The consumer learns of its retry topic sooner or later.
        consumerProgress*) sed -E '/^%RETRY%/d; s/(Consume TPS: )[0-9.]+/\1N/' ;;
        topicList*) LC_ALL=C sort ;;
        brokerConsumeStats*) LC_ALL=C sort ;;
        wipeWritePerm* | addWritePerm*) sed -E 's/OK, [0-9]+/OK, N/' ;;
        sendMessage*) sed -E 's/(broker-a +)[0-9]/\1N/' ;;
        # What counts as active depends on when the broker sampled last.
        statsAll-a*) head -n 1 ;;
        statsAll*) LC_ALL=C sort | sed -E 's/ +[0-9]+\.[0-9]+/ N/g; s/ +[0-9]+/ N/g' ;;
        consumerStatus-i*) sed -E '/^%RETRY%/d' | properties_sorted | sed -E '/#Consumer RT/,$s/ +[0-9.]+/ N/g; s/(last[A-Z][A-Za-z]*Timestamp=)[0-9]+/\1N/g' ;;
        checkMsgSendRT*) sed -E 's/[0-9.]+$/N/' ;;
        clusterRT*) sed -E 's/ +[0-9]+\.[0-9]+ +/ N /; s/\|[0-9]+$/|N/' | head -n 2 ;;
        # Keys of ours that Java does not have.
        getBrokerConfig* | getNamesrvConfig*) LC_ALL=C sort | sed -E '/^(metricsPromExporter|brokerNameFromPod|slaveWithoutMasterWarnTime|dashboardPort|haFullSync)/d; s#=  .*(HOME|DIR|/).*#=  PATH#; s/([lL]istenPort +=  ).*/\1N/
            # Computed at the start of the Java broker although nothing uses it there.
            s/(bitMapLengthConsumeQueueExt +=  ).*/\1N/' ;;
        export*.json.out) LC_ALL=C sort | sed -E 's/,$//; s/("[a-zA-Z]*(Tps|DiskRatio|AverageSize|Num|Version)":).*/\1N/; s/("counter":).*/\1N/' ;;
        *) cat ;;
        esac
    # A file whose last line does not end is told apart.
    [ -z "$(tail -c 1 "$1")" ] || echo "(no line end)"
}

# known NAME COLUMN: tells why two outputs differ that may.
known() {
    case $1:$2 in
    startMonitoring:ours-*) echo "Java's main ends while its threads go on" ;;
    resetOffsetByTime-bad:ours-*) echo "a null pointer in Java; ours names the text" ;;
    updateAclConfig:*-on-ours | deleteAccessConfig:*-on-ours | updateGlobalWhiteAddr:*-on-ours)
        echo "a null pointer in Java; our broker says that access control is off" ;;
    clusterAclConfigVersion:*-on-ours | getAccessConfigSubCommand:*-on-ours)
        echo "no answer from Java; our broker says that access control is off" ;;
    acl-get*:ours-* | acl-updateAclConfig-short:*-on-ours) echo "ours shows no secrets" ;;
    acl-deleteAccessConfig-gone:*-on-ours) echo "our broker adds the reason" ;;
    *) return 1 ;;
    esac
}

# differs REFERENCE OTHER NAME: prints how an output differs; silent when it does not.
differs() {
    diff "$1/$3.code" "$2/$3.code" 2>/dev/null | sed -n 's/^\([<>]\)/exit code \1/p'
    diff "$1/$3.out.txt" "$2/$3.out.txt"
    # Of errors only the first line and the causes, which scripts look for.
    for side in "$1" "$2"; do
        grep -E "^(org|java)\.|^Caused by" "$side/$3.err.txt" 2>/dev/null | sed 's/, org\.apache\.rocketmq\.[a-z].*//' >"$side/$3.cause"
    done
    [ "$(cat "$1/$3.code" 2>/dev/null)" = endless ] || diff "$1/$3.cause" "$2/$3.cause"
}

mkdir -p "$results"
"$here/setup.sh" || exit 1
# shellcheck disable=SC2086
$our_mqadmin >"$scratch/commands"
for system in java ours; do
    for tool in java ours; do
        run $system $tool
        run_secured $system $tool
    done
done

different=0
printf '%-34s %-10s %-10s %-10s\n' "command" "java/ours" "ours/java" "ours/ours"
reference=$results/java-on-java
names=$(cut -f 1 "$reference.calls" "$reference.secured"; for file in "$reference"/export*.json.out; do [ ! -f "$file" ] || basename "$file" .out; done)
for name in $names; do
    row=
    for other in java-on-ours ours-on-java ours-on-ours; do
        differs "$reference" "$results/$other" "$name" >"$results/$other/$name.diff" 2>&1
        if [ ! -s "$results/$other/$name.diff" ]; then
            row="$row equal     "
        elif why=$(known "$name" "$other"); then
            row="$row known     "
            echo "known: $name, $other: $why" >>"$scratch/known"
            rm "$results/$other/$name.diff"
        else
            row="$row DIFFERENT "
            different=$((different + 1))
        fi
    done
    printf '%-34s%s\n' "$name" "$row"
done
[ ! -f "$scratch/known" ] || cat "$scratch/known"
for other in java-on-ours ours-on-java ours-on-ours; do
    for file in "$results/$other"/*.diff; do
        [ -s "$file" ] || continue
        echo "== $(basename "$file" .diff), $other"
        head -n 12 "$file" | cut -c 1-300
    done
done
[ "$different" = 0 ] && echo "all outputs are equal" || { echo "$different outputs differ"; exit 1; }
