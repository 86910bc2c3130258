# SPDX-License-Identifier: Apache-2.0
# The steps of acceptance.sh, in their order.

# The default ports where nobody else can be, else free ones; the daemons' options accordingly.
choose_ports() {
    namesrv_options=
    broker_options=
    namesrv_port=9876
    broker_port=10911
    if [ "$isolated" != yes ]; then
        namesrv_port=$(reserve_ports $$) && reserved=$namesrv_port || exit 1
        broker_port=$(reserve_ports $$) && reserved="$reserved $broker_port" || exit 1
        echo "listenPort=$namesrv_port" >"$scratch/namesrv.conf"
        echo "listenPort=$broker_port" >"$scratch/broker.conf"
        namesrv_options="-c $scratch/namesrv.conf"
        broker_options="-c $scratch/broker.conf"
    fi
    address="localhost:$namesrv_port"
    echo "isolated: $isolated; name server on $namesrv_port, broker on $broker_port"
}

on_default_ports() {
    if [ "$isolated" = yes ]; then "$1"; else skip "$1" "needs the default ports: run as root on Linux"; fi
}

the_package() {
    for file in bin/mqnamesrv bin/mqbroker bin/mqbroker.numanode0 bin/mqbroker.numanode3 bin/mqadmin bin/mqshutdown \
        bin/mqstandalone bin/mqdashboard bin/runserver.sh bin/runbroker.sh bin/tools.sh bin/export.sh bin/play.sh bin/os.sh \
        benchmark/producer.sh benchmark/consumer.sh benchmark/batchproducer.sh benchmark/tproducer.sh benchmark/runclass.sh \
        benchmark/shutdown.sh libexec/rocketmq; do
        check "the package has $file, executable" test -x "$dist/$file"
    done
    for file in LICENSE NOTICE README.md bin/README.md conf/broker.conf conf/2m-2s-async/broker-a-s.properties \
        conf/2m-2s-sync/broker-b.properties conf/2m-noslave/broker-trace.properties conf/dledger/broker-n0.conf \
        conf/plain_acl.yml conf/tools.yml conf/logback_namesrv.xml conf/logback_broker.xml conf/logback_tools.xml; do
        check "the package has $file" test -s "$dist/$file"
    done
    if command -v unzip >/dev/null 2>&1; then
        mkdir "$scratch/zip"
        unzip -q "${archive%.tar.gz}.zip" -d "$scratch/zip"
        check "the zip archive holds the same" diff -r "$dist" "$scratch/zip/rocketmq-$version"
        check "the zip archive keeps the executable bits" test -x "$scratch/zip/rocketmq-$version/bin/mqbroker"
        rm -rf "$scratch/zip"
    else
        skip "the zip archive" "unzip is not installed"
    fi
}

