# Free TCP ports for tests, sourced by POSIX shells.
#
# A broker listens on its port, port-2 (VIP) and port+1 (HA), so a block of
# four is taken at once. Ports stay below 32768: above it the kernel hands out
# the local ends of outgoing connections. A folder per block, holding the
# owner's pid, keeps parallel tests apart; a dead owner's block is taken over.

ports_root="${TMPDIR:-/tmp}/rocketmq-test-ports-$(id -u)"

# Every TCP port in use on this host (any state), decimal, one a line.
ports_in_use() {
    if [ -r /proc/net/tcp ]; then
        cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '
            function hex(text,   i, value) {
                value = 0
                for (i = 1; i <= length(text); i++)
                    value = value * 16 + index("0123456789ABCDEF", toupper(substr(text, i, 1))) - 1
                return value
            }
            $2 ~ /:/ { split($2, ends, ":"); print hex(ends[2]) }'
    else
        netstat -an -p tcp | awk '{ n = split($4, ends, "."); if (ends[n] ~ /^[0-9]+$/) print ends[n] }'
    fi
}

# Prints P such that P-2 .. P+1 are free and reserved for pid $1.
reserve_ports() {
    mkdir -p "$ports_root"
    ports_busy=" $(ports_in_use | tr '\n' ' ') "
    ports_try=$(awk -v seed="$1" 'BEGIN { srand(); print int((rand() * 5000 + seed * 7) % 5000) }')
    ports_left=5000
    while [ "$ports_left" -gt 0 ]; do
        ports_left=$((ports_left - 1))
        ports_try=$(((ports_try + 1) % 5000))
        ports_at=$((12002 + ports_try * 4))
        case $ports_busy in
        *" $((ports_at - 2)) "* | *" $((ports_at - 1)) "* | *" $ports_at "* | *" $((ports_at + 1)) "*) continue ;;
        esac
        if mkdir "$ports_root/$ports_at" 2>/dev/null; then
            echo "$1" >"$ports_root/$ports_at/pid"
            echo "$ports_at"
            return 0
        fi
        ports_owner=$(cat "$ports_root/$ports_at/pid" 2>/dev/null)
        if [ -n "$ports_owner" ] && ! kill -0 "$ports_owner" 2>/dev/null; then
            echo "$1" >"$ports_root/$ports_at/pid"
            echo "$ports_at"
            return 0
        fi
    done
    echo "no free block of four ports between 12000 and 32003" >&2
    return 1
}

# Gives back the blocks named.
release_ports() {
    for ports_at in "$@"; do
        [ -n "$ports_at" ] && rm -rf "${ports_root:?}/$ports_at"
    done
}
