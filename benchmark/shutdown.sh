#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stops the benchmark programs that this user started from this distribution.
here=$(dirname "$(readlink -f "$0")")
. "$here/../libexec/processes.sh"

verb=benchmark
case ${1:-} in
producer)
    class=Producer
    name=producer
    verb=benchmkar # as RocketMQ spells it here
    ;;
consumer)
    class=Consumer
    name=consumer
    ;;
tproducer)
    class=TransactionProducer
    name="transaction producer"
    ;;
*)
    echo "Useage: shutdown producer | consumer | tproducer"
    exit 0
    ;;
esac

pids=$(pids_of "org.apache.rocketmq.example.benchmark.$class")
if [ -z "$pids" ]; then
    echo "No benchmark $name running."
    exit 255
fi
echo "The $verb $name($pids) is running..."
# shellcheck disable=SC2086 # one word for each process
kill $pids || exit 1
echo "Send shutdown request to benchmark $name($pids) OK"
