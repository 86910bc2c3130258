#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# runserver.sh CLASS [ARGUMENT...]: runs a program of this distribution by its class name.
# The process keeps this shell's pid. JAVA_HOME, JAVA_OPT and JAVA_OPT_EXT have no effect: there is no JVM.
here=$(dirname "$(readlink -f "$0")")
. "$here/../libexec/program.sh"
raise_file_limit
exec "$rocketmq_program" "$@"
