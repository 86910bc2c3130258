#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools.sh CLASS [ARGUMENT...]: runs a tool or an example, such as
#   tools.sh org.apache.rocketmq.example.quickstart.Producer      (short: tools.sh quickstart Producer)
here=$(dirname "$(readlink -f "$0")")
. "$here/../libexec/program.sh"
exec "$rocketmq_program" "$@"
