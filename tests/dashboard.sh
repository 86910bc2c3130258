#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The dashboard's page in a headless Chromium; gets the browser by apt where it may. Also `make dashboard-test`.
# Where it may make a network of its own, the page stands at the ports of the user, 8080 and 8083.
set -u
cd "$(dirname "$0")/.." || exit 1
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    get='apt-get update && apt-get install -y --no-install-recommends chromium chromium-driver'
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "The dashboard's tests need chromium and chromedriver: sudo sh -c '$get'" >&2
        exit 1
    fi
    sh -c "$get" || exit 1
fi
cargo test --locked -p rocketmq-dashboard --test browser --no-run || exit 1
set -- cargo test --locked --offline -p rocketmq-dashboard --test browser -- --ignored "$@"
for unshare in "unshare -n" "unshare -rn"; do
    if $unshare sh -c 'ip link set lo up' >/dev/null 2>&1; then
        export DASHBOARD_OWN_NETWORK=1
        # shellcheck disable=SC2016 # the inner shell expands it
        exec $unshare sh -c 'ip link set lo up && exec "$@"' sh "$@"
    fi
done
echo "no network of its own (unshare -n): the page stands at free ports instead of 8080 and 8083" >&2
exec "$@"
