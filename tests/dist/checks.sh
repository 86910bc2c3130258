# SPDX-License-Identifier: Apache-2.0
# Counted checks, sourced by acceptance.sh.

passed=0
failed=0
skipped=0

# check TEXT COMMAND...: COMMAND succeeds.
check() {
    check_text=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok      $check_text"
    else
        failed=$((failed + 1))
        echo "FAILED  $check_text"
    fi
}

skip() {
    skipped=$((skipped + 1))
    echo "skipped $1: $2"
}

report() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}

# same EXPECTED ACTUAL: equal texts; shows both otherwise.
same() {
    [ "$1" = "$2" ] && return
    printf 'expected: %s\n     got: %s\n' "$1" "$2" | cut -c1-400
    return 1
}

# same_lines FILE FILE: equal contents.
same_lines() { diff "$1" "$2" >"$scratch/diff" || { head -n 6 "$scratch/diff"; return 1; }; }

# has_line FILE EXTENDED-EXPRESSION
has_line() { grep -q -E -e "$2" "$1" || { echo "not in $1: $2"; tail -n 3 "$1" | cut -c1-300; return 1; }; }

# in_order LOG: the lines on standard input stand in LOG in that order (others may stand between). They are whole
# lines less the date and time; one <any> in each stands for any text.
in_order() {
    awk -v log_file="$1" '
        FNR == NR { want[++count] = $0; next }
        found < count {
            text = substr($0, 21)
            expected = want[found + 1]
            place = index(expected, "<any>")
            if (place == 0) {
                if (text == expected) found++
            } else {
                head = substr(expected, 1, place - 1)
                tail = substr(expected, place + 5)
                if (length(text) >= length(head) + length(tail) && substr(text, 1, length(head)) == head &&
                    substr(text, length(text) - length(tail) + 1) == tail) found++
            }
        }
        END {
            if (found < count) {
                print "not in " log_file " after \"" want[found] "\": " want[found + 1]
                exit 1
            }
        }' - "$1"
}

# stamped LOG FROM TO: every line that begins with a digit has the date and time in RocketMQ's form and zone (GMT+8).
stamped() {
    awk -v from="$2" -v to="$3" '
        /^[0-9]/ {
            stamp = substr($0, 1, 19)
            if ($0 !~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9] (TRACE|DEBUG|INFO|WARN|ERROR) [^ ].* - / ||
                stamp < from || stamp > to) { print "not between " from " and " to ": " $0; wrong = 1; exit }
        }
        END { exit wrong }' "$1"
}

# The time of the logs, whatever the zone of this host.
log_time() { TZ=CST-8 date '+%Y-%m-%d %H:%M:%S'; }

# every_line FILE EXTENDED-EXPRESSION
every_line() {
    grep -v -E -e "$2" "$1" >"$scratch/other-lines" || return 0
    head -n 1 "$scratch/other-lines" | cut -c1-600
    return 1
}

# exits CODE COMMAND...: its output goes to $scratch/out and $scratch/err.
exits() {
    expected_code=$1
    shift
    "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    code=$?
    [ "$code" = "$expected_code" ] && return
    echo "exit code $code, expected $expected_code: $*"
    head -n 3 "$scratch/out" "$scratch/err"
    return 1
}
