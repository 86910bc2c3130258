# SPDX-License-Identifier: Apache-2.0
# Where the native program lies; sourced by the scripts of bin/ and benchmark/, which set $here to their folder.

rocketmq_dist=$(dirname "$here")
export ROCKETMQ_HOME="${ROCKETMQ_HOME:-$rocketmq_dist}"
rocketmq_program=$(readlink -f "$rocketmq_dist/libexec/rocketmq")
if [ ! -x "$rocketmq_program" ]; then
    echo "ERROR: $rocketmq_program is missing; unpack the distribution whole, or build it with: make dist" >&2
    exit 1
fi

# As the JVM does: open files up to the hard limit, for clients and for the files of the store.
raise_file_limit() {
    ulimit -S -n "$(ulimit -H -n)" 2>/dev/null || :
}
