#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# runclass.sh CLASS [OPTION...]: runs a benchmark program.
here=$(dirname "$(readlink -f "$0")")
if [ $# -lt 1 ]; then
    echo "USAGE: $0 classname opts"
    exit 1
fi
. "$here/../libexec/program.sh"
exec "$rocketmq_program" "$@"
