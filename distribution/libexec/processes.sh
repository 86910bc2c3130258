# SPDX-License-Identifier: Apache-2.0
# Finds running programs of this distribution; sourced by mqshutdown and benchmark/shutdown.sh, which set $here to
# their folder.
#
# A process counts when it runs this distribution's own libexec/rocketmq, belongs to this user, and its first
# argument is the class name or the short name asked for. So neither Java's daemons, nor a `tail -f` or an editor
# that mention the name, nor the daemons of another installation are ever hit.

own_program=$(readlink -f "$here/../libexec/rocketmq")

# pids_of CLASS [SHORT]: the processes, on one line.
pids_of() {
    if [ -e /proc/self/exe ]; then pids_in_proc "$@"; else pids_by_ps "$@"; fi
}

pids_in_proc() {
    found=
    # One grep over all processes first; only what mentions the name is looked at closely.
    # shellcheck disable=SC2013 # these names hold no blanks
    for candidate in $(grep -l -F -e "$1" -e "${2:-$1}" /proc/[0-9]*/cmdline 2>/dev/null); do
        candidate=${candidate#/proc/}
        candidate=${candidate%/cmdline}
        if is_own "$candidate" "$@"; then found="${found:+$found }$candidate"; fi
    done
    echo "$found"
}

# is_own PID CLASS [SHORT]: also when a newer build has replaced the program's file since it started.
is_own() {
    own_file=$(readlink "/proc/$1/exe" 2>/dev/null) || return 1
    [ "${own_file% (deleted)}" = "$own_program" ] || return 1
    [ "$(sed -n 's/^Uid:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2>/dev/null)" = "$(id -u)" ] || return 1
    own_class=$(tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | sed -n 2p)
    [ "$own_class" = "$2" ] || [ "$own_class" = "${3:-$2}" ]
}

# Elsewhere (macOS): the scripts start the program by its full path, which ps shows.
pids_by_ps() {
    ps -U "$(id -u)" -x -o pid= -o command= | while read -r candidate command; do
        case "$command " in
        "$own_program $1 "* | "$own_program ${2:-$1} "*) echo "$candidate" ;;
        esac
    done | tr '\n' ' ' | sed 's/ $//'
}

# all_gone PIDS CLASS [SHORT]: none of them runs any more (a pid that another program got meanwhile does not count).
all_gone() {
    gone_pids=$1
    shift
    still_there=" $(pids_of "$@") "
    for gone_pid in $gone_pids; do
        case $still_there in *" $gone_pid "*) return 1 ;; esac
    done
}

# await_end SECONDS PIDS CLASS [SHORT]: false when one still runs at the deadline.
await_end() {
    end_deadline=$(($(date +%s) + $1))
    shift
    until all_gone "$@"; do
        [ "$(date +%s)" -lt "$end_deadline" ] || return 1
        sleep 0.1
    done
}
