#!/usr/bin/env bash
# Builds and runs every test; the last line is "N passed, N failed, N skipped". --no-build takes what is built; other arguments
# go on to dotnet test.
set -uo pipefail
cd "$(dirname "$0")/.."
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

build=yes
arguments=()
for argument in "$@"; do
    if [ "$argument" = --no-build ]; then build=no; else arguments+=("$argument"); fi
done
if [ $build = yes ] && ! dotnet build WarpDecode.Runtime.sln -c Release; then
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

# One project after another, each with a folder of its own: reports are named by the time, and two can get the same name.
code=0
missing=0
for project in tests/*.Tests; do
    results=$reports/$(basename "$project")
    dotnet test --project "$project" -c Release --no-build --no-ansi --no-progress \
        --report-xunit-trx --results-directory "$results" --ignore-exit-code 8 ${arguments[@]+"${arguments[@]}"} || code=$?
    if ! ls "$results"/*.trx >/dev/null 2>&1; then # a project that dies leaves no report, and that counts as a failure
        echo "$project gave no report"
        missing=$((missing + 1))
    fi
done

counters() { # the sum of one attribute over the reports' <Counters …/> elements
    cat "$reports"/*/*.trx 2>/dev/null | tr '>' '\n' | sed -n "s/.*<Counters.* $1=\"\([0-9]*\)\".*/\1/p" | awk '{ sum += $1 } END { print sum + 0 }'
}
total=$(counters total)
passed=$(counters passed)
ran_badly=$(($(counters failed) + $(counters error) + $(counters timeout) + $(counters aborted)))
skipped=$((total - passed - ran_badly))
failed=$((ran_badly + missing))
# What failed stands once more at the end, where it is looked for: the name and why.
cat "$reports"/*/*.trx 2>/dev/null | tr '\n' ' ' | sed 's/<UnitTestResult /\n&/g' | grep '^<UnitTestResult [^>]*outcome="Failed"' \
    | sed -E 's/.*testName="([^"]*)".*<Message>(.{0,3000}).*/failed: \1: \2/; s/<\/Message>.*//'
if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
if [ "$failed" -gt 0 ] && [ "$code" -eq 0 ]; then code=1; fi
echo "$passed passed, $failed failed, $skipped skipped"
exit "$code"
