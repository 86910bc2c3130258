#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# runbroker.sh CLASS [ARGUMENT...]: as runserver.sh; where numactl works, memory is interleaved over all NUMA
# nodes, or, with RMQ_NUMA_NODE, processors and memory are bound to that node.
here=$(dirname "$(readlink -f "$0")")
. "$here/../libexec/program.sh"
raise_file_limit
if numactl --interleave=all true >/dev/null 2>&1; then
    if [ -n "${RMQ_NUMA_NODE:-}" ]; then
        exec numactl --cpunodebind="$RMQ_NUMA_NODE" --membind="$RMQ_NUMA_NODE" "$rocketmq_program" "$@"
    fi
    exec numactl --interleave=all "$rocketmq_program" "$@"
fi
if [ -n "${RMQ_NUMA_NODE:-}" ]; then
    echo "RMQ_NUMA_NODE=$RMQ_NUMA_NODE has no effect: numactl is missing or does not work here" >&2
fi
exec "$rocketmq_program" "$@"
