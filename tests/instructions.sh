#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Counts the instructions of the core path's parts and holds them against tests/instructions.txt: a count repeats where
# a time does not, so a slower core path shows even on a busy machine.
#
#   tests/instructions.sh [--record]     --record writes what was counted as the new bar
#
# Each part runs under valgrind with two counts; the difference, per operation, leaves start and end out. Threads that
# flush in the background make the store's parts vary by a few percent: a part fails at 1.15 times its bar.
set -eu
repo=$(cd "$(dirname "$0")/.." && pwd)
bar="$repo/tests/instructions.txt"
. "$repo/tests/lib/disk.sh"
program="${CARGO_TARGET_DIR:-$repo/target}/release/rocketmq-micro"

if ! command -v valgrind >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "instructions: installing valgrind" >&2
        export DEBIAN_FRONTEND=noninteractive
        { apt-get -q update && apt-get -q -y install --no-install-recommends valgrind libc6-dbg; } >&2
    else
        echo "instructions: valgrind is needed; run: sudo apt-get install -y valgrind" >&2
        exit 1
    fi
fi
cargo build --locked --release -q --manifest-path "$repo/Cargo.toml" -p rocketmq-bench --bin rocketmq-micro

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

# count CASE COUNT: instructions of the whole run.
count() {
    TMPDIR="$scratch" valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" \
        >"$scratch/out" 2>"$scratch/err" || { cat "$scratch/err" >&2; exit 1; }
    awk '/Collected/ { print $NF }' "$scratch/err"
}

passed=0
failed=0
: >"$scratch/counts"
for part in frame answer append scan filter; do
    few=$(count "$part" 6400)
    many=$(count "$part" 32000)
    each=$(((many - few) / 25600))
    echo "$part $each" >>"$scratch/counts"
    limit=$(awk -v part="$part" '$1 == part { print $2 }' "$bar" 2>/dev/null || true)
    if [ -n "$limit" ] && [ $((each * 100)) -le $((limit * 115)) ]; then
        echo "ok      $part: $each instructions, the bar is $limit"
        passed=$((passed + 1))
    else
        echo "FAILED  $part: $each instructions, the bar is ${limit:-missing}; if it is worth it: tests/instructions.sh --record"
        failed=$((failed + 1))
    fi
done
if [ "${1:-}" = --record ]; then
    cp "$scratch/counts" "$bar"
    echo "recorded in tests/instructions.txt"
    exit 0
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
