#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole test suite in stages, each timed; what `make test` runs. Ends with the line `N passed, N failed`.
#
#   tests/run.sh [STAGE...]      default: all stages, in the order below; logs stay in target/test/STAGE.log
set -u
cd "$(dirname "$0")/.." || exit 1
logs=target/test
mkdir -p "$logs"

stages=${*:-fmt clippy deny shell-check cargo-test dashboard crash dist instructions acceptance kubernetes interop}

run_stage() {
    case $1 in
    fmt) make -s fmt-check ;;
    clippy | deny | shell-check) make -s "$1" ;;
    cargo-test) cargo test --locked --workspace --no-fail-fast ;;
    dashboard) tests/dashboard.sh ;;
    crash) make -s crash ;;
    dist) make -s dist ;;
    instructions) tests/instructions.sh ;;
    acceptance) tests/dist/acceptance.sh ;;
    kubernetes) tests/kubernetes/run.sh ;;
    interop) tests/interop/run.sh ;;
    *)
        echo "no such stage: $1" >&2
        return 2
        ;;
    esac
}

# counts LOG STATUS: "passed failed" out of cargo's result lines and the scripts' own closing lines; a stage without
# any counts as one. A failure that no line counted counts as one too.
counts() {
    awk -v status="$2" '
        /^test result: / { passed += $4; failed += $6 }
        /^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3 }
        END {
            if (status == 0 && passed + failed == 0) passed = 1
            if (status != 0 && failed + 0 == 0) failed = 1
            print passed + 0, failed + 0
        }' "$1"
}

passed=0
failed=0
summary=
begun=$(date +%s)
for stage in $stages; do
    echo "=== $stage"
    stage_begun=$(date +%s)
    { run_stage "$stage" </dev/null; echo $? >"$logs/$stage.status"; } 2>&1 | tee "$logs/$stage.log"
    status=$(cat "$logs/$stage.status")
    # shellcheck disable=SC2046 # two words
    set -- $(counts "$logs/$stage.log" "$status")
    passed=$((passed + $1))
    failed=$((failed + $2))
    summary="$summary$(printf '%-12s %5d s  %4d passed, %d failed' "$stage" $(($(date +%s) - stage_begun)) "$1" "$2")
"
done
echo "=== stages, $(($(date +%s) - begun)) s in all"
printf '%s' "$summary"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