# Options and exit codes reach the programs through the scripts; the scripts find their distribution.
console_texts() {
    check "mqnamesrv -h ends with 0" exits 0 sh "$dist/bin/mqnamesrv" -h
    check "and prints the usage" has_line "$scratch/out" '^usage: mqnamesrv \[-c <arg>\] \[-h\] \[-n <arg>\] \[-p\]$'
    check "mqnamesrv with a bad option ends with 1" exits 1 sh "$dist/bin/mqnamesrv" --nonsense
    check "mqbroker -h ends with 0" exits 0 sh "$dist/bin/mqbroker" -h
    check "and prints the usage" has_line "$scratch/out" '^usage: mqbroker \[-c <arg>\] \[-h\] \[-m\] \[-n <arg>\] \[-p\]$'
    check "mqbroker with a bad address ends with 253" exits 253 sh "$dist/bin/mqbroker" -n not-an-address
    check "and says so" has_line "$scratch/out" '^The Name Server Address\[not-an-address\] illegal, please set it as follows'
    check "mqbroker with a missing file ends with 255" exits 255 sh "$dist/bin/mqbroker" -c /nonexistent/broker.conf

    mkdir -p "$scratch/links/deep"
    ln -s "../../rocketmq-$version/bin/mqnamesrv" "$scratch/links/deep/relative"
    ln -s "$scratch/links/deep/relative" "$scratch/links/absolute"
    check "a script finds its distribution through links" exits 0 sh "$scratch/links/absolute" -p
    check "and ROCKETMQ_HOME is the distribution" has_line "$scratch/out" "rocketmqHome=$dist\$"
    check "a script called by its name alone" exits 0 sh -c 'cd "$0" && sh mqnamesrv -p' "$dist/bin"
    check "and ROCKETMQ_HOME is the distribution" has_line "$scratch/out" "rocketmqHome=$dist\$"
    check "ROCKETMQ_HOME is left alone when set" exits 0 env ROCKETMQ_HOME=/elsewhere sh "$dist/bin/mqnamesrv" -p
    check "and shows" has_line "$scratch/out" 'rocketmqHome=/elsewhere$'
    check "NAMESRV_ADDR reaches the broker" exits 0 env NAMESRV_ADDR=192.0.2.1:9876 sh "$dist/bin/mqbroker" -m
    check "and shows" has_line "$scratch/out" 'namesrvAddr=192.0.2.1:9876$'

    for daemon in broker namesrv; do
        check "mqshutdown $daemon with none running ends with 255" exits 255 sh "$dist/bin/mqshutdown" "$daemon"
        check "and says so" same "No mq$daemon running." "$(cat "$scratch/out")"
    done
    check "mqshutdown without arguments ends with 0" exits 0 sh "$dist/bin/mqshutdown"
    check "and prints the usage" same "Useage: mqshutdown broker | namesrv" "$(cat "$scratch/out")"
    check "benchmark/shutdown.sh with none running ends with 255" exits 255 sh "$dist/benchmark/shutdown.sh" producer
    check "and says so" same "No benchmark producer running." "$(cat "$scratch/out")"
    check "benchmark/runclass.sh without arguments ends with 1" exits 1 sh "$dist/benchmark/runclass.sh"
    check "and prints the usage" same "USAGE: $dist/benchmark/runclass.sh classname opts" "$(cat "$scratch/out")"
}

# boot OUTPUT SCRIPT [OPTION...]: as a user does, with nohup; its pid in $booted.
boot() {
    boot_out=$1
    shift
    nohup sh "$@" >"$boot_out" 2>&1 </dev/null &
    booted=$!
    started="$started $booted"
    if ! wait_for_line 60 "$boot_out" "boot success" "$booted"; then
        echo "$1 did not start:"
        cat "$boot_out"
        check "$1 starts" false
        report
        exit 1
    fi
}

