#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cleancache.v1.sh KILOBYTES: makes the kernel free that much memory by raising vm.min_free_kbytes for a moment; run
# as root. Gentler than cleancache.sh, which drops everything.
case ${1:-} in
'' | *[!0-9]*)
    echo "Usage: $0 KILOBYTES"
    exit 1
    ;;
esac
before=$(sysctl -n vm.min_free_kbytes) || exit 1
sysctl -w "vm.min_free_kbytes=$1"
sleep 10
sysctl -w "vm.min_free_kbytes=$before"
