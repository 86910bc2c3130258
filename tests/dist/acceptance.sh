#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a user does with the packaged distribution, step by step, with every line that the documentation promises.
#
#   acceptance.sh [ARCHIVE.tar.gz]        default: the package that `make dist` built
#
# Root on Linux: in namespaces of its own for network and processes, on the default ports. Otherwise on free ports,
# which then stand in the expected lines; what only knows the default ports is skipped. Ends with the line
# `N passed, N failed, N skipped`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$repo/Cargo.toml" | head -n 1)
archive=${1:-$repo/distribution/target/rocketmq-$version/rocketmq-$version.tar.gz}
[ -f "$archive" ] || { echo "acceptance: $archive is missing; run: make dist" >&2; exit 1; }

if [ -z "${ACCEPTANCE_ISOLATED:-}" ]; then
    ACCEPTANCE_ISOLATED=no
    export ACCEPTANCE_ISOLATED
    if [ "$(id -u)" = 0 ] && [ "$(uname)" = Linux ]; then
        for unshare in "unshare -n -p -f --kill-child --mount-proc" "unshare -n"; do
            # shellcheck disable=SC2086
            if $unshare sh -c 'ip link set lo up' >/dev/null 2>&1; then
                export ACCEPTANCE_ISOLATED=yes
                exec $unshare sh -c 'ip link set lo up && exec sh "$0" "$@"' "$0" "$archive"
            fi
        done
    fi
fi
isolated=$ACCEPTANCE_ISOLATED
unset ACCEPTANCE_ISOLATED
for part in ports process disk; do . "$repo/tests/lib/$part.sh"; done
for part in checks steps; do . "$here/$part.sh"; done

# On the disk of the build: a broker allocates whole segments of its log, too much for a /tmp in memory.
mkdir -p "$repo/target"
scratch=$(mktemp -d "$repo/target/acceptance.XXXXXX")
dist="$scratch/rocketmq-$version"
started=
reserved=
# shellcheck disable=SC2317
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    for pid in $started; do stop_process "$pid" 10; done
    # What play.sh started; of this copy of the distribution only.
    for daemon in broker namesrv; do sh "$dist/bin/mqshutdown" "$daemon" --wait 10 >/dev/null 2>&1; done
    # shellcheck disable=SC2086
    release_ports $reserved
    if [ "$status" = 0 ]; then rm -rf "$scratch"; else echo "kept for inspection: $scratch" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

tar -xzf "$archive" -C "$scratch" || exit 1
export HOME="$scratch/home"
mkdir -p "$HOME"
unset ROCKETMQ_HOME NAMESRV_ADDR JAVA_HOME
host=$(uname -n)
logs="$HOME/logs/rocketmqlogs"
choose_ports

the_package
console_texts
start_daemons
producer_and_consumer org.apache.rocketmq.example.quickstart.Producer org.apache.rocketmq.example.quickstart.Consumer
producer_and_consumer "quickstart Producer" "quickstart Consumer"
administration
benchmark_scripts
export_script
recurring_lines
stop_daemons
on_default_ports standalone
on_default_ports play_script
report
