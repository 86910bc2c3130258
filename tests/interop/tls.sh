#!/bin/sh
# TLS: the matrix of server modes and Java clients (plain, TLS, TLS with a certificate), with what goes over the wire
# recorded; then Java's client, with a certificate of its own, against a name server and a broker that take nothing else, ask for
# client certificates and have an encrypted key; and a Java client with the wrong certificate, which is refused.
#
#   tls.sh      needs openssl
set -u
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
for part in ports process disk java cluster; do . "$here/../lib/$part.sh"; done
command -v openssl >/dev/null || { echo "tls.sh needs openssl to make certificates" >&2; exit 2; }
"$here/setup.sh" || exit 1

folder=$(mktemp -d "${TMPDIR:-/tmp}/rocketmq-tls.XXXXXX")
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

# authority NAME: <NAME>.pem and <NAME>.key;  sign AUTHORITY NAME: a certificate and its PKCS#8 key.
authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$folder/$1.key" -out "$folder/$1.pem" 2>/dev/null
}
sign() {
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$folder/$2.key" -out "$folder/$2.csr" 2>/dev/null &&
        openssl x509 -req -in "$folder/$2.csr" -CA "$folder/$1.pem" -CAkey "$folder/$1.key" -CAcreateserial -days 2 \
            -extfile "$folder/v3" -out "$folder/$2.pem" 2>/dev/null
}
echo "basicConstraints=CA:FALSE" >"$folder/v3"
authority ours && authority theirs && sign ours server && sign ours client && sign theirs stranger || exit 1
openssl pkcs8 -topk8 -v2 aes-256-cbc -in "$folder/server.key" -passout pass:opensesame -out "$folder/server.enc" || exit 1

# settings FILE NAME: what a process with that certificate reads.
settings() {
    cat >"$folder/$1" <<SETTINGS
tls.test.mode.enable=false
tls.server.need.client.auth=require
tls.server.authClient=true
tls.server.trustCertPath=$folder/ours.pem
tls.server.certPath=$folder/server.pem
tls.server.keyPath=$folder/server.enc
tls.server.keyPassword=opensesame
tls.client.authServer=true
tls.client.trustCertPath=$folder/ours.pem
tls.client.certPath=$folder/$2.pem
tls.client.keyPath=$folder/$2.key
SETTINGS
}
settings client.properties client
settings stranger.properties stranger
sed "s,^tls.client.trustCertPath=.*,tls.client.trustCertPath=$folder/theirs.pem," "$folder/client.properties" >"$folder/distrusting.properties"

# with_need NEED: as client.properties, with another demand for client certificates.
with_need() {
    sed "s,^tls.server.need.client.auth=.*,tls.server.need.client.auth=$1," "$folder/client.properties" >"$folder/need-$1.properties"
}
with_need none
with_need optional
# What a client that shows no certificate reads.
grep -v -e '^tls.client.certPath' -e '^tls.client.keyPath' "$folder/client.properties" >"$folder/bare.properties"

# cell MODE NEED CLIENT OUTCOME [JVM OPTION...]
cell() {
    JAVA_RUN_OPTS="-Xmx256m"
    cell_name="$1/$2/$3"
    served=$4
    shift 4
    for cell_option in "$@"; do JAVA_RUN_OPTS="$JAVA_RUN_OPTS $cell_option"; done
    export JAVA_RUN_OPTS
    if ! "$here/java-run" interop.Interop "127.0.0.1:$NAMESRV_PORT" tls "name=$cell_name" "served=$served" \
        "address=127.0.0.1:$BROKER_PORT" >"$folder/cell" 2>&1; then
        cat "$folder/cell" >&2
        echo "TLS matrix: $cell_name is not as it should be" >&2
        exit 1
    fi
    grep "^tls-row " "$folder/cell" >>"$folder/matrix"
}

# row MODE NEED PLAIN TLS MUTUAL: starts a cluster and tries the three clients.
row() {
    JAVA_OPT="$any_disk -Dtls.server.mode=$1 -Dtls.config.file=$folder/need-$2.properties"
    export JAVA_OPT
    cluster_start "$folder" ours ours || exit 1
    cell "$1" "$2" plain "$3" -Dtls.enable=false
    cell "$1" "$2" TLS "$4" -Dtls.enable=true "-Dtls.config.file=$folder/bare.properties"
    cell "$1" "$2" mTLS "$5" -Dtls.enable=true "-Dtls.config.file=$folder/client.properties"
    cluster_stop "$folder"
}
with_need require
row disabled none true false false
row permissive optional true true true
row permissive require true false true
row enforcing none false true true
row enforcing optional false true true
row enforcing require false false true
echo "| mode | client certificate | client | outcome | on the wire | bytes |"
echo "|---|---|---|---|---|---|"
sed -n 's,^tls-row \(.*\)/\(.*\)/\([^ ]*\) \(.*\) \(.*\) \(.*\)$,| \1 | \2 | \3 | \4 | \5 | \6 |,p' "$folder/matrix"

JAVA_OPT="$any_disk -Dtls.server.mode=enforcing -Dtls.config.file=$folder/client.properties"
export JAVA_OPT
cluster_start "$folder" ours ours || exit 1
address="127.0.0.1:$NAMESRV_PORT"

JAVA_RUN_OPTS="-Xmx512m -Dtls.enable=true -Dtls.config.file=$folder/client.properties"
export JAVA_RUN_OPTS
"$here/java-run" interop.Interop "$address" sync,batch,sharing,pull,query-key broker=ours || exit 1
echo "Java's client sends and consumes over mutual TLS"

mqadmin="${OURS_MQADMIN:-sh $ours_dist/bin/mqadmin}"
# shellcheck disable=SC2086
JAVA_OPT="$JAVA_OPT -Dtls.enable=true" HOME="$folder/user" $mqadmin clusterList -n "$address" >"$folder/list" 2>&1
grep -q "broker-a" "$folder/list" || { cat "$folder/list" >&2; exit 1; }
echo "mqadmin asks over mutual TLS"

for wrong in "-Dtls.enable=true -Dtls.config.file=$folder/stranger.properties" \
    "-Dtls.enable=true -Dtls.config.file=$folder/distrusting.properties" "-Dtls.enable=false"; do
    JAVA_RUN_OPTS="-Xmx512m $wrong"
    if "$here/java-run" interop.Interop "$address" produce topic=Wrong n=1 >"$folder/wrong" 2>&1; then
        echo "a client with $wrong was served" >&2
        exit 1
    fi
done
log="$folder/user/logs/rocketmqlogs/namesrv.log"
# Java shows no certificate to a server that names authorities of which none signed it.
for line in "TLS: peer sent no certificates" "TLS: received fatal alert" "it is not a TLS connection, and tls.server.mode=enforcing takes no other"; do
    grep -q "$line" "$log" || { echo "no '$line' in $log" >&2; exit 1; }
done
if grep -rl opensesame "$folder/user/logs" "$folder"/*.out; then
    echo "the key's password stands in these" >&2
    exit 1
fi
echo "wrong certificates and plain connections are refused, with a line; no password in any log"