start_daemons() {
    cd "$dist" || exit 1
    begun_at=$(log_time)
    # shellcheck disable=SC2086
    boot "$scratch/namesrv.out" bin/mqnamesrv $namesrv_options
    namesrv_pid=$booted
    check "namesrv.log has the lines of a start, in order" in_order "$logs/namesrv.log" <<LINES
INFO main - rocketmqHome=$dist
INFO main - kvConfigPath=$HOME/namesrv/kvConfig.json
INFO main - configStorePath=${namesrv_options:+$scratch/namesrv.conf}<any>
INFO main - productEnvName=center
INFO main - clusterTest=false
INFO main - orderMessageEnable=false
INFO main - listenPort=$namesrv_port
INFO main - serverWorkerThreads=8
INFO main - serverCallbackExecutorThreads=0
INFO main - serverSelectorThreads=3
INFO main - serverOnewaySemaphoreValue=256
INFO main - serverAsyncSemaphoreValue=64
INFO main - serverChannelMaxIdleTimeSeconds=120
INFO main - serverSocketSndBufSize=65535
INFO main - serverSocketRcvBufSize=65535
INFO main - serverPooledByteBufAllocatorEnable=true
INFO main - useEpollNativeSelector=false
INFO main - Server is running in TLS permissive mode
INFO main - Tls config file doesn't exist, skip it
INFO main - Log the final used tls related configuration
INFO main - tls.test.mode.enable = true
INFO main - tls.server.need.client.auth = none
INFO main - tls.server.keyPath = null
INFO main - tls.server.keyPassword = null
INFO main - tls.server.certPath = null
INFO main - tls.server.authClient = false
INFO main - tls.server.trustCertPath = null
INFO main - tls.client.keyPath = null
INFO main - tls.client.keyPassword = null
INFO main - tls.client.certPath = null
INFO main - tls.client.authServer = false
INFO main - tls.client.trustCertPath = null
INFO main - Using <any> SSL provider
INFO main - SSLContext created for server
INFO NettyEventExecutor - NettyEventExecutor service started
INFO main - Try to start service thread:FileWatchService started:false lastThread:null
INFO FileWatchService - FileWatchService service started
INFO main - The Name Server boot success. serializeType=JSON
LINES
    check "the console says so too" has_line "$scratch/namesrv.out" '^The Name Server boot success\. serializeType=JSON$'

    # shellcheck disable=SC2086
    boot "$scratch/broker.out" bin/mqbroker -n "$address" $broker_options
    broker_pid=$booted
    check "broker.log has the lines of a start, in order" in_order "$logs/broker.log" <<LINES
INFO main - rocketmqHome=$dist
INFO main - namesrvAddr=$address
INFO main - brokerName=$host
INFO main - brokerClusterName=DefaultCluster
INFO main - brokerId=0
INFO main - listenPort=$broker_port
INFO main - storePathRootDir=$HOME/store
INFO main - Set user specified name server address: $address
WARN main - Load default transaction message hook service: TransactionalMessageServiceImpl
WARN main - Load default discard message hook service: DefaultTransactionalMessageCheckListener
INFO main - The broker dose not enable acl
INFO brokerOutApi_thread_<any> - register broker[0]to name server $address OK
INFO main - The broker[$host, <any>:$broker_port] boot success. serializeType=JSON and name server is $address
LINES
    check "the console says so too" has_line "$scratch/broker.out" \
        "^The broker\[$host, [0-9a-fA-F.:]+:$broker_port\] boot success\. serializeType=JSON and name server is $address\$"
    export NAMESRV_ADDR="$address"
}

# received FILE COUNT: the consumer has printed that many messages, or has ended.
received() { [ "$(grep -c 'Receive New Messages' "$1")" -ge "$2" ] || ! process_alive "$consumer_pid"; }

# The group has committed everything; so the next consumer of the group begins behind it.
caught_up() {
    sh bin/mqadmin consumerProgress -g please_rename_unique_group_name_4 >"$scratch/progress" 2>&1
    grep -q '^Diff Total: 0$' "$scratch/progress"
}

# sent_messages FILE: unique ids in the order of sending.
sent_messages() { sed -n 's/^SendResult \[sendStatus=SEND_OK, msgId=\([0-9A-F]*\), .*/\1/p' "$1"; }

# received_messages FILE: `UNIQUE-ID BODY` of each message, the body as text.
received_messages() {
    awk '/Receive New Messages/ {
        id = $0; sub(/.*UNIQ_KEY=/, "", id); sub(/[,}].*/, "", id)
        bytes = $0; sub(/.*, body=\[/, "", bytes); sub(/\].*/, "", bytes)
        count = split(bytes, byte, ", "); text = ""
        for (i = 1; i <= count; i++) text = text sprintf("%c", byte[i] + 0)
        print id, text
    }' "$1"
}

