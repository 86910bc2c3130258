#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Starts a name server (output in ns.log) and a broker (bk.log) and leaves them running; mqshutdown stops them.
here=$(dirname "$(readlink -f "$0")")

# The host's first address; macOS has no `hostname -i`.
address=$(hostname -i 2>/dev/null | awk '{ print $1 }')
address=${address:-127.0.0.1}

# start LOG SCRIPT [ARGUMENT...]: until it says that it serves.
start() {
    log=$1
    shift
    nohup sh "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    until grep -q 'boot success' "$log"; do
        if ! kill -0 "$pid" 2>/dev/null; then
            echo "$(basename "$1") did not start:" >&2
            tail -n 20 "$log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

start ns.log "$here/mqnamesrv"
start bk.log "$here/mqbroker" -n "$address:9876"
echo "Start Name Server and Broker Successfully, $address:9876"
