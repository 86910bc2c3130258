#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tunes a Linux host for a broker until the next boot, as RocketMQ advises; run as root. The limits on open files
# and locked memory hold for new log-ins of the given user.
#
#   os.sh [USER]        default: the one who called sudo, else the current user
set -u
[ "$(id -u)" = 0 ] || { echo "os.sh changes kernel settings: run it as root" >&2; exit 1; }
user=${1:-${SUDO_USER:-$(id -un)}}
failed=0

for setting in vm.overcommit_memory=1 vm.drop_caches=1 vm.zone_reclaim_mode=0 vm.max_map_count=655360 \
    vm.dirty_background_ratio=50 vm.dirty_ratio=50 vm.dirty_writeback_centisecs=360000 vm.page-cluster=3 \
    vm.swappiness=1; do
    sysctl -w "$setting" || failed=1
done

for scheduler in /sys/block/*/queue/scheduler; do
    [ -w "$scheduler" ] || continue
    for wanted in mq-deadline deadline; do
        if grep -q -w -e "$wanted" "$scheduler"; then
            echo "$wanted" >"$scheduler" && echo "$scheduler: $wanted"
            break
        fi
    done
done

limits=/etc/security/limits.d/rocketmq.conf
if mkdir -p "${limits%/*}" && printf '%s\n' "$user soft nofile 655350" "$user hard nofile 655350" \
    "$user soft memlock unlimited" "$user hard memlock unlimited" >"$limits"; then
    echo "$limits: nofile 655350 and memlock unlimited for $user, from the next log-in on"
else
    failed=1
fi
exit "$failed"
