#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Load by the benchmark TransactionProducer; -h lists the options, shutdown.sh or Ctrl-C ends it.
here=$(dirname "$(readlink -f "$0")")
exec sh "$here/runclass.sh" org.apache.rocketmq.example.benchmark.TransactionProducer "$@"
