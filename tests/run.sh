#!/usr/bin/env bash
# Builds and runs every test; the last line is "N passed, N failed, N skipped". Arguments go on to dotnet test.
set -uo pipefail
cd "$(dirname "$0")/.."
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

# One report a project; a project that dies leaves none, and that counts as a failure.
expected=$(ls -d tests/*.Tests | wc -l)
dotnet test --solution WarpDecode.Runtime.sln -c Release --no-ansi --no-progress \
    --report-xunit-trx --results-directory "$reports" --ignore-exit-code 8 "$@"
code=$?

counters() { # the sum of one attribute over the reports' <Counters …/> elements
    cat "$reports"/*.trx 2>/dev/null | tr '>' '\n' | sed -n "s/.*<Counters.* $1=\"\([0-9]*\)\".*/\1/p" | awk '{ sum += $1 } END { print sum + 0 }'
}
found=$(ls "$reports"/*.trx 2>/dev/null | wc -l)
total=$(counters total)
passed=$(counters passed)
failed=$(($(counters failed) + $(counters error) + $(counters timeout) + $(counters aborted)))
skipped=$((total - passed - failed))
if [ "$found" -lt "$expected" ]; then
    echo "only $found of $expected test projects gave a report"
    failed=$((failed + expected - found))
fi
if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
[ "$failed" -gt 0 ] && [ "$code" -eq 0 ] && code=1
echo "$passed passed, $failed failed, $skipped skipped"
exit "$code"
