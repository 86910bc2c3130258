#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a build needs beside Rust: a C compiler (it links, and builds the cryptography library), git, and the host's
# certificates for cargo. Installs what is missing when it may (root on a Debian-like system), else tells how.
set -eu
missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need cc "gcc libc6-dev"
need git git
[ -n "$missing" ] || [ "$(uname)" != Linux ] || [ -e /etc/ssl/certs/ca-certificates.crt ] ||
    [ ! -e /etc/debian_version ] || missing=" ca-certificates"
if [ -n "$missing" ]; then
    packages="gcc libc6-dev git ca-certificates"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing $packages" >&2
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086
        { apt-get -q update && apt-get -q -y install --no-install-recommends $packages; } >&2
    elif command -v apt-get >/dev/null 2>&1; then
        echo "missing:$missing; run: sudo apt-get install -y $packages" >&2
        exit 1
    elif [ "$(uname)" = Darwin ]; then
        echo "missing:$missing; run: xcode-select --install" >&2
        exit 1
    else
        echo "missing:$missing; install them with this system's package manager" >&2
        exit 1
    fi
fi
command -v cargo >/dev/null 2>&1 || { echo "cargo is missing: install the Rust toolchain (rustup)" >&2; exit 1; }
