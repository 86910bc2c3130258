#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every shell script of the repository parses; shellcheck, where installed, finds nothing in them.
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0
failed=0
for script in $(git grep -l -I '^#!/bin/sh' -- ':!docs'; git ls-files 'distribution/libexec/*.sh' 'tests/lib/*.sh'); do
    if sh -n "$script" && { ! command -v shellcheck >/dev/null 2>&1 || shellcheck -S warning -s sh "$script"; }; then
        passed=$((passed + 1))
    else
        echo "FAILED $script"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
