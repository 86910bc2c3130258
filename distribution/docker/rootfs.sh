#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lays out the root file system of the container image; what the Dockerfile does after the build, and what
# tests/kubernetes/image.sh tries without Docker.
#
#   rootfs.sh FOLDER        from target/release/rocketmq, which `make build` makes
#
# The image holds the program, the libraries it names, and nothing to log in with: no shell, no package manager.
set -eu
repo=$(cd "$(dirname "$0")/../.." && pwd)
root=${1:?the folder to fill}
binary="${CARGO_TARGET_DIR:-$repo/target}/release/rocketmq"
[ -x "$binary" ] || { echo "rootfs: $binary is missing; run: make build" >&2; exit 1; }

mkdir -p "$root/opt/rocketmq/conf" "$root/etc/ssl/certs" "$root/home/rocketmq" "$root/tmp"
cp "$binary" "$root/opt/rocketmq/rocketmq"
cp -R "$repo"/conf/. "$root/opt/rocketmq/conf/"
cp "$repo/LICENSE" "$repo/NOTICE" "$root/opt/rocketmq/"
# A dynamic program wants its libraries and its loader where it looks for them; a static one has none.
ldd "$binary" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | sort -u |
    while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
echo "rocketmq:x:3000:3000:rocketmq:/home/rocketmq:/opt/rocketmq/rocketmq" >"$root/etc/passwd"
echo "rocketmq:x:3000:" >"$root/etc/group"
echo "hosts: files dns" >"$root/etc/nsswitch.conf"
[ ! -f /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
chmod -R u=rwX,go=rX "$root/opt" "$root/etc"
chmod 755 "$root/opt/rocketmq/rocketmq"
chmod 1777 "$root/tmp"
if [ "$(id -u)" = 0 ]; then chown 3000:3000 "$root/home/rocketmq"; fi
