#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Exports what a cluster is made of (configurations, topics and groups, metrics) into one JSON file. Asks for
# name server, cluster and folder.
here=$(dirname "$(readlink -f "$0")")

# ask QUESTION: the answer in $answer; asks again while it is empty.
ask() {
    answer=
    while [ -z "$answer" ]; do
        printf '%s' "$1"
        read -r answer || exit 1
    done
}

ask "Enter name server address list:"
addresses=$answer
ask "Choose a cluster to export:"
cluster=$answer
printf '%s' "Enter file path to export [default /tmp/rocketmq/export]:"
read -r folder
folder=${folder:-/tmp/rocketmq/config}

# Only what an earlier export wrote goes away; other files of that folder stay.
for part in configs metadata metrics rocketmq-metadata-export; do rm -f "$folder/$part.json"; done
for command in exportMetrics exportConfigs exportMetadata; do
    sh "$here/mqadmin" "$command" -c "$cluster" -n "$addresses" -f "$folder"
done

# What mqadmin wrote for part $1, or an empty object.
part() {
    if [ -s "$folder/$1.json" ]; then cat "$folder/$1.json"; else echo "{}"; fi
}

if ! [ -s "$folder/configs.json" ] && ! [ -s "$folder/metadata.json" ] && ! [ -s "$folder/metrics.json" ]; then
    echo "[ERROR] Nothing was exported; the messages above tell why" >&2
    exit 1
fi
export_file="$folder/rocketmq-metadata-export.json"
printf '{\n    "configs": %s,\n    "metadata": %s,\n    "metrics": %s\n}\n' \
    "$(part configs)" "$(part metadata)" "$(part metrics)" >"$export_file" || exit 1
echo "[INFO] The RocketMQ metadata has been exported to the file:$export_file"
