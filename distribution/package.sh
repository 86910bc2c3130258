#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lays out the distribution from target/release/rocketmq and packs it; what `make dist` runs after the build.
#
#   distribution/target/rocketmq-VERSION/rocketmq-VERSION/            the distribution
#   distribution/target/rocketmq-VERSION/rocketmq-VERSION.tar.gz      and .zip
#   distribution/target/rocketmq-VERSION/rocketmq-all-VERSION-source-release.zip
set -eu
repo=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$repo/Cargo.toml" | head -n 1)
name="rocketmq-$version"
out="$repo/distribution/target/$name"
tree="$out/$name"
binary="${CARGO_TARGET_DIR:-$repo/target}/release/rocketmq"
[ -x "$binary" ] || { echo "package: $binary is missing; run: make dist" >&2; exit 1; }

# A fresh file for each package: a daemon that still runs from the old one keeps it.
rm -rf "$tree"
mkdir -p "$tree/libexec"
for part in bin conf benchmark docs LICENSE NOTICE README.md CHANGELOG.md; do
    cp -R "$repo/$part" "$tree/$part"
done
cp "$repo"/distribution/libexec/*.sh "$tree/libexec/"
cp -R "$repo/distribution/grafana" "$repo/distribution/prometheus" "$repo/distribution/kubernetes" "$tree/"
cp "$binary" "$tree/libexec/rocketmq"
chmod -R u=rwX,go=rX "$tree"
chmod 755 "$tree"/bin/* "$tree"/benchmark/*.sh "$tree/libexec/rocketmq"
chmod 644 "$tree/bin/README.md"

# Archives are written by git: no other program is needed, modes are kept, and equal content gives equal bytes.
scratch=$(mktemp -d "$out/.pack.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
date=$(git -C "$repo" log -1 --format=%cI 2>/dev/null || echo "2021-10-25T00:00:00+08:00")
pack() {
    GIT_DIR="$scratch/git" GIT_WORK_TREE="$tree" GIT_AUTHOR_DATE="$date" GIT_COMMITTER_DATE="$date" \
        GIT_AUTHOR_NAME=rocketmq GIT_AUTHOR_EMAIL=rocketmq GIT_COMMITTER_NAME=rocketmq GIT_COMMITTER_EMAIL=rocketmq \
        git -c core.autocrlf=false -c core.excludesFile=/dev/null -c core.attributesFile=/dev/null \
        -c core.bare=false -c core.fileMode=true -c tar.umask=022 "$@"
}
git init -q --bare "$scratch/git"
(cd "$tree" && pack add --all --force .)
commit=$(pack commit-tree -m "$name" "$(pack write-tree)")
for format in tar.gz zip; do
    pack archive --format="$format" --prefix="$name/" -o "$out/$name.$format" "$commit"
done

if git -C "$repo" rev-parse -q --verify HEAD >/dev/null 2>&1; then
    source_name="rocketmq-all-$version-source-release"
    git -C "$repo" archive --format=zip --prefix="$source_name/" -o "$out/$source_name.zip" HEAD
    [ -z "$(git -C "$repo" status --porcelain 2>/dev/null)" ] ||
        echo "package: the source release holds the last commit, not what is changed since" >&2
else
    echo "package: no source release: this is not a git checkout" >&2
fi
(cd "$out" && ls -l "$name.tar.gz" "$name.zip" ./*-source-release.zip 2>/dev/null) | awk '{ print $5, $NF }'
echo "package: $tree"
