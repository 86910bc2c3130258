#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The dashboard's page in a headless Chromium; gets the browser by apt where it may. Also `make dashboard-test`.
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
exec cargo test --locked -p rocketmq-dashboard --test browser -- --ignored
