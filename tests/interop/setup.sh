#!/bin/sh
# Gets the Java peer ready: JDK and Maven, the 4.9.2 jars and our drivers, in target/interop/lib.
# Does nothing when nothing changed. INTEROP_OUT names another output folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
out="${INTEROP_OUT:-$repo/target/interop}"
packages="openjdk-17-jdk-headless maven"

stamp_now() {
    find "$here/java" -type f \( -name pom.xml -o -name '*.java' -o -name '*.xml' \) | LC_ALL=C sort | while read -r file; do
        cksum <"$file"
        echo "${file#"$here"}"
    done | cksum
}

have_tools() {
    "${JAVA_HOME:+$JAVA_HOME/bin/}javac" -version >/dev/null 2>&1 &&
        "${JAVA_HOME:+$JAVA_HOME/bin/}java" -version >/dev/null 2>&1 && mvn --version >/dev/null 2>&1
}

install_tools() {
    have_tools && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "interop: installing $packages" >&2
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086
        { apt-get -q update && apt-get -q -y install --no-install-recommends $packages; } >&2 ||
            { echo "interop: could not install: $packages" >&2; exit 1; }
        have_tools && return
    fi
    if command -v apt-get >/dev/null 2>&1; then
        echo "interop: a JDK (17) and Maven are needed; run: sudo apt-get install -y $packages" >&2
    else
        echo "interop: a JDK (17) and Maven are needed; run: brew install openjdk@17 maven" >&2
    fi
    exit 1
}

mkdir -p "$out"
stamp=$(stamp_now)
ready() { [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ] && "${JAVA_HOME:+$JAVA_HOME/bin/}java" -version >/dev/null 2>&1; }
ready && exit 0

# One build at a time; a builder that died leaves its pid behind.
lock="$out/lock"
waited=0
until mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null || true)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
        rm -rf "$lock"
        continue
    fi
    waited=$((waited + 1))
    [ "$waited" -lt 900 ] || { echo "interop: another setup holds $lock since 15 minutes" >&2; exit 1; }
    sleep 1
done
echo $$ >"$lock/pid"
trap 'rm -rf "$lock"' EXIT
trap 'exit 130' INT TERM HUP
ready && exit 0

install_tools
echo "interop: building the Java drivers" >&2
mvn -B -q -f "$here/java/pom.xml" -Dinterop.out="$out" clean package >&2
# A running program keeps the file it opened: replace by rename.
cp "$out/build/interop.jar" "$out/lib/.interop.jar.new"
mv "$out/lib/.interop.jar.new" "$out/lib/interop.jar"
echo "$stamp" >"$out/stamp"
