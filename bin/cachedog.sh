#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Watches free memory and drops the page cache when less than 1 GiB is free; run as root, Ctrl-C ends it. Only for
# hosts whose other programs fail when free memory is short: the kernel reclaims cache by itself when asked.
here=$(dirname "$(readlink -f "$0")")
while :; do
    free=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo) || exit 1
    if [ "$free" -lt 1048576 ]; then
        echo "$(date '+%Y-%m-%d %H:%M:%S') $free kB free: dropping the page cache"
        sh "$here/cleancache.sh" || exit 1
    fi
    sleep 60
done
