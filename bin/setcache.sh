#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# setcache.sh EXTRA_FREE_KBYTES MIN_FREE_KBYTES: how much memory the kernel keeps free for bursts; run as root.
# vm.extra_free_kbytes exists in some vendors' kernels only.
if [ $# -ne 2 ]; then
    echo "Usage: $0 EXTRA_FREE_KBYTES MIN_FREE_KBYTES"
    exit 1
fi
[ ! -e /proc/sys/vm/extra_free_kbytes ] || sysctl -w "vm.extra_free_kbytes=$1" || exit 1
sysctl -w "vm.min_free_kbytes=$2"
