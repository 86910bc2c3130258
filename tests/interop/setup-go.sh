#!/bin/sh
# Builds the Go peer of the interop matrix (go/, on github.com/apache/rocketmq-client-go/v2) as target/interop/go-peer.
# Does nothing when nothing changed. Any Go from 1.18 on will do; modules come from where GOPROXY says.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
out="${INTEROP_OUT:-$repo/target/interop}"

PATH="$PATH:/usr/local/go/bin"
if ! command -v go >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "interop: installing golang-go" >&2
        export DEBIAN_FRONTEND=noninteractive
        { apt-get -q update && apt-get -q -y install --no-install-recommends golang-go; } >&2
    else
        echo "interop: Go is needed; run: sudo apt-get install -y golang-go, or: brew install go" >&2
        exit 1
    fi
fi

mkdir -p "$out"
stamp=$(cat "$here"/go/*.go "$here"/go/go.* | cksum)
[ -x "$out/go-peer" ] && [ "$(cat "$out/go-stamp" 2>/dev/null)" = "$stamp" ] && exit 0
echo "interop: building the Go peer" >&2
cd "$here/go"
# A running program keeps the file it opened: replace by rename.
GOTOOLCHAIN=local go build -buildvcs=false -o "$out/.go-peer.$$" .
mv "$out/.go-peer.$$" "$out/go-peer"
echo "$stamp" >"$out/go-stamp"