# producer_and_consumer PRODUCER CONSUMER: what was sent is what is received, once each.
producer_and_consumer() {
    # shellcheck disable=SC2086
    check "$1 ends with 0" exits 0 sh bin/tools.sh $1
    cp "$scratch/out" "$scratch/producer.out"
    grep '^SendResult' "$scratch/producer.out" >"$scratch/results"
    check "it prints 1,000 results" same 1000 "$(wc -l <"$scratch/results" | tr -d ' ')"
    check "each in RocketMQ's form" every_line "$scratch/results" "^SendResult \[sendStatus=SEND_OK, msgId=[0-9A-F]+, offsetMsgId=[0-9A-F]+, messageQueue=MessageQueue \[topic=TopicTest, brokerName=$host, queueId=[0-3]\], queueOffset=[0-9]+\]\$"

    # shellcheck disable=SC2086
    sh bin/tools.sh $2 >"$scratch/consumer.out" 2>"$scratch/consumer.err" </dev/null &
    consumer_pid=$!
    started="$started $consumer_pid"
    check "$2 receives within 60 s" wait_until 60 received "$scratch/consumer.out" 1000
    check "and commits what it received within 30 s" wait_until 30 caught_up
    stop_process "$consumer_pid"
    check "it says that it has started" has_line "$scratch/consumer.out" '^Consumer Started\.$'
    grep 'Receive New Messages' "$scratch/consumer.out" >"$scratch/messages"
    check "each message in RocketMQ's form" every_line "$scratch/messages" "^ConsumeMessageThread_[0-9]+ Receive New Messages: \[MessageExt \[brokerName=$host, queueId=[0-3], storeSize=[0-9]+, queueOffset=[0-9]+, sysFlag=0, bornTimestamp=[0-9]+, bornHost=/[^,]+, storeTimestamp=[0-9]+, storeHost=/[^,]+:$broker_port, msgId=[0-9A-F]+, commitLogOffset=[0-9]+, bodyCRC=[0-9]+, reconsumeTimes=0, preparedTransactionOffset=0, toString\(\)=Message\{topic='TopicTest', flag=0, properties=\{.*UNIQ_KEY=[0-9A-F]+.*\}, body=\[[0-9, ]+\], transactionId='null'\}\]\] ?\$"
    check "each has the tag" every_line "$scratch/messages" 'TAGS=TagA[,}]'

    sent_messages "$scratch/producer.out" | awk '{ print $1, "Hello RocketMQ " NR - 1 }' | LC_ALL=C sort >"$scratch/sent"
    received_messages "$scratch/messages" | LC_ALL=C sort >"$scratch/got"
    check "the 1,000 sent are exactly the 1,000 received" same_lines "$scratch/sent" "$scratch/got"
    check "their ids differ" same 1000 "$(awk '{ print $1 }' "$scratch/got" | LC_ALL=C sort -u | wc -l | tr -d ' ')"
}

administration() {
    check "mqadmin clusterList ends with 0" exits 0 env -u NAMESRV_ADDR sh bin/mqadmin clusterList -n "$address"
    check "its head" has_line "$scratch/out" '^#Cluster Name     #Broker Name            #BID  #Addr                  #Version                #InTPS\(LOAD\)       #OutTPS\(LOAD\) #PCWait\(ms\) #Hour #SPACE$'
    short_host=$(printf '%.22s' "$host")
    check "its line for the broker" has_line "$scratch/out" "^DefaultCluster +$short_host +0 +[0-9a-fA-F.:]+:$broker_port +V4_9_2 "
    check "tools.sh takes mqadmin's class" exits 0 sh bin/tools.sh org.apache.rocketmq.tools.command.MQAdminStartup topicList
    check "and the quickstart's topic is there" has_line "$scratch/out" '^TopicTest$'
    check "runserver.sh takes the name server's class" exits 0 sh bin/runserver.sh org.apache.rocketmq.namesrv.NamesrvStartup -h
    check "runbroker.sh takes the broker's class" exits 0 sh bin/runbroker.sh org.apache.rocketmq.broker.BrokerStartup -h
}

