#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The Helm chart, rendered as helm does and read by the types of the Kubernetes API; the plain manifests, which are its
# rendering; and the container's root file system, in which the daemons run as the chart wants it.
#
#   run.sh [--write]      --write: writes distribution/kubernetes/rocketmq.yaml anew
#
# Needs Go 1.24 or later for the chart; the modules come from the Go proxy, by the sums of go.sum.
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
write=
[ "${1:-}" != --write ] || write=-write
command -v go >/dev/null 2>&1 || PATH=$PATH:/usr/local/go/bin
if ! command -v go >/dev/null 2>&1; then
    echo "go is missing: the chart is checked by a program in Go; install Go 1.24 or later (https://go.dev/dl)" >&2
    exit 1
fi
checker=$repo/target/test/kubernetes-check
mkdir -p "$repo/target/test"
(cd "$here" && go build -o "$checker" .) || exit 1
# shellcheck disable=SC2086 # none or one word
"$checker" $write "$repo/distribution/kubernetes/helm/rocketmq" "$repo/distribution/kubernetes/rocketmq.yaml" || exit 1
[ -n "$write" ] || "$here/image.sh"
