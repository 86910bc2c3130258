#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The part of image.sh that runs inside the namespaces: container.sh ROOT FOLDER POD SERVICE
set -eu
repo=$(cd "$(dirname "$0")/../.." && pwd)
. "$repo/tests/lib/process.sh"
root=$1
folder=$2
pod=$3
service=$4

echo "$pod" >/proc/sys/kernel/hostname
# Only loopback, and its ports are all free.
ip link set lo up
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev/null "$root/dev/null"
mount --bind "$folder/home" "$root/home/rocketmq"
mount --bind "$folder/config" "$root/etc/rocketmq"
mount --bind "$folder/acl" "$root/opt/rocketmq/conf/acl"
mount -o remount,ro,bind "$root"

inside() {
    env -i HOME=/home/rocketmq ROCKETMQ_HOME=/opt/rocketmq ROCKETMQ_BROKER_NAME_FROM_POD=true \
        ROCKETMQ_BROKER_ADDRESS="$pod.$service" NAMESRV_ADDR=rocketmq-namesrv-0.rocketmq-namesrv:9876 \
        JAVA_OPT="$any_disk $options" "$chroot" --userspec=3000:3000 "$root" /opt/rocketmq/rocketmq "$@"
}
options=
any_disk="-Drocketmq.broker.diskSpaceWarningLevelRatio=1.1 -Drocketmq.broker.diskSpaceCleanForciblyRatio=1.1"
chroot=$(command -v chroot)
failed() {
    echo "$1" >&2
    cat "$folder"/*.out >&2
    exit 1
}
answers() { curl -fsS -o /dev/null "http://127.0.0.1:$1" 2>/dev/null; }

inside namesrv -c /etc/rocketmq/namesrv.conf >"$folder/namesrv.out" 2>&1 &
wait_for_line 60 "$folder/namesrv.out" "boot success" $! || failed "the name server does not start"
inside broker -c /etc/rocketmq/master.conf >"$folder/broker.out" 2>&1 &
broker=$!
wait_for_line 60 "$folder/broker.out" "boot success" $broker || failed "the broker does not start"
for page in 5557/healthz 5557/readyz 5557/metrics 5558/healthz 5558/readyz; do
    wait_until 30 answers "$page" || failed "$page does not answer"
done
inside mqadmin clusterList >"$folder/list.out" 2>&1
grep -q "rocketmq-0 .* 0 .*$pod.$service:10911" "$folder/list.out" || failed "clusterList does not show the broker"
inside mqadmin sendMessage -t Image -p hello >"$folder/send.out" 2>&1
grep -q SEND_OK "$folder/send.out" || failed "a message is not taken"
inside dashboard --rocketmq.config.dataPath=/home/rocketmq/dashboard >"$folder/dashboard.out" 2>&1 &
wait_until 60 answers 8080/ || failed "the dashboard does not answer"
# The accounts of a Secret, where the chart mounts them.
options=-Drocketmq.acl.plain.file=/conf/acl/plain_acl.yml
inside broker -c /etc/rocketmq/acl.conf --check >"$folder/check.out" 2>&1 || failed "the Secret's accounts are not read"
options=-Drocketmq.acl.plain.file=/conf/acl/absent.yml
! inside broker -c /etc/rocketmq/acl.conf --check >"$folder/check.out" 2>&1 || failed "other accounts are read"
if (: >"$root/opt/new") 2>/dev/null; then failed "the root file system can be written"; fi
# The drain: TERM, everything written down, 143.
kill -TERM "$(daemon_of $broker)"
code=0
wait $broker || code=$?
[ "$code" = 143 ] || failed "the broker ended with $code"
echo "ran read-only as user 3000"