# The four programs at once for one period of their line (10 s).
benchmark_scripts() {
    for name in producer consumer batchproducer tproducer; do
        sh "benchmark/$name.sh" >"$scratch/$name.out" 2>&1 </dev/null &
        eval "${name}_pid=$!"
        started="$started $!"
    done
    check "benchmark/producer.sh sends" wait_until 40 grep -q 'Send TPS: [1-9]' "$scratch/producer.out"
    check "benchmark/consumer.sh receives" wait_until 40 grep -q ' TPS: [1-9]' "$scratch/consumer.out"
    check "benchmark/batchproducer.sh sends" wait_until 40 grep -q 'Send TPS: [1-9]' "$scratch/batchproducer.out"
    check "benchmark/tproducer.sh sends" wait_until 40 grep -q 'Send TPS: *[1-9]' "$scratch/tproducer.out"
    # shellcheck disable=SC2154
    check "benchmark/shutdown.sh producer ends with 0" exits 0 sh benchmark/shutdown.sh producer
    check "and says whom it stopped" same "The benchmkar producer($producer_pid) is running...
Send shutdown request to benchmark producer($producer_pid) OK" "$(cat "$scratch/out")"
    check "benchmark/shutdown.sh consumer ends with 0" exits 0 sh benchmark/shutdown.sh consumer
    check "benchmark/shutdown.sh tproducer ends with 0" exits 0 sh benchmark/shutdown.sh tproducer
    # shellcheck disable=SC2154
    check "the transaction producer ends" wait_until 20 process_gone "$tproducer_pid"
    check "the producer ends" wait_until 20 process_gone "$producer_pid"
    check "the consumer ends" wait_until 20 process_gone "$consumer_pid"
    # shellcheck disable=SC2154
    stop_process "$batchproducer_pid"
}

export_script() {
    printf '%s\n' "$address" DefaultCluster "$scratch/export" >"$scratch/answers"
    sh bin/export.sh <"$scratch/answers" >"$scratch/out" 2>"$scratch/err"
    check "export.sh ends with 0" same 0 $?
    check "and says where the file is" has_line "$scratch/out" \
        "\[INFO\] The RocketMQ metadata has been exported to the file:$scratch/export/rocketmq-metadata-export.json\$"
    for part in brokerConfigs topicConfigTable evaluateReport; do
        check "the file has $part" has_line "$scratch/export/rocketmq-metadata-export.json" "$part"
    done
}

# Two lines of the registration 30 s apart (1 s more or less by the seconds of the log).
registers_every_30_s() {
    grep -F "register broker[0]to name server $address OK" "$logs/broker.log" | awk '
        { split(substr($2, 1, 8), part, ":"); at[NR] = part[1] * 3600 + part[2] * 60 + part[3]
          for (i = 1; i < NR; i++) { apart = (at[NR] - at[i] + 86400) % 86400; if (apart >= 29 && apart <= 31) found = 1 } }
        END { exit !found }'
}

recurring_lines() {
    check "dispatch behind commit log 0 bytes" wait_until 75 \
        grep -q 'INFO BrokerControllerScheduledThread1 - dispatch behind commit log 0 bytes$' "$logs/broker.log"
    check "Slave fall behind master" \
        has_line "$logs/broker.log" 'INFO BrokerControllerScheduledThread1 - Slave fall behind master: [0-9]+ bytes$'
    check "register broker every 30 s" wait_until 75 registers_every_30_s
    ended_at=$(log_time)
    for log in namesrv broker; do
        check "the lines of $log.log are dated in GMT+8" stamped "$logs/$log.log" "$begun_at" "$ended_at"
    done
}

# Programs that mqshutdown must not take for daemons; their pids in $decoys.
start_decoys() {
    class=org.apache.rocketmq.broker.BrokerStartup
    mkdir -p "$scratch/other/libexec"
    mkfifo "$scratch/other/$class"
    # Another installation's program of the same name, with the class as its first argument.
    cp "$(command -v cat)" "$scratch/other/libexec/rocketmq"
    (cd "$scratch/other" && exec libexec/rocketmq "$class") &
    decoys=$!
    tail -f "$logs/broker.log" "$scratch/other/nothing" "$dist/libexec/rocketmq" >/dev/null 2>&1 &
    decoys="$decoys $!"
    # A shell whose words are those of Java's daemon.
    sh -c 'read -r word <"$1/$2"' java "$scratch/other" "$class" "$dist/libexec/rocketmq" &
    decoys="$decoys $!"
    started="$started $decoys"
}

