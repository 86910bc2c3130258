# Processes of tests, sourced by POSIX shells: bounded waits, stop by pid only.

# True while pid $1 runs; a zombie does not count as running.
process_alive() {
    kill -0 "$1" 2>/dev/null || return 1
    [ -r "/proc/$1/stat" ] || return 0
    process_state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)
    [ "$process_state" != Z ]
}

# wait_until SECONDS COMMAND...: runs COMMAND every 50 ms until it succeeds; false at the deadline.
wait_until() {
    wait_deadline=$(($(date +%s) + $1))
    shift
    while ! "$@"; do
        [ "$(date +%s)" -le "$wait_deadline" ] || return 1
        sleep 0.05
    done
}

# wait_for_line SECONDS FILE PATTERN PID: until FILE has PATTERN; false at the deadline or when PID ended.
wait_for_line() {
    wait_deadline=$(($(date +%s) + $1))
    while ! grep -q -e "$3" "$2" 2>/dev/null; do
        if ! process_alive "$4"; then
            # Its last words may have been written after the look above.
            grep -q -e "$3" "$2" 2>/dev/null
            return
        fi
        [ "$(date +%s)" -le "$wait_deadline" ] || return 1
        sleep 0.02
    done
}

process_gone() { ! process_alive "$1"; }

# stop_process PID [SECONDS]: TERM, wait, then KILL.
stop_process() {
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || return 0
    wait_until "${2:-20}" process_gone "$1" && return 0
    kill -9 "$1" 2>/dev/null
    wait_until 5 process_gone "$1"
}

# The daemon behind pid $1: follows start scripts that did not exec down to their only child.
daemon_of() {
    daemon_pid=$1
    while [ -r "/proc/$daemon_pid/comm" ]; do
        case $(cat "/proc/$daemon_pid/comm") in
        sh | dash | bash | busybox) ;;
        *) break ;;
        esac
        daemon_child=$(cat "/proc/$daemon_pid/task/$daemon_pid/children" 2>/dev/null)
        daemon_child=${daemon_child%% *}
        [ -n "$daemon_child" ] || break
        daemon_pid=$daemon_child
    done
    echo "$daemon_pid"
}
