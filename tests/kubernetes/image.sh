#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The container's root file system without Docker: rootfs.sh fills a folder as the Dockerfile does; name server and master
# run in it, in namespaces of their own, read-only, as user 3000, with the configuration of the plain manifests.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
limit_kib=40960

folder=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-image.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM HUP
root=$folder/root
"$repo/distribution/docker/rootfs.sh" "$root"
size=$(du -sk "$root" | awk '{ print $1 }')
echo "root file system: $size KiB"
[ "$size" -lt "$limit_kib" ] || { echo "it is to be below $limit_kib KiB" >&2; exit 1; }
isolate="unshare --net --mount --uts --pid --fork --kill-child"
if ! $isolate true 2>"$folder/why"; then
    echo "only the size was checked: the daemons want namespaces of their own: $(cat "$folder/why")" >&2
    echo "1 passed, 0 failed"
    exit 0
fi

# What a container runtime brings: places for its mounts, and the names that the cluster's DNS would know.
mkdir -p "$root/proc" "$root/dev" "$root/etc/rocketmq" "$root/opt/rocketmq/conf/acl"
touch "$root/dev/null"
pod=rocketmq-master-0
service=rocketmq-broker.default.svc.cluster.local
echo "127.0.0.1 localhost $pod.$service $pod rocketmq-namesrv-0.rocketmq-namesrv" >"$root/etc/hosts"
mkdir "$folder/home" "$folder/config" "$folder/acl"
printf 'accounts:\n  - accessKey: RocketMQ\n    secretKey: 12345678\n    admin: true\n' >"$folder/acl/plain_acl.yml"
chown 3000:3000 "$folder/home"
# The files of a ConfigMap of the plain manifests.
for name in namesrv.conf master.conf; do
    awk -v name="  $name: |" '$0 == name { on = 1; next } on && !/^    / { exit } on { print substr($0, 5) }' \
        "$repo/distribution/kubernetes/rocketmq.yaml" >"$folder/config/$name"
    [ -s "$folder/config/$name" ] || { echo "$name is not in the manifests" >&2; exit 1; }
done
{
    cat "$folder/config/master.conf"
    echo aclEnable=true
} >"$folder/config/acl.conf"
$isolate sh "$here/container.sh" "$root" "$folder" "$pod" "$service"
echo "1 passed, 0 failed"