stop_daemons() {
    start_decoys
    # What a closing terminal sends; who used nohup means the daemons to stay.
    kill -HUP "$namesrv_pid" "$broker_pid"
    check "SIGHUP under nohup is ignored: both serve" exits 0 sh bin/mqadmin clusterList
    check "the name server still runs" process_alive "$namesrv_pid"
    check "the broker still runs" process_alive "$broker_pid"
    check "mqshutdown broker ends with 0" exits 0 sh bin/mqshutdown broker
    check "and says whom it stopped" same "The mqbroker($broker_pid) is running...
Send shutdown request to mqbroker($broker_pid) OK" "$(cat "$scratch/out")"
    check "the broker ends within 30 s" wait_until 30 process_gone "$broker_pid"
    wait "$broker_pid"
    check "with the exit code of SIGTERM" same 143 $?
    check "its last words" in_order "$logs/broker.log" <<LINES
INFO ShutdownHook - Shutdown hook was invoked, 1
INFO <any>unregisterBroker OK, NamesrvAddr: $address
INFO ShutdownHook - Shutdown hook over, consuming total time(ms): <any>
LINES
    check "no abort file is left" test ! -e "$HOME/store/abort"
    for pid in $decoys; do check "mqshutdown leaves others alone" process_alive "$pid"; done
    for pid in $decoys; do stop_process "$pid" 5; done

    check "mqshutdown namesrv --wait ends with 0" exits 0 sh bin/mqshutdown namesrv --wait 30
    check "and says whom it stopped" same "The mqnamesrv($namesrv_pid) is running...
Send shutdown request to mqnamesrv($namesrv_pid) OK" "$(cat "$scratch/out")"
    check "the name server has ended" process_gone "$namesrv_pid"
    wait "$namesrv_pid"
    check "with the exit code of SIGTERM" same 143 $?
    check "mqshutdown broker again ends with 255" exits 255 sh bin/mqshutdown broker
    unset NAMESRV_ADDR
}

# fresh_home NAME: each of the next steps begins with nothing.
fresh_home() {
    rm -rf "$HOME/store"
    export HOME="$scratch/$1"
    mkdir -p "$HOME"
    logs="$HOME/logs/rocketmqlogs"
}

standalone() {
    fresh_home standalone
    boot "$scratch/standalone.out" bin/mqstandalone
    check "mqstandalone serves" exits 0 sh bin/mqadmin clusterList -n localhost:9876
    check "with a broker" has_line "$scratch/out" "^DefaultCluster .*:10911 +V4_9_2 "
    check "the quickstart's Producer works with it" exits 0 env NAMESRV_ADDR=localhost:9876 sh bin/tools.sh quickstart Producer
    check "and sends 1,000" same 1000 "$(grep -c 'sendStatus=SEND_OK' "$scratch/out")"
    check "mqshutdown standalone --wait ends with 0" exits 0 sh bin/mqshutdown standalone --wait 30
    check "it has ended" process_gone "$booted"
}

play_script() {
    fresh_home play
    mkdir "$scratch/play-logs"
    check "play.sh ends with 0" exits 0 sh -c 'cd "$0" && exec sh "$1/bin/play.sh"' "$scratch/play-logs" "$dist"
    check "and says so" has_line "$scratch/out" '^Start Name Server and Broker Successfully, .+:9876$'
    check "mqshutdown broker --wait stops its broker" exits 0 sh bin/mqshutdown broker --wait 30
    check "mqshutdown namesrv --wait stops its name server" exits 0 sh bin/mqshutdown namesrv --wait 30
}
