#!/bin/sh
# Access control: Java's client with right and wrong keys against a broker with aclEnable=true, and, for ours, mqadmin
# with tools.yml.
#
#   acl.sh [--system ours|java]      default: ours
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
for part in ports process disk java cluster; do . "$here/../lib/$part.sh"; done

system=ours
while [ $# -gt 0 ]; do
    case $1 in
    --system) system=$2; shift 2 ;;
    *) sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2 ;;
    esac
done
"$here/setup.sh" || exit 1

folder=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-acl.XXXXXX")
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    cluster_stop "$folder"
    if [ "$status" = 0 ]; then rm -rf "$folder"; else echo "kept for inspection: $folder" >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkdir -p "$folder/home/conf"
cp "$here/plain_acl.yml" "$folder/home/conf/plain_acl.yml"
printf 'accessKey: administrator\nsecretKey: secret-of-admin\n' >"$folder/home/conf/tools.yml"
ROCKETMQ_HOME="$folder/home"
export ROCKETMQ_HOME
cluster_start "$folder" "$system" "$system" aclEnable=true || exit 1
"$here/java-run" interop.Interop "127.0.0.1:$NAMESRV_PORT" acl "broker=$system" "address=127.0.0.1:$BROKER_PORT" || exit 1
[ "$system" = ours ] || exit 0
"$here/java-run" interop.Interop "127.0.0.1:$NAMESRV_PORT" acl-reload "rules=$ROCKETMQ_HOME/conf/plain_acl.yml" \
    "log=$folder/user/logs/rocketmqlogs/broker.log" || exit 1

grep -q "# Sends to orders and reads prices" "$ROCKETMQ_HOME/conf/plain_acl.yml" ||
    { echo "the changes lost the file's comments" >&2; exit 1; }
if grep -rl "secret-of-" "$folder/user/logs"; then
    echo "secrets stand in these logs" >&2
    exit 1
fi
mqadmin="${OURS_MQADMIN:-sh $ours_dist/bin/mqadmin}"
# shellcheck disable=SC2086
HOME="$folder/user" $mqadmin getAccessConfigSubCommand -n "127.0.0.1:$NAMESRV_PORT" -c DefaultCluster >"$folder/accounts" 2>&1
grep -q "shop-account" "$folder/accounts" || { cat "$folder/accounts" >&2; exit 1; }
printf 'accessKey: administrator\nsecretKey: secret-of-another\n' >"$ROCKETMQ_HOME/conf/tools.yml"
# shellcheck disable=SC2086
HOME="$folder/user" $mqadmin getAccessConfigSubCommand -n "127.0.0.1:$NAMESRV_PORT" -c DefaultCluster >"$folder/accounts" 2>&1
grep -q "Check signature failed for accessKey=administrator" "$folder/accounts" || { cat "$folder/accounts" >&2; exit 1; }
echo "mqadmin signs with tools.yml"
