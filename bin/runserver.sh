#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# runserver.sh CLASS [ARGUMENT...]: runs a program of this distribution by its class name.
# The process keeps this shell's pid. There is no JVM: JAVA_HOME has no effect, and of JAVA_OPT and JAVA_OPT_EXT only
# the -D words that docs/configuration.md names.
here=$(dirname "$(readlink -f "$0")")
. "$here/../libexec/program.sh"
raise_file_limit
exec "$rocketmq_program" "$@"
