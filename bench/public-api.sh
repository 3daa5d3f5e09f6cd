#!/usr/bin/env bash
# Writes the public surface of the libraries to their PublicAPI.Unshipped.txt: everything that PublicAPI.Shipped.txt does not have. The build fails
# where surface and files differ; run this when the difference is meant, and read what it changed. With --ship all of it becomes the shipped surface.
set -euo pipefail
cd "$(dirname "$0")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
ship=no
if [ "${1:-}" = --ship ]; then ship=yes; fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for name in Formats Kernels Runtime; do
    folder=src/$name
    file=$folder/PublicAPI.Unshipped.txt
    if [ $ship = yes ]; then file=$folder/PublicAPI.Shipped.txt; fi
    printf '#nullable enable\n' | tee "$folder/PublicAPI.Unshipped.txt" > "$file"
    # What is missing, in the analyzer's own words, from the log that the compiler writes for machines; the libraries below are built already.
    if ! said=$(dotnet build "$folder" -c Release --no-incremental -v q --nologo -p:BuildProjectReferences=false -p:TreatWarningsAsErrors=false \
        "-p:ErrorLog=$log%2Cversion=2.1"); then
        grep ': error ' <<< "$said" | sort -u
        exit 1
    fi
    sed -n "s/.*\"text\": \"Symbol '\\(.*\\)' is not part of the declared public API.*/\\1/p" "$log" | sed 's/\\\(["\\]\)/\1/g' | LC_ALL=C sort -u >> "$file"
    echo "$file: $(($(wc -l < "$file") - 1)) members"
done
